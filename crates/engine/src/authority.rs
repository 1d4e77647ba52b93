//! Who may do what: what the policy crate judges is gathered here, and what it finds becomes a ruling.
//!
//! Promise: policies are those of the organization the proposer lives in, as of the version of it that was read; nothing
//! is allowed that they, the root quorum or an implicit right did not allow, and nothing while a user's own MFA policy
//! waits for another credential.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use vestibule_policy::facts::{ActivityFacts, Approver, CredentialFacts};
use vestibule_policy::judgement::{self, Evaluation, Member, Policy, Question, Verdict};
use vestibule_policy::language::Condition;
use vestibule_wire::view::{CredentialType, PolicyResult};
use vestibule_wire::{
    ActivityType, AuthenticationMethod, AuthenticationType, Intent, OrganizationId, PolicyId, PolicyOutcome,
    Refusal, Resource, UserId,
};

use crate::activities;
use crate::caller::Caller;
use crate::engine::{Engine, unavailable};
use crate::model::{
    Ballot, BallotCredential, Credential, DefinitionKind, Method, MfaPolicy, Millis, Organization,
    PolicyBody, User, UserRecord,
};

/// How long an approval counts (protocol 00, section 5.2).
pub(crate) const APPROVAL_MS: i64 = 24 * 60 * 60 * 1000;

/// Organizations whose compiled policies are kept.
const CACHED_ORGANIZATIONS: usize = 4096;

/// Compiled policies by organization, each set good for one version of its organization.
#[derive(Default)]
pub(crate) struct PolicyCache(Mutex<HashMap<OrganizationId, Versioned>>);

type Versioned = (i64, Arc<[Policy]>);

impl PolicyCache {
    fn get(&self, organization: &Organization) -> Option<Arc<[Policy]>> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, policies) = cache.get(&organization.id)?;
        (*version == organization.version).then(|| Arc::clone(policies))
    }

    fn put(&self, organization: &Organization, policies: &Arc<[Policy]>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_ORGANIZATIONS && !cache.contains_key(&organization.id) {
            cache.clear();
        }
        cache.insert(organization.id, (organization.version, Arc::clone(policies)));
    }
}

/// An activity to be ruled on, whoever has voted on it.
pub(crate) struct Matter<'a> {
    pub(crate) activity: ActivityType,
    pub(crate) intent: &'a Intent,
    pub(crate) proposer: UserId,
    /// Where the proposer lives.
    pub(crate) home: &'a Organization,
    /// Whether that is the organization acted on.
    pub(crate) at_home: bool,
    /// Whether it concerns only the proposer's own credentials or sessions.
    pub(crate) on_self: bool,
    pub(crate) by_proxy: bool,
    /// The proposer's first.
    pub(crate) ballots: &'a [Ballot],
    /// Users of the proposer's home that are known: the proposer at least.
    pub(crate) users: &'a [UserRecord],
    /// Whether those are all.
    pub(crate) all_users: bool,
    pub(crate) now: Millis,
}

/// What came of it.
pub(crate) struct Ruling {
    pub(crate) verdict: Verdict,
    /// Whether the proposer's own MFA policy still waits for another credential.
    pub(crate) proposer_waits: bool,
}

impl Engine {
    /// Whether this may be submitted here at all, whoever allows it (protocol 02, section 1).
    pub(crate) async fn may_submit(
        &self,
        caller: &Caller,
        activity: ActivityType,
        intent: &Intent,
        now: Millis,
    ) -> Result<(), Refusal> {
        if !activities::stamp_may_submit(intent, caller.via) {
            return Err(Refusal::NotAuthorized);
        }
        if activity.parents_only() && caller.target.parent_id.is_some() {
            return Err(Refusal::CallerIsSubOrganization);
        }
        // Votes go where the activity is; whether it is the voter's to vote on is looked at with the activity.
        let votes = matches!(intent, Intent::Vote(_));
        if !caller.at_home() && !activity.parent_may_target() && !votes {
            return Err(Refusal::OrganizationMismatch { target: caller.target.id, caller: caller.home.id });
        }
        let Some(credential) = &caller.credential else { return Ok(()) };
        if credential.kind == CredentialType::RecoverUserKeyP256 && !matches!(intent, Intent::RecoverUser(_))
        {
            return Err(Refusal::NotAuthorized);
        }
        if let (Some(most), Some(authentication)) =
            (self.settings.fresh_authentication_s, &credential.authentication)
            && activities::changes_credentials(intent)
            && authentication.at + i64::from(most) * 1000 <= now
        {
            return Err(Refusal::AuthenticationTooOld);
        }
        self.check_scope(caller.home.tenant(), credential, activity, intent).await
    }

