//! The one path every request takes: read, authenticate, decide, commit.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Notify;
use vestibule_crypto::entropy::{Entropy, uuid_v7};
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::p256::KeyCache;
use vestibule_crypto::seal::place;
use vestibule_policy::{Permit, Verdict};
use vestibule_wire::view::{self, ActivityStatus};
use vestibule_wire::{
    ActivityId, ActivityType, Envelope, Intent, OrganizationId, ParsedIntent, Refusal, VoteId,
};

use crate::Clock;
use crate::activities::{self, Context, Decision};
use crate::caller::{Caller, Stamp, StampHeaders, Surface, Via, authenticate};
use crate::keys::KeyRing;
use crate::model::{ActivityRecord, Submitter, UserRecord};
use crate::settings::Settings;
use crate::store::{ChangeSet, CommitError, Facts, ReadKeys, Store, StoreError, Write};
use crate::views::{self, Secrets};

/// How often a decision is made anew because something it read has changed. Each conflict means that another request
/// went through, so that this bound is met only under a flood on one contact.
const MAX_ROUNDS: usize = 12;

/// Parsed public keys kept for returning callers.
const CACHED_KEYS: usize = 16_384;

/// The activities that may name the parent for the one sub-organization that the credential lives in (G-STAMP-4).
const RESOLVING: [&str; 3] = ["STAMP_LOGIN", "CREATE_READ_ONLY_SESSION", "CREATE_READ_WRITE_SESSION"];

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
    queued: Notify,
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
}

impl Engine {
    /// An engine over these services.
    pub fn new(services: Services, settings: Settings) -> Self {
        Self { services, settings, cache: KeyCache::new(CACHED_KEYS), queued: Notify::new() }
    }

    /// Notified after each commit that queued a message.
    pub fn message_queued(&self) -> &Notify {
        &self.queued
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
        if !ActivityType::ALL.iter().any(|t| t.path() == path && t.is_served()) {
            return Err(Refusal::UnknownPath);
        }
        let stamp = Stamp::parse(headers, Surface::Activity, &self.cache)?;
        let envelope = Envelope::parse(path, body)?;
        let organization = envelope.organization_id;
        let parsed = envelope.intent();
        let mut intent_keys =
            parsed.as_ref().map(|p| activities::keys(&p.intent, organization)).unwrap_or_default();
        stamp.add_keys(&mut intent_keys);
        self.run(Submission {
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
        })
        .await
    }

    pub(crate) async fn run(&self, submission: Submission<'_>) -> Result<view::Activity, Refusal> {
        let Submission { envelope, body, speaker, mut keys, parsed } = submission;
        let fingerprint = keys.fingerprint.unwrap_or_else(|| sha256(body));
        // One key set from start to end, however often it decides.
        let key_set = self.services.keys.current();
        let mut verified = false;
        for _ in 0..MAX_ROUNDS {
            let facts = self.services.store.read(&keys).await.map_err(|error| unavailable(&error))?;
            let caller = match &speaker {
                Speaker::Stamp(stamp) => {
                    let resolves = RESOLVING.contains(&envelope.activity_type.kind());
                    authenticate(&facts, stamp, body, &self.settings, resolves, verified)?
                }
                Speaker::Proxy(stamp) => Caller::proxy(&facts, stamp.clone())?,
            };
            verified = true;
            if caller.target.id != keys.organization {
                // A parent id that stood for the credential's own sub-organization: read again with that one.
                keys.organization = caller.target.id;
                continue;
            }
            if let Some(record) = &facts.activity {
                // Bytes that name the parent for one user's own organization mean another one in another's hands.
                if record.organization_id != caller.target.id {
                    return Err(Refusal::NotAuthorized);
                }
                return Ok(self.show(&key_set, record, facts.submitter.as_ref(), &caller, facts.now));
            }
            let ParsedIntent { intent, echo } = parsed.as_ref().map_err(Clone::clone)?;
            self.check_liveness(envelope.timestamp_ms, facts.now)?;
            let permit = authorize(&caller, envelope.activity_type, intent)?;
            let decision = activities::decide(&self.context(&key_set, &caller, &facts, fingerprint), intent);
            match decision {
                Decision::Complete(effect) => {
                    let (record, shown) = self.record(
                        &key_set,
                        envelope,
                        echo,
                        effect.result,
                        &caller,
                        fingerprint,
                        body,
                        facts.now,
                    );
                    let mut changes = ChangeSet::new();
                    changes.push(Write::InsertActivity(Box::new(record)));
                    changes.writes.extend(caller.still_authorized());
                    changes.writes.extend(effect.changes.writes);
                    if self.commit(permit, changes).await? {
                        return Ok(shown);
                    }
                }
                Decision::Refuse(refusal, changes) => {
                    if changes.writes.is_empty() || self.commit(permit, changes).await? {
                        return Err(refusal);
                    }
                }
            }
        }
        tracing::warn!(kind = envelope.activity_type.kind(), "gave up after repeated conflicts");
        Err(Refusal::Unavailable)
    }

