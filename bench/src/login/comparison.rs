//! The report on several servers side by side, as Markdown: two stores, or a disk and a slower one.

use std::fmt::{Result as Written, Write as _};
use std::time::Duration;

use super::database::SETTINGS;
use super::limit::logins_per_second;
use super::load::STEPS;
use super::subject::{Kind, Measured, Store, Subject};
use super::{DatabaseOn, Plan, Round, Setup};
use crate::machine;
use crate::report::median;

/// The least share of the embedded store's rate that PostgreSQL is to reach.
const STORE_FLOOR: f64 = 0.65;
/// The least share of the undelayed rate that a slower disk is to leave.
const DELAY_FLOOR: f64 = 0.85;

/// Everything a run found.
pub struct Comparison<'a> {
    pub plan: &'a Plan,
    pub setup: &'a Setup,
    pub rounds: &'a [Round],
    pub subjects: &'a [Subject],
    /// Time of one synced write, undelayed.
    pub sync: Duration,
    /// Bytes of each subject's database, where that is PostgreSQL.
    pub sizes: Vec<Option<u64>>,
}

impl Comparison<'_> {
    /// Medians over the rounds; a ratio is the median of the rounds' own ratios.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> Written {
        let Self { plan, rounds, sync, .. } = self;
        writeln!(
            out,
            "Machine: {}. A write of 4 KiB with `fdatasync`: {:.2} ms.",
            machine::describe(),
            sync.as_secs_f64() * 1000.0
        )?;
        writeln!(
            out,
            "{} rounds of {} s for each figure, interleaved; medians of the rounds.",
            plan.rounds,
            plan.time.as_secs_f64()
        )?;
        if self.subjects.iter().any(|subject| subject.kind.store == Store::Postgres) {
            let settings: Vec<_> =
                SETTINGS.iter().map(|(name, value)| format!("`{name} = {value}`")).collect();
            let place = match self.setup.database_on {
                DatabaseOn::Load => "on the load generator's processor",
                DatabaseOn::Server => "on the server's processor",
                DatabaseOn::Both => "on both processors",
            };
            writeln!(
                out,
                "PostgreSQL: {place}, its defaults but for {}; every commit is synced.",
                settings.join(" and ")
            )?;
        }
        let limit = median(rounds.iter().map(|round| logins_per_second(&round.limit)));
        writeln!(out, "Crypto-only limit: {limit:.0} logins/s.\n")?;
        match plan.delay {
            None => self.write_stores(out, limit),
            Some(delay) => self.write_delays(out, delay),
        }
    }

    fn write_stores(&self, out: &mut String, limit: f64) -> Written {
        let (Some(embedded), Some(postgres)) =
            (self.position(Store::Embedded, None), self.position(Store::Postgres, None))
        else {
            return Ok(());
        };
        let names = ["embedded", "PostgreSQL"];
        writeln!(
            out,
            "| connections | embedded, logins/s | PostgreSQL, logins/s | PostgreSQL of embedded | of the limit | server's core busy | other core busy |"
        )?;
        writeln!(out, "|---:|---:|---:|---:|---:|---:|---:|")?;
        for (index, connections) in self.plan.connections.iter().enumerate() {
            let both =
                |value: fn(&Measured) -> f64| [embedded, postgres].map(|at| self.median(at, index, value));
            let rates = both(rate);
            let server = both(|measured| measured.point.server_busy);
            let other = both(|measured| measured.point.generator_busy);
            let database = match self.setup.database_on {
                DatabaseOn::Load => self.median(postgres, index, database_busy),
                DatabaseOn::Server | DatabaseOn::Both => 0.0,
            };
            writeln!(
                out,
                "| {connections} | {:.0} | {:.0} | {:.2} | {:.2} / {:.2} | {:.0} % / {:.0} % | {:.0} % / {:.0} % |",
                rates[0],
                rates[1],
                self.ratio(postgres, embedded, index),
                rates[0] / limit,
                rates[1] / limit,
                100.0 * server[0],
                100.0 * server[1],
                100.0 * other[0],
                100.0 * (other[1] + database),
            )?;
        }
        if let Some(last) = self.plan.connections.len().checked_sub(1) {
            let what = format!("PostgreSQL at {} connections", self.plan.connections[last]);
            write_floor(out, &what, self.ratio(postgres, embedded, last), STORE_FLOOR)?;
        }
        writeln!(out, "\nWhat a login costs PostgreSQL:\n")?;
        writeln!(out, "| connections | processor, µs | writing transactions | bytes of write-ahead log |")?;
        writeln!(out, "|---:|---:|---:|---:|")?;
        for (index, connections) in self.plan.connections.iter().enumerate() {
            let of = |value: fn(&Measured) -> f64| self.median(postgres, index, value);
            writeln!(
                out,
                "| {connections} | {:.0} | {:.1} | {:.0} |",
                of(database_micros),
                of(|measured| per_login(measured, |usage| usage.transactions as f64)),
                of(|measured| per_login(measured, |usage| usage.log_bytes as f64)),
            )?;
        }
        if let Some(size) = self.sizes.get(postgres).copied().flatten() {
            let users = self.subjects[postgres].site.users_made();
            writeln!(
                out,
                "\nAt the end PostgreSQL holds {users} users and their logins in {:.0} MB.",
                size as f64 / 1e6
            )?;
        }
        writeln!(
            out,
            "\nMilliseconds, p50 / p99. `mail` is the time from the answer of `init` to the message's arrival.\n"
        )?;
        writeln!(out, "| connections | store | {} |", STEPS.join(" | "))?;
        writeln!(out, "|---:|---|{}", "---:|".repeat(STEPS.len()))?;
        for (index, connections) in self.plan.connections.iter().enumerate() {
            for (at, name) in [embedded, postgres].into_iter().zip(names) {
                write!(out, "| {connections} | {name} |")?;
                for step in 0..STEPS.len() {
                    let points = || self.rounds.iter().map(|round| &round.measured[at][index].point);
                    let p50 = median(points().map(|point| point.p50[step]));
                    let p99 = median(points().map(|point| point.p99[step]));
                    write!(out, " {p50:.2} / {p99:.2} |")?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn write_delays(&self, out: &mut String, delay: Duration) -> Written {
        let ms = delay.as_secs_f64() * 1000.0;
        writeln!(
            out,
            "| connections | store | undelayed, logins/s | each sync {ms} ms longer, logins/s | kept | logins per sync, undelayed | delayed |"
        )?;
        writeln!(out, "|---:|---|---:|---:|---:|---:|---:|")?;
        let mut floors = Vec::new();
        for (index, connections) in self.plan.connections.iter().enumerate() {
            for store in [Store::Embedded, Store::Postgres] {
                let (Some(undelayed), Some(delayed)) =
                    (self.position(store, Some(Duration::ZERO)), self.position(store, Some(delay)))
                else {
                    continue;
                };
                let kept = self.ratio(delayed, undelayed, index);
                writeln!(
                    out,
                    "| {connections} | {} | {:.0} | {:.0} | {kept:.2} | {:.1} | {:.1} |",
                    store.name(),
                    self.median(undelayed, index, rate),
                    self.median(delayed, index, rate),
                    self.median(undelayed, index, logins_per_sync),
                    self.median(delayed, index, logins_per_sync),
                )?;
                floors.push((format!("{} at {connections} connections", store.name()), kept));
            }
        }
        for (what, kept) in floors {
            write_floor(out, &what, kept, DELAY_FLOOR)?;
        }
        Ok(())
    }

    fn position(&self, store: Store, delay: Option<Duration>) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.kind == Kind { store, delay })
    }

    fn median(&self, subject: usize, connections: usize, value: fn(&Measured) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| value(&round.measured[subject][connections])))
    }

    fn ratio(&self, subject: usize, to: usize, connections: usize) -> f64 {
        median(self.rounds.iter().map(|round| {
            rate(&round.measured[subject][connections]) / rate(&round.measured[to][connections])
        }))
    }
}

fn write_floor(out: &mut String, what: &str, share: f64, floor: f64) -> Written {
    let is_met = if share >= floor { "met" } else { "not met" };
    writeln!(out, "\n{what}: {share:.2}; the floor of {floor:.2} is {is_met}.")
}

fn rate(measured: &Measured) -> f64 {
    measured.point.logins_per_second
}

fn per_login(measured: &Measured, value: fn(&super::database::Usage) -> f64) -> f64 {
    measured.usage.as_ref().map_or(0.0, |usage| value(usage) / measured.logins)
}

fn database_micros(measured: &Measured) -> f64 {
    per_login(measured, |usage| usage.cpu.as_secs_f64() * 1e6)
}

fn database_busy(measured: &Measured) -> f64 {
    measured.usage.as_ref().map_or(0.0, |usage| usage.cpu.as_secs_f64() / measured.took.as_secs_f64())
}

fn logins_per_sync(measured: &Measured) -> f64 {
    measured.syncs.map_or(0.0, |syncs| 1.0 / syncs)
}
