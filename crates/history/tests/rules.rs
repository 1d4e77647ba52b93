//! For every rule a history that breaks it and one, as close to it as can be, that keeps it.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use vestibule_history::{
    Bounds, Delivery, Event, Header, History, INVALID_CODE, Ids, Operation, Outcome, Report, Rule, check,
};

const NODES: [&str; 2] = ["a", "b"];
const LIFETIME_MS: u64 = 600_000;
const BOUNDS: Bounds = Bounds { skew_ms: 500 };
/// When a story has ended and everything is looked for.
const FINAL_MS: u64 = 1_000_000;

/// Tells a history: times in milliseconds.
struct Story {
    history: History,
}

fn refused() -> Outcome {
    Outcome::Refused { status: 400, message: INVALID_CODE.to_owned() }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn verify(right: bool) -> Operation {
    Operation::Verify { otp: "otp".to_owned(), right }
}

fn proved(activity: &str) -> Outcome {
    Outcome::Acknowledged(Ids { activity: some(activity), token: some("token"), ..Ids::default() })
}

fn login() -> Operation {
    Operation::Login {
        token: "token".to_owned(),
        key: "key".to_owned(),
        organization: "organization".to_owned(),
    }
}

impl Story {
    /// A code is asked for from 0 to 10 ms.
    fn of_a_code() -> Self {
        let mut story = Self {
            history: History {
                header: Header { name: "a story".to_owned(), nodes: Vec::new() },
                ..History::default()
            },
        };
        story.init("init", 0, 10, Outcome::Acknowledged(Self::made("init", "otp")));
        story
    }

    fn made(activity: &str, otp: &str) -> Ids {
        Ids { activity: some(activity), otp: some(otp), ..Ids::default() }
    }

    fn tell(
        &mut self,
        operation: Operation,
        bytes: &str,
        began_ms: u64,
        ended_ms: u64,
        outcome: Outcome,
    ) -> &mut Self {
        self.on("a", operation, bytes, began_ms, ended_ms, outcome)
    }

    fn on(
        &mut self,
        node: &str,
        operation: Operation,
        bytes: &str,
        began_ms: u64,
        ended_ms: u64,
        outcome: Outcome,
    ) -> &mut Self {
        self.history.events.push(Event {
            client: "client".to_owned(),
            node: node.to_owned(),
            operation,
            bytes: bytes.to_owned(),
            began_us: began_ms * 1000,
            ended_us: ended_ms * 1000,
            outcome,
        });
        self
    }

    fn init(&mut self, bytes: &str, began_ms: u64, ended_ms: u64, outcome: Outcome) -> &mut Self {
        let operation = Operation::Init { contact: "contact".to_owned(), lifetime_ms: LIFETIME_MS };
        self.tell(operation, bytes, began_ms, ended_ms, outcome)
    }

    fn wrong(&mut self, bytes: &str, began_ms: u64, ended_ms: u64, outcome: Outcome) -> &mut Self {
        self.tell(verify(false), bytes, began_ms, ended_ms, outcome)
    }

    fn right(&mut self, bytes: &str, began_ms: u64, ended_ms: u64, outcome: Outcome) -> &mut Self {
        self.tell(verify(true), bytes, began_ms, ended_ms, outcome)
    }

    fn delivered(&mut self, otp: &str) -> &mut Self {
        self.history.deliveries.push(Delivery {
            contact: "contact".to_owned(),
            otp: otp.to_owned(),
            at_us: 20_000,
        });
        self
    }

    fn check(&self) -> Report {
        check(&self.history, BOUNDS)
    }

    /// Rules found broken.
    fn broken(&self) -> Vec<Rule> {
        self.check().violations.iter().map(|violation| violation.rule).collect()
    }

    /// Rules found broken, once the code has been tried again after everything else.
    fn broken_with_a_last_try(&mut self) -> Vec<Rule> {
        self.right("last try", FINAL_MS, FINAL_MS + 1, refused());
        self.broken()
    }
}

const NONE: [Rule; 0] = [];

#[test]
fn a_login_with_a_mistake_and_a_repetition_keeps_every_rule() {
    let mut story = Story::of_a_code();
    story
        .delivered("otp")
        .wrong("w1", 20, 30, refused())
        .right("r1", 40, 50, Outcome::Lost)
        .right("r1", 50, 60, proved("verify"))
        .tell(login(), "l1", 70, 80, Outcome::Unavailable)
        .tell(
            login(),
            "l1",
            80,
            90,
            Outcome::Acknowledged(Ids { activity: some("login"), ..Ids::default() }),
        );
    assert_eq!(story.broken_with_a_last_try(), NONE);
    let report = story.check();
    assert_eq!((report.bodies, report.settled, report.open), (5, 2, 0));
    assert_eq!((report.codes, report.consumed, report.locked), (1, 1, 0));
    assert_eq!(report.counts[&("verify", "refused")], 2);
    assert!(report.to_string().ends_with("no violation"), "{report}");
}

#[test]
fn a_server_error_is_found_and_503_is_none() {
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, Outcome::Failed { status: 500 });
    assert_eq!(story.broken(), [Rule::ServerError]);
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, Outcome::Unavailable);
    assert_eq!(story.broken(), NONE);
}

