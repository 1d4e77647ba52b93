//! turnkey_client 0.17.1 in an organization of several users: what waits for another's approval is an error to the crate,
//! until it is given; and a secp256k1 key, which of the published packages only the Rust crates stamp with as it is.

use anyhow::{Context, Result};
use turnkey_client::generated::immutable::common::v1::ApiKeyCurve;
use turnkey_client::generated::{
    ActivityStatus, ApiKeyParamsV2, ApproveActivityIntent, CreateSubOrganizationIntentV8,
    CreateUserTagIntent, CreateUsersIntentV4, GetActivityRequest, GetSubOrgIdsRequest, GetWhoamiRequest,
    RejectActivityIntent, RootUserParamsV5, UpdateRootQuorumIntent, UserParamsV4,
};
use turnkey_client::{TurnkeyClient, TurnkeyClientError, TurnkeyP256ApiKey, TurnkeySecp256k1ApiKey};
use vestibule_e2e::client_crypto::public_hex;
use vestibule_e2e::{Server, fresh_email};

type Client = TurnkeyClient<TurnkeyP256ApiKey>;

/// Adds a user with one key, who has no rights but those that everybody has.
async fn hire(server: &Server, backend: &Client, public_key: String, curve: ApiKeyCurve) -> Result<String> {
    let api_key = ApiKeyParamsV2 {
        api_key_name: "Key".to_owned(),
        public_key,
        curve_type: curve,
        expiration_seconds: None,
    };
    let user = UserParamsV4 {
        user_name: "Colleague".to_owned(),
        user_email: None,
        user_phone_number: None,
        api_keys: vec![api_key],
        authenticators: vec![],
        oauth_providers: vec![],
        user_tags: vec![],
    };
    let intent = CreateUsersIntentV4 { users: vec![user] };
    let made = backend.create_users(server.organization_id(), backend.current_timestamp(), intent).await?;
    Ok(made.result.user_ids.first().context("one user")?.clone())
}

fn sub_organization(name: &str, user_email: &str) -> CreateSubOrganizationIntentV8 {
    let root_user = RootUserParamsV5 {
        user_name: "User".to_owned(),
        user_email: Some(user_email.to_owned()),
        user_phone_number: None,
        api_keys: vec![],
        authenticators: vec![],
        oauth_providers: vec![],
    };
    CreateSubOrganizationIntentV8 {
        sub_organization_name: name.to_owned(),
        root_users: vec![root_user],
        root_quorum_threshold: 1,
        wallet: None,
        disable_email_recovery: None,
        disable_email_auth: None,
        disable_sms_auth: None,
        disable_otp_email_auth: None,
        verification_token: None,
        client_signature: None,
    }
}

async fn named(server: &Server, backend: &Client, name: &str) -> Result<Vec<String>> {
    let request = GetSubOrgIdsRequest {
        organization_id: server.organization_id(),
        filter_type: "NAME".to_owned(),
        filter_value: name.to_owned(),
        pagination_options: None,
    };
    Ok(backend.get_sub_org_ids(request).await?.organization_ids)
}

/// The id and fingerprint of what waits for an approval.
async fn waiting<T: std::fmt::Debug>(
    server: &Server,
    backend: &Client,
    outcome: Result<T, TurnkeyClientError>,
) -> Result<(String, String)> {
    let activity_id = match outcome {
        Err(TurnkeyClientError::ActivityRequiresApproval(id)) => id,
        other => panic!("expected that it requires an approval, got {other:?}"),
    };
    let request =
        GetActivityRequest { organization_id: server.organization_id(), activity_id: activity_id.clone() };
    let activity = backend.get_activity(request).await?.activity.context("an activity")?;
    assert_eq!(activity.status, ActivityStatus::ConsensusNeeded);
    assert_eq!(activity.votes.len(), 1, "its proposer's own");
    Ok((activity_id, activity.fingerprint))
}

#[tokio::test]
async fn what_requires_an_approval_is_an_error_until_it_is_given() -> Result<()> {
    let server = Server::start()?;
    let organization = server.organization_id();
    let backend = server.backend()?;
    let key = TurnkeyP256ApiKey::generate();
    let second = hire(&server, &backend, public_hex(&key), ApiKeyCurve::P256).await?;
    let colleague = server.client(key)?;
    let quorum = UpdateRootQuorumIntent { threshold: 2, user_ids: vec![server.user_id(), second] };
    backend.update_root_quorum(organization.clone(), backend.current_timestamp(), quorum).await?;

    let (now, email) = (backend.current_timestamp(), fresh_email());
    let ask = async || {
        backend.create_sub_organization(organization.clone(), now, sub_organization("Approved", &email)).await
    };
    let (id, fingerprint) = waiting(&server, &backend, ask().await).await?;
    assert!(named(&server, &backend, "Approved").await?.is_empty());
    let approval = ApproveActivityIntent { fingerprint };
    let approved =
        colleague.approve_activity(organization.clone(), colleague.current_timestamp(), approval).await?;
    assert_eq!((&approved.id, approved.votes.len()), (&id, 2));
    // The crate polls by sending the same bytes again.
    let done = ask().await?;
    assert_eq!(done.activity_id, id);
    assert_eq!(named(&server, &backend, "Approved").await?, [done.result.sub_organization_id]);

    let refused = sub_organization("Rejected", &email);
    let asked = backend.create_sub_organization(organization.clone(), now, refused).await;
    let (_, fingerprint) = waiting(&server, &backend, asked).await?;
    let rejection = RejectActivityIntent { fingerprint };
    let rejected =
        colleague.reject_activity(organization.clone(), colleague.current_timestamp(), rejection).await;
    assert!(
        matches!(&rejected, Err(TurnkeyClientError::UnexpectedActivityStatus(status)) if status == "ACTIVITY_STATUS_REJECTED"),
        "{rejected:?}"
    );
    assert!(named(&server, &backend, "Rejected").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_secp256k1_key_stamps() -> Result<()> {
    let server = Server::start()?;
    let organization_id = server.organization_id();
    let backend = server.backend()?;
    let key = TurnkeySecp256k1ApiKey::generate();
    let public_key = hex::encode(key.compressed_public_key());
    let user_id = hire(&server, &backend, public_key, ApiKeyCurve::Secp256k1).await?;
    let colleague = server.client(key)?;
    let whoami = GetWhoamiRequest { organization_id: organization_id.clone() };
    assert_eq!(colleague.get_whoami(whoami).await?.user_id, user_id);

    let tag = CreateUserTagIntent { user_tag_name: "Auditors".to_owned(), user_ids: vec![user_id.clone()] };
    let now = colleague.current_timestamp();
    match colleague.create_user_tag(organization_id.clone(), now, tag.clone()).await {
        Err(TurnkeyClientError::UnexpectedHttpStatus(403, body)) => {
            assert!(body.contains("PolicyEnginePermissionError"), "{body}");
        }
        other => panic!("expected a refusal by the policies, got {other:?}"),
    }
    let quorum = UpdateRootQuorumIntent { threshold: 1, user_ids: vec![server.user_id(), user_id] };
    backend.update_root_quorum(organization_id.clone(), backend.current_timestamp(), quorum).await?;
    let made = colleague.create_user_tag(organization_id, now + 1, tag).await?;
    assert!(!made.result.user_tag_id.is_empty());
    Ok(())
}
