use super::*;

const ID: &str = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000";

fn at(text: &str) -> Millis {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn events_tell_what_became_of_a_message() {
    let bounce = include_str!("../../../tests/fixtures/ses/bounce.json");
    let permanent = Fate::Bounced { permanent: true };
    let passing = Fate::Bounced { permanent: false };
    let bounced_at = at("2026-07-01T14:27:33.669Z");
    for (event, fate, diagnostic, at) in [
        (bounce.to_owned(), permanent, Some("smtp; 550 5.1.1"), bounced_at),
        (bounce.replace("Permanent", "Transient"), passing, Some("smtp; 550 5.1.1"), bounced_at),
        (bounce.replace("Permanent", "Undetermined"), passing, Some("smtp; 550 5.1.1"), bounced_at),
        (bounce.replace("diagnosticCode", "other"), permanent, Some("smtp; 5.1.1"), bounced_at),
        (bounce.replace("eventType", "notificationType"), permanent, Some("smtp; 550 5.1.1"), bounced_at),
        (
            include_str!("../../../tests/fixtures/ses/delay.json").to_owned(),
            Fate::Delayed,
            Some("smtp; 421 4.4.1"),
            at("2026-07-01T14:30:31.012Z"),
        ),
        (
            include_str!("../../../tests/fixtures/ses/complaint.json").to_owned(),
            Fate::Complained,
            None,
            at("2026-07-01T15:00:00.669Z"),
        ),
        (
            include_str!("../../../tests/fixtures/ses/delivery.json").to_owned(),
            Fate::Delivered,
            Some("smtp; 250 2.6.0"),
            at("2026-07-01T14:27:32.260Z"),
        ),
        (
            include_str!("../../../tests/fixtures/ses/complaint.json")
                .replace("complaintFeedbackType", "other"),
            Fate::Complained,
            None,
            at("2026-07-01T15:00:00.669Z"),
        ),
        (
            include_str!("../../../tests/fixtures/ses/reject.json").to_owned(),
            Fate::Failed,
            None,
            at("2026-07-01T14:27:31.012Z"),
        ),
    ] {
        let diagnostic = diagnostic.map(str::to_owned);
        let expected =
            Receipt { provider_message_id: ID.to_owned(), fate, diagnostic, at: Some(at), ours: None };
        assert_eq!(receipt(&event), Ok(Some(expected)), "{event}");
    }
}

#[test]
fn events_that_tell_nothing_are_passed_over_and_what_is_no_event_is_refused() {
    let event = |kind: &str| format!(r#"{{"eventType":"{kind}","mail":{{"messageId":"{ID}"}}}}"#);
    for kind in ["Send", "Open", "Click", "Subscription", "SomethingNew"] {
        assert_eq!(receipt(&event(kind)), Ok(None), "{kind}");
    }
    let complaint = include_str!("../../../tests/fixtures/ses/complaint.json");
    for kind in ["not-spam", "auth-failure"] {
        assert_eq!(receipt(&complaint.replace("abuse", kind)), Ok(None), "{kind}");
    }
    let set_up = "Successfully validated SNS topic for Amazon SES event publishing.";
    assert_eq!(receipt(set_up), Ok(None));
    for kind in ["Bounce", "Complaint", "Delivery", "DeliveryDelay"] {
        let member = kind[..1].to_lowercase() + &kind[1..];
        let refused = receipt(&event(kind)).unwrap_err().to_string();
        assert_eq!(refused, format!("the receipt cannot be read: {member}: missing"));
    }
    for text in ["", "{}", "[]", r#"{"eventType":"Bounce"}"#] {
        let expected = ReceiptRefused::malformed("Message", "not an event of SES");
        assert_eq!(receipt(text), Err(expected), "{text}");
    }
}

#[test]
fn every_error_of_the_published_description_is_judged() {
    let described: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../tests/fixtures/ses/errors.json")).unwrap();
    for error in described {
        let code = error["code"].as_str().unwrap();
        assert!(ERRORS.iter().any(|(name, _)| *name == code), "{code}");
    }
}