#[test]
fn a_fourth_guess_that_succeeds_is_found() {
    let mut story = Story::of_a_code();
    for n in 0..3 {
        story.wrong(&format!("w{n}"), 20, 30, refused());
    }
    story.right("r1", 40, 50, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), [Rule::ThreeGuesses]);
}

#[test]
fn three_wrong_guesses_and_a_success_may_have_taken_effect_in_a_lawful_order() {
    // One of them overlaps the success.
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, refused()).wrong("w2", 20, 30, refused()).wrong("w3", 20, 45, refused());
    story.right("r1", 40, 50, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), NONE);

    // The success was first sent before the last of them was answered, and may have happened then.
    let mut story = Story::of_a_code();
    story.right("r1", 15, 16, Outcome::Lost);
    for n in 0..3 {
        story.wrong(&format!("w{n}"), 20, 30, refused());
    }
    story.right("r1", 40, 50, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), NONE);

    // Two bodies, one of them twice.
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, refused()).wrong("w1", 20, 30, refused()).wrong("w2", 20, 30, refused());
    story.right("r1", 40, 50, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), NONE);

    // The third was never answered.
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, refused()).wrong("w2", 20, 30, refused()).wrong("w3", 20, 30, Outcome::Lost);
    story.right("r1", 40, 50, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), NONE);
}

#[test]
fn a_wrong_code_that_is_accepted_is_found() {
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, proved("verify"));
    assert_eq!(story.broken(), [Rule::WrongCode]);
}

#[test]
fn a_second_success_is_found_and_a_repetition_is_none() {
    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, proved("v1")).right("r2", 20, 30, proved("v2"));
    assert_eq!(story.broken_with_a_last_try(), [Rule::OneSuccess]);
    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, proved("v1")).right("r1", 20, 30, proved("v1")).right("r2", 20, 30, refused());
    assert_eq!(story.broken_with_a_last_try(), NONE);
}

#[test]
fn a_code_that_comes_back_is_found() {
    let mut story = Story::of_a_code();
    // Somebody whose guess was lost may have won, so that the refusal alone proves nothing.
    story.right("r1", 20, 25, Outcome::Lost).right("r2", 30, 40, refused()).right("r3", 50, 60, proved("v3"));
    assert_eq!(story.broken_with_a_last_try(), [Rule::Revived]);
    let mut story = Story::of_a_code();
    story.right("r2", 30, 40, refused()).right("r3", 35, 60, proved("v3"));
    assert_eq!(story.broken_with_a_last_try(), NONE);
}

#[test]
fn a_success_after_expiry_is_found_with_the_skew_allowed() {
    let expires_by = 10 + LIFETIME_MS + BOUNDS.skew_ms;
    let mut story = Story::of_a_code();
    story.right("r1", expires_by + 1, expires_by + 2, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), [Rule::Expiry]);
    let mut story = Story::of_a_code();
    story.right("r1", expires_by, expires_by + 2, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), NONE);

    // First sent in time.
    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, Outcome::Unavailable);
    story.right("r1", expires_by + 1, expires_by + 2, proved("verify"));
    assert_eq!(story.broken_with_a_last_try(), NONE);
}

#[test]
fn a_refused_live_code_is_found() {
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, refused()).wrong("w1", 20, 30, refused()).wrong("w2", 20, 30, refused());
    story.right("r1", 40, 50, refused());
    assert_eq!(story.broken(), [Rule::LiveCode], "two bodies cost three tries");
}

