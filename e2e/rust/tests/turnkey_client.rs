//! turnkey_client 0.17.1 with turnkey_api_key_stamper and turnkey_enclave_encrypt 0.17.1: a Rust backend. The crate decodes
//! every answer strictly, sends no Content-Type, and refuses an answer whose media type has parameters.

use anyhow::{Context, Result};
use turnkey_client::generated::external::options::v1::Pagination;
use turnkey_client::generated::immutable::common::v1::{ApiKeyCurve, FeatureName};
use turnkey_client::generated::{
    ActivityResponse, ActivityStatus, ActivityType, ApiKeyParamsV2, ClientSignature, CreateApiKeysIntentV2,
    CreateSubOrganizationIntentV8, DeleteApiKeysIntent, GetActivitiesRequest, GetActivityRequest,
    GetApiKeyRequest, GetApiKeysRequest, GetOrganizationConfigsRequest, GetSubOrgIdsRequest, GetUserRequest,
    GetUsersRequest, GetVerifiedSubOrgIdsRequest, GetWhoamiRequest, InitOtpAuthIntentV3, InitOtpIntentV3,
    OtpAuthIntent, OtpLoginIntentV2, RemoveOrganizationFeatureIntent, RootUserParamsV5,
    SetOrganizationFeatureIntent, StampLoginIntent, VerifyOtpIntentV2,
};
use turnkey_client::{TurnkeyClient, TurnkeyClientError, TurnkeyP256ApiKey};
use turnkey_enclave_encrypt::AuthenticationClient;
use vestibule_e2e::client_crypto::{
    claims, encrypt_code, login_signature, public_hex, sign_up_signature, verify_session, verify_token,
};
use vestibule_e2e::{Channel, Server, fresh_email};

type Client = TurnkeyClient<TurnkeyP256ApiKey>;

fn init_otp(channel: Channel, contact: &str) -> InitOtpIntentV3 {
    InitOtpIntentV3 {
        otp_type: channel.otp_type(),
        contact: contact.to_owned(),
        app_name: "Acme".to_owned(),
        otp_length: None,
        email_customization: None,
        sms_customization: None,
        user_identifier: None,
        send_from_email_address: None,
        alphanumeric: None,
        send_from_email_sender_name: None,
        expiration_seconds: None,
        reply_to_email_address: None,
    }
}

fn root_user(channel: Channel, contact: &str) -> RootUserParamsV5 {
    let contact = contact.to_owned();
    let (user_email, user_phone_number) = match channel {
        Channel::Email => (Some(contact), None),
        Channel::Sms => (None, Some(contact)),
    };
    RootUserParamsV5 {
        user_name: "User".to_owned(),
        user_email,
        user_phone_number,
        api_keys: vec![],
        authenticators: vec![],
        oauth_providers: vec![],
    }
}

/// Makes a sub-organization with one root user; the answer is its id and the user's.
async fn sub_organization(
    server: &Server,
    backend: &Client,
    root_user: RootUserParamsV5,
    proof: Option<(String, ClientSignature)>,
) -> Result<(String, String)> {
    let (verification_token, client_signature) = proof.unzip();
    let intent = CreateSubOrganizationIntentV8 {
        sub_organization_name: "Home".to_owned(),
        root_users: vec![root_user],
        root_quorum_threshold: 1,
        wallet: None,
        disable_email_recovery: None,
        disable_email_auth: None,
        disable_sms_auth: None,
        disable_otp_email_auth: None,
        verification_token,
        client_signature,
    };
    let made = backend
        .create_sub_organization(server.organization_id(), backend.current_timestamp(), intent)
        .await?
        .result;
    Ok((made.sub_organization_id, made.root_user_ids.first().context("one root user")?.clone()))
}

/// Requests a code and proves it with `key`; the answer is the verification token.
async fn prove(
    server: &Server,
    backend: &Client,
    channel: Channel,
    contact: &str,
    key: &TurnkeyP256ApiKey,
) -> Result<String> {
    let sent = backend
        .init_otp(server.organization_id(), backend.current_timestamp(), init_otp(channel, contact))
        .await?
        .result;
    let code = server.code(contact, &sent.otp_id).await?;
    Ok(verify(server, backend, &sent.otp_id, &sent.otp_encryption_target_bundle, &code, key).await?)
}

async fn verify(
    server: &Server,
    backend: &Client,
    otp_id: &str,
    target_bundle: &str,
    code: &str,
    key: &TurnkeyP256ApiKey,
) -> Result<String, TurnkeyClientError> {
    let encrypted_otp_bundle = encrypt_code(code, target_bundle, &public_hex(key), &server.bundle_signer())
        .expect("the server's own bundle takes a code");
    let intent =
        VerifyOtpIntentV2 { otp_id: otp_id.to_owned(), encrypted_otp_bundle, expiration_seconds: None };
    let answer = backend.verify_otp(server.organization_id(), backend.current_timestamp(), intent).await?;
    Ok(answer.result.verification_token)
}