    fn context<'a>(
        &'a self,
        keys: &'a KeySet,
        caller: &'a Caller,
        facts: &'a Facts,
        fingerprint: [u8; 32],
    ) -> Context<'a> {
        Context {
            settings: &self.settings,
            keys,
            cache: &self.cache,
            entropy: &*self.services.entropy,
            caller,
            facts,
            fingerprint,
        }
    }

    /// Commits; false when a guard failed and the decision must be made anew.
    async fn commit(&self, _permit: Permit, changes: ChangeSet) -> Result<bool, Refusal> {
        let queues = changes.writes.iter().any(|write| matches!(write, Write::Enqueue(_)));
        match self.services.store.commit(changes).await {
            Ok(()) => {
                if queues {
                    self.queued.notify_one();
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

    fn check_liveness(&self, timestamp_ms: i64, now: i64) -> Result<(), Refusal> {
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

    /// Makes the stored row and the object that the submitter sees.
    #[allow(clippy::too_many_arguments)]
    fn record(
        &self,
        keys: &KeySet,
        envelope: &Envelope,
        echo: &Value,
        result: Map<String, Value>,
        caller: &Caller,
        fingerprint: [u8; 32],
        body: &[u8],
        now: i64,
    ) -> (ActivityRecord, view::Activity) {
        let entropy = &*self.services.entropy;
        let id = ActivityId(uuid_v7(entropy, now));
        let mut intent = echo.as_object().cloned().unwrap_or_default();
        let mut result = result;
        // The body parsed as JSON, so that it is UTF-8.
        let message = String::from_utf8_lossy(body).into_owned();
        let (secrets, message) = Secrets::take(&mut intent, &mut result, message);
        // What the proxy handed to a browser is nobody's to read again: its service user has no use for it.
        let kept = !secrets.is_empty() && caller.via != Via::Proxy;
        let sealed = kept.then(|| {
            let text = serde_json::to_vec(&secrets).expect("secrets are JSON");
            keys.sealing_key().seal(entropy, &secrets_place(caller.target.id, id), &text)
        });
        let record = ActivityRecord {
            organization_id: caller.target.id,
            tenant_id: caller.tenant(),
            id,
            fingerprint,
            activity_type: envelope.activity_type.name().to_owned(),
            status: ActivityStatus::Completed,
            timestamp_ms: envelope.timestamp_ms,
            intent: Value::Object(intent).to_string(),
            result: Value::Object(result).to_string(),
            sealed,
            submitter: Submitter {
                organization_id: caller.home.id,
                user_id: caller.record.user.id,
                vote_id: VoteId(uuid_v7(entropy, now)),
                public_key: caller.stamp.public_key.clone(),
                signature: caller.stamp.signature.clone(),
                scheme: caller.stamp.scheme.to_owned(),
                message,
            },
            version: 0,
            failure: None,
            deliberation: None,
            created_at: now,
            updated_at: now,
        };
        let shown = views::activity(&record, Some(secrets), Some(&caller.record), now);
        (record, shown)
    }

    /// The object of a stored activity as this caller may see it (D-11).
    pub(crate) fn show(
        &self,
        keys: &KeySet,
        record: &ActivityRecord,
        submitter: Option<&UserRecord>,
        caller: &Caller,
        now: i64,
    ) -> view::Activity {
        let own = record.submitter.user_id == caller.record.user.id
            && record.submitter.organization_id == caller.home.id;
        let secrets = if own { unseal(keys, record) } else { None };
        views::activity(record, secrets, submitter, now)
    }
}

fn unseal(keys: &KeySet, record: &ActivityRecord) -> Option<Secrets> {
    let sealed = record.sealed.as_deref()?;
    let text = keys.open(&secrets_place(record.organization_id, record.id), sealed);
    match text.map(|text| serde_json::from_slice(&text)) {
        Ok(Ok(secrets)) => Some(secrets),
        Ok(Err(_)) | Err(_) => {
            tracing::error!(activity = %record.id, "the sealed part of an activity cannot be opened");
            None
        }
    }
}

/// Where the secrets of an activity are sealed to.
pub(crate) fn secrets_place(organization: OrganizationId, id: ActivityId) -> Vec<u8> {
    let mut row = organization.as_bytes().to_vec();
    row.extend_from_slice(id.as_bytes());
    place("activities", "sealed", &row)
}

/// Whether the caller may submit this here at all, and whether its authority suffices (protocol 02, section 1).
fn authorize(caller: &Caller, activity: ActivityType, intent: &Intent) -> Result<Permit, Refusal> {
    if !activities::stamp_may_submit(intent, caller.via) {
        return Err(Refusal::NotAuthorized);
    }
    if activity.parents_only() && caller.target.parent_id.is_some() {
        return Err(Refusal::CallerIsSubOrganization);
    }
    if !caller.at_home() && !activity.parent_may_target() {
        return Err(Refusal::OrganizationMismatch { target: caller.target.id, caller: caller.home.id });
    }
    let request = vestibule_policy::Request {
        activity,
        caller: caller.record.user.id,
        quorum: &caller.home.quorum,
        at_home: caller.at_home(),
        on_self: activities::on_self(intent, caller),
        by_proxy: caller.via == Via::Proxy,
    };
    match vestibule_policy::judge(&request) {
        Verdict::Allow(permit) => Ok(permit),
        Verdict::Deny(evaluations) => Err(Refusal::Denied { evaluations }),
    }
}

/// Logs why the store is away and says only that it is.
pub(crate) fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the store does not answer");
    Refusal::Unavailable
}
