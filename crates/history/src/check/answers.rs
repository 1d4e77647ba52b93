//! One answer for the same bytes, no unexpected one, and no message that nobody asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Checker;
use super::groups::Group;
use super::report::{Report, Rule, Violation};
use crate::INVALID_CODE;
use crate::event::{Ids, Operation, Outcome};

/// The start of the message that turns away a contact with too many sends.
const TOO_MANY_SENDS: &str = "Max number of OTPs";

impl Checker<'_> {
    pub(super) fn answers(&self, report: &mut Report) {
        for (index, event) in self.events.iter().enumerate() {
            if let Outcome::Failed { status } = event.outcome {
                report.violations.push(Violation::new(
                    Rule::ServerError,
                    format!("status {status}"),
                    [index],
                ));
            }
        }
        let mut owners: HashMap<&str, usize> = HashMap::new();
        for group in &self.groups.all {
            self.agreed(group, report);
            self.refusals(group, report);
            let Some((index, ids)) = group.acknowledged else { continue };
            let Some(activity) = ids.activity.as_deref() else {
                report.violations.push(Violation::new(
                    Rule::Record,
                    "an acknowledgement without an activity",
                    [index],
                ));
                continue;
            };
            if let Some(other) = owners.insert(activity, index) {
                let what = format!("different bytes are one activity, {activity}");
                report.violations.push(Violation::new(Rule::OneActivity, what, [other, index]));
            }
        }
        self.messages(report);
    }

    /// Every acknowledgement says the same, and none is taken back. A send may be refused first and allowed later, when
    /// its limit has room again; a guess and a login have no such second chance.
    fn agreed(&self, group: &Group<'_>, report: &mut Report) {
        let Some((first, ids)) = group.acknowledged else { return };
        let told_us = self.events[first].ended_us;
        let may_change = match group.operation {
            Operation::Init { .. } => true,
            Operation::CreateUser { .. }
            | Operation::Verify { .. }
            | Operation::Login { .. }
            | Operation::ReadActivity { .. }
            | Operation::Whoami { .. } => false,
        };
        for &index in &group.events {
            let event = &self.events[index];
            let what = match &event.outcome {
                Outcome::Acknowledged(other) if other != ids => {
                    "the same bytes were acknowledged differently"
                }
                Outcome::Refused { .. } if !may_change || event.began_us > told_us => {
                    "the same bytes were acknowledged and refused"
                }
                Outcome::Acknowledged(Ids { .. })
                | Outcome::Refused { .. }
                | Outcome::Unavailable
                | Outcome::Lost
                | Outcome::Failed { .. } => continue,
            };
            report.violations.push(Violation::new(Rule::OneActivity, what, [first, index]));
        }
    }

    /// Only a guess may be refused, as a wrong code, and a send, by its limit.
    fn refusals(&self, group: &Group<'_>, report: &mut Report) {
        for &index in &group.events {
            let Outcome::Refused { status, message } = &self.events[index].outcome else { continue };
            let is_expected = match group.operation {
                Operation::Verify { .. } => message == INVALID_CODE,
                Operation::Init { .. } => message.starts_with(TOO_MANY_SENDS),
                Operation::CreateUser { .. } | Operation::Login { .. } => false,
                Operation::ReadActivity { .. } | Operation::Whoami { .. } => true,
            };
            if !is_expected {
                let what = format!("{} was refused: {status} {message}", group.operation.name());
                report.violations.push(Violation::new(Rule::Refusal, what, [index]));
            }
        }
    }

    /// Every body makes one code at most, whether or not anybody was told of it.
    fn messages(&self, report: &mut Report) {
        let mut asked: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for group in &self.groups.all {
            if let Operation::Init { contact, .. } = group.operation {
                asked.entry(contact).or_default().push(group.events[0]);
            }
        }
        let mut sent: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for delivery in &self.history.deliveries {
            sent.entry(&delivery.contact).or_default().insert(&delivery.otp);
        }
        for (contact, codes) in sent {
            let requests = asked.get(contact).cloned().unwrap_or_default();
            if codes.len() > requests.len() {
                let what = format!("{} requests sent {} codes to {contact}", requests.len(), codes.len());
                report.violations.push(Violation::new(Rule::OneCode, what, requests));
            }
        }
    }
}