async fn log_in(
    backend: &Client,
    organization_id: &str,
    verification_token: &str,
    key: &TurnkeyP256ApiKey,
) -> Result<String> {
    let intent = OtpLoginIntentV2 {
        verification_token: verification_token.to_owned(),
        public_key: public_hex(key),
        client_signature: Some(login_signature(key, verification_token)?),
        expiration_seconds: None,
        invalidate_existing: None,
        session_profile_id: None,
    };
    let answer = backend.otp_login(organization_id.to_owned(), backend.current_timestamp(), intent).await?;
    Ok(answer.result.session)
}

async fn whoami(client: &Client, organization_id: &str) -> Result<(String, String), TurnkeyClientError> {
    let answer = client.get_whoami(GetWhoamiRequest { organization_id: organization_id.to_owned() }).await?;
    Ok((answer.organization_id, answer.user_id))
}

fn stamp_login(key: &TurnkeyP256ApiKey, expiration_seconds: Option<&str>) -> StampLoginIntent {
    StampLoginIntent {
        public_key: public_hex(key),
        expiration_seconds: expiration_seconds.map(str::to_owned),
        invalidate_existing: None,
        session_profile_id: None,
    }
}

fn api_key(key: &TurnkeyP256ApiKey) -> ApiKeyParamsV2 {
    ApiKeyParamsV2 {
        api_key_name: "Device".to_owned(),
        public_key: public_hex(key),
        curve_type: ApiKeyCurve::P256,
        expiration_seconds: None,
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, TurnkeyClientError>, status: u16, text: &str) {
    match outcome {
        Err(TurnkeyClientError::UnexpectedHttpStatus(got, body)) => {
            assert_eq!(got, status, "{body}");
            assert!(body.contains(text), "{body}");
        }
        other => panic!("expected a refusal with {status} and {text:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn a_new_user_signs_up_and_logs_in() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    for channel in Channel::ALL {
        let (contact, key) = (channel.fresh(), TurnkeyP256ApiKey::generate());
        let token = prove(&server, &backend, channel, &contact, &key).await?;
        verify_token(&token, &server.bundle_signer())?;
        assert_eq!(claims(&token)?["contact"], contact);

        let member = if channel == Channel::Email { "email" } else { "phoneNumber" };
        let signature = sign_up_signature(&key, &token, (member, &contact))?;
        let home = sub_organization(
            &server,
            &backend,
            root_user(channel, &contact),
            Some((token.clone(), signature)),
        )
        .await?;
        let session = log_in(&backend, &home.0, &token, &key).await?;
        verify_session(&session, &server.session_signer())?;
        assert_eq!(claims(&session)?["user_id"], home.1);
        assert_eq!(whoami(&server.client(key)?, &home.0).await?, home);
    }
    Ok(())
}

#[tokio::test]
async fn a_known_user_logs_in_and_only_then_counts_as_verified() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    for channel in Channel::ALL {
        let (contact, key) = (channel.fresh(), TurnkeyP256ApiKey::generate());
        let home = sub_organization(&server, &backend, root_user(channel, &contact), None).await?;
        let verified = GetVerifiedSubOrgIdsRequest {
            organization_id: server.organization_id(),
            filter_type: channel.filter_type(),
            filter_value: contact.clone(),
            pagination_options: None,
        };
        assert!(backend.get_verified_sub_org_ids(verified.clone()).await?.organization_ids.is_empty());
        let token = prove(&server, &backend, channel, &contact, &key).await?;
        let session = log_in(&backend, &home.0, &token, &key).await?;
        assert_eq!(claims(&session)?["organization_id"], home.0);
        assert_eq!(backend.get_verified_sub_org_ids(verified).await?.organization_ids, [home.0]);
    }
    Ok(())
}

#[tokio::test]
async fn a_credential_bundle_of_the_legacy_flow_opens_and_its_key_stamps() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    for channel in Channel::ALL {
        let contact = channel.fresh();
        let home = sub_organization(&server, &backend, root_user(channel, &contact), None).await?;
        let intent = InitOtpAuthIntentV3 {
            otp_type: channel.otp_type(),
            contact: contact.clone(),
            otp_length: Some(6),
            app_name: "Acme".to_owned(),
            email_customization: None,
            sms_customization: None,
            user_identifier: None,
            send_from_email_address: None,
            alphanumeric: Some(false),
            send_from_email_sender_name: None,
            expiration_seconds: None,
            reply_to_email_address: None,
        };
        let sent = backend.init_otp_auth(home.0.clone(), backend.current_timestamp(), intent).await?.result;
        let otp_code = server.code(&contact, &sent.otp_id).await?;
        assert!(otp_code.len() == 6 && otp_code.bytes().all(|byte| byte.is_ascii_digit()), "{otp_code}");

        let mut target = AuthenticationClient::new();
        let intent = OtpAuthIntent {
            otp_id: sent.otp_id,
            otp_code,
            target_public_key: target.target_public_key()?,
            api_key_name: None,
            expiration_seconds: None,
            invalidate_existing: None,
        };
        let answer = backend.otp_auth(home.0.clone(), backend.current_timestamp(), intent).await?.result;
        let key = TurnkeyP256ApiKey::from_bytes(target.decrypt(&answer.credential_bundle)?, None)?;
        assert_eq!(answer.user_id, home.1);
        assert_eq!(whoami(&server.client(key)?, &home.0).await?, home);
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_code_is_the_crates_http_error() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let (contact, key) = (fresh_email(), TurnkeyP256ApiKey::generate());
    let sent = backend
        .init_otp(server.organization_id(), backend.current_timestamp(), init_otp(Channel::Email, &contact))
        .await?
        .result;
    let bundle = sent.otp_encryption_target_bundle;
    let guess = async |code: &str| verify(&server, &backend, &sent.otp_id, &bundle, code, &key).await;
    assert_refused(guess("222222222").await, 400, "Invalid OTP code");
    let code = server.code(&contact, &sent.otp_id).await?;
    assert!(!guess(&code).await?.is_empty());
    assert_refused(guess(&code).await, 400, "Invalid OTP code");
    Ok(())
}

#[tokio::test]
async fn the_fourth_code_in_three_minutes_is_refused() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let contact = fresh_email();
    let now = backend.current_timestamp();
    // Equal bytes would be one activity, so each request has a timestamp of its own.
    let send = async |nth: u128| {
        backend.init_otp(server.organization_id(), now + nth, init_otp(Channel::Email, &contact)).await
    };
    for nth in 0..3 {
        send(nth).await?;
    }
    assert_refused(send(3).await, 400, "MAX_OTP_INITIATED");
    Ok(())
}