    /// The compiled policies of an organization.
    async fn policies_of(&self, organization: &Organization) -> Result<Arc<[Policy]>, Refusal> {
        if let Some(policies) = self.policies.get(organization) {
            return Ok(policies);
        }
        let stored = self.services.store.definitions(organization.id, DefinitionKind::Policy).await;
        let stored = stored.map_err(|error| unavailable(&error))?;
        let mut policies = Vec::with_capacity(stored.len());
        for definition in stored {
            let Some(PolicyBody { effect, condition, consensus, time, notes: _ }) = definition.read() else {
                return Err(unusable(definition.id));
            };
            let id = PolicyId(definition.id);
            // They compiled when they were made. Where one does not any more, nothing may pass it by.
            let policy =
                Policy::compile(id, definition.name, effect, &condition, &consensus, time.as_deref())
                    .map_err(|_| unusable(definition.id))?;
            policies.push(policy);
        }
        let policies: Arc<[Policy]> = policies.into();
        self.policies.put(organization, &policies);
        Ok(policies)
    }

    /// Rules on a matter. All users of the proposer's home are loaded where more approvals could help.
    pub(crate) async fn rule(&self, matter: &Matter<'_>) -> Result<Ruling, Refusal> {
        let policies = self.policies_for(matter).await?;
        let facts = ActivityFacts::about(matter.activity, matter.intent);
        let ruling = judge(matter, &facts, &policies, matter.users, matter.all_users);
        if !matches!(ruling.verdict, Verdict::NeedsMembers) {
            return Ok(ruling);
        }
        let users = self.services.store.users(matter.home.id).await.map_err(|error| unavailable(&error))?;
        Ok(judge(matter, &facts, &policies, &users, true))
    }

    /// Whether this user's vote can still change anything (G-VOTE-2). `matter` knows all users.
    pub(crate) async fn may_vote(&self, matter: &Matter<'_>, user: UserId) -> Result<bool, Refusal> {
        let policies = self.policies_for(matter).await?;
        let facts = ActivityFacts::about(matter.activity, matter.intent);
        if counted(matter, &facts, matter.users).iter().any(|ballot| ballot.user_id == user)
            || rejections(matter, &facts, matter.users).contains(&user)
        {
            return Ok(false);
        }
        let waiting = matter.ballots.iter().any(|ballot| ballot.user_id == user);
        if waiting {
            // Its approval waits for another credential of its own.
            return Ok(true);
        }
        let members = members(matter.users, matter.now);
        let approvals = approvals(&counted(matter, &facts, matter.users), &members);
        let rejections = rejections(matter, &facts, matter.users);
        let question = question(matter, &facts, &policies, &approvals, &rejections, Some(&members));
        Ok(judgement::may_matter(&question, user))
    }

    /// Nobody asks for policies where the proposer alone is the root quorum, or is the auth proxy.
    async fn policies_for(&self, matter: &Matter<'_>) -> Result<Arc<[Policy]>, Refusal> {
        let quorum = &matter.home.quorum;
        if matter.by_proxy || quorum.threshold == 1 && quorum.user_ids.contains(&matter.proposer) {
            return Ok(Arc::from([]));
        }
        self.policies_of(matter.home).await
    }

    /// Whether the scope of the caller's session profile allows the activity (protocol 01, section 5).
    async fn check_scope(
        &self,
        tenant: OrganizationId,
        credential: &Credential,
        activity: ActivityType,
        intent: &Intent,
    ) -> Result<(), Refusal> {
        let Some(id) = credential.session_profile_id else { return Ok(()) };
        let scope = match self.scopes.get(tenant, id) {
            Some(scope) => scope,
            None => {
                let stored = self.services.store.definition(tenant, DefinitionKind::SessionProfile, id).await;
                let stored = stored.map_err(|error| unavailable(&error))?;
                let body = stored.and_then(|d| d.read::<crate::model::SessionProfileBody>());
                let scope = body.and_then(|body| Condition::compile(&body.scope).ok());
                let scope = Arc::new(scope.ok_or_else(|| unusable(id))?);
                self.scopes.put(tenant, id, &scope);
                scope
            }
        };
        // An error in a scope allows nothing.
        match scope.eval(&ActivityFacts::about(activity, intent)) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refusal::NotAuthorized),
        }
    }
}

