//! Any text is refused or sound: see `fuzz/README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_policy::facts::{ActivityFacts, Approvals, Approver, CredentialFacts, Params};
use vestibule_policy::language::{Condition, Consensus, EvalCause, EvalError, MAX_TEXT, TimeRule};
use vestibule_wire::UserId;

fn sound(value: Result<bool, EvalError>) {
    assert!(!matches!(value, Err(EvalError { cause: EvalCause::Types, .. })), "{value:?}");
}

/// The printed text compiles to the same, unless blanks and parentheses made it too long.
fn stable<T>(compiled: &T)
where
    T: std::fmt::Display + std::fmt::Debug + PartialEq + std::str::FromStr<Err: std::fmt::Debug>,
{
    let printed = compiled.to_string();
    if printed.len() <= MAX_TEXT {
        assert_eq!(*compiled, printed.parse().expect("printed text compiles"));
    }
}

fuzz_target!(|text: &str| {
    if let Ok(condition) = Condition::compile(text) {
        stable(&condition);
        for params in [
            Params::default(),
            Params {
                user_ids: Some(vec!["a".to_owned(), String::new()]),
                user_id: Some("a".to_owned()),
                api_key_ids: Some(Vec::new()),
                otp_length: Some(6),
                session_profile_id: Some("abc".to_owned()),
                endpoint_id: Some("'".to_owned()),
            },
        ] {
            sound(condition.eval(&ActivityFacts {
                activity_type: "ACTIVITY_TYPE_OTP_LOGIN_V2",
                kind: "OTP_LOGIN",
                resource: "AUTH",
                action: "CREATE",
                params,
            }));
        }
    }
    if let Ok(consensus) = Consensus::compile(text) {
        stable(&consensus);
        let id = UserId::from_bytes([7; 16]);
        let user = Approver {
            id,
            tags: vec!["a".to_owned(), "b".to_owned()],
            email: "a@example.com".to_owned(),
            alias: String::new(),
        };
        let key = CredentialFacts {
            id: "a".to_owned(),
            user_id: id,
            credential_type: "CREDENTIAL_TYPE_API_KEY_P256".to_owned(),
            credential_id: String::new(),
            public_key: "02".to_owned(),
        };
        sound(consensus.eval(&Approvals::default()));
        sound(consensus.eval(&Approvals { approvers: vec![&user, &user], credentials: vec![&key] }));
    }
    if let Ok(rule) = TimeRule::compile(text) {
        stable(&rule);
        for now in [i64::MIN, 0, 1_782_916_051_261] {
            sound(rule.eval(now));
        }
    }
});
