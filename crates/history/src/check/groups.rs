//! Requests with the same bytes, which share one effect.

use std::collections::HashMap;

use super::report::{Rule, Violation};
use crate::INVALID_CODE;
use crate::event::{Event, Ids, Operation, Outcome};

/// All requests that carried the same bytes.
pub(super) struct Group<'a> {
    pub(super) operation: &'a Operation,
    /// Indexes of its requests.
    pub(super) events: Vec<usize>,
    /// The earliest sending: it has no effect before.
    pub(super) began_us: u64,
    /// The acknowledgement that came first, and what it named: it had its effect by then.
    pub(super) acknowledged: Option<(usize, &'a Ids)>,
    /// The refusal as a wrong code that came first.
    pub(super) refused: Option<usize>,
}

impl Group<'_> {
    /// Whether it may have had its effect although nobody was told: no answer settles it.
    pub(super) fn is_open(&self) -> bool {
        self.acknowledged.is_none() && self.refused.is_none()
    }
}

pub(super) struct Groups<'a> {
    /// In the order of their first requests.
    pub(super) all: Vec<Group<'a>>,
    /// Bytes that were recorded as two different requests.
    pub(super) contradictions: Vec<Violation>,
}

impl<'a> Groups<'a> {
    /// Queries are left out.
    pub(super) fn of(events: &'a [Event]) -> Self {
        let mut by_bytes: HashMap<&str, usize> = HashMap::new();
        let mut all: Vec<Group<'a>> = Vec::new();
        let mut contradictions = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if event.ended_us < event.began_us {
                contradictions.push(Violation::new(Rule::Record, "an answer before its request", [index]));
            }
            if event.operation.is_query() {
                continue;
            }
            let at = *by_bytes.entry(&event.bytes).or_insert_with(|| {
                all.push(Group {
                    operation: &event.operation,
                    events: Vec::new(),
                    began_us: event.began_us,
                    acknowledged: None,
                    refused: None,
                });
                all.len() - 1
            });
            let group = &mut all[at];
            if *group.operation != event.operation {
                let first = group.events[0];
                contradictions.push(Violation::new(
                    Rule::Record,
                    "the same bytes ask for two things",
                    [first, index],
                ));
                continue;
            }
            group.events.push(index);
            group.began_us = group.began_us.min(event.began_us);
            let is_earlier = |known: usize| event.ended_us < events[known].ended_us;
            match &event.outcome {
                Outcome::Acknowledged(ids) => {
                    if group.acknowledged.is_none_or(|(known, _)| is_earlier(known)) {
                        group.acknowledged = Some((index, ids));
                    }
                }
                Outcome::Refused { message, .. } if message == INVALID_CODE => {
                    if group.refused.is_none_or(is_earlier) {
                        group.refused = Some(index);
                    }
                }
                Outcome::Refused { .. } | Outcome::Unavailable | Outcome::Lost | Outcome::Failed { .. } => {}
            }
        }
        Self { all, contradictions }
    }
}
