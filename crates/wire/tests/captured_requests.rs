//! Requests that the published SDKs sent in whole flows: each must be read as what it is.

use serde_json::Value;
use vestibule_wire::query::{QUERIES, QueryBody};
use vestibule_wire::{Envelope, Refusal, proxy};

/// Reads the body of an auth proxy call; `None` for an endpoint that has no body of its own.
fn read_proxy(endpoint: &str, body: &[u8]) -> Option<Result<(), Refusal>> {
    fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Option<Result<(), Refusal>> {
        Some(proxy::parse::<T>(body).map(drop))
    }
    match endpoint {
        "otp_init" | "otp_init_v2" => read::<proxy::OtpInit>(body),
        "otp_verify" => read::<proxy::OtpVerify>(body),
        "otp_verify_v2" => read::<proxy::OtpVerifyV2>(body),
        "otp_login" | "otp_login_v2" => read::<proxy::OtpLogin>(body),
        "account" => read::<proxy::Account>(body),
        "signup" | "signup_v2" => read::<proxy::Signup>(body),
        "wallet_kit_config" | "wallet_kit_client_params" => read::<serde_json::Map<String, Value>>(body),
        _ => None,
    }
}

#[test]
fn every_request_of_the_published_sdks_is_understood() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../testdata/vectors/captured_requests.json")).expect("JSON");
    let requests = vectors["requests"].as_array().expect("a list");
    let mut understood = 0;
    for request in requests {
        let path = request["path"].as_str().expect("a path");
        let body = request["body"].as_str().unwrap_or_default().as_bytes();
        if let Some(name) = path.strip_prefix("/public/v1/submit/") {
            let envelope = Envelope::parse(name, body).unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
            match envelope.intent() {
                Ok(_) => {}
                // The flow's fingerprint was made up.
                Err(Refusal::FingerprintNotFound) => assert_eq!(name, "approve_activity"),
                Err(refusal) => panic!("{path}: {refusal}"),
            }
        } else if let Some(name) = path.strip_prefix("/public/v1/query/") {
            assert!(QUERIES.contains(&name), "{path}");
            let query = QueryBody::parse(body).expect("a query").query(name).expect("a known query");
            query.unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
        } else {
            let endpoint = path.strip_prefix("/v1/").unwrap_or_else(|| panic!("unknown surface: {path}"));
            let read = read_proxy(endpoint, body).unwrap_or_else(|| panic!("unknown endpoint: {path}"));
            read.unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
        }
        understood += 1;
    }
    assert_eq!(understood, requests.len());
    assert!(requests.len() >= 34, "the file has at least the flows it began with");
}
