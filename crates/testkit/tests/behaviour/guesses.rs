//! Guesses at codes: three tries, one answer, single use, however many arrive at once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType;

const WRONG: (u16, &str, &str) = (400, "REQUEST_INVALID", "Invalid OTP code");

/// Codes are never made of these characters.
fn wrong_code(n: usize) -> String {
    format!("OOOOO{n:04}")
}

#[tokio::test]
async fn two_hundred_wrong_guesses_at_once_spend_three_tries_and_the_code_is_locked() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = server.code(email).await;
    let key = client_key(&server);
    let guesses: Vec<Value> =
        (0..200).map(|n| server.guess(&otp_id, &bundle, &wrong_code(n), &key)).collect();
    let replies = join_all(guesses.into_iter().map(|g| server.backend(ActivityType::VerifyOtpV2, g))).await;
    for reply in &replies {
        assert_eq!(reply.refusal(), WRONG);
    }
    let right = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(right.refusal(), WRONG, "the right code comes too late");
}

#[tokio::test]
async fn of_fifty_right_answers_with_different_bodies_one_succeeds() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = server.code(email).await;
    let key = client_key(&server);
    let guesses: Vec<Value> = (0..50).map(|_| server.guess(&otp_id, &bundle, &code, &key)).collect();
    let replies = join_all(guesses.into_iter().map(|g| server.backend(ActivityType::VerifyOtpV2, g))).await;
    let won = replies.iter().filter(|r| r.status == 200).count();
    assert_eq!(won, 1);
    assert!(replies.iter().filter(|r| r.status != 200).all(|r| r.refusal() == WRONG));
}

#[tokio::test]
async fn wrong_guesses_and_the_right_one_race_for_three_tries() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = server.code(email).await;
    let key = client_key(&server);
    for n in 0..2 {
        let guess = server.guess(&otp_id, &bundle, &wrong_code(n), &key);
        assert_eq!(server.backend(ActivityType::VerifyOtpV2, guess).await.refusal(), WRONG);
    }
    let right = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(right.status, 200, "the third try is the right one");
    let again = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(again.refusal(), WRONG, "a spent code is refused");
}

#[tokio::test]
async fn the_same_wrong_bytes_cost_one_try() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = server.code(email).await;
    let key = client_key(&server);
    let wrong = server.guess(&otp_id, &bundle, &wrong_code(0), &key);
    let body = server.activity(ActivityType::VerifyOtpV2, server.tenant.organization_id, &wrong);
    let repeats = (0..20).map(|_| server.post(&server.tenant.key, "/public/v1/submit/verify_otp", &body));
    for reply in join_all(repeats).await {
        assert_eq!(reply.refusal(), WRONG);
    }
    let right = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn wrong_expired_spent_locked_and_unknown_get_one_answer() {
    let server = TestServer::start().await;
    let key = client_key(&server);
    let verify = async |guess: Value| server.backend(ActivityType::VerifyOtpV2, guess).await;

    let (otp_id, bundle) = server.init("wrong@acme.example").await;
    let wrong = verify(server.guess(&otp_id, &bundle, &wrong_code(0), &key)).await;

    let (otp_id, bundle) = server.init("expired@acme.example").await;
    let code = server.code("expired@acme.example").await;
    server.clock.advance_s(300);
    let expired = verify(server.guess(&otp_id, &bundle, &code, &key)).await;

    let (otp_id, bundle) = server.init("spent@acme.example").await;
    let code = server.code("spent@acme.example").await;
    verify(server.guess(&otp_id, &bundle, &code, &key)).await.text("verificationToken");
    let spent = verify(server.guess(&otp_id, &bundle, &code, &key)).await;

    let (other, _) = server.init("unknown@acme.example").await;
    let unknown = verify(server.guess("00000000-0000-7000-8000-000000000000", &bundle, &code, &key)).await;
    let no_uuid = verify(server.guess("nonsense", &bundle, &code, &key)).await;
    let garbage = verify(json!({ "otpId": other, "encryptedOtpBundle": "garbage" })).await;

    let strangers = server.another_tenant().await;
    let elsewhere = server
        .submit(
            &strangers.key,
            ActivityType::VerifyOtpV2,
            strangers.organization_id,
            server.guess(&other, &bundle, &code, &key),
        )
        .await;
    for reply in [wrong, expired, spent, unknown, no_uuid, garbage, elsewhere] {
        assert_eq!(reply.refusal(), WRONG);
        assert_eq!(reply.body["details"][0]["turnkeyErrorCode"], "REQUEST_INVALID");
    }
}

