//! The one path every request takes: read, authenticate, decide, commit.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokio::sync::Notify;
use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::p256::KeyCache;
use vestibule_policy::Permit;
use vestibule_policy::judgement::Verdict;
use vestibule_wire::view::{self, ActivityStatus};
use vestibule_wire::{ActivityType, Envelope, Intent, ParsedIntent, Refusal, SessionProfileId, Vote};

use crate::Clock;
use crate::activities::{self, Context, Decided, Decision};
use crate::addresses::{self, DomainCheck};
use crate::authority::{Matter, PolicyCache, ScopeCache};
use crate::caller::{Caller, Stamp, StampHeaders, Surface, Via, authenticate};
use crate::destinations::{NoNames, Resolver};
use crate::events::{Audience, Teller};
use crate::keys::KeyRing;
use crate::limits::{AbuseLog, Limited, Visit};
use crate::model::ActivityRecord;
use crate::settings::Settings;
use crate::store::{ChangeSet, CommitError, Facts, ReadKeys, Store, StoreError, Write};
use crate::views;
use crate::votes::{Cast, denial, is_open};

/// How often a decision is made anew because something it read has changed. Each conflict means that another request
/// went through, so that this bound is met only under a flood on one contact.
const MAX_ROUNDS: usize = 12;

/// The same for votes, and for changes that hold their organization: a hundred of them may come at the same moment, each
/// judged on what all before it left.
const MAX_CROWD_ROUNDS: usize = 256;

/// Parsed public keys kept for returning callers.
const CACHED_KEYS: usize = 16_384;

/// The activities that may name the parent for the one sub-organization that the credential lives in (G-STAMP-4).
const RESOLVING: [&str; 3] = ["STAMP_LOGIN", "CREATE_READ_ONLY_SESSION", "CREATE_READ_WRITE_SESSION"];

/// Facts that were read so long ago, milliseconds, are read anew before a decision.
const STALE_MS: i64 = 100;

/// What the engine works with.
#[derive(Clone)]
pub struct Services {
    /// Persistent state.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The server's keys.
    pub keys: Arc<KeyRing>,
}

/// Runs activities and queries.
pub struct Engine {
    pub(crate) services: Services,
    pub(crate) settings: Settings,
    pub(crate) cache: KeyCache,
    pub(crate) policies: PolicyCache,
    pub(crate) scopes: ScopeCache,
    pub(crate) resolver: Arc<dyn Resolver>,
    domains: OnceLock<Arc<dyn DomainCheck>>,
    pub(crate) abuse: AbuseLog,
    queued: Notify,
    pub(crate) told: Notify,
}

/// Who speaks in a submission: a stamp still to be verified, or the auth proxy's vouched-for service user.
pub(crate) enum Speaker<'a> {
    Stamp(&'a Stamp),
    Proxy(crate::caller::StampRecord),
}

/// One activity on its way through the engine.
pub(crate) struct Submission<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) body: &'a [u8],
    pub(crate) speaker: Speaker<'a>,
    pub(crate) keys: ReadKeys,
    pub(crate) parsed: Result<ParsedIntent, Refusal>,
    pub(crate) visit: Visit,
}

/// A new activity with all that its decision may depend on.
#[derive(Clone, Copy)]
pub(crate) struct Proposal<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) intent: &'a Intent,
    pub(crate) echo: &'a Value,
    pub(crate) body: &'a [u8],
    pub(crate) fingerprint: [u8; 32],
    pub(crate) caller: &'a Caller,
    pub(crate) facts: &'a Facts,
    pub(crate) visit: &'a Visit,
}

impl Engine {
    /// An engine over these services.
    pub fn new(services: Services, settings: Settings) -> Self {
        Self {
            services,
            settings,
            cache: KeyCache::new(CACHED_KEYS),
            policies: PolicyCache::default(),
            scopes: ScopeCache::default(),
            resolver: Arc::new(NoNames),
            domains: OnceLock::new(),
            abuse: AbuseLog::default(),
            queued: Notify::new(),
            told: Notify::new(),
        }
    }

    /// Has the domains of addresses judged from now on; without this all are taken. Only the first call counts.
    pub fn judge_domains_by(&self, check: Arc<dyn DomainCheck>) {
        let _ = self.domains.set(check);
    }

    /// Notified after each commit that queued a message.
    pub fn message_queued(&self) -> &Notify {
        &self.queued
    }

    /// Notified after each commit that queued a delivery to a webhook endpoint.
    pub fn delivery_queued(&self) -> &Notify {
        &self.told
    }

