//! The report, as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use super::limit::logins_per_second;
use super::load::{Point, STEPS};
use super::subject::Subject;
use super::{Plan, Round};
use crate::machine::{self, Memory};
use crate::report::median;

/// Everything a run found.
pub struct Results<'a> {
    pub plan: &'a Plan,
    pub rounds: &'a [Round],
    pub subject: &'a Subject,
    /// Memory of the server after the last one.
    pub memory: Memory,
    /// Time of one synced write.
    pub sync: Duration,
}

impl Results<'_> {
    /// Medians over the rounds.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { plan, rounds, subject, memory, sync } = self;
        let (at_start, users) = (subject.at_start, subject.site.users_made());
        let limit = median(rounds.iter().map(|round| logins_per_second(&round.limit)));
        writeln!(
            out,
            "Machine: {}. A write of 4 KiB with `fdatasync`: {:.2} ms.",
            machine::describe(),
            ms(*sync)
        )?;
        writeln!(
            out,
            "{} rounds of {} s for each line, interleaved; medians of the rounds. {users} users.\n",
            plan.rounds,
            plan.time.as_secs_f64()
        )?;
        writeln!(
            out,
            "| connections | logins/s | of the limit | server's core busy | generator's core busy |"
        )?;
        writeln!(out, "|---:|---:|---:|---:|---:|")?;
        writeln!(out, "| crypto only | {limit:.0} | 1.00 | | |")?;
        for index in 0..plan.connections.len() {
            let of =
                |value: fn(&Point) -> f64| median(rounds.iter().map(|round| value(self.point(round, index))));
            let per_second = of(|point| point.logins_per_second);
            writeln!(
                out,
                "| {} | {per_second:.0} | {:.2} | {:.0} % | {:.0} % |",
                plan.connections[index],
                per_second / limit,
                100.0 * of(|point| point.server_busy),
                100.0 * of(|point| point.generator_busy),
            )?;
        }
        self.write_steps(out)?;
        self.write_delivery(out)?;
        writeln!(
            out,
            "\nResident memory of the server: {:.0} MiB when it is ready, {:.0} MiB at the end, {:.0} MiB at its highest.\n",
            at_start.resident, memory.resident, memory.peak
        )?;
        self.write_limit(out)
    }

    fn point<'a>(&self, round: &'a Round, connections: usize) -> &'a Point {
        // The only subject.
        &round.measured[0][connections].point
    }

    fn write_steps(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\nMilliseconds, p50 / p99. `mail` is the time from the answer of `init` to the message's arrival.\n"
        )?;
        writeln!(out, "| connections | {} |", STEPS.join(" | "))?;
        writeln!(out, "|---:|{}", "---:|".repeat(STEPS.len()))?;
        for (index, connections) in self.plan.connections.iter().enumerate() {
            write!(out, "| {connections} |")?;
            for step in 0..STEPS.len() {
                let points = || self.rounds.iter().map(|round| self.point(round, index));
                let p50 = median(points().map(|point| point.p50[step]));
                let p99 = median(points().map(|point| point.p99[step]));
                write!(out, " {p50:.2} / {p99:.2} |")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_delivery(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\nMilliseconds from the request to the mail server's answer, as the server counts them in `vestibule_delivery_seconds`.\n"
        )?;
        writeln!(out, "| connections | p50 | p99 |")?;
        writeln!(out, "|---:|---:|---:|")?;
        for (index, connections) in self.plan.connections.iter().enumerate() {
            let of = |share| {
                let rounds = self.rounds.iter().map(|round| &round.measured[0][index].delivery);
                median(rounds.map(|delivery| delivery.quantile(share)))
            };
            writeln!(out, "| {connections} | {:.1} | {:.1} |", of(0.5), of(0.99))?;
        }
        Ok(())
    }

    fn write_limit(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "What the crypto-only limit is made of:\n")?;
        writeln!(out, "| operation | times | µs each | µs |")?;
        writeln!(out, "|---|---:|---:|---:|")?;
        let mut total = 0.0;
        let first = self.rounds.first().map_or(&[][..], |round| &round.limit);
        for (index, cost) in first.iter().enumerate() {
            let micros = median(self.rounds.iter().map(|round| round.limit[index].micros));
            let all = micros * f64::from(cost.times);
            total += all;
            writeln!(out, "| {} | {} | {micros:.1} | {all:.1} |", cost.name, cost.times)?;
        }
        writeln!(out, "| one login | | | {total:.1} |")
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
