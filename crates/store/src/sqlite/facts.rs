//! Assembles the facts of a decision.

use rusqlite::Connection;
use vestibule_engine::model::{Millis, Organization, UserRecord};
use vestibule_engine::store::{
    CallerKey, CallerMatch, ContactHolder, Facts, IntentKeys, ReadKeys, TemplateKey,
};
use vestibule_wire::{OrganizationId, UserId};

use super::connection::{Failure, each, many, one};
use crate::plan::params;
use crate::rows::{self, Columns};
use crate::statements::Statement as S;
use crate::value::{RowError, Value};

/// How many callers of organizations other than the target and its parent are told.
const OTHERS: usize = 2;

/// How many holders of a verified contact are told.
const HOLDERS: usize = 3;

/// Reads what the keys ask for. Where the target does not exist nothing else can.
pub(super) fn read(conn: &Connection, keys: &ReadKeys, now: Millis) -> Result<Facts, Failure> {
    let ReadKeys { organization: target, caller, fingerprint, intent } = keys;
    let target = *target;
    let mut facts = Facts { now, ..Facts::default() };
    each(conn, S::OrganizationAndParent, &params![target.as_bytes()], |c| {
        let found = rows::organization(c)?;
        if found.id == target {
            facts.organization = Some(found);
        } else {
            facts.parent = Some(found);
        }
        Ok(())
    })?;
    let Some(organization) = &facts.organization else { return Ok(facts) };
    facts.callers = callers(conn, organization, facts.parent.as_ref(), caller)?;
    // Whoever has no key here gets no more work done.
    if facts.callers.is_empty() && matches!(caller, CallerKey::Credential(_)) {
        return Ok(facts);
    }
    if let Some(fingerprint) = fingerprint {
        let key = params![target.as_bytes(), fingerprint];
        facts.activity = one(conn, S::ActivityByFingerprint, &key, rows::activity)?;
        if facts.activity.is_some() {
            facts.submitter = record(conn, S::SubmitterByFingerprint, &key)?;
        }
        if intent.otp.is_some() {
            facts.refused_guess = one(conn, S::RefusedGuess, &key, |_| Ok(()))?.is_some();
        }
    }
    read_intent(conn, target, intent, &mut facts)?;
    Ok(facts)
}

fn read_intent(
    conn: &Connection,
    target: OrganizationId,
    intent: &IntentKeys,
    facts: &mut Facts,
) -> Result<(), Failure> {
    let IntentKeys {
        otp,
        contact_limits,
        identifier,
        token,
        contact_in_target,
        verified_contact,
        existing_credentials,
        user,
        template,
        named_templates,
        proxy_config,
    } = intent;
    let target = target.as_bytes();
    if let Some(otp) = otp {
        facts.otp = one(conn, S::Otp, &params![target, otp.as_bytes()], rows::otp)?;
    }
    if let Some(contact) = contact_limits {
        facts.contact_limits =
            one(conn, S::ContactLimits, &params![target, &contact.0], rows::contact_limits)?
                .unwrap_or_default();
    }
    if let Some((contact, identifier)) = identifier {
        facts.identifier_limits =
            one(conn, S::IdentifierLimits, &params![target, &identifier.0], rows::identifier_limits)?
                .unwrap_or_default();
        facts.trusted_identifier =
            one(conn, S::TrustedIdentifier, &params![target, &contact.0, &identifier.0], |_| Ok(()))?
                .is_some();
    }
    if let Some(token) = token {
        facts.token = one(conn, S::Token, &params![target, token.as_bytes()], rows::token)?;
    }
    if let Some(contact) = contact_in_target {
        facts.contact_in_target = many(conn, S::ContactInTarget, &params![target, &contact.0], holder)?;
    }
    if let Some(contact) = verified_contact {
        let mut holders = many(conn, S::VerifiedContact, &params![target, &contact.0], holder)?;
        holders.sort_by_key(|h| {
            (h.user.organization_id.as_bytes() != target, h.user.organization_id, h.user.id)
        });
        holders.truncate(HOLDERS);
        facts.verified_contact = holders;
    }
    for lookup in existing_credentials {
        facts.existing_credentials.extend(one(
            conn,
            S::ExistingCredential,
            &params![target, lookup],
            rows::credential,
        )?);
    }
    if let Some(user) = user {
        facts.user = record(conn, S::User, &params![target, user.as_bytes()])?;
    }
    facts.template = match template {
        None => None,
        Some(TemplateKey::Id(id)) => {
            one(conn, S::TenantTemplate, &params![target, id.as_bytes()], rows::template)?
        }
        Some(TemplateKey::Latest) => one(conn, S::LatestTemplate, &params![target], rows::template)?,
    };
    for id in named_templates {
        let known = one(conn, S::TenantTemplate, &params![target, id.as_bytes()], rows::template)?;
        facts.named_templates.extend(known.map(|template| template.id));
    }
    if *proxy_config {
        facts.proxy_config = one(conn, S::ProxyConfigOf, &params![target], rows::proxy_config)?;
    }
    Ok(())
}