    /// Runs the activity in `body`, posted to `/public/v1/submit/<path>`.
    ///
    /// The same bytes again return the stored activity (protocol 00, section 4.2).
    pub async fn submit(
        &self,
        path: &str,
        body: &[u8],
        headers: &StampHeaders<'_>,
    ) -> Result<view::Activity, Refusal> {
        if !ActivityType::ALL.iter().any(|t| t.path() == path) {
            return Err(Refusal::UnknownPath);
        }
        let stamp = Stamp::parse(headers, Surface::Activity, &self.cache, &self.services.keys.current())?;
        let envelope = Envelope::parse(path, body)?;
        let organization = envelope.organization_id;
        let parsed = envelope.intent();
        let mut intent_keys = parsed
            .as_ref()
            .map(|p| activities::keys(&p.intent, organization, &self.settings))
            .unwrap_or_default();
        stamp.add_keys(&mut intent_keys);
        // One large future on the heap, instead of its size on the stack of everybody who polls it.
        Box::pin(self.run(Submission {
            envelope: &envelope,
            body,
            keys: ReadKeys {
                organization: envelope.organization_id,
                caller: stamp.caller_key(),
                fingerprint: Some(sha256(body)),
                intent: intent_keys,
            },
            speaker: Speaker::Stamp(&stamp),
            parsed,
            visit: Visit::default(),
        }))
        .await
    }

    pub(crate) async fn run(&self, submission: Submission<'_>) -> Result<view::Activity, Refusal> {
        let Submission { envelope, body, speaker, mut keys, parsed, visit } = submission;
        let fingerprint = keys.fingerprint.unwrap_or_else(|| sha256(body));
        // Of many who change one thing at once each may have to look again after every other one.
        let crowded = |p: &ParsedIntent| {
            matches!(p.intent, Intent::Vote(_)) || activities::holds_organization(&p.intent)
        };
        let mut rounds = if parsed.as_ref().is_ok_and(crowded) { MAX_CROWD_ROUNDS } else { MAX_ROUNDS };
        // One key set from start to end, however often it decides.
        let key_set = self.services.keys.current();
        let mut verified = None;
        let mut domains_judged = false;
        let mut round = 0;
        while round < rounds {
            round += 1;
            let facts = self.services.store.read(&keys).await.map_err(|error| unavailable(&error))?;
            let caller = match &speaker {
                Speaker::Stamp(stamp) => {
                    let resolves = RESOLVING.contains(&envelope.activity_type.kind());
                    authenticate(&facts, stamp, body, &self.settings, resolves, verified.as_ref())?
                }
                Speaker::Proxy(stamp) => Caller::proxy(&facts, stamp.clone())?,
            };
            verified.clone_from(&caller.credential);
            if caller.target.id != keys.organization {
                // A parent id that stood for the credential's own sub-organization: read again with that one.
                keys.organization = caller.target.id;
                continue;
            }
            if let Some(profile) = inherited_profile(&caller, &parsed)
                && keys.intent.session_profile != Some(profile)
            {
                // A session that is refreshed stays under its profile, which is read with the next round.
                keys.intent.session_profile = Some(profile);
                continue;
            }
            let outcome = if let Some(record) = &facts.activity {
                rounds = MAX_CROWD_ROUNDS;
                self.again(&key_set, record, &caller, &facts).await?
            } else {
                let ParsedIntent { intent, echo } = parsed.as_ref().map_err(Clone::clone)?;
                self.check_liveness(envelope.timestamp_ms, facts.now)?;
                self.may_submit(&caller, envelope.activity_type, intent, facts.now).await?;
                if let Some(check) = self.domains.get().filter(|_| !domains_judged) {
                    domains_judged = true;
                    let asked_at = self.services.clock.now_ms();
                    addresses::check(&**check, intent).await?;
                    if self.services.clock.now_ms() - asked_at >= STALE_MS {
                        // The decision is made from what holds now.
                        rounds += 1;
                        continue;
                    }
                }
                let (caller, facts) = (&caller, &facts);
                let proposal =
                    Proposal { envelope, intent, echo, body, fingerprint, caller, facts, visit: &visit };
                match intent {
                    Intent::Vote(vote) => self.vote(&key_set, &proposal, vote).await?,
                    _ => self.propose(&key_set, &proposal).await?,
                }
            };
            if let Some(shown) = outcome {
                return Ok(shown);
            }
        }
        tracing::warn!(kind = envelope.activity_type.kind(), "gave up after repeated conflicts");
        Err(Refusal::Unavailable)
    }

