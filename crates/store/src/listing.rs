//! Queries that give lists, and their pages. The same for both stores.

use vestibule_engine::model::ContactKey;
use vestibule_engine::store::{ActivityFilter, SubOrganizationFilter};
use vestibule_wire::query::{Cursor, Page};
use vestibule_wire::view::{ActivityStatus, EmailEventType};
use vestibule_wire::{ActivityType, OrganizationId};

use crate::plan::params;
use crate::rows;
use crate::statements::Statement as S;
use crate::value::Value;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    pub(crate) statement: S,
    pub(crate) params: Vec<Value<'a>>,
    newer: bool,
}

impl Listing<'_> {
    /// Lists are told newest first; those read towards the newer come the other way round.
    pub(crate) fn in_order<T>(&self, mut found: Vec<T>) -> Vec<T> {
        if self.newer {
            found.reverse();
        }
        found
    }
}

/// Where a page starts, which way it is read, and how long it is.
fn window(page: Page) -> ([u8; 16], bool, u32) {
    let Page { limit, cursor } = page;
    match cursor {
        Cursor::Start => ([0xff; 16], false, limit),
        Cursor::After(id) => (id.into_bytes(), false, limit),
        Cursor::Before(id) => (id.into_bytes(), true, limit),
    }
}

fn json_list<T: serde::Serialize>(items: &[T]) -> Value<'static> {
    // Numbers and texts.
    Value::from(serde_json::to_string(items).expect("a list of numbers or texts is representable in JSON"))
}

/// The codes that a filter keeps, each once.
fn status_codes(kept: &[ActivityStatus]) -> Vec<i64> {
    let all = rows::STATUSES.iter().filter(|(status, _)| kept.is_empty() || kept.contains(status));
    all.map(|(_, code)| *code).collect()
}

/// The types that a filter keeps, each once, without names that no activity has.
fn type_names(kept: &[String]) -> Vec<&'static str> {
    let all = ActivityType::ALL.iter().map(|known| known.name());
    all.filter(|name| kept.is_empty() || kept.iter().any(|kept| kept == name)).collect()
}

/// Activities of an organization; [`rows::activity`] reads them.
pub(crate) fn activities<'a>(
    organization: &'a OrganizationId,
    filter: &ActivityFilter,
    page: Page,
) -> Listing<'a> {
    let ActivityFilter { statuses, types } = filter;
    let (cursor, newer, limit) = window(page);
    if statuses.is_empty() && types.is_empty() {
        let params = Vec::from(params![organization.as_bytes(), Value::Id(cursor), limit]);
        return Listing {
            statement: if newer { S::ActivitiesBefore } else { S::ActivitiesAfter },
            params,
            newer,
        };
    }
    let params = Vec::from(params![
        json_list(&type_names(types)),
        json_list(&status_codes(statuses)),
        organization.as_bytes(),
        Value::Id(cursor),
        limit
    ]);
    let statement = if newer { S::ChosenActivitiesBefore } else { S::ChosenActivitiesAfter };
    Listing { statement, params, newer }
}

/// What became of e-mails to a contact; [`rows::email_event`] reads them.
pub(crate) fn email_events<'a>(
    organization: &'a OrganizationId,
    contact: &'a ContactKey,
    event_type: Option<EmailEventType>,
    page: Page,
) -> Listing<'a> {
    let (cursor, newer, limit) = window(page);
    let kind = event_type.map(rows::email_event_code);
    let params = Vec::from(params![organization.as_bytes(), &contact.0, Value::Id(cursor), kind, limit]);
    Listing { statement: if newer { S::EmailEventsBefore } else { S::EmailEventsAfter }, params, newer }
}

/// Ids of sub-organizations.
pub(crate) fn sub_organizations<'a>(
    parent: &'a OrganizationId,
    filter: Option<&'a SubOrganizationFilter>,
    page: Page,
) -> Listing<'a> {
    let (cursor, newer, limit) = window(page);
    let (after, before, compared): (S, S, Option<Value<'_>>) = match filter {
        None => (S::SubsAfter, S::SubsBefore, None),
        Some(SubOrganizationFilter::Credential(lookup)) => {
            (S::SubsByCredentialAfter, S::SubsByCredentialBefore, Some(lookup.into()))
        }
        Some(SubOrganizationFilter::Name(name)) => {
            (S::SubsByNameAfter, S::SubsByNameBefore, Some(name.into()))
        }
        Some(SubOrganizationFilter::Username(name)) => {
            (S::SubsByUsernameAfter, S::SubsByUsernameBefore, Some(name.into()))
        }
        Some(SubOrganizationFilter::Contact(contact)) => {
            (S::SubsByContactAfter, S::SubsByContactBefore, Some((&contact.0).into()))
        }
        Some(SubOrganizationFilter::VerifiedContact(contact)) => {
            (S::SubsByVerifiedAfter, S::SubsByVerifiedBefore, Some((&contact.0).into()))
        }
        Some(SubOrganizationFilter::AnyVerifiedContact) => {
            (S::SubsAnyVerifiedAfter, S::SubsAnyVerifiedBefore, None)
        }
    };
    let mut params = Vec::from(params![parent.as_bytes(), Value::Id(cursor)]);
    params.extend(compared);
    params.push(limit.into());
    Listing { statement: if newer { before } else { after }, params, newer }
}
