//! What a decision reads: the queries, and the facts made of their rows. The same for both stores.
//!
//! No query needs the result of another one, so that a store across a network sends all of them at once; a store that
//! asks one by one leaves out those whose answers can no longer matter.

use vestibule_engine::limits::MAX_COUNTERS;
use vestibule_engine::model::{DefinitionKind, Millis, UserRecord};
use vestibule_engine::store::{
    CallerKey, CallerMatch, ContactHolder, Facts, IntentKeys, ReadKeys, TemplateKey,
};
use vestibule_wire::{OrganizationId, UserId};

use crate::plan::params;
use crate::rows::{self, Columns};
use crate::statements::Statement as S;
use crate::value::{RowError, Value};

/// How many callers of organizations other than the target and its parent are told.
const OTHERS: usize = 2;

/// How many holders of a verified contact are told.
const HOLDERS: usize = 3;

/// Which of the facts a query answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Organizations,
    Callers,
    Activity,
    Submitter,
    RefusedGuess,
    Otp,
    ContactLimits,
    IdentifierLimits,
    Counters,
    TrustedIdentifier,
    Token,
    ContactInTarget,
    VerifiedContact,
    ExistingCredential,
    User,
    Template,
    NamedTemplate,
    ProxyConfig,
    Users,
    Definitions,
    SessionProfile,
    Voted,
}

/// One query of a reading.
#[derive(Debug)]
pub(crate) struct Ask<'k> {
    pub(crate) part: Part,
    pub(crate) statement: S,
    pub(crate) params: Vec<Value<'k>>,
}

/// Everything that the keys ask for, in the order in which [`Reading::wants`] expects it.
pub(crate) fn asks<'k>(keys: &'k ReadKeys) -> Vec<Ask<'k>> {
    let ReadKeys { organization, caller, fingerprint, intent } = keys;
    let target = organization.as_bytes();
    let mut asks = Vec::with_capacity(12);
    let mut ask = |part, statement, params: &[Value<'k>]| {
        asks.push(Ask { part, statement, params: params.to_vec() });
    };
    ask(Part::Organizations, S::OrganizationAndParent, &params![target]);
    match caller {
        CallerKey::Credential(lookup) => {
            ask(Part::Callers, S::CallersByCredential, &params![target, lookup]);
        }
        CallerKey::Contact(contact) => {
            ask(Part::Callers, S::CallersByContact, &params![target, &contact.0]);
        }
        CallerKey::User(user) => ask(Part::Callers, S::CallersByUser, &params![target, user.as_bytes()]),
    }
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
        users,
        definitions,
        session_profile,
        voted,
        counters,
    } = intent;
    if let Some(fingerprint) = fingerprint {
        let key = params![target, fingerprint];
        ask(Part::Activity, S::ActivityByFingerprint, &key);
        ask(Part::Submitter, S::SubmitterByFingerprint, &key);
        if otp.is_some() {
            ask(Part::RefusedGuess, S::RefusedGuess, &key);
        }
    }
    if let Some(otp) = otp {
        ask(Part::Otp, S::Otp, &params![target, otp.as_bytes()]);
    }
    if let Some(contact) = contact_limits {
        ask(Part::ContactLimits, S::ContactLimits, &params![target, &contact.0]);
    }
    if let Some((contact, identifier)) = identifier {
        ask(Part::IdentifierLimits, S::IdentifierLimits, &params![target, &identifier.0]);
        let pair = params![target, &contact.0, &identifier.0];
        ask(Part::TrustedIdentifier, S::TrustedIdentifier, &pair);
    }
    if !counters.is_empty() {
        debug_assert!(counters.len() <= MAX_COUNTERS);
        let names = counters.iter().map(String::as_str).chain(std::iter::repeat("")).take(MAX_COUNTERS);
        let mut counted = Vec::from(params![target]);
        counted.extend(names.map(Value::from));
        ask(Part::Counters, S::LimitCounters, &counted);
    }
    if let Some(token) = token {
        ask(Part::Token, S::Token, &params![target, token.as_bytes()]);
    }
    if let Some(contact) = contact_in_target {
        ask(Part::ContactInTarget, S::ContactInTarget, &params![target, &contact.0]);
    }
    if let Some(contact) = verified_contact {
        ask(Part::VerifiedContact, S::VerifiedContact, &params![target, &contact.0]);
    }
    for lookup in existing_credentials {
        ask(Part::ExistingCredential, S::ExistingCredential, &params![target, lookup]);
    }
    if let Some(user) = user {
        ask(Part::User, S::User, &params![target, user.as_bytes()]);
    }
    match template {
        None => {}
        Some(TemplateKey::Id(id)) => ask(Part::Template, S::TenantTemplate, &params![target, id.as_bytes()]),
        Some(TemplateKey::All) => ask(Part::Template, S::TemplateOffers, &params![target]),
    }
    for id in named_templates {
        ask(Part::NamedTemplate, S::TenantTemplate, &params![target, id.as_bytes()]);
    }
    if *proxy_config {
        ask(Part::ProxyConfig, S::ProxyConfigOf, &params![target]);
    }
    if *users {
        ask(Part::Users, S::Users, &params![target]);
    }
    for kind in definitions {
        ask(Part::Definitions, S::Definitions, &params![target, kind.code()]);
    }
    if let Some(id) = session_profile {
        let kind = DefinitionKind::SessionProfile.code();
        ask(Part::SessionProfile, S::TenantDefinition, &params![target, kind, id.as_bytes()]);
    }
    if let Some(fingerprint) = voted {
        ask(Part::Voted, S::ActivityByFingerprint, &params![target, fingerprint]);
    }
    asks
}