#[tokio::test]
async fn a_bundle_that_does_not_open_counts_as_a_try() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = server.code(email).await;
    let key = client_key(&server);
    for n in 0..3 {
        let guess = json!({ "otpId": otp_id, "encryptedOtpBundle": format!("garbage {n}") });
        assert_eq!(server.backend(ActivityType::VerifyOtpV2, guess).await.refusal(), WRONG);
    }
    let right = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(right.refusal(), WRONG);
}

#[tokio::test]
async fn codes_are_compared_without_case_and_blanks() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let (otp_id, bundle) = server.init(email).await;
    let code = format!(" {} ", server.code(email).await.to_lowercase());
    let key = client_key(&server);
    let reply = server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn flows_do_not_cross() {
    let server = TestServer::start().await;
    let key = client_key(&server);
    let (otp_id, _) = server.init("current@acme.example").await;
    let code = server.code("current@acme.example").await;
    let clear = json!({ "otpId": otp_id, "otpCode": code });
    assert_eq!(server.backend(ActivityType::VerifyOtp, clear.clone()).await.refusal(), WRONG);
    assert_eq!(
        server
            .backend(ActivityType::OtpAuth, {
                let mut c = clear;
                c["targetPublicKey"] = json!(key.public_key().to_uncompressed_hex());
                c
            })
            .await
            .refusal(),
        WRONG
    );

    let (_, bundle) = server.init("bundle@acme.example").await;
    let legacy = server.backend(ActivityType::InitOtpV2, server.init_email("legacy@acme.example")).await;
    let code = server.code("legacy@acme.example").await;
    let guess = server.guess(&legacy.text("otpId"), &bundle, &code, &key);
    assert_eq!(server.backend(ActivityType::VerifyOtpV2, guess).await.refusal(), WRONG);
}

#[tokio::test]
async fn codes_have_the_length_and_alphabet_asked_for() {
    let server = TestServer::start().await;
    for (n, (length, alphanumeric)) in
        [(None, None), (Some(6), Some(false)), (Some(7), Some(true)), (Some(9), Some(false))]
            .into_iter()
            .enumerate()
    {
        let email = format!("user{n}@acme.example");
        let mut parameters = server.init_email(&email);
        if let Some(length) = length {
            parameters["otpLength"] = json!(length);
        }
        if let Some(alphanumeric) = alphanumeric {
            parameters["alphanumeric"] = json!(alphanumeric);
        }
        server.backend(ActivityType::InitOtpV3, parameters).await.text("otpId");
        let code = server.code(&email).await;
        assert_eq!(code.len(), length.unwrap_or(9));
        let alphabet =
            if alphanumeric.unwrap_or(true) { "023456789ACDEFGHJKMNPQRSTVWXYZ" } else { "0123456789" };
        assert!(code.chars().all(|c| alphabet.contains(c)), "{code}");
    }
    for (member, bad) in [
        ("otpLength", json!(5)),
        ("otpLength", json!(10)),
        ("expirationSeconds", json!("601")),
        ("expirationSeconds", json!("0")),
    ] {
        let mut parameters = server.init_email("user@acme.example");
        parameters[member] = bad;
        let reply = server.backend(ActivityType::InitOtpV3, parameters).await;
        assert_eq!((reply.refusal().0, reply.refusal().1), (400, "REQUEST_INVALID"), "{}", reply.body);
    }
}
