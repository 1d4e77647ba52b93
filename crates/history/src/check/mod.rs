//! The checker.

mod answers;
mod codes;
mod groups;
mod readable;
mod report;

pub use report::{Report, Rule, Violation};

use crate::event::{Event, History};
use groups::Groups;

/// What the checker cannot know by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How far the clock that judges expiry may lie from the recorder's, or jump, in milliseconds.
    pub skew_ms: u64,
}

impl Default for Bounds {
    /// Five seconds: a node whose clock is further from the database's commits nothing (`docs/reliability.md`).
    fn default() -> Self {
        Self { skew_ms: 5000 }
    }
}

/// Holds a history against every rule.
pub fn check(history: &History, bounds: Bounds) -> Report {
    let groups = Groups::of(&history.events);
    let checker = Checker { history, events: &history.events, groups: &groups, bounds };
    let mut report = Report::of(history, &groups);
    report.violations.extend(groups.contradictions.iter().cloned());
    checker.answers(&mut report);
    checker.codes(&mut report);
    checker.readable(&mut report);
    report
}

struct Checker<'a> {
    history: &'a History,
    events: &'a [Event],
    groups: &'a Groups<'a>,
    bounds: Bounds,
}
