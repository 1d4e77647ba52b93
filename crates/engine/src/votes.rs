//! Activities that wait: for the approval of others, or for another credential of a voter (protocol 00 section 5.2,
//! protocol 02 sections 2c and 5).
//!
//! Promise: an activity is carried out once, by the vote that completes it, in the name of its proposer and with the body
//! the proposer signed; votes and outcome change the activity only from the version they were judged on, so that of votes
//! that race each sees all that came before it.

use vestibule_crypto::entropy::uuid_v7;
use vestibule_crypto::keyset::KeySet;
use vestibule_policy::Permit;
use vestibule_policy::judgement::{Evaluation, Verdict};
use vestibule_wire::view::{self, ActivityStatus};
use vestibule_wire::{
    ActivityType, AuthenticationMethod, AuthenticationType, Envelope, Intent, MethodId, PolicyEvaluationId,
    PolicyOutcome, Refusal, SessionProfileId, UserId, VoteId,
};

use crate::activities::{self, Decided, Decision};
use vestibule_policy::facts::ActivityFacts;

use crate::authority::{APPROVAL_MS, Matter, applying, is_met, results, told};
use crate::caller::Caller;
use crate::engine::{Engine, Proposal, unavailable};
use crate::events::Audience;
use crate::limits::Visit;
use crate::model::{
    ActivityRecord, Ballot, Deliberation, EvaluationRecord, Millis, StoredFailure, UserRecord,
};
use crate::records::{Draft, unseal};
use crate::store::{CallerKey, ChangeSet, ReadKeys, Write};
use crate::views::Secrets;

/// The longest body, and the longest intent, that is kept of an activity that was denied, in bytes.
const KEPT_OF_DENIALS: usize = 8192;

/// A vote on its way.
pub(crate) struct Cast<'a> {
    pub(crate) keys: &'a KeySet,
    pub(crate) caller: &'a Caller,
    /// Who is told when the vote changes the activity's status.
    pub(crate) audience: Option<Audience<'a>>,
    pub(crate) approve: bool,
    /// The signed body, or `""` where it is one that carries a secret.
    pub(crate) message: String,
    pub(crate) now: Millis,
}

/// An activity that waits, and who may vote on it.
struct Pending {
    record: ActivityRecord,
    deliberation: Deliberation,
    secrets: Secrets,
    activity: ActivityType,
    intent: Intent,
    /// All users of the proposer's home.
    users: Vec<UserRecord>,
    /// The proposer's home: where every voter lives.
    home: crate::model::Organization,
}

impl Pending {
    fn matter(&self, now: Millis) -> Matter<'_> {
        let proposer = self.record.submitter.user_id;
        Matter {
            activity: self.activity,
            intent: &self.intent,
            proposer,
            home: &self.home,
            at_home: self.home.id == self.record.organization_id,
            on_self: activities::on_self(&self.intent, proposer),
            by_proxy: false,
            ballots: &self.deliberation.ballots,
            users: &self.users,
            all_users: true,
            now,
        }
    }
}

/// Whether an activity waits for votes or credentials.
pub(crate) fn is_open(status: ActivityStatus) -> bool {
    matches!(status, ActivityStatus::ConsensusNeeded | ActivityStatus::AuthenticatorsNeeded)
}

impl Engine {
    /// Takes a vote; `None` when something changed meanwhile and all must be looked at anew.
    pub(crate) async fn cast(
        &self,
        cast: &Cast<'_>,
        record: &ActivityRecord,
    ) -> Result<Option<view::Activity>, Refusal> {
        let Cast { keys, caller, audience: _, approve, message, now } = cast;
        let voter = caller.record.user.id;
        // Only those whose organization rules on it may vote, and learn that it is there.
        if caller.home.id != record.submitter.organization_id {
            return Err(Refusal::FingerprintNotFound);
        }
        let known = record.deliberation.iter().flat_map(|deliberation| &deliberation.ballots);
        let repeats = |ballot: &Ballot| {
            ballot.user_id == voter
                && ballot.approve == *approve
                && ballot.method == caller.method()
                && ballot.created_at + APPROVAL_MS > *now
        };
        if known.clone().any(repeats) {
            return self.show(keys, record, None, caller, *now).await.map(Some);
        }
        if !is_open(record.status) {
            return Err(Refusal::FingerprintNotFound);
        }
        let users = self.services.store.users(caller.home.id).await.map_err(|error| unavailable(&error))?;
        let mut pending = self.pending(keys, record, caller, users)?;
        if !self.lets_vote(&pending, voter, *now).await? {
            return Err(Refusal::NotAuthorized);
        }
        let vote_id = VoteId(uuid_v7(&*self.services.entropy, *now));
        pending.deliberation.ballots.push(caller.ballot(vote_id, *approve, message.clone(), *now));
        if !approve
            && pending.record.status == ActivityStatus::AuthenticatorsNeeded
            && voter == pending.record.submitter.user_id
        {
            // Withdrawn before anybody else had a say.
            return self.keep(cast, pending, ActivityStatus::Rejected, vote_id, &[]).await;
        }
        let ruling = self.rule(&pending.matter(*now)).await?;
        let (verdict, waits) = (ruling.verdict, ruling.proposer_waits);
        match verdict {
            Verdict::Allow(permit) if !waits => self.carry_out(cast, pending, permit, vote_id).await,
            Verdict::Allow(_) => {
                let status = ActivityStatus::AuthenticatorsNeeded;
                self.keep(cast, pending, status, vote_id, &[]).await
            }
            Verdict::NeedsConsensus(evaluations) => {
                let status = if waits {
                    ActivityStatus::AuthenticatorsNeeded
                } else {
                    ActivityStatus::ConsensusNeeded
                };
                self.keep(cast, pending, status, vote_id, &evaluations).await
            }
            Verdict::NeedsMembers => Err(Refusal::Unavailable),
            Verdict::Rejected(evaluations) | Verdict::Deny(evaluations) => {
                self.keep(cast, pending, ActivityStatus::Rejected, vote_id, &evaluations).await
            }
        }
    }

