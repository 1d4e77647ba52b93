//! Queries over few sub-organizations and over very many, in one run: what grows with their number, and what does not.

mod cases;
mod fill;
mod server;
mod table;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::LocalSet;

use self::cases::{CASES, Case};
use self::fill::Site;
use self::server::Server;
use self::table::Results;
use crate::client::Connection;
use crate::machine::{self, Cores};
use crate::place::Place;
use crate::report::percentile;

/// What 99 of 100 answers have to keep to at the full number.
const FLOOR: Duration = Duration::from_millis(5);

/// Requests of each case before the first measurement, which do not count.
const WARM_UP: usize = 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The number of sub-organizations that everything is compared with.
    pub few: usize,
    /// The full number.
    pub many: usize,
    /// Requests per case, number and round.
    pub requests: usize,
    /// How often.
    pub rounds: usize,
}

/// What one case took in one round.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Median.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// Both numbers of sub-organizations.
struct Pair<T> {
    few: T,
    many: T,
}

/// What one round found, for each case.
type Round = Vec<Pair<Point>>;

/// A report as Markdown, and what of it is not as it has to be.
pub struct Report {
    pub text: String,
    /// The cases that do not keep to the floor, by name.
    pub slow: Vec<&'static str>,
}

/// A server, somebody who asks it, and what there is to ask for.
struct Subject {
    site: Site,
    server: Server,
    connection: Connection,
    /// How many requests were made, so that each is about another sub-organization.
    asked: usize,
}

/// Measures and reports.
pub fn run(plan: &Plan) -> Result<Report> {
    let cores = Cores::choose()?;
    let place = Place::make(false)?;
    // On both processors: the store makes pages on one while the other makes rows.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let runtime = runtime.context("cannot start a thread to load the data")?;
    let few = runtime.block_on(Site::fill(place.within("few")?, plan.few))?;
    let many = runtime.block_on(Site::fill(place.within("many")?, plan.many))?;
    drop(runtime);

    machine::pin(&[cores.generator])?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the load generator")?;
    LocalSet::new().block_on(&runtime, measure(plan, cores, &place, Pair { few, many }))
}

async fn measure(plan: &Plan, cores: Cores, place: &Place, sites: Pair<Site>) -> Result<Report> {
    let mut subjects =
        Pair { few: Subject::start(sites.few, cores).await?, many: Subject::start(sites.many, cores).await? };
    for case in CASES {
        subjects.few.measure(case, WARM_UP).await?;
        subjects.many.measure(case, WARM_UP).await?;
    }
    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 1..=plan.rounds {
        let mut round = Round::with_capacity(CASES.len());
        for case in CASES {
            // Right after each other, in every second round in the opposite order.
            let found = if number % 2 == 1 {
                let few = subjects.few.measure(case, plan.requests).await?;
                Pair { few, many: subjects.many.measure(case, plan.requests).await? }
            } else {
                let many = subjects.many.measure(case, plan.requests).await?;
                Pair { few: subjects.few.measure(case, plan.requests).await?, many }
            };
            eprintln!("round {number}: {}: p99 {:?} / {:?}", case.name, found.few.p99, found.many.p99);
            round.push(found);
        }
        rounds.push(round);
    }
    let sync = machine::sync_time(place.path())?;
    let results = Results { plan, rounds: &rounds, few: &subjects.few.site, many: &subjects.many.site, sync };
    Ok(Report { text: results.to_markdown(), slow: results.slow() })
}

impl Subject {
    async fn start(site: Site, cores: Cores) -> Result<Self> {
        let server = Server::start(&site, cores.server)?;
        let connection = Connection::open(server.address).await?;
        Ok(Self { site, server, connection, asked: 0 })
    }

    /// Asks one after the other, and checks every answer.
    async fn measure(&mut self, case: &Case, requests: usize) -> Result<Point> {
        let mut times = Vec::with_capacity(requests);
        for _ in 0..requests {
            let user = &self.site.users[self.asked % self.site.users.len()];
            self.asked += 1;
            let question = (case.ask)(&self.site, user);
            self.server.commit_something().await?;
            let headers = [(question.header.0, question.header.1.as_str())];
            let asked = self.connection.post(&question.path, &headers, question.body).await;
            let (took, answer) = asked.with_context(|| format!("{} cannot be measured", case.name))?;
            let answer = String::from_utf8_lossy(&answer);
            ensure!(answer.contains(&question.expected), "{} was answered with {answer}", case.name);
            times.push(took);
        }
        Ok(Point {
            p50: percentile(&mut times, 0.5),
            p99: percentile(&mut times, 0.99),
            max: percentile(&mut times, 1.0),
        })
    }
}
