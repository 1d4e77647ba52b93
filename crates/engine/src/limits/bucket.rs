//! How fast something may happen: the rows of the table whose window is refilled steadily.
//!
//! Promise: in any stretch of time no longer than a window at most the count and the burst of a row together pass.

use super::{Action, Counter, Limit};
use crate::model::Millis;

/// A leaky bucket as a meter (the generic cell rate algorithm, ITU-T I.371): each event fills it by one drop, it runs out at
/// the rate of the row, and what would overflow it meets the row. Levels are in microseconds until it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// What one event fills it by: the window divided by the count.
    pub drop_us: i64,
    /// As much as goes in: the burst.
    pub burst_us: i64,
    /// What is remembered at most, of events that the row met and let pass. Who is delayed waits for the others, and for no
    /// more of them than a window takes.
    pub most_us: i64,
}

impl Bucket {
    /// That of a row that has a window.
    pub fn of(limit: Limit) -> Self {
        let window_us = limit.window_ms() * 1000;
        // Rounded up, so that no more than the count passes in a window.
        let drop_us = window_us.unsigned_abs().div_ceil(u64::from(limit.count.max(1))).max(1).cast_signed();
        let burst_us = drop_us * i64::from(limit.burst());
        let queue_us = if limit.action == Action::Delay { window_us } else { 0 };
        Self { drop_us, burst_us, most_us: burst_us + queue_us }
    }

    /// Until one more event fits, milliseconds; zero or less where one does.
    pub fn wait_ms(&self, level_us: i64) -> i64 {
        let over = level_us + self.drop_us - self.burst_us;
        over.div_euclid(1000) + i64::from(over.rem_euclid(1000) > 0)
    }

    /// The level after one more event.
    pub fn after(&self, level_us: i64) -> i64 {
        (level_us + self.drop_us).min(self.most_us)
    }

    /// What a stored counter says of the level.
    pub fn level_us(&self, counter: &Counter, now: Millis) -> i64 {
        // A clock that was set back must not leave anybody waiting for as long.
        (counter.amount - (now - counter.since) * 1000).clamp(0, self.most_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a flood pass in so many milliseconds, one try in each.
    fn passed(limit: Limit, ms: i64) -> u32 {
        let bucket = Bucket::of(limit);
        let (mut level_us, mut passed) = (0, 0);
        for _ in 0..ms {
            if bucket.wait_ms(level_us) <= 0 {
                level_us = bucket.after(level_us);
                passed += 1;
            }
            level_us = (level_us - 1000).max(0);
        }
        passed
    }

    #[test]
    fn a_flood_gets_the_burst_and_then_the_rate() {
        let row = Limit::refuse(10, 1);
        assert_eq!(passed(row, 1), 1);
        assert_eq!(passed(row, 10), 10, "without a burst of its own all of the count may come at once");
        assert_eq!(passed(row, 1000), 19, "and never more than twice as much in a window");
        assert_eq!(passed(Limit { burst: Some(3), ..row }, 1000), 12);
        assert_eq!(passed(Limit { burst: Some(1), ..row }, 10_000), 100);
        assert_eq!(passed(Limit { burst: Some(1), ..Limit::refuse(7, 1) }, 10_000), 70);
    }

    #[test]
    fn the_wait_ends_when_one_more_fits() {
        let bucket = Bucket::of(Limit { burst: Some(2), ..Limit::refuse(3, 1) });
        assert_eq!(bucket.drop_us, 333_334);
        let full = bucket.after(bucket.after(0));
        assert_eq!(bucket.wait_ms(full), 334);
        assert_eq!(bucket.wait_ms(full - 333_000), 1);
        assert_eq!(bucket.wait_ms(full - 334_000), 0);
        assert_eq!(
            bucket.after(full),
            full,
            "what is let pass beside a refusal makes nobody wait for longer"
        );
    }

    #[test]
    fn those_who_are_delayed_queue_up_for_one_window() {
        let bucket = Bucket::of(Limit { action: Action::Delay, ..Limit::refuse(2, 10) });
        let mut level_us = 0;
        let waits: Vec<i64> = (0..6)
            .map(|_| {
                let wait = bucket.wait_ms(level_us);
                level_us = bucket.after(level_us);
                wait
            })
            .collect();
        assert_eq!(waits, [-5000, 0, 5000, 10_000, 15_000, 15_000]);
    }

    #[test]
    fn a_level_runs_out_with_time_and_a_clock_that_is_set_back_fills_nothing() {
        let bucket = Bucket::of(Limit::refuse(2, 10));
        let counter = Counter { since: 100_000, amount: 7_000_000, ..Counter::default() };
        assert_eq!(bucket.level_us(&counter, 100_000), 7_000_000);
        assert_eq!(bucket.level_us(&counter, 104_000), 3_000_000);
        assert_eq!(bucket.level_us(&counter, 108_000), 0);
        assert_eq!(bucket.level_us(&counter, 0), bucket.most_us);
        assert_eq!(bucket.level_us(&Counter::default(), 108_000), 0);
    }
}