    /// Bytes that were seen before: the stored activity as it is now. While it waits, they are an approval in another
    /// member's hands, or in the proposer's own with another credential (G-ENV-2).
    async fn again(
        &self,
        keys: &KeySet,
        record: &ActivityRecord,
        caller: &Caller,
        facts: &Facts,
    ) -> Result<Option<view::Activity>, Refusal> {
        // Bytes that name the parent for one user's own organization mean another one in another's hands.
        if record.organization_id != caller.target.id {
            return Err(Refusal::NotAuthorized);
        }
        let vote = Vote { fingerprint: record.fingerprint, approve: true };
        let (kind, vote) = (ActivityType::ApproveActivity, Intent::Vote(vote));
        if is_open(record.status) && self.may_submit(caller, kind, &vote, facts.now).await.is_ok() {
            let message = record.submitter.message.clone();
            let audience = Audience::of(facts);
            let cast = Cast { keys, caller, audience, approve: true, message, now: facts.now };
            match self.cast(&cast, record).await {
                Err(Refusal::NotAuthorized | Refusal::FingerprintNotFound) => {}
                outcome => return outcome,
            }
        }
        if let Some(evaluations) = denial(record) {
            return Err(Refusal::Denied { evaluations });
        }
        self.show(keys, record, facts.submitter.as_ref(), caller, facts.now).await.map(Some)
    }

    async fn vote(
        &self,
        keys: &KeySet,
        proposal: &Proposal<'_>,
        vote: &Vote,
    ) -> Result<Option<view::Activity>, Refusal> {
        let Proposal { caller, facts, body, .. } = proposal;
        let record = facts.voted.as_ref().filter(|record| record.organization_id == caller.target.id);
        let record = record.ok_or(Refusal::FingerprintNotFound)?;
        let message = String::from_utf8_lossy(body).into_owned();
        let audience = Audience::of(facts);
        let cast = Cast { keys, caller, audience, approve: vote.approve, message, now: facts.now };
        self.cast(&cast, record).await
    }

    /// One round of a new activity; `None` when something changed meanwhile.
    async fn propose(
        &self,
        keys: &KeySet,
        proposal: &Proposal<'_>,
    ) -> Result<Option<view::Activity>, Refusal> {
        let Proposal { envelope, intent, echo, body, fingerprint, caller, facts, visit } = *proposal;
        let now = facts.now;
        let draft = self.draft(envelope, echo, caller, fingerprint, body, now);
        let ballot = caller.ballot(draft.record.submitter.vote_id, true, String::new(), now);
        let matter = Matter {
            activity: envelope.activity_type,
            intent,
            proposer: caller.record.user.id,
            home: &caller.home,
            at_home: caller.at_home(),
            on_self: activities::on_self(intent, caller.record.user.id),
            by_proxy: caller.via == Via::Proxy,
            ballots: std::slice::from_ref(&ballot),
            users: std::slice::from_ref(&caller.record),
            all_users: false,
            now,
        };
        let ruling = self.rule(&matter).await?;
        let permit = match (ruling.verdict, ruling.proposer_waits) {
            (Verdict::Allow(permit), false) => permit,
            (Verdict::Allow(_), true) => {
                let status = ActivityStatus::AuthenticatorsNeeded;
                return self.wait(keys, proposal, draft, ballot, status, &[]).await;
            }
            (Verdict::NeedsConsensus(evaluations), waits) => {
                let status = if waits {
                    ActivityStatus::AuthenticatorsNeeded
                } else {
                    ActivityStatus::ConsensusNeeded
                };
                return self.wait(keys, proposal, draft, ballot, status, &evaluations).await;
            }
            (Verdict::NeedsMembers, _) => return Err(Refusal::Unavailable),
            (Verdict::Deny(evaluations) | Verdict::Rejected(evaluations), _) => {
                return self.deny(keys, proposal, draft, ballot, &evaluations).await;
            }
        };
        let Decided { decision, limited } = match self.stray(intent).await {
            Some(refusal) => refusal.into(),
            None => {
                activities::decide(&self.context(keys, caller, facts, fingerprint, visit.clone()), intent)
            }
        };
        match decision {
            Decision::Complete(effect) => {
                let (record, secrets) = self.complete(keys, draft, effect.result);
                let submitter = std::slice::from_ref(&caller.record);
                let shown = views::activity(&record, Some(secrets), submitter, false, now);
                let told = self.teller(keys, now).activity(Audience::of(facts), &record, submitter);
                let mut changes = ChangeSet::new();
                changes.push(Write::InsertActivity(Box::new(record)));
                changes.writes.extend(caller.still_authorized());
                changes.writes.extend(effect.changes.writes);
                changes.writes.extend(told);
                if !self.commit(permit, changes).await? {
                    return Ok(None);
                }
                self.tell_limits(caller, &limited, now);
                Ok(Some(shown))
            }
            Decision::Refuse(refusal, changes) => {
                if changes.writes.is_empty() || self.commit(permit, changes).await? {
                    self.tell_limits(caller, &limited, now);
                    return Err(refusal);
                }
                Ok(None)
            }
        }
    }

