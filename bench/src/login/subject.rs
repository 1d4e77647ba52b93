//! What is measured: a server on one of the stores, on the disk as it is or on a slower one, with clients of its own.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::Setup;
use super::database::{Postgres, Usage};
use super::delay::{Shim, Syncs};
use super::delivery::Delivery;
use super::load::{self, Point};
use super::mail::MailServer;
use super::server::Server;
use super::users::{self, Site};
use crate::machine::{self, Cores, Memory};
use crate::place::Place;

/// Connections of the warm-up, each of which carries four logins.
const WARM_UP_CONNECTIONS: usize = 16;

/// Where the server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// SQLite, inside the server.
    Embedded,
    /// PostgreSQL, started for the run.
    Postgres,
}

impl Store {
    /// As the reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its store.
    pub store: Store,
    /// How much longer its syncs take. None: they are neither delayed nor counted.
    pub delay: Option<Duration>,
}

impl Kind {
    /// As progress is told.
    pub fn name(self) -> String {
        match self.delay {
            None => self.store.name().to_owned(),
            Some(delay) => format!("{}, syncs {} ms longer", self.store.name(), delay.as_secs_f64() * 1000.0),
        }
    }
}

/// A server that is ready to be measured. Dropping it ends everything it consists of.
pub struct Subject {
    pub kind: Kind,
    pub site: Rc<Site>,
    /// Memory of the server before its first request.
    pub at_start: Memory,
    // The server ends before its database does: fields drop in order.
    pub server: Server,
    pub postgres: Option<Postgres>,
    syncs: Option<Syncs>,
}

/// What one measurement found, the database's part included.
#[derive(Debug, Clone)]
pub struct Measured {
    pub point: Point,
    /// Syncs per login, if they are counted.
    pub syncs: Option<f64>,
    /// What PostgreSQL used.
    pub usage: Option<Usage>,
    /// How long messages took from the request to the mail server's answer, by the server's own account.
    pub delivery: Delivery,
    /// How many logins that was for, whether they ended in time or not.
    pub logins: f64,
    /// How long it took altogether.
    pub took: Duration,
}

impl Subject {
    /// Starts it, and has it serve a few logins that do not count.
    pub async fn start(
        setup: &Setup,
        kind: Kind,
        cores: Cores,
        place: &Place,
        shim: Option<&Shim>,
    ) -> Result<Self> {
        let name = format!("{:?}-{}", kind.store, kind.delay.unwrap_or_default().as_micros()).to_lowercase();
        let (environment, syncs) = match (shim, kind.delay) {
            (Some(shim), Some(delay)) => {
                let (environment, syncs) = shim.prepare(&format!("{name}.count"), delay)?;
                (environment, Some(syncs))
            }
            _ => (Vec::new(), None),
        };
        // The delay belongs where the store syncs.
        let (for_server, for_postgres) = match kind.store {
            Store::Embedded => (environment, Vec::new()),
            Store::Postgres => (Vec::new(), environment),
        };
        let postgres = match kind.store {
            Store::Embedded => None,
            Store::Postgres => {
                Some(Postgres::start(place.path(), &setup.database_on.cores(cores), for_postgres)?)
            }
        };
        let mail = MailServer::start().await?;
        let url = postgres.as_ref().map(Postgres::url);
        let server =
            Server::start(setup, place.within(&name)?, mail.address(), cores.server, url, for_server)?;
        eprintln!("{}: the server is process {} at {}", kind.name(), server.pid(), server.address);
        let at_start = machine::memory(server.pid())?;
        let site = Rc::new(Site::new(&server, mail)?);
        users::top_up(&site, WARM_UP_CONNECTIONS * 4).await?;
        load::warm_up(&site, WARM_UP_CONNECTIONS).await?;
        Ok(Self { kind, site, at_start, server, postgres, syncs })
    }

    /// Measures it once.
    pub async fn measure(&self, connections: usize, time: Duration) -> Result<Measured> {
        let delivered = Delivery::of(self.server.metrics()?)?;
        let before = (self.sync_count()?, self.usage()?, self.site.users_waiting());
        let (point, took) =
            load::run(&self.site, self.server.pid(), connections, time).await.with_context(|| {
                format!("{} with {connections} connections; {}", self.kind.name(), self.server.troubles())
            })?;
        let logins = before.2.saturating_sub(self.site.users_waiting()) as f64;
        let syncs = before.0.zip(self.sync_count()?).map(|(before, after)| (after - before) as f64 / logins);
        let usage = before.1.zip(self.usage()?).map(|(before, after)| after - before);
        let delivery = Delivery::of(self.server.metrics()?)?.since(&delivered);
        Ok(Measured { point, syncs, usage, delivery, logins, took })
    }

    /// Where what must last is written.
    pub fn data(&self) -> &Path {
        self.postgres.as_ref().map_or_else(|| self.server.directory(), Postgres::directory)
    }

    /// Bytes of the database, where that is PostgreSQL.
    pub fn database_size(&self) -> Result<Option<u64>> {
        self.postgres.as_ref().map(Postgres::size).transpose()
    }

    fn sync_count(&self) -> Result<Option<u64>> {
        self.syncs.as_ref().map(Syncs::count).transpose()
    }

    fn usage(&self) -> Result<Option<Usage>> {
        self.postgres.as_ref().map(Postgres::usage).transpose()
    }
}
