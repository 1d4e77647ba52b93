//! Counters that all servers on one database share: what is counted in a window, and how far it may go.

use crate::model::Millis;

/// Counters that one decision may read.
pub const MAX_COUNTERS: usize = 12;

/// What was counted for one subject. An absent row means zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// When its window began.
    pub since: Millis,
    /// Events in the window, or what they cost.
    pub amount: i64,
    /// How many of them were verified.
    pub verified: i64,
    /// `amount` of the window before, where that one ended less than a window ago.
    pub previous_amount: i64,
    /// `verified` of the window before.
    pub previous_verified: i64,
}

/// Which window an event falls into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterWindow {
    /// When a window begins that opens now.
    pub opens_at: Millis,
    /// A window that began then or before is over.
    pub over_from: Millis,
    /// One that began then or before does not count as the window before either.
    pub forgotten_from: Millis,
    /// When a window that opens now may be forgotten.
    pub expires_at: Millis,
}

impl CounterWindow {
    /// A window that opens with its first event.
    pub fn from_first(window_ms: i64, now: Millis) -> Self {
        Self {
            opens_at: now,
            over_from: now - window_ms,
            forgotten_from: now - 2 * window_ms,
            expires_at: now + 2 * window_ms,
        }
    }

    /// A stretch of the calendar.
    pub fn calendar(start: Millis, end: Millis) -> Self {
        Self { opens_at: start, over_from: start - 1, forgotten_from: start - 1, expires_at: end }
    }
}

/// A counter as it stands in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// When the window began; 0 where it would begin now.
    pub since: Millis,
    /// In the window.
    pub amount: i64,
    /// In the window.
    pub verified: i64,
    /// In the window before.
    pub previous_amount: i64,
    /// In the window before.
    pub previous_verified: i64,
}

impl Counter {
    /// As it stands in a window.
    pub fn in_window(&self, window: &CounterWindow) -> Tally {
        let Self { since, amount, verified, previous_amount, previous_verified } = *self;
        if since > window.over_from {
            Tally { since, amount, verified, previous_amount, previous_verified }
        } else if since > window.forgotten_from {
            Tally { previous_amount: amount, previous_verified: verified, ..Tally::default() }
        } else {
            Tally::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_and_counts_once_more_as_the_one_before() {
        let counter =
            Counter { since: 1000, amount: 5, verified: 2, previous_amount: 7, previous_verified: 3 };
        let at = |now| counter.in_window(&CounterWindow::from_first(100, now));
        assert_eq!(
            at(1099),
            Tally { since: 1000, amount: 5, verified: 2, previous_amount: 7, previous_verified: 3 }
        );
        let before = Tally { previous_amount: 5, previous_verified: 2, ..Tally::default() };
        assert_eq!((at(1100), at(1199)), (before, before));
        assert_eq!(at(1200), Tally::default());
    }

    #[test]
    fn a_stretch_of_the_calendar_begins_where_it_begins() {
        let counter = Counter { since: 1000, amount: 5, ..Counter::default() };
        assert_eq!(counter.in_window(&CounterWindow::calendar(1000, 2000)).amount, 5);
        assert_eq!(counter.in_window(&CounterWindow::calendar(2000, 3000)), Tally::default());
    }
}
