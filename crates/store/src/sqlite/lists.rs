//! Queries and their pages.

use rusqlite::Connection;
use vestibule_engine::model::{ActivityRecord, UserRecord};
use vestibule_engine::store::{ActivityFilter, SubOrganizationFilter};
use vestibule_wire::OrganizationId;
use vestibule_wire::query::{Cursor, Page};

use super::connection::{Failure, each, many};
use crate::plan::params;
use crate::rows;
use crate::statements::Statement as S;
use crate::value::Value;

/// Where a page starts, and which way it is read.
struct Window {
    cursor: [u8; 16],
    newer: bool,
    limit: u32,
}

impl Window {
    fn of(page: Page) -> Self {
        let Page { limit, cursor } = page;
        match cursor {
            Cursor::Start => Self { cursor: [0xff; 16], newer: false, limit },
            Cursor::After(id) => Self { cursor: id.into_bytes(), newer: false, limit },
            Cursor::Before(id) => Self { cursor: id.into_bytes(), newer: true, limit },
        }
    }

    fn choose(&self, after: S, before: S) -> S {
        if self.newer { before } else { after }
    }

    /// Lists are told newest first; those read towards the newer come the other way round.
    fn in_order<T>(&self, mut found: Vec<T>) -> Vec<T> {
        if self.newer {
            found.reverse();
        }
        found
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

pub(super) fn activities(
    conn: &Connection,
    organization: OrganizationId,
    filter: &ActivityFilter,
    page: Page,
) -> Result<Vec<ActivityRecord>, Failure> {
    let ActivityFilter { statuses, types } = filter;
    let window = Window::of(page);
    let codes: Vec<i64> = statuses.iter().map(|status| rows::status_code(*status)).collect();
    let params =
        params![organization.as_bytes(), &window.cursor, json_list(&codes), json_list(types), window.limit];
    let statement = window.choose(S::ActivitiesAfter, S::ActivitiesBefore);
    Ok(window.in_order(many(conn, statement, &params, rows::activity)?))
}

pub(super) fn sub_organizations(
    conn: &Connection,
    parent: OrganizationId,
    filter: Option<&SubOrganizationFilter>,
    page: Page,
) -> Result<Vec<OrganizationId>, Failure> {
    let window = Window::of(page);
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
    let mut params = Vec::from(params![parent.as_bytes(), &window.cursor]);
    params.extend(compared);
    params.push(window.limit.into());
    let ids = many(conn, window.choose(after, before), &params, |c| c.uuid().map(OrganizationId))?;
    Ok(window.in_order(ids))
}

pub(super) fn users(conn: &Connection, organization: OrganizationId) -> Result<Vec<UserRecord>, Failure> {
    let mut users = Vec::new();
    each(conn, S::Users, &params![organization.as_bytes()], |c| rows::collect_user(&mut users, c))?;
    users.iter_mut().for_each(rows::sort_credentials);
    Ok(users)
}
