//! What the checker found.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::groups::Groups;
use crate::event::{History, Operation, Outcome};

/// A promise that a history can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The history contradicts itself or leaves out what it speaks of: it proves nothing.
    Record,
    /// No status from 500 on but 503.
    ServerError,
    /// Nothing is refused that the server's own answers entitle to.
    Refusal,
    /// The same bytes are one activity, whatever node answers, and different bytes are different ones.
    OneActivity,
    /// A contact is sent no more codes than were asked for.
    OneCode,
    /// A wrong code is never accepted.
    WrongCode,
    /// Three wrong guesses end a code.
    ThreeGuesses,
    /// A code succeeds once.
    OneSuccess,
    /// A code that was refused as the right one does not come back.
    Revived,
    /// A code does not succeed after its expiry.
    Expiry,
    /// A live code is accepted: no guess costs more than one try.
    LiveCode,
    /// What was acknowledged can be read, unchanged.
    Readable,
    /// What was acknowledged was looked for, on every node that was up at the end.
    ReadBack,
}

impl Rule {
    /// What is promised.
    pub fn promise(self) -> &'static str {
        match self {
            Self::Record => "the history is whole",
            Self::ServerError => "no 5xx other than 503",
            Self::Refusal => "nothing is refused that was promised",
            Self::OneActivity => "the same bytes are one activity on every node",
            Self::OneCode => "no more codes are sent than were asked for",
            Self::WrongCode => "a wrong code is never accepted",
            Self::ThreeGuesses => "at most three guesses per code",
            Self::OneSuccess => "at most one success per code",
            Self::Revived => "no spent code comes back",
            Self::Expiry => "no success after expiry",
            Self::LiveCode => "no guess costs more than one try",
            Self::Readable => "every acknowledged write is readable",
            Self::ReadBack => "every acknowledged write was read back on every node",
        }
    }
}

/// A broken promise, and the requests that prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What happened.
    pub what: String,
    /// Indexes into the history's events.
    pub events: Vec<usize>,
}

impl Violation {
    pub(super) fn new(rule: Rule, what: impl Into<String>, events: impl IntoIterator<Item = usize>) -> Self {
        Self { rule, what: what.into(), events: events.into_iter().collect() }
    }
}

/// Counts and violations. Its `Display` is what `cargo xtask check-history` prints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Requests, by the names of operation and outcome.
    pub counts: BTreeMap<(&'static str, &'static str), usize>,
    /// Different bodies that were sent, queries left out.
    pub bodies: usize,
    /// Bodies of which a request was not answered, and a later one was.
    pub settled: usize,
    /// Bodies that were never answered.
    pub open: usize,
    /// Attempts that were acknowledged.
    pub codes: usize,
    /// Of them, those whose right code was accepted.
    pub consumed: usize,
    /// Of them, those that three wrong guesses ended.
    pub locked: usize,
    /// Messages delivered.
    pub deliveries: usize,
    /// Of them, repetitions of one that had been delivered.
    pub redeliveries: usize,
    /// Whatever broke a promise.
    pub violations: Vec<Violation>,
}

impl Report {
    pub(super) fn of(history: &History, groups: &Groups<'_>) -> Self {
        let mut report = Self { bodies: groups.all.len(), ..Self::default() };
        for event in &history.events {
            *report.counts.entry((event.operation.name(), event.outcome.name())).or_default() += 1;
        }
        for group in &groups.all {
            let outcomes = || group.events.iter().map(|&index| &history.events[index].outcome);
            let is_answer =
                |outcome: &Outcome| matches!(outcome, Outcome::Acknowledged(_) | Outcome::Refused { .. });
            let answered = outcomes().any(is_answer);
            report.open += usize::from(!answered);
            report.settled += usize::from(answered && !outcomes().all(is_answer));
            let is_acknowledged = group.acknowledged.is_some();
            report.codes += usize::from(is_acknowledged && matches!(group.operation, Operation::Init { .. }));
        }
        let mut delivered = HashSet::new();
        report.deliveries = history.deliveries.len();
        report.redeliveries =
            history.deliveries.iter().filter(|delivery| !delivered.insert(&delivery.otp)).count();
        report
    }

    /// Whether every promise was kept.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes = ["acknowledged", "refused", "unavailable", "lost", "failed"];
        write!(f, "{:<14}", "")?;
        for outcome in outcomes {
            write!(f, "{outcome:>14}")?;
        }
        writeln!(f)?;
        let mut operations: Vec<&str> = self.counts.keys().map(|(operation, _)| *operation).collect();
        operations.dedup();
        for operation in operations {
            write!(f, "{operation:<14}")?;
            for outcome in outcomes {
                write!(f, "{:>14}", self.counts.get(&(operation, outcome)).copied().unwrap_or_default())?;
            }
            writeln!(f)?;
        }
        let Self { bodies, settled, open, codes, consumed, locked, deliveries, redeliveries, .. } = self;
        writeln!(f, "{bodies} bodies: {settled} settled by a repetition, {open} never answered")?;
        writeln!(f, "{codes} codes: {consumed} consumed, {locked} locked by three wrong guesses")?;
        writeln!(f, "{deliveries} messages delivered, {redeliveries} of them repetitions")?;
        match self.violations.len() {
            0 => write!(f, "no violation"),
            count => write!(f, "{count} violations"),
        }
    }
}