    /// Stores a new activity that waits.
    pub(crate) async fn wait(
        &self,
        keys: &KeySet,
        proposal: &Proposal<'_>,
        mut draft: Draft,
        ballot: Ballot,
        status: ActivityStatus,
        evaluations: &[Evaluation],
    ) -> Result<Option<view::Activity>, Refusal> {
        let Proposal { caller, facts, .. } = proposal;
        if draft.carries_code {
            // Codes are stored nowhere (D-11), so that whoever sends one must be allowed to by itself.
            return Err(Refusal::Denied { evaluations: told(&results(evaluations)) });
        }
        draft.record.status = status;
        draft.record.deliberation = Some(Deliberation {
            evaluations: self.evaluation(ballot.vote_id, evaluations, facts.now).into_iter().collect(),
            ballots: vec![ballot],
        });
        draft.record.sealed = self.seal(keys, &draft.record, &draft.secrets);
        let submitter = std::slice::from_ref(&caller.record);
        let told = self.teller(keys, facts.now).activity(Audience::of(facts), &draft.record, submitter);
        if !self.note(Write::InsertActivity(Box::new(draft.record.clone())), told, caller).await? {
            return Ok(None);
        }
        self.show(keys, &draft.record, None, caller, facts.now).await.map(Some)
    }

    /// Stores a new activity that was refused, with what the policies said, and refuses it. Its secrets are forgotten.
    pub(crate) async fn deny(
        &self,
        keys: &KeySet,
        proposal: &Proposal<'_>,
        mut draft: Draft,
        ballot: Ballot,
        evaluations: &[Evaluation],
    ) -> Result<Option<view::Activity>, Refusal> {
        let refusal = Refusal::Denied { evaluations: told(&results(evaluations)) };
        // Whoever is allowed nothing stores little.
        if draft.record.submitter.message.len() > KEPT_OF_DENIALS {
            draft.record.submitter.message.clear();
        }
        if draft.record.intent.len() > KEPT_OF_DENIALS {
            "{}".clone_into(&mut draft.record.intent);
        }
        draft.record.status = ActivityStatus::Rejected;
        draft.record.failure =
            Some(StoredFailure { code: i32::from(refusal.row().0), message: refusal.to_string() });
        draft.record.deliberation = Some(Deliberation {
            evaluations: self
                .evaluation(ballot.vote_id, evaluations, proposal.facts.now)
                .into_iter()
                .collect(),
            ballots: vec![ballot],
        });
        let submitter = std::slice::from_ref(&proposal.caller.record);
        let teller = self.teller(keys, proposal.facts.now);
        let told = teller.activity(Audience::of(proposal.facts), &draft.record, submitter);
        if self.note(Write::InsertActivity(Box::new(draft.record)), told, proposal.caller).await? {
            return Err(refusal);
        }
        Ok(None)
    }

    /// Whether this caller may approve or reject an activity now. `users` are all of the organization whose activity it is.
    pub(crate) async fn can_vote(
        &self,
        keys: &KeySet,
        record: &ActivityRecord,
        caller: &Caller,
        users: &[UserRecord],
        now: Millis,
    ) -> Result<bool, Refusal> {
        if !is_open(record.status) || caller.home.id != record.submitter.organization_id {
            return Ok(false);
        }
        // Whoever cannot be shown the activity's body cannot vote on it; the rest of it can still be told.
        let Ok(pending) = self.pending(keys, record, caller, users.to_vec()) else { return Ok(false) };
        self.lets_vote(&pending, caller.record.user.id, now).await
    }

