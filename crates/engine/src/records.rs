//! What is stored of an activity, and what of it is shown to whom (D-2, D-11).

use serde_json::{Map, Value};
use vestibule_crypto::entropy::uuid_v7;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::seal::place;
use vestibule_wire::view::{self, ActivityStatus};
use vestibule_wire::{ActivityId, Envelope, OrganizationId, Refusal, VoteId};

use crate::caller::{Caller, Via};
use crate::engine::{Engine, unavailable};
use crate::model::{ActivityRecord, Millis, Submitter, UserRecord};
use crate::views::{self, Secrets};
use crate::votes::is_open;

/// An activity before it is known what becomes of it.
pub(crate) struct Draft {
    /// Without a result, and without the sealed part.
    pub(crate) record: ActivityRecord,
    pub(crate) secrets: Secrets,
    /// Whether the body carries a code, which is stored nowhere.
    pub(crate) carries_code: bool,
    /// Whether the secrets are anybody's to read again.
    keeps_secrets: bool,
}

impl Engine {
    /// The row of an activity that `caller` proposes.
    pub(crate) fn draft(
        &self,
        envelope: &Envelope,
        echo: &Value,
        caller: &Caller,
        fingerprint: [u8; 32],
        body: &[u8],
        now: Millis,
    ) -> Draft {
        let entropy = &*self.services.entropy;
        let mut intent = echo.as_object().cloned().unwrap_or_default();
        // The body parsed as JSON, so that it is UTF-8.
        let message = String::from_utf8_lossy(body).into_owned();
        let (secrets, message, carries_code) = Secrets::take(&mut intent, message);
        let record = ActivityRecord {
            organization_id: caller.target.id,
            tenant_id: caller.tenant(),
            id: ActivityId(uuid_v7(entropy, now)),
            fingerprint,
            activity_type: envelope.activity_type.name().to_owned(),
            status: ActivityStatus::Completed,
            timestamp_ms: envelope.timestamp_ms,
            intent: Value::Object(intent).to_string(),
            result: "{}".to_owned(),
            sealed: None,
            submitter: Submitter {
                organization_id: caller.home.id,
                user_id: caller.record.user.id,
                vote_id: VoteId(uuid_v7(entropy, now)),
                public_key: caller.stamp.public_key.clone(),
                signature: caller.stamp.signature.clone(),
                scheme: caller.stamp.scheme.to_string(),
                message,
            },
            version: 0,
            failure: None,
            deliberation: None,
            created_at: now,
            updated_at: now,
        };
        // What the proxy handed to a browser is nobody's to read again: its service user has no use for it.
        Draft { record, secrets, carries_code, keeps_secrets: caller.via != Via::Proxy }
    }

    /// The row of a draft that is done, and what of it is secret.
    pub(crate) fn complete(
        &self,
        keys: &KeySet,
        draft: Draft,
        mut result: Map<String, Value>,
    ) -> (ActivityRecord, Secrets) {
        let Draft { mut record, mut secrets, carries_code: _, keeps_secrets } = draft;
        secrets.take_result(&mut result);
        record.result = Value::Object(result).to_string();
        if keeps_secrets {
            record.sealed = self.seal(keys, &record, &secrets);
        }
        (record, secrets)
    }

    /// Seals what is secret of an activity; `None` where nothing is.
    pub(crate) fn seal(&self, keys: &KeySet, record: &ActivityRecord, secrets: &Secrets) -> Option<Vec<u8>> {
        if secrets.is_empty() {
            return None;
        }
        let text = serde_json::to_vec(secrets).expect("secrets are JSON");
        let place = secrets_place(record.organization_id, record.id);
        Some(keys.sealing_key().seal(&*self.services.entropy, &place, &text))
    }

    /// The object of a stored activity as this caller may see it (D-11).
    pub(crate) async fn show(
        &self,
        keys: &KeySet,
        record: &ActivityRecord,
        submitter: Option<&UserRecord>,
        caller: &Caller,
        now: Millis,
    ) -> Result<view::Activity, Refusal> {
        // A read-only session reads what its user may, but no secret that does more than it may itself.
        let own = caller.via != Via::Session
            && record.submitter.user_id == caller.record.user.id
            && record.submitter.organization_id == caller.home.id;
        let secrets = if own { unseal(keys, record) } else { None };
        let voters = self.voters(record, submitter).await?;
        let may_vote = self.can_vote(keys, record, caller, &voters, now).await?;
        Ok(views::activity(record, secrets, &voters, may_vote, now))
    }

    /// Those who voted on an activity; of one that waits, all who may.
    pub(crate) async fn voters(
        &self,
        record: &ActivityRecord,
        submitter: Option<&UserRecord>,
    ) -> Result<Vec<UserRecord>, Refusal> {
        let first = &record.submitter;
        let mut ballots = record.deliberation.iter().flat_map(|deliberation| &deliberation.ballots);
        let alone = ballots.all(|ballot| ballot.user_id == first.user_id) && !is_open(record.status);
        let store = &self.services.store;
        let found = match submitter {
            Some(submitter) if alone => return Ok(vec![submitter.clone()]),
            None if alone => {
                let found = store.user(first.organization_id, first.user_id).await;
                found.map(|user| user.into_iter().collect())
            }
            _ => store.users(first.organization_id).await,
        };
        found.map_err(|error| unavailable(&error))
    }
}

/// Opens what is secret of an activity.
pub(crate) fn unseal(keys: &KeySet, record: &ActivityRecord) -> Option<Secrets> {
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