/// Compiled scopes of session profiles, which never change.
#[derive(Default)]
pub(crate) struct ScopeCache(Mutex<HashMap<(OrganizationId, Uuid), Arc<Condition>>>);

impl ScopeCache {
    fn get(&self, tenant: OrganizationId, id: Uuid) -> Option<Arc<Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant, id)).cloned()
    }

    fn put(&self, tenant: OrganizationId, id: Uuid, scope: &Arc<Condition>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_ORGANIZATIONS {
            cache.clear();
        }
        cache.insert((tenant, id), Arc::clone(scope));
    }
}

fn unusable(definition: Uuid) -> Refusal {
    tracing::error!(%definition, "a stored definition cannot be used");
    Refusal::Internal(definition.to_string())
}

fn judge(
    matter: &Matter<'_>,
    facts: &ActivityFacts,
    policies: &[Policy],
    users: &[UserRecord],
    all_users: bool,
) -> Ruling {
    let members = members(users, matter.now);
    let counted = counted(matter, facts, users);
    let approvals = approvals(&counted, &members);
    let rejections = rejections(matter, facts, users);
    let question =
        question(matter, facts, policies, &approvals, &rejections, all_users.then_some(members.as_slice()));
    let proposer = users.iter().find(|record| record.user.id == matter.proposer);
    let waits = |record: &UserRecord| unmet(&record.user, facts, &methods(matter, record.user.id)).is_some();
    Ruling { verdict: judgement::judge(&question), proposer_waits: proposer.is_some_and(waits) }
}

fn question<'a>(
    matter: &'a Matter<'a>,
    facts: &'a ActivityFacts,
    policies: &'a [Policy],
    approvals: &'a [judgement::Ballot],
    rejections: &'a [UserId],
    members: Option<&'a [Member]>,
) -> Question<'a> {
    Question {
        activity: facts,
        proposer: matter.proposer,
        at_home: matter.at_home,
        on_self: matter.on_self,
        by_proxy: matter.by_proxy,
        quorum: &matter.home.quorum,
        approvals,
        rejections,
        members,
        policies,
        now: matter.now,
    }
}

/// Approvals that count now: young enough, and of users whose own MFA policies are met. The proposer's is always there;
/// whether it waits for another credential is told apart.
fn counted<'a>(matter: &Matter<'a>, facts: &ActivityFacts, users: &[UserRecord]) -> Vec<&'a Ballot> {
    let young = |ballot: &&Ballot| ballot.approve && ballot.created_at + APPROVAL_MS > matter.now;
    matter.ballots.iter().filter(young).filter(|ballot| stands(ballot, matter, facts, users)).collect()
}

/// Rejections that count: of users whose own MFA policies are met.
fn rejections(matter: &Matter<'_>, facts: &ActivityFacts, users: &[UserRecord]) -> Vec<UserId> {
    let against = matter.ballots.iter().filter(|ballot| !ballot.approve);
    against.filter(|ballot| stands(ballot, matter, facts, users)).map(|ballot| ballot.user_id).collect()
}

/// Whether a vote was not undone: its user is there, with the key or passkey that made it, and has met its MFA policy.
/// What the proposer has yet to meet is told apart.
fn stands(ballot: &Ballot, matter: &Matter<'_>, facts: &ActivityFacts, users: &[UserRecord]) -> bool {
    let Some(record) = users.iter().find(|record| record.user.id == ballot.user_id) else { return false };
    // Sessions end, and attested stamps are made with no credential; a key or passkey that is gone was taken away.
    let lasts = matches!(ballot.method.kind, AuthenticationType::ApiKey | AuthenticationType::Passkey);
    let known = || record.credentials.iter().any(|c| Some(c.id) == ballot.method.id);
    (!lasts || matter.by_proxy || known())
        && (ballot.user_id == matter.proposer
            || unmet(&record.user, facts, &methods(matter, ballot.user_id)).is_none())
}