#[test]
fn a_right_code_may_be_refused_for_many_reasons() {
    let mut locked = Story::of_a_code();
    // The third may have been counted although it was never answered.
    locked.wrong("w1", 20, 30, refused()).wrong("w2", 20, 30, refused()).wrong("w3", 45, 46, Outcome::Lost);
    locked.right("r1", 40, 50, refused());
    assert_eq!(locked.broken(), NONE);

    let mut lost = Story::of_a_code();
    lost.right("r1", 20, 30, Outcome::Lost).right("r2", 40, 50, refused());
    assert_eq!(lost.broken(), NONE);

    let mut expired = Story::of_a_code();
    let ended = LIFETIME_MS - BOUNDS.skew_ms;
    expired.right("r1", ended - 10, ended, refused());
    assert_eq!(expired.broken(), NONE);
    let mut too_early = Story::of_a_code();
    too_early.right("r1", ended - 10, ended - 1, refused());
    assert_eq!(too_early.broken(), [Rule::LiveCode]);
}

#[test]
fn a_winner_who_was_refused_himself_excuses_nobody() {
    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, refused()).right("r2", 20, 30, refused());
    assert_eq!(story.broken(), [Rule::LiveCode, Rule::LiveCode]);
}

#[test]
fn the_same_bytes_with_two_activities_are_found() {
    let mut story = Story::of_a_code();
    story.init("init", 20, 30, Outcome::Acknowledged(Story::made("another", "otp")));
    assert_eq!(story.broken(), [Rule::OneActivity]);
    let mut story = Story::of_a_code();
    story.init("init", 20, 30, Outcome::Acknowledged(Story::made("init", "otp")));
    assert_eq!(story.broken(), NONE);
}

#[test]
fn different_bytes_with_one_activity_are_found() {
    let mut story = Story::of_a_code();
    story.init("init2", 20, 30, Outcome::Acknowledged(Story::made("init", "otp2")));
    assert_eq!(story.broken(), [Rule::OneActivity]);
    let mut story = Story::of_a_code();
    story.init("init2", 20, 30, Outcome::Acknowledged(Story::made("init2", "otp2")));
    assert_eq!(story.broken(), NONE);
}

#[test]
fn an_acknowledgement_that_is_taken_back_is_found() {
    let too_many =
        || Outcome::Refused { status: 400, message: "Max number of OTPs have been initiated".to_owned() };
    let mut story = Story::of_a_code();
    story.init("init", 20, 30, too_many());
    assert_eq!(story.broken(), [Rule::OneActivity]);
    // A send may find room later.
    let mut story = Story::of_a_code();
    story.init("i2", 20, 30, too_many()).init("i2", 40, 50, Outcome::Acknowledged(Story::made("i2", "otp2")));
    assert_eq!(story.broken(), NONE);
    // A guess cannot.
    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, refused()).right("r1", 25, 35, proved("verify"));
    assert!(story.broken_with_a_last_try().contains(&Rule::OneActivity));
}

#[test]
fn more_codes_than_requests_are_found() {
    let mut story = Story::of_a_code();
    story.delivered("otp").delivered("twin");
    assert_eq!(story.broken(), [Rule::OneCode]);
    let mut story = Story::of_a_code();
    story.delivered("otp").delivered("otp");
    assert_eq!(story.broken(), NONE);
    assert_eq!((story.check().deliveries, story.check().redeliveries), (2, 1));
    // A request that was never answered may have sent one.
    let mut story = Story::of_a_code();
    story.init("i2", 20, 30, Outcome::Lost).delivered("otp").delivered("otp2");
    assert_eq!(story.broken(), NONE);
}

#[test]
fn a_refusal_of_what_was_promised_is_found() {
    let gone = || Outcome::Refused { status: 400, message: "invalid verification token".to_owned() };
    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, proved("verify")).tell(login(), "l1", 40, 50, gone());
    assert_eq!(story.broken_with_a_last_try(), [Rule::Refusal]);
    let mut story = Story::of_a_code();
    story.wrong("w1", 20, 30, Outcome::Refused { status: 401, message: "no such key".to_owned() });
    assert_eq!(story.broken(), [Rule::Refusal]);
}

/// A story whose activity and session are looked for on both nodes.
fn read_back(tamper: impl Fn(&mut Vec<Event>)) -> Vec<Rule> {
    let mut story = Story::of_a_code();
    story.history.header.nodes = NODES.map(str::to_owned).to_vec();
    story.right("r1", 20, 30, proved("verify"));
    story.tell(
        login(),
        "l1",
        40,
        50,
        Outcome::Acknowledged(Ids { activity: some("login"), ..Ids::default() }),
    );
    story.right("r2", 60, 70, refused());
    let mut began_ms = FINAL_MS;
    for node in NODES {
        for activity in ["init", "verify", "login"] {
            let read = Operation::ReadActivity { activity: activity.to_owned() };
            let found = Outcome::Acknowledged(Ids { activity: some(activity), ..Ids::default() });
            story.on(node, read, "query", began_ms, began_ms + 1, found);
            began_ms += 10;
        }
        let found = Outcome::Acknowledged(Ids { organization: some("organization"), ..Ids::default() });
        story.on(node, Operation::Whoami { key: "key".to_owned() }, "whoami", began_ms, began_ms + 1, found);
    }
    tamper(&mut story.history.events);
    story.broken()
}

