//! When a message that nobody took is tried again.

use std::time::Duration;

/// The pauses between tries: each kind of message has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The pause after the first try; it doubles with each.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Schedule {
    /// How long to wait after try number `attempt`, which counts from 1.
    pub fn pause(&self, attempt: i64) -> Duration {
        let doublings = attempt.saturating_sub(1).clamp(0, 30);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let schedule = Schedule { first: Duration::from_secs(1), max: Duration::from_secs(30) };
        let pauses: Vec<_> = [0, 1, 2, 3, 5, 6, 100, i64::MAX].map(|n| schedule.pause(n).as_secs()).into();
        assert_eq!(pauses, [1, 1, 2, 4, 16, 30, 30, 30]);
    }
}
