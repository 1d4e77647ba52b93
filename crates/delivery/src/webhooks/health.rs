//! What is known of endpoints that do not answer, in memory and of this node alone.
//!
//! Promise: an endpoint that fails again and again is tried with one delivery at a time, and ever more seldom, until it
//! takes one; together such endpoints keep a quarter of the places at most.

use std::collections::HashMap;

use uuid::Uuid;
use vestibule_engine::model::Millis;

/// Failures in a row from which on an endpoint counts as failing.
const FAILING_FROM: u32 = 3;

/// The first pause of a failing endpoint, and the longest. No longer than the shortest of [`super::schedule`]'s would delay
/// an endpoint with a single delivery, so that only those with many feel it.
const FIRST_PAUSE_MS: Millis = 250;
const LONGEST_PAUSE_MS: Millis = 5_000;

/// Endpoints remembered; beyond that, one more is not.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    not_before: Millis,
}

/// How endpoints did of late. Those that answer are not in it.
#[derive(Debug, Default)]
pub(super) struct Health {
    records: HashMap<Uuid, Record>,
}

impl Health {
    /// Whether an endpoint counts as failing.
    pub(super) fn is_failing(&self, endpoint: Uuid) -> bool {
        self.records.get(&endpoint).is_some_and(|record| record.failures >= FAILING_FROM)
    }

    /// From when on an endpoint may be tried; in the past for one that answers.
    pub(super) fn not_before(&self, endpoint: Uuid) -> Millis {
        match self.records.get(&endpoint) {
            Some(record) if record.failures >= FAILING_FROM => record.not_before,
            _ => Millis::MIN,
        }
    }

    /// An endpoint answered, whatever it said.
    pub(super) fn answered(&mut self, endpoint: Uuid) {
        self.records.remove(&endpoint);
    }

    /// An endpoint did not answer, or said that it cannot work.
    pub(super) fn failed(&mut self, endpoint: Uuid, now: Millis) {
        if self.records.len() >= REMEMBERED && !self.records.contains_key(&endpoint) {
            return;
        }
        let record = self.records.entry(endpoint).or_insert(Record { failures: 0, not_before: now });
        record.failures = record.failures.saturating_add(1);
        let doublings = record.failures.saturating_sub(FAILING_FROM).min(20);
        record.not_before = now.saturating_add((FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_endpoint_rests_ever_longer_until_it_answers() {
        let mut health = Health::default();
        let (dead, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            health.failed(dead, 1000);
            pauses.push(health.is_failing(dead).then(|| health.not_before(dead) - 1000));
        }
        let expected =
            [None, None, Some(250), Some(500), Some(1000), Some(2000), Some(4000), Some(5000), Some(5000)];
        assert_eq!(pauses, expected);
        assert!(!health.is_failing(other) && health.not_before(other) < 0);
        health.answered(dead);
        assert!(!health.is_failing(dead) && health.not_before(dead) < 0);
    }

    #[test]
    fn memory_does_not_grow_without_bound() {
        let mut health = Health::default();
        for number in 0..2 * REMEMBERED {
            health.failed(Uuid::from_u128(number as u128), 0);
        }
        assert_eq!(health.records.len(), REMEMBERED);
    }
}
