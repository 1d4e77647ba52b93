//! Who was limited, and why: gathered in memory, and written to the store now and then.
//!
//! Promise: a request that is limited costs no write; what is kept of an hour is bounded, whatever a flood names.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use vestibule_wire::{Contact, OrganizationId, OtpType};

use super::Action;
use crate::model::{AbuseRecord, Millis};

const HOUR_MS: i64 = 3_600_000;

/// Subjects told apart in an hour for each organization, limit and action; further ones are counted together.
const MAX_SUBJECTS: usize = 200;

/// What further subjects are counted as.
const OTHERS: &str = "others";

/// A limit that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Its name in the configuration.
    pub limit: &'static str,
    /// What became of the request; [`Action::Off`] where it was let through because its contact was verified before.
    pub action: Action,
    /// Whose: a masked contact, the hash of an identifier, a prefix, a country, a client address, or nothing.
    pub subject: String,
}

/// A contact as reports show it: enough for its owner to recognise it, and too little for anybody else to use it.
pub fn masked(contact: &Contact) -> String {
    let text = contact.normalised();
    match contact.kind() {
        OtpType::Email => {
            let (local, domain) = text.split_once('@').unwrap_or((text, ""));
            let first: String = local.chars().take(1).collect();
            format!("{first}***@{domain}")
        }
        OtpType::Sms => {
            let code = super::phone::calling_code(contact).unwrap_or_default();
            format!("{code}***{}", &text[text.len().saturating_sub(2)..])
        }
    }
}

/// What was counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Group {
    organization: Option<OrganizationId>,
    limit: &'static str,
    action: Action,
}

/// One subject's part of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// How often since it was last written.
    pub hits: i64,
    /// When first.
    pub first_at: Millis,
    /// When last.
    pub last_at: Millis,
}

#[derive(Debug, Default)]
struct Hour {
    starts_at: Millis,
    subjects: HashMap<String, Entry>,
}

/// What this server met and has not written yet.
#[derive(Debug, Default)]
pub struct AbuseLog(Mutex<HashMap<Group, Hour>>, Mutex<Vec<AbuseRecord>>);

impl AbuseLog {
    /// Counts a limit that was met by a request to an organization, or to the server as a whole.
    pub fn note(&self, organization: Option<OrganizationId>, limited: &Limited, now: Millis) {
        let Limited { limit, action, subject } = limited;
        let label = if *action == Action::Off { "pass" } else { action.name() };
        metrics::counter!("vestibule_limits_total", "limit" => *limit, "action" => label).increment(1);
        let group = Group { organization, limit, action: *action };
        let starts_at = now.div_euclid(HOUR_MS) * HOUR_MS;
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = groups.entry(group.clone()).or_default();
        if hour.starts_at != starts_at {
            let over = std::mem::replace(hour, Hour { starts_at, subjects: HashMap::new() });
            let mut unwritten = self.1.lock().unwrap_or_else(PoisonError::into_inner);
            unwritten.extend(records(&group, over.starts_at, over.subjects));
        }
        let known = hour.subjects.len() < MAX_SUBJECTS || hour.subjects.contains_key(subject);
        let subject = if known { subject.as_str() } else { OTHERS };
        match hour.subjects.get_mut(subject) {
            Some(entry) => {
                entry.first_at = if entry.hits == 0 { now } else { entry.first_at };
                entry.hits += 1;
                entry.last_at = now;
            }
            None => {
                hour.subjects.insert(subject.to_owned(), Entry { hits: 1, first_at: now, last_at: now });
            }
        }
    }

    /// What is to be written, each taken once.
    pub fn take(&self) -> Vec<AbuseRecord> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *self.1.lock().unwrap_or_else(PoisonError::into_inner));
        for (group, hour) in groups.iter_mut() {
            // The subjects stay, so that an hour has no more of them however often it is written.
            let entries: BTreeMap<String, Entry> =
                hour.subjects.iter().map(|(subject, entry)| (subject.clone(), *entry)).collect();
            taken.extend(records(group, hour.starts_at, entries));
            hour.subjects.values_mut().for_each(|entry| entry.hits = 0);
        }
        taken
    }

    /// Puts back what could not be written; of one subject it stays one record, however long that lasts.
    pub fn put_back(&self, records: Vec<AbuseRecord>) {
        let mut kept = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(records);
        kept.sort_by(|one, other| key(one).cmp(&key(other)));
        kept.dedup_by(|more, known| {
            let same = key(more) == key(known);
            if same {
                known.hits += more.hits;
                known.first_at = known.first_at.min(more.first_at);
                known.last_at = known.last_at.max(more.last_at);
            }
            same
        });
    }
}

/// What a record is one of its kind by.
pub(crate) fn key(record: &AbuseRecord) -> (OrganizationId, Millis, &str, &str, &str) {
    (record.tenant_id, record.hour, &record.limit, &record.action, &record.subject)
}

fn records(
    group: &Group,
    hour: Millis,
    entries: impl IntoIterator<Item = (String, Entry)>,
) -> Vec<AbuseRecord> {
    let record = |(subject, entry): (String, Entry)| AbuseRecord {
        tenant_id: group.organization.unwrap_or(AbuseRecord::SERVER),
        hour,
        limit: group.limit.to_owned(),
        action: if group.action == Action::Off { "pass" } else { group.action.name() }.to_owned(),
        subject,
        hits: entry.hits,
        first_at: entry.first_at,
        last_at: entry.last_at,
    };
    entries.into_iter().filter(|(_, entry)| entry.hits > 0).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn limited(subject: &str) -> Limited {
        Limited { limit: "contact_sends", action: Action::Refuse, subject: subject.to_owned() }
    }

    #[test]
    fn contacts_are_masked() {
        let email = Contact::email("Ada.Lovelace@Example.com").expect("an address");
        assert_eq!(masked(&email), "a***@example.com");
        assert_eq!(masked(&Contact::phone("+1 415 555 2671").expect("a number")), "+1***71");
    }

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let log = AbuseLog::default();
        log.note(None, &limited("a"), NOW);
        log.note(None, &limited("a"), NOW + 5);
        let taken = log.take();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].hits, taken[0].first_at, taken[0].last_at), (2, NOW, NOW + 5));
        assert_eq!(log.take(), []);
        log.note(None, &limited("a"), NOW + 9);
        assert_eq!(log.take().iter().map(|r| (r.hits, r.first_at)).collect::<Vec<_>>(), [(1, NOW + 9)]);
        log.put_back(taken.clone());
        assert_eq!(log.take(), taken);
    }

    #[test]
    fn an_hour_keeps_so_many_subjects_and_counts_the_rest_together() {
        let log = AbuseLog::default();
        for n in 0..1000 {
            log.note(None, &limited(&format!("subject {n}")), NOW);
            if n % 100 == 0 {
                log.take();
            }
        }
        for n in 0..1000 {
            log.note(None, &limited(&format!("subject {n}")), NOW + 1);
        }
        let taken = log.take();
        assert_eq!(taken.len(), MAX_SUBJECTS + 1);
        let hits: i64 = taken.iter().filter(|r| r.last_at == NOW + 1).map(|r| r.hits).sum();
        assert!(hits >= 1000, "{hits}");
        log.note(None, &limited("subject 999"), NOW + HOUR_MS);
        assert_eq!(log.take()[0].subject, "subject 999", "the next hour begins anew");
    }
}