#[tokio::test]
async fn api_keys_are_created_and_deleted() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let key = TurnkeyP256ApiKey::generate();
    let intent = CreateApiKeysIntentV2 { api_keys: vec![api_key(&key)], user_id: server.user_id() };
    let made =
        backend.create_api_keys(server.organization_id(), backend.current_timestamp(), intent).await?.result;
    let second = server.client(key)?;
    assert_eq!(whoami(&second, &server.organization_id()).await?.1, server.user_id());

    let intent = DeleteApiKeysIntent { user_id: server.user_id(), api_key_ids: made.api_key_ids.clone() };
    let gone =
        backend.delete_api_keys(server.organization_id(), backend.current_timestamp(), intent).await?.result;
    assert_eq!(gone.api_key_ids, made.api_key_ids);
    assert_refused(
        whoami(&second, &server.organization_id()).await,
        401,
        "could not find public key in organization",
    );
    Ok(())
}

#[tokio::test]
async fn a_feature_is_removed_and_set_again() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let contact = fresh_email();
    let send = async || {
        let intent = init_otp(Channel::Email, &contact);
        backend.init_otp(server.organization_id(), backend.current_timestamp(), intent).await
    };
    let removed = backend
        .remove_organization_feature(
            server.organization_id(),
            backend.current_timestamp(),
            RemoveOrganizationFeatureIntent { name: FeatureName::OtpEmailAuth },
        )
        .await?
        .result;
    assert!(removed.features.iter().all(|feature| feature.name != FeatureName::OtpEmailAuth));
    assert_refused(send().await, 403, "request not authorized");
    let set = backend
        .set_organization_feature(
            server.organization_id(),
            backend.current_timestamp(),
            SetOrganizationFeatureIntent { name: FeatureName::OtpEmailAuth, value: None },
        )
        .await?
        .result;
    assert!(set.features.iter().any(|feature| feature.name == FeatureName::OtpEmailAuth));
    assert!(!send().await?.result.otp_id.is_empty());
    Ok(())
}