/// Facts on their way.
#[derive(Debug)]
pub(crate) struct Reading<'k> {
    keys: &'k ReadKeys,
    facts: Facts,
    submitters: Vec<UserRecord>,
    users: Vec<UserRecord>,
}

impl<'k> Reading<'k> {
    /// Nothing was read yet; `now` is the store's time.
    pub(crate) fn new(keys: &'k ReadKeys, now: Millis) -> Self {
        Self { keys, facts: Facts { now, ..Facts::default() }, submitters: Vec::new(), users: Vec::new() }
    }

    /// Whether a query's answer can still matter: where the target does not exist nothing else can, and whoever has no
    /// key here gets no more work done.
    pub(crate) fn wants(&self, part: Part) -> bool {
        let exists = self.facts.organization.is_some();
        let known = !self.facts.callers.is_empty() || !matches!(self.keys.caller, CallerKey::Credential(_));
        match part {
            Part::Organizations => true,
            Part::Callers => exists,
            Part::Submitter => exists && known && self.facts.activity.is_some(),
            _ => exists && known,
        }
    }

    /// Takes one row of an answer.
    pub(crate) fn row(&mut self, part: Part, c: &mut Columns<'_>) -> Result<(), RowError> {
        let facts = &mut self.facts;
        match part {
            Part::Organizations => {
                let found = rows::organization(c)?;
                if found.id == self.keys.organization {
                    facts.organization = Some(found);
                } else {
                    facts.parent = Some(found);
                }
            }
            Part::Callers => caller(facts, c)?,
            Part::Activity => facts.activity = Some(rows::activity(c)?),
            Part::Submitter => rows::collect_user(&mut self.submitters, c)?,
            Part::RefusedGuess => facts.refused_guess = true,
            Part::Otp => facts.otp = Some(rows::otp(c)?),
            Part::ContactLimits => facts.contact_limits = rows::contact_limits(c)?,
            Part::IdentifierLimits => facts.identifier_limits = rows::identifier_limits(c)?,
            Part::Counters => facts.counters.extend([rows::counter(c)?]),
            Part::TrustedIdentifier => facts.trusted_identifier = true,
            Part::Token => facts.token = Some(rows::token(c)?),
            Part::ContactInTarget => facts.contact_in_target.push(holder(c)?),
            Part::VerifiedContact => facts.verified_contact.push(holder(c)?),
            Part::ExistingCredential => facts.existing_credentials.push(rows::credential(c)?),
            Part::User => rows::collect_user(&mut self.users, c)?,
            Part::Template => facts.templates.push(rows::template_offer(c)?),
            Part::NamedTemplate => facts.named_templates.push(rows::template_offer(c)?.id),
            Part::ProxyConfig => facts.proxy_config = Some(rows::proxy_config(c)?),
            Part::Users => rows::collect_user(&mut facts.users, c)?,
            Part::Definitions => facts.definitions.push(rows::definition(c)?),
            Part::SessionProfile => facts.session_profile = Some(rows::definition(c)?),
            Part::Voted => facts.voted = Some(rows::activity(c)?),
        }
        Ok(())
    }