    /// While the proposer's own credentials are awaited nobody else votes.
    async fn lets_vote(&self, pending: &Pending, voter: UserId, now: Millis) -> Result<bool, Refusal> {
        if pending.record.status == ActivityStatus::AuthenticatorsNeeded {
            return Ok(voter == pending.record.submitter.user_id);
        }
        self.may_vote(&pending.matter(now), voter).await
    }

    fn pending(
        &self,
        keys: &KeySet,
        record: &ActivityRecord,
        caller: &Caller,
        users: Vec<UserRecord>,
    ) -> Result<Pending, Refusal> {
        let mut record = record.clone();
        let secrets = unseal(keys, &record).unwrap_or_default();
        let activity = ActivityType::from_name(&record.activity_type).ok_or_else(|| lost(&record))?;
        let intent = intent_of(activity, &record, &secrets).ok_or_else(|| lost(&record))?;
        let deliberation = record.deliberation.take().unwrap_or_default();
        Ok(Pending { record, deliberation, secrets, activity, intent, users, home: caller.home.clone() })
    }

    /// Keeps a vote that did not complete the activity.
    async fn keep(
        &self,
        cast: &Cast<'_>,
        mut pending: Pending,
        status: ActivityStatus,
        vote_id: VoteId,
        evaluations: &[Evaluation],
    ) -> Result<Option<view::Activity>, Refusal> {
        let before = std::mem::replace(&mut pending.record.status, status);
        let voters = std::mem::take(&mut pending.users);
        let record = self.settle(cast, pending, vote_id, evaluations);
        let told = if status == before { Vec::new() } else { self.tell_of(cast, &record, &voters) };
        if !self.note(Write::UpdateActivity(Box::new(record.clone())), told, cast.caller).await? {
            return Ok(None);
        }
        let record = ActivityRecord { version: record.version + 1, ..record };
        self.show(cast.keys, &record, None, cast.caller, cast.now).await.map(Some)
    }

    /// Carries out an activity that is approved, in the name of its proposer.
    async fn carry_out(
        &self,
        cast: &Cast<'_>,
        mut pending: Pending,
        permit: Permit,
        vote_id: VoteId,
    ) -> Result<Option<view::Activity>, Refusal> {
        let target = pending.record.organization_id;
        let mut intent_keys = activities::keys(&pending.intent, target, &self.settings);
        intent_keys.voted = None;
        if let Some(profile) = pending.deliberation.ballots.first().and_then(session_profile) {
            intent_keys.session_profile = Some(profile);
        }
        let keys = ReadKeys {
            organization: target,
            caller: CallerKey::User(pending.record.submitter.user_id),
            fingerprint: None,
            intent: intent_keys,
        };
        let facts = self.services.store.read(&keys).await.map_err(|error| unavailable(&error))?;
        let first = pending.deliberation.ballots.first().ok_or_else(|| lost(&pending.record))?;
        let proposer = match self.stray(&pending.intent).await {
            Some(refusal) => Err(refusal),
            None => Caller::proposer(&facts, first),
        };
        let decided = match proposer {
            Ok(proposer) => {
                let fingerprint = pending.record.fingerprint;
                let context = self.context(cast.keys, &proposer, &facts, fingerprint, Visit::default());
                activities::decide(&context, &pending.intent)
            }
            Err(refusal) => refusal.into(),
        };
        let Decided { decision, limited } = decided;
        let mut changes = ChangeSet::new();
        let effects = match decision {
            Decision::Complete(effect) => {
                let mut result = effect.result;
                pending.secrets.take_result(&mut result);
                pending.record.result = serde_json::Value::Object(result).to_string();
                pending.record.status = ActivityStatus::Completed;
                effect.changes
            }
            Decision::Refuse(refusal, changes) => {
                let failure =
                    StoredFailure { code: i32::from(refusal.row().0), message: refusal.to_string() };
                pending.record.status = ActivityStatus::Failed;
                pending.record.failure = Some(failure);
                changes
            }
        };
        let voters = std::mem::take(&mut pending.users);
        let record = self.settle(cast, pending, vote_id, &[]);
        changes.push(Write::UpdateActivity(Box::new(record.clone())));
        changes.writes.extend(cast.caller.still_authorized());
        changes.writes.extend(effects.writes);
        changes.writes.extend(self.tell_of(cast, &record, &voters));
        if !self.commit(permit, changes).await? {
            return Ok(None);
        }
        self.tell_limits(cast.caller, &limited, cast.now);
        let record = ActivityRecord { version: record.version + 1, ..record };
        self.show(cast.keys, &record, None, cast.caller, cast.now).await.map(Some)
    }

    /// Tells of what a vote made of an activity.
    fn tell_of(&self, cast: &Cast<'_>, record: &ActivityRecord, voters: &[UserRecord]) -> Vec<Write> {
        self.teller(cast.keys, cast.now).activity(cast.audience, record, voters)
    }