#[tokio::test]
async fn every_query_decodes() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let (email, key) = (fresh_email(), TurnkeyP256ApiKey::generate());
    let mut root = root_user(Channel::Email, &email);
    root.api_keys.push(api_key(&key));
    let public_key = public_hex(&key);
    let (organization_id, user_id) = sub_organization(&server, &backend, root, None).await?;
    let user = server.client(key)?;

    assert_eq!(whoami(&user, &organization_id).await?, (organization_id.clone(), user_id.clone()));
    let users = user.get_users(GetUsersRequest { organization_id: organization_id.clone() }).await?.users;
    assert_eq!(users.len(), 1);
    assert_eq!((&users[0].user_id, &users[0].user_email), (&user_id, &Some(email.clone())));
    let one = GetUserRequest { organization_id: organization_id.clone(), user_id: user_id.clone() };
    assert_eq!(user.get_user(one).await?.user.as_ref(), users.first());

    let keys = GetApiKeysRequest { organization_id: organization_id.clone(), user_id: Some(user_id.clone()) };
    let keys = user.get_api_keys(keys).await?.api_keys;
    assert_eq!(keys, users[0].api_keys);
    assert_eq!(keys[0].credential.as_ref().context("a key has a credential")?.public_key, public_key);
    let one =
        GetApiKeyRequest { organization_id: organization_id.clone(), api_key_id: keys[0].api_key_id.clone() };
    assert_eq!(user.get_api_key(one).await?.api_key.as_ref(), keys.first());

    let configs = GetOrganizationConfigsRequest { organization_id: organization_id.clone() };
    let configs = user.get_organization_configs(configs).await?.configs.context("configs")?;
    let quorum = configs.quorum.context("quorum")?;
    assert_eq!((quorum.threshold, quorum.user_ids), (1, vec![user_id]));

    // The crate sends "" for members that are not set, at every level.
    let newest = GetSubOrgIdsRequest {
        organization_id: server.organization_id(),
        filter_type: String::new(),
        filter_value: String::new(),
        pagination_options: Some(Pagination {
            limit: "1".to_owned(),
            before: String::new(),
            after: String::new(),
        }),
    };
    assert_eq!(
        backend.get_sub_org_ids(newest).await?.organization_ids,
        std::slice::from_ref(&organization_id)
    );

    let session = TurnkeyP256ApiKey::generate();
    let login = user
        .stamp_login(organization_id.clone(), user.current_timestamp(), stamp_login(&session, None))
        .await?;
    verify_session(&login.result.session, &server.session_signer())?;
    let listed = GetActivitiesRequest {
        organization_id: organization_id.clone(),
        filter_by_status: vec![ActivityStatus::Completed],
        pagination_options: None,
        filter_by_type: vec![ActivityType::StampLogin],
    };
    let listed = user.get_activities(listed).await?.activities;
    assert_eq!(listed.iter().map(|activity| &activity.id).collect::<Vec<_>>(), [&login.activity_id]);
    let found = GetActivityRequest { organization_id, activity_id: login.activity_id.clone() };
    assert_eq!(backend.get_activity(found).await?.activity.context("activity")?.id, login.activity_id);
    Ok(())
}

#[tokio::test]
async fn the_same_body_twice_is_one_activity() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let contact = fresh_email();
    let now = backend.current_timestamp();
    let first = backend.init_otp(server.organization_id(), now, init_otp(Channel::Email, &contact)).await?;
    let again = backend.init_otp(server.organization_id(), now, init_otp(Channel::Email, &contact)).await?;
    assert_eq!((again.activity_id, &again.result), (first.activity_id, &first.result));
    server.code(&contact, &first.result.otp_id).await?;
    assert_eq!(server.messages(&contact).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_expired_session_key_is_told_as_such() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let session = TurnkeyP256ApiKey::generate();
    backend
        .stamp_login(server.organization_id(), backend.current_timestamp(), stamp_login(&session, Some("60")))
        .await?;
    let user = server.client(session)?;
    assert_eq!(whoami(&user, &server.organization_id()).await?.1, server.user_id());
    server.advance_clock(61).await?;
    let refused = whoami(&user, &server.organization_id()).await;
    assert_refused(refused, 401, "Unauthenticated desc = expired api key publicKey");
    Ok(())
}

#[tokio::test]
async fn an_older_version_goes_through_the_crates_generic_request() -> Result<()> {
    let server = Server::start()?;
    let backend = server.backend()?;
    let contact = fresh_email();
    let body = serde_json::json!({
        "type": "ACTIVITY_TYPE_INIT_OTP_V2",
        "timestampMs": backend.current_timestamp().to_string(),
        "organizationId": server.organization_id(),
        "parameters": { "otpType": "OTP_TYPE_EMAIL", "contact": contact, "appName": "Acme" },
    });
    let answer: ActivityResponse =
        backend.process_request(&body, "/public/v1/submit/init_otp".to_owned()).await?;
    assert_eq!(answer.activity.context("activity")?.status, ActivityStatus::Completed);
    Ok(())
}