    /// Counts the limits that a decision met, once it stands.
    pub(crate) fn tell_limits(&self, caller: &Caller, limited: &[Limited], now: i64) {
        for met in limited {
            self.abuse.note(Some(caller.tenant()), met, now);
        }
    }

    /// What events are told with.
    pub(crate) fn teller<'a>(&'a self, keys: &'a KeySet, now: i64) -> Teller<'a> {
        Teller { keys, entropy: &*self.services.entropy, now }
    }

    pub(crate) fn context<'a>(
        &'a self,
        keys: &'a KeySet,
        caller: &'a Caller,
        facts: &'a Facts,
        fingerprint: [u8; 32],
        visit: Visit,
    ) -> Context<'a> {
        Context {
            settings: &self.settings,
            keys,
            cache: &self.cache,
            entropy: &*self.services.entropy,
            caller,
            facts,
            fingerprint,
            visit,
        }
    }

    /// Commits; false when a guard failed and the decision must be made anew.
    pub(crate) async fn commit(&self, _permit: Permit, changes: ChangeSet) -> Result<bool, Refusal> {
        self.apply_all(changes).await
    }

    /// Stores an activity that nothing is done for: one that waits, or that was denied. Needs no permit, so that it takes
    /// no other write but those that tell of it.
    pub(crate) async fn note(
        &self,
        record: Write,
        told: Vec<Write>,
        caller: &Caller,
    ) -> Result<bool, Refusal> {
        debug_assert!(matches!(record, Write::InsertActivity(_) | Write::UpdateActivity(_)));
        debug_assert!(told.iter().all(|write| matches!(write, Write::EnqueueDelivery(_))));
        let mut changes = ChangeSet::new();
        changes.push(record);
        changes.writes.extend(caller.still_authorized());
        changes.writes.extend(told);
        self.apply_all(changes).await
    }

    async fn apply_all(&self, changes: ChangeSet) -> Result<bool, Refusal> {
        let queues = changes.writes.iter().any(|write| matches!(write, Write::Enqueue(_)));
        let tells = changes.writes.iter().any(|write| matches!(write, Write::EnqueueDelivery(_)));
        match self.services.store.commit(changes).await {
            Ok(()) => {
                if queues {
                    self.queued.notify_one();
                }
                if tells {
                    self.told.notify_one();
                }
                Ok(true)
            }
            Err(CommitError::Conflict(write)) => {
                tracing::debug!(write, "conflict, deciding anew");
                Ok(false)
            }
            Err(CommitError::Unavailable(error)) => Err(unavailable(&error)),
        }
    }

    pub(crate) fn check_liveness(&self, timestamp_ms: i64, now: i64) -> Result<(), Refusal> {
        let window = |now: i64| {
            (now - self.settings.liveness_past_ms..=now + self.settings.liveness_future_ms)
                .contains(&timestamp_ms)
        };
        // In development the clock may have been advanced; a client's own clock has not (D-15).
        if window(now) || window(self.services.clock.wall_ms()) {
            Ok(())
        } else {
            Err(Refusal::OutsideLivenessWindow)
        }
    }
}

/// The session profile that a session key hands on to the key it asks for.
fn inherited_profile(caller: &Caller, parsed: &Result<ParsedIntent, Refusal>) -> Option<SessionProfileId> {
    match parsed.as_ref().map(|parsed| &parsed.intent) {
        Ok(Intent::StampLogin(_) | Intent::CreateReadWriteSession(_)) => {
            caller.credential.as_ref()?.session_profile_id.map(SessionProfileId)
        }
        _ => None,
    }
}

/// Logs why the store is away and says only that it is.
pub(crate) fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the store does not answer");
    Refusal::Unavailable
}
