//! Queries that give lists, and their pages. The same for both stores.

use vestibule_engine::store::{ActivityFilter, SubOrganizationFilter};
use vestibule_wire::OrganizationId;
use vestibule_wire::query::{Cursor, Page};

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

/// JSON array of what a filter lists; null where it lists nothing.
fn json_list<T: serde::Serialize>(items: &[T]) -> Value<'static> {
    if items.is_empty() {
        return Value::Null;
    }
    // Numbers and texts.
    Value::from(serde_json::to_string(items).expect("a list of numbers or texts is representable in JSON"))
}

/// Activities of an organization; [`rows::activity`] reads them.
pub(crate) fn activities<'a>(
    organization: &'a OrganizationId,
    filter: &ActivityFilter,
    page: Page,
) -> Listing<'a> {
    let ActivityFilter { statuses, types } = filter;
    let (cursor, newer, limit) = window(page);
    let codes: Vec<i64> = statuses.iter().map(|status| rows::status_code(*status)).collect();
    let params = Vec::from(params![
        organization.as_bytes(),
        Value::Id(cursor),
        json_list(&codes),
        json_list(types),
        limit
    ]);
    Listing { statement: if newer { S::ActivitiesBefore } else { S::ActivitiesAfter }, params, newer }
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
