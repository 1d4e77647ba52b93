//! What was acknowledged is there, on every node.

use std::collections::{HashMap, HashSet};

use super::Checker;
use super::report::{Report, Rule, Violation};
use crate::event::{Event, Ids, Operation, Outcome};

impl Checker<'_> {
    pub(super) fn readable(&self, report: &mut Report) {
        let mut activities: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut sessions: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, event) in self.events.iter().enumerate() {
            match &event.operation {
                Operation::ReadActivity { activity } => activities.entry(activity).or_default().push(index),
                Operation::Whoami { key } => sessions.entry(key).or_default().push(index),
                Operation::CreateUser { .. }
                | Operation::Init { .. }
                | Operation::Verify { .. }
                | Operation::Login { .. } => {}
            }
        }
        let tokens: HashSet<&str> = self
            .groups
            .all
            .iter()
            .filter_map(|group| group.acknowledged.and_then(|(_, ids)| ids.token.as_deref()))
            .collect();
        for group in &self.groups.all {
            if let Operation::Login { token, .. } = group.operation
                && !tokens.contains(token.as_str())
            {
                let what = "a login by a token of which no acknowledgement is recorded";
                report.violations.push(Violation::new(Rule::Record, what, [group.events[0]]));
            }
            let Some((index, ids)) = group.acknowledged else { continue };
            if let Some(activity) = &ids.activity {
                let what = format!("activity {activity}");
                let same = |read: &Ids| read.activity == ids.activity && read.digest == ids.digest;
                self.looked_for(&what, index, activities.get(activity.as_str()), same, report);
            }
            if let Operation::Login { key, organization, .. } = group.operation {
                let what = format!("session key {key}");
                let same = |read: &Ids| read.organization.as_ref() == Some(organization);
                self.looked_for(&what, index, sessions.get(key.as_str()), same, report);
            }
        }
    }

    /// Every reading after the acknowledgement shows it as it was; on every node there is one.
    fn looked_for(
        &self,
        what: &str,
        acknowledged: usize,
        readings: Option<&Vec<usize>>,
        same: impl Fn(&Ids) -> bool,
        report: &mut Report,
    ) {
        let told_us = self.events[acknowledged].ended_us;
        let readings = readings.into_iter().flatten().map(|&index| (index, &self.events[index]));
        let later: Vec<(usize, &Event)> = readings.filter(|(_, event)| event.began_us > told_us).collect();
        for (index, event) in &later {
            let problem = match &event.outcome {
                Outcome::Acknowledged(read) if same(read) => continue,
                Outcome::Acknowledged(_) => "reads differently".to_owned(),
                Outcome::Refused { status, message } => format!("is not there: {status} {message}"),
                Outcome::Unavailable | Outcome::Lost | Outcome::Failed { .. } => continue,
            };
            let what = format!("{what} {problem}");
            report.violations.push(Violation::new(Rule::Readable, what, [acknowledged, *index]));
        }
        for node in &self.history.header.nodes {
            let answered =
                |event: &Event| matches!(event.outcome, Outcome::Acknowledged(_) | Outcome::Refused { .. });
            if !later.iter().any(|(_, event)| event.node == *node && answered(event)) {
                let what = format!("{what} was not looked for on node {node}");
                report.violations.push(Violation::new(Rule::ReadBack, what, [acknowledged]));
            }
        }
    }
}
