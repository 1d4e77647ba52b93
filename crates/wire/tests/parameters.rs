//! Bodies built from the published description of the API: every version of every activity, and every query, with all
//! its members, with the required ones alone, and with each required one missing.

mod reference;

use reference::{ID, Reference, referred, versions};
use serde_json::{Value, json};
use vestibule_wire::query::{QUERIES, QueryBody};
use vestibule_wire::{ActivityType, Envelope, Refusal};

/// Required members that may be absent here (protocol 02: `notes` and `value` are sent empty; the keys have a default).
const LENIENT: &[(&str, &str)] = &[
    ("CreatePolicyIntentV3", "notes"),
    ("SetOrganizationFeatureIntent", "value"),
    ("OtpLoginIntent", "publicKey"),
    ("OtpAuthIntent", "targetPublicKey"),
];

fn submit(activity: ActivityType, parameters: &Value) -> Result<Value, Refusal> {
    let body = json!({
        "type": activity.name(), "timestampMs": "1782916051261", "organizationId": ID,
        "parameters": parameters, "generateAppProofs": true,
    });
    let envelope = Envelope::parse(activity.path(), body.to_string().as_bytes())?;
    envelope.intent().map(|parsed| parsed.echo)
}

#[test]
fn every_activity_is_read_with_all_members_and_echoed_as_given() {
    let reference = Reference::load();
    let versions = versions(&reference);
    assert_eq!(versions.len(), ActivityType::ALL.len());
    for (activity, definition) in versions {
        let full = reference.object(&definition, true);
        let echo = submit(activity, &full)
            .unwrap_or_else(|refusal| panic!("{}: {refusal}\n{full}", activity.name()));
        assert_eq!(echo, full, "{}", activity.name());
    }
}

#[test]
fn every_activity_is_read_with_its_required_members_alone() {
    let reference = Reference::load();
    for (activity, definition) in versions(&reference) {
        let minimal = reference.object(&definition, false);
        let echo =
            submit(activity, &minimal).unwrap_or_else(|refusal| panic!("{}: {refusal}", activity.name()));
        assert_eq!(echo, minimal, "{}", activity.name());
    }
}