/// How a user has authenticated for this matter so far.
fn methods(matter: &Matter<'_>, user: UserId) -> Vec<Method> {
    let young = |ballot: &&Ballot| ballot.user_id == user && ballot.created_at + APPROVAL_MS > matter.now;
    matter.ballots.iter().filter(young).map(|ballot| ballot.method).collect()
}

/// The user's MFA policy that applies and is not met: the first in order whose condition holds decides (protocol 02,
/// section 5). A condition that cannot be evaluated holds.
///
/// To change MFA policies all of one's own must be met: else one factor would do to put another policy in their place.
pub(crate) fn unmet<'a>(user: &'a User, facts: &ActivityFacts, used: &[Method]) -> Option<&'a MfaPolicy> {
    if facts.resource == Resource::MfaPolicy.as_str() {
        return user.mfa_policies.iter().find(|policy| !is_met(policy, used));
    }
    let policy = applying(user, facts)?;
    (!is_met(policy, used)).then_some(policy)
}

/// The MFA policy of a user that an activity falls under.
pub(crate) fn applying<'a>(user: &'a User, facts: &ActivityFacts) -> Option<&'a MfaPolicy> {
    let holds = |policy: &&MfaPolicy| match Condition::compile(&policy.condition) {
        Ok(condition) => condition.eval(facts).unwrap_or(true),
        Err(_) => true,
    };
    user.mfa_policies.iter().find(holds)
}

/// Whether these ways to authenticate are all that a policy demands.
pub(crate) fn is_met(policy: &MfaPolicy, used: &[Method]) -> bool {
    let met = |demand: &AuthenticationMethod| used.iter().any(|method| method.meets(demand));
    policy.required.iter().all(|required| required.any.iter().any(met))
}

fn members(users: &[UserRecord], now: Millis) -> Vec<Member> {
    users.iter().map(|record| member(record, now)).collect()
}

fn member(record: &UserRecord, now: Millis) -> Member {
    let live =
        record.credentials.iter().filter(|credential| credential.live(now) && credential.oauth.is_none());
    Member {
        user: approver(&record.user),
        credentials: live.map(|c| credential_facts(record.user.id, ballot_credential(c))).collect(),
    }
}

fn approver(user: &User) -> Approver {
    Approver {
        id: user.id,
        tags: user.tags.iter().map(ToString::to_string).collect(),
        email: user.email.clone().unwrap_or_default(),
        alias: user.name.clone(),
    }
}

/// The counted ballots of users that still exist.
fn approvals(counted: &[&Ballot], members: &[Member]) -> Vec<judgement::Ballot> {
    let of = |ballot: &&Ballot| {
        let user = members.iter().find(|member| member.user.id == ballot.user_id)?.user.clone();
        // An attested stamp is made with no stored credential.
        let stored = Some(&ballot.credential).filter(|credential| !credential.id.is_empty());
        let credential = stored.map(|credential| credential_facts(ballot.user_id, credential.clone()));
        Some(judgement::Ballot { user, credential })
    };
    counted.iter().filter_map(of).collect()
}

/// A credential as policies see it.
pub(crate) fn ballot_credential(credential: &Credential) -> BallotCredential {
    let passkey = credential.passkey.is_some();
    BallotCredential {
        id: credential.id.to_string(),
        kind: credential.kind.as_str().to_owned(),
        credential_id: if passkey { crate::views::base64url(&credential.lookup) } else { String::new() },
        public_key: hex::encode(&credential.public_key),
    }
}

fn credential_facts(user_id: UserId, credential: BallotCredential) -> CredentialFacts {
    let BallotCredential { id, kind, credential_id, public_key } = credential;
    CredentialFacts { id, user_id, credential_type: kind, credential_id, public_key }
}

/// What policies said, as the record keeps it.
pub(crate) fn results(evaluations: &[Evaluation]) -> Vec<PolicyResult> {
    let result = |Evaluation { policy_id, outcome, reason }: &Evaluation| PolicyResult {
        policy_id: *policy_id,
        outcome: *outcome,
        reason: Some(reason.clone()),
    };
    evaluations.iter().map(result).collect()
}

/// What of it the refused are told: not why.
pub(crate) fn told(results: &[PolicyResult]) -> Vec<PolicyOutcome> {
    let outcome =
        |r: &PolicyResult| PolicyOutcome { policy_id: r.policy_id.to_string(), outcome: r.outcome.as_str() };
    results.iter().map(outcome).collect()
}