    /// All rows were taken.
    pub(crate) fn finish(self) -> Facts {
        let Self { keys, mut facts, submitters, users } = self;
        let target = keys.organization;
        facts.submitter = the_user(submitters);
        facts.user = the_user(users);
        facts.users.iter_mut().for_each(rows::sort_credentials);
        facts
            .verified_contact
            .sort_by_key(|h| (h.user.organization_id != target, h.user.organization_id, h.user.id));
        facts.verified_contact.truncate(HOLDERS);
        let parent = facts.organization.as_ref().and_then(|organization| organization.parent_id);
        order_callers(&mut facts.callers, target, parent);
        facts
    }
}

fn holder(c: &mut Columns<'_>) -> Result<ContactHolder, RowError> {
    Ok(ContactHolder { user: rows::user(c)?, verified: c.opt_int()?.is_some() })
}

/// The one user that rows of one credential each made, its credentials oldest first.
pub(crate) fn the_user(mut users: Vec<UserRecord>) -> Option<UserRecord> {
    let mut record = users.pop()?;
    rows::sort_credentials(&mut record);
    Some(record)
}

/// Adds a row of one credential to the callers.
fn caller(facts: &mut Facts, c: &mut Columns<'_>) -> Result<(), RowError> {
    let matched = c.opt_uuid()?;
    let user = rows::user(c)?;
    let home = [&facts.organization, &facts.parent]
        .into_iter()
        .flatten()
        .find(|organization| organization.id == user.organization_id);
    let same = |caller: &CallerMatch| {
        caller.record.user.id == user.id && caller.record.user.organization_id == user.organization_id
    };
    let position = match (facts.callers.iter().position(same), home) {
        (Some(position), _) => {
            c.skip(rows::ORGANIZATION_COLUMNS);
            position
        }
        (None, home) => {
            let organization = match home {
                Some(home) => {
                    c.skip(rows::ORGANIZATION_COLUMNS);
                    home.clone()
                }
                None => rows::organization(c)?,
            };
            let record = UserRecord { user, credentials: Vec::new() };
            facts.callers.push(CallerMatch { record, organization, credential: None });
            facts.callers.len() - 1
        }
    };
    let caller = &mut facts.callers[position];
    if let Some(credential) = rows::opt_credential(c)? {
        if matched == Some(credential.id) {
            caller.credential = Some(credential.clone());
        }
        caller.record.credentials.push(credential);
    }
    Ok(())
}

/// Puts callers in order: of the target, of its parent, then a few others.
fn order_callers(callers: &mut Vec<CallerMatch>, target: OrganizationId, parent: Option<OrganizationId>) {
    let place = |organization: OrganizationId| match organization {
        id if id == target => 0,
        id if Some(id) == parent => 1,
        _ => 2,
    };
    let key = |caller: &CallerMatch| -> (u8, OrganizationId, UserId) {
        let user = &caller.record.user;
        (place(user.organization_id), user.organization_id, user.id)
    };
    callers.sort_by_key(key);
    let near = callers.iter().filter(|caller| key(caller).0 < 2).count();
    callers.truncate(near + OTHERS);
    for caller in callers {
        rows::sort_credentials(&mut caller.record);
    }
}