fn holder(c: &mut Columns<'_>) -> Result<ContactHolder, RowError> {
    Ok(ContactHolder { user: rows::user(c)?, verified: c.opt_int()?.is_some() })
}

/// A user with its credentials, oldest first.
pub(super) fn record(
    conn: &Connection,
    statement: S,
    params: &[Value<'_>],
) -> Result<Option<UserRecord>, Failure> {
    let mut users = Vec::with_capacity(1);
    each(conn, statement, params, |c| rows::collect_user(&mut users, c))?;
    let mut record = users.pop();
    if let Some(record) = &mut record {
        rows::sort_credentials(record);
    }
    Ok(record)
}

fn callers(
    conn: &Connection,
    target: &Organization,
    parent: Option<&Organization>,
    key: &CallerKey,
) -> Result<Vec<CallerMatch>, Failure> {
    let here = target.id.as_bytes();
    let (statement, params) = match key {
        CallerKey::Credential(lookup) => (S::CallersByCredential, params![here, lookup]),
        CallerKey::Contact(contact) => (S::CallersByContact, params![here, &contact.0]),
        CallerKey::User(user) => (S::CallersByUser, params![here, user.as_bytes()]),
    };
    candidates(conn, target, parent, statement, &params)
}

/// Groups rows of one credential each into callers and puts these in order: of the target, of the parent, others.
fn candidates(
    conn: &Connection,
    target: &Organization,
    parent: Option<&Organization>,
    statement: S,
    params: &[Value<'_>],
) -> Result<Vec<CallerMatch>, Failure> {
    let mut found: Vec<CallerMatch> = Vec::new();
    each(conn, statement, params, |c| {
        let matched = c.opt_uuid()?;
        let user = rows::user(c)?;
        let home = if user.organization_id == target.id {
            c.skip(rows::ORGANIZATION_COLUMNS);
            Some(target)
        } else if let Some(parent) = parent.filter(|parent| parent.id == user.organization_id) {
            c.skip(rows::ORGANIZATION_COLUMNS);
            Some(parent)
        } else {
            None
        };
        let same = |caller: &CallerMatch| {
            caller.record.user.id == user.id && caller.record.user.organization_id == user.organization_id
        };
        let position = match found.iter().position(same) {
            Some(position) => {
                if home.is_none() {
                    c.skip(rows::ORGANIZATION_COLUMNS);
                }
                position
            }
            None => {
                let organization = match home {
                    Some(home) => home.clone(),
                    None => rows::organization(c)?,
                };
                let record = UserRecord { user, credentials: Vec::new() };
                found.push(CallerMatch { record, organization, credential: None });
                found.len() - 1
            }
        };
        let caller = &mut found[position];
        if let Some(credential) = rows::opt_credential(c)? {
            if matched == Some(credential.id) {
                caller.credential = Some(credential.clone());
            }
            caller.record.credentials.push(credential);
        }
        Ok(())
    })?;
    let place = |organization: OrganizationId| match organization {
        id if id == target.id => 0,
        id if Some(id) == target.parent_id => 1,
        _ => 2,
    };
    let key = |caller: &CallerMatch| -> (u8, OrganizationId, UserId) {
        let user = &caller.record.user;
        (place(user.organization_id), user.organization_id, user.id)
    };
    found.sort_by_key(key);
    let near = found.iter().filter(|caller| key(caller).0 < 2).count();
    found.truncate(near + OTHERS);
    for caller in &mut found {
        rows::sort_credentials(&mut caller.record);
    }
    Ok(found)
}
