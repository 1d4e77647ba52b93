//! Histories survive being written, and other files are told from them.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use vestibule_history::{Delivery, Event, Fault, Header, History, Ids, Operation, Outcome, read, write};

const HEADER: &str = r#"{"history":{"name":"a story","nodes":["a","b"]}}"#;

fn event(operation: Operation, outcome: Outcome, ended_us: u64) -> Event {
    Event {
        client: "c1".to_owned(),
        node: "a".to_owned(),
        operation,
        bytes: "00".repeat(32),
        began_us: 5,
        ended_us,
        outcome,
    }
}

#[test]
fn a_written_history_reads_as_it_was() {
    let text = |text: &str| text.to_owned();
    let ids = Ids { activity: Some(text("1")), otp: Some(text("2")), ..Ids::default() };
    let init = Operation::Init { contact: text("+14155550100"), lifetime_ms: 600_000 };
    let history = History {
        header: Header { name: text("a story"), nodes: vec![text("a"), text("b")] },
        events: vec![
            event(init, Outcome::Acknowledged(ids), 10),
            event(
                Operation::Verify { otp: text("2"), right: false },
                Outcome::Refused { status: 400, message: text("Invalid OTP code") },
                30,
            ),
            event(Operation::Verify { otp: text("2"), right: true }, Outcome::Unavailable, 40),
            event(Operation::CreateUser { contact: text("+14155550100") }, Outcome::Lost, 50),
            event(Operation::Whoami { key: text("02") }, Outcome::Failed { status: 500 }, 60),
        ],
        deliveries: vec![Delivery { contact: text("+14155550100"), otp: text("2"), at_us: 20 }],
        faults: vec![Fault { at_us: 35, what: text("node b was killed") }],
    };
    let mut file = Vec::new();
    write(&history, &mut file).unwrap();
    let lines = String::from_utf8(file.clone()).unwrap();
    assert_eq!(lines.lines().next(), Some(HEADER));
    assert!(lines.lines().nth(2).unwrap().starts_with(r#"{"delivery":"#), "in the order of time: {lines}");
    assert_eq!(read(&*file).unwrap(), history);
}

#[test]
fn what_is_no_history_is_told_with_its_line() {
    let fails = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(fails(""), "a history has one header, in its first line");
    assert_eq!(fails(&format!("{HEADER}\n{HEADER}")), "a history has one header, in its first line");
    assert_eq!(
        fails(r#"{"fault":{"at_us":1,"what":"early"}}"#),
        "a history has one header, in its first line"
    );
    assert!(fails(&format!("{HEADER}\n\nplain text")).starts_with("line 3: "));
    let unknown = format!("{HEADER}\n{}", r#"{"fault":{"at_us":1,"what":"odd","why":"x"}}"#);
    assert!(fails(&unknown).contains("unknown field `why`"));
}