    /// The row as it is to be stored: deliberation and secrets put back.
    fn settle(
        &self,
        cast: &Cast<'_>,
        pending: Pending,
        vote_id: VoteId,
        evaluations: &[Evaluation],
    ) -> ActivityRecord {
        let Pending { mut record, mut deliberation, secrets, .. } = pending;
        deliberation.evaluations.extend(self.evaluation(vote_id, evaluations, cast.now));
        record.deliberation = Some(deliberation);
        record.sealed = self.seal(cast.keys, &record, &secrets);
        record.updated_at = cast.now;
        record
    }

    /// What the policies said to one vote; nothing where none was asked.
    pub(crate) fn evaluation(
        &self,
        vote_id: VoteId,
        evaluations: &[Evaluation],
        now: Millis,
    ) -> Option<EvaluationRecord> {
        let policies = results(evaluations);
        let id = PolicyEvaluationId(uuid_v7(&*self.services.entropy, now));
        (!policies.is_empty()).then_some(EvaluationRecord { id, vote_id, policies, created_at: now })
    }

    /// How far the users who voted on an activity, or one user, have met their MFA policies (get_mfa_status).
    pub(crate) async fn mfa_statuses(
        &self,
        keys: &KeySet,
        record: &ActivityRecord,
        only: Option<UserId>,
        now: Millis,
    ) -> Result<Vec<view::MfaStatus>, Refusal> {
        let Some(facts) = facts_of(keys, record) else { return Ok(Vec::new()) };
        let voters = match only {
            None => self.voters(record, None).await?,
            Some(id) => {
                let found = self.services.store.user(record.submitter.organization_id, id).await;
                found.map_err(|error| unavailable(&error))?.into_iter().collect()
            }
        };
        let ballots = record.deliberation.iter().flat_map(|deliberation| &deliberation.ballots);
        let status = |user: &crate::model::User| {
            let policy = applying(user, &facts)?;
            let young = |b: &&Ballot| b.user_id == user.id && b.approve && b.created_at + APPROVAL_MS > now;
            let done = is_open(record.status).then_some(());
            let used: Vec<_> = ballots
                .clone()
                .filter(|b| if done.is_some() { young(b) } else { b.user_id == user.id })
                .collect();
            let methods: Vec<_> = used.iter().map(|ballot| ballot.method).collect();
            Some(view::MfaStatus {
                mfa_policy_id: policy.id,
                user_id: user.id,
                satisfied: is_met(policy, &methods),
                satisfied_methods: methods
                    .iter()
                    .filter(|method| policy.required.iter().any(|r| r.any.iter().any(|d| method.meets(d))))
                    .map(|method| AuthenticationMethod { kind: method.kind, id: method.id.map(MethodId) })
                    .collect(),
                required_methods: policy.required.clone(),
            })
        };
        Ok(voters.iter().filter_map(|voter| status(&voter.user)).collect())
    }
}

/// The profile of the session that a vote was given with.
fn session_profile(ballot: &Ballot) -> Option<SessionProfileId> {
    let id = ballot.method.id.filter(|id| ballot.method.kind == AuthenticationType::Session && !id.is_nil());
    id.map(SessionProfileId)
}

/// The intent of a stored activity whose body is still at hand: in clear, or with its secrets.
fn intent_of(activity: ActivityType, record: &ActivityRecord, secrets: &Secrets) -> Option<Intent> {
    let clear = Some(&record.submitter.message).filter(|message| !message.is_empty());
    let body = secrets.message.as_ref().or(clear)?;
    let envelope = Envelope::parse(activity.path(), body.as_bytes()).ok()?;
    Some(envelope.intent().ok()?.intent)
}

/// What policies see of a stored activity.
fn facts_of(keys: &KeySet, record: &ActivityRecord) -> Option<ActivityFacts> {
    let activity = ActivityType::from_name(&record.activity_type)?;
    let secrets = unseal(keys, record).unwrap_or_default();
    Some(ActivityFacts::about(activity, &intent_of(activity, record, &secrets)?))
}

/// What the policies said to an activity that was refused when it was proposed; `None` for any other.
pub(crate) fn denial(record: &ActivityRecord) -> Option<Vec<PolicyOutcome>> {
    record.failure.as_ref().filter(|_| record.status == ActivityStatus::Rejected)?;
    let policies = record.deliberation.iter().flat_map(|d| &d.evaluations).flat_map(|e| &e.policies);
    Some(told(&policies.cloned().collect::<Vec<_>>()))
}

/// A stored activity whose body cannot be read back: a fault of ours.
fn lost(record: &ActivityRecord) -> Refusal {
    tracing::error!(activity = %record.id, "the body of a waiting activity cannot be read");
    Refusal::Internal(record.id.to_string())
}