#[test]
fn what_was_acknowledged_and_read_back_on_every_node_keeps_the_rules() {
    assert_eq!(read_back(|_| {}), NONE);
}

#[test]
fn an_acknowledged_write_that_is_gone_is_found() {
    let gone = || Outcome::Refused { status: 404, message: "not found".to_owned() };
    let lose = |operation: Operation| {
        read_back(|events| {
            let event = events.iter_mut().find(|event| event.operation == operation);
            event.unwrap().outcome = gone();
        })
    };
    assert_eq!(lose(Operation::ReadActivity { activity: "login".to_owned() }), [Rule::Readable]);
    assert_eq!(lose(Operation::Whoami { key: "key".to_owned() }), [Rule::Readable]);
}

#[test]
fn an_acknowledged_write_that_reads_differently_is_found() {
    let change = |operation: Operation, ids: Ids| {
        read_back(|events| {
            let event = events.iter_mut().find(|event| event.operation == operation);
            event.unwrap().outcome = Outcome::Acknowledged(ids.clone());
        })
    };
    let other = Ids { activity: some("init"), digest: some("other"), ..Ids::default() };
    assert_eq!(change(Operation::ReadActivity { activity: "init".to_owned() }, other), [Rule::Readable]);
    let other = Ids { organization: some("another"), ..Ids::default() };
    assert_eq!(change(Operation::Whoami { key: "key".to_owned() }, other), [Rule::Readable]);
}

#[test]
fn what_was_not_looked_for_is_found() {
    for operation in [
        Operation::ReadActivity { activity: "verify".to_owned() },
        Operation::Whoami { key: "key".to_owned() },
    ] {
        let forget = |events: &mut Vec<Event>| {
            events.retain(|event| event.node != "b" || event.operation != operation);
        };
        assert_eq!(read_back(forget), [Rule::ReadBack], "{operation:?}");
        let no_answer = |events: &mut Vec<Event>| {
            let event = events.iter_mut().find(|event| event.node == "b" && event.operation == operation);
            event.unwrap().outcome = Outcome::Unavailable;
        };
        assert_eq!(read_back(no_answer), [Rule::ReadBack], "{operation:?}");
    }
    let forget_the_code = |events: &mut Vec<Event>| events.retain(|event| event.bytes != "r2");
    assert_eq!(read_back(forget_the_code), [Rule::ReadBack]);
}

#[test]
fn a_locked_code_must_be_tried_again() {
    let mut story = Story::of_a_code();
    for n in 0..3 {
        story.wrong(&format!("w{n}"), 20, 30, refused());
    }
    assert_eq!(story.broken(), [Rule::ReadBack]);
    assert_eq!(story.broken_with_a_last_try(), NONE);
    assert_eq!(story.check().locked, 1);
}

#[test]
fn a_history_that_contradicts_itself_proves_nothing() {
    let mut story = Story::of_a_code();
    story.wrong("r1", 20, 30, refused()).right("r1", 40, 50, refused());
    assert_eq!(story.broken(), [Rule::Record], "one body, two guesses");

    let mut story = Story::of_a_code();
    story.wrong("w1", 30, 20, refused());
    assert_eq!(story.broken(), [Rule::Record], "answered before it was asked");

    let mut story = Story::of_a_code();
    let guess = Operation::Verify { otp: "unheard of".to_owned(), right: true };
    story.tell(guess, "r1", 20, 30, refused());
    assert_eq!(story.broken(), [Rule::Record]);

    let mut story = Story::of_a_code();
    story.tell(login(), "l1", 20, 30, Outcome::Lost);
    assert_eq!(story.broken(), [Rule::Record], "no token is known");

    let mut story = Story::of_a_code();
    story.init("i2", 20, 30, Outcome::Acknowledged(Ids { activity: some("i2"), ..Ids::default() }));
    assert_eq!(story.broken(), [Rule::Record], "no attempt is named");

    let mut story = Story::of_a_code();
    story.right("r1", 20, 30, Outcome::Acknowledged(Ids { token: some("token"), ..Ids::default() }));
    assert_eq!(story.broken_with_a_last_try(), [Rule::Record], "no activity is named");
}