#[test]
fn a_missing_member_is_named_wherever_it_stands() {
    let reference = Reference::load();
    let mut checked = 0;
    for (activity, definition) in versions(&reference) {
        let full = reference.object(&definition, true);
        let mut required = Vec::new();
        reference.required_members(&definition, "", &mut required);
        for (of, at, member) in required {
            let mut body = full.clone();
            let object = body.pointer_mut(&at).and_then(Value::as_object_mut).expect("an object");
            object.remove(&member).unwrap_or_else(|| panic!("{definition}{at} has no {member}"));
            let read = submit(activity, &body).map(drop);
            let expected = match member.as_str() {
                _ if LENIENT.contains(&(of.as_str(), member.as_str())) => Ok(()),
                "attestation" => Err(Refusal::MissingAttestation),
                _ => Err(Refusal::MissingField(member.clone())),
            };
            assert_eq!(read, expected, "{}: {at}/{member}", activity.name());
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked} members");
}

#[test]
fn a_value_out_of_its_bounds_is_named_by_its_place() {
    let user = |name: &str| json!({ "users": [{ "userName": name, "apiKeys": [], "authenticators": [], "oauthProviders": [], "userTags": [] }] });
    let refused =
        |activity, parameters: Value| submit(activity, &parameters).expect_err("a refusal").to_string();
    assert_eq!(submit(ActivityType::CreateUsersV4, &user("Ann")).map(drop), Ok(()));
    assert_eq!(
        refused(ActivityType::CreateUsersV4, user("A\nnn")),
        "invalid request body: users[0].userName: a label has 1 to 256 bytes and no control characters"
    );
    assert_eq!(
        refused(ActivityType::DeleteUsers, json!({ "userIds": [ID, "x"] })),
        "invalid request body: userIds[1]: not a UUID"
    );
    assert_eq!(
        refused(ActivityType::DeleteUsers, json!({ "userIds": [] })),
        "invalid request body: userIds: the list is empty"
    );
    assert_eq!(
        refused(ActivityType::DeleteUsers, json!({ "userIds": vec![ID; 101] })),
        "invalid request body: userIds: a list has more than 100 entries"
    );
    let long = json!({ "policyName": "p", "effect": "EFFECT_ALLOW", "condition": "x".repeat(8193) });
    assert_eq!(
        refused(ActivityType::CreatePolicyV3, long),
        "invalid request body: condition: the text is too long"
    );
    let unknown = json!({ "policyName": "p", "effect": "EFFECT_PERHAPS" });
    assert_eq!(refused(ActivityType::CreatePolicyV3, unknown), "bad request body");
}

#[test]
fn an_empty_text_removes_a_contact_and_is_absent_everywhere_else() {
    let removed = submit(
        ActivityType::UpdateUserEmail,
        &json!({ "userId": ID, "userEmail": "", "verificationToken": "" }),
    );
    assert_eq!(removed, Ok(json!({ "userId": ID, "userEmail": "" })));
    let removed =
        submit(ActivityType::UpdateUserPhoneNumber, &json!({ "userId": ID, "userPhoneNumber": "" }));
    assert_eq!(removed, Ok(json!({ "userId": ID, "userPhoneNumber": "" })));
    let missing = submit(ActivityType::UpdateUserEmail, &json!({ "userId": ID, "userEmail": null }));
    assert_eq!(missing, Err(Refusal::MissingField("userEmail".to_owned())));
    let unchanged =
        submit(ActivityType::UpdateUser, &json!({ "userId": ID, "userEmail": "", "userName": "" }));
    assert_eq!(unchanged, Ok(json!({ "userId": ID })));
}

#[test]
fn a_quorum_needs_users_and_a_threshold_they_can_reach() {
    let quorum = |threshold: u32, users: &[&str]| {
        submit(ActivityType::UpdateRootQuorum, &json!({ "threshold": threshold, "userIds": users })).map(drop)
    };
    assert_eq!(quorum(1, &[ID]), Ok(()));
    assert_eq!(quorum(0, &[ID]), Err(Refusal::InvalidQuorumThreshold));
    assert_eq!(quorum(2, &[ID]), Err(Refusal::InvalidQuorumThreshold));
    assert_eq!(quorum(1, &[]), Err(Refusal::MissingQuorumUsers));
    assert!(matches!(quorum(1, &[ID, ID]), Err(Refusal::InvalidField(_))));
}

#[test]
fn every_query_is_read_with_all_members_and_with_the_required_ones_alone() {
    let reference = Reference::load();
    let mut read = 0;
    for (path, item) in reference.document["paths"].as_object().expect("paths") {
        let Some(name) = path.strip_prefix("/public/v1/query/") else { continue };
        assert!(QUERIES.contains(&name), "{name}");
        let definition = referred(&item["post"]["parameters"][0]["schema"]).expect("a request");
        let query = |body: &Value| {
            let parsed = QueryBody::parse(body.to_string().as_bytes())?;
            parsed.query(name).unwrap_or_else(|| panic!("{name} is missing")).map(drop)
        };
        for all in [true, false] {
            let body = reference.object(definition, all);
            assert_eq!(query(&body), Ok(()), "{name}: {body}");
        }
        for member in reference.required(definition) {
            let mut body = reference.object(definition, true);
            body.as_object_mut().expect("an object").remove(member);
            assert_eq!(query(&body), Err(Refusal::MissingField(member.to_owned())), "{name}: {member}");
        }
        read += 1;
    }
    // The one that the description does not have: get_auth_proxy_config.
    assert_eq!(read + 1, QUERIES.len());
}

#[test]
fn a_passkey_is_asked_for_by_its_id_or_a_list_of_that_one_id() {
    let query = |id: Value| {
        let body = json!({ "organizationId": ID, "authenticatorId": id }).to_string();
        QueryBody::parse(body.as_bytes()).expect("a body").query("get_authenticator").expect("a query")
    };
    assert_eq!(query(json!([ID])), query(json!(ID)));
    assert!(query(json!(ID)).is_ok());
    for wrong in [json!([]), json!([ID, ID]), json!(1), json!(["x"]), json!("x")] {
        assert!(query(wrong.clone()).is_err(), "{wrong}");
    }
}
