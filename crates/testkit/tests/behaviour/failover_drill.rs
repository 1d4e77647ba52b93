//! The drill: of two mail servers the first is killed under load, and every code arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use vestibule_delivery::MessageSettings;
use vestibule_delivery::channel::{Channel, SmtpChannel, SmtpSecurity, SmtpSettings};
use vestibule_delivery::routing::Routing;
use vestibule_delivery::worker::{Worker, WorkerParts, WorkerSettings};
use vestibule_engine::Clock;
use vestibule_engine::model::{ContactKey, Routes};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::Contact;
use vestibule_wire::query::Page;
use vestibule_wire::view::EmailEventType;

use crate::smtp_server::{Received, Script, SmtpServer};

const MESSAGES: usize = 500;
/// The first server dies when this one's body has arrived.
const LAST: usize = 150;
/// What a round of sending costs on the clock of the test.
const ROUND_MS: i64 = 10;
/// How late a message may be on that clock.
const LATEST_MS: i64 = 2_000;

fn address(number: usize) -> String {
    format!("person{number}@example.com")
}

/// A code that was asked for: its id, and what a guess is encrypted to.
struct Asked {
    otp_id: String,
    bundle: String,
}

/// Asks for a code as a browser does.
async fn ask(server: &TestServer, number: usize) -> Asked {
    let asked = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": address(number) });
    let init = server.proxy("otp_init_v2", asked).await;
    assert_eq!(init.status, 200, "{}", init.body);
    let text = |name: &str| init.body[name].as_str().expect("a text").to_owned();
    Asked { otp_id: text("otpId"), bundle: text("otpEncryptionTargetBundle") }
}

fn channel(server: &SmtpServer) -> Arc<dyn Channel> {
    let settings = SmtpSettings {
        port: Some(server.address.port()),
        security: SmtpSecurity::None,
        ..SmtpSettings::new("127.0.0.1")
    };
    Arc::new(SmtpChannel::new(&settings).expect("a mail server on this machine"))
}

/// The codes that each address got among these messages.
fn codes(messages: &[Received], wanted: impl Fn(&Received) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut codes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in messages.iter().filter(|message| wanted(message)) {
        let to = message.to[0].strip_prefix("RCPT TO:<").and_then(|to| to.strip_suffix('>'));
        let subject = message.data.lines().find_map(|line| line.strip_prefix("Subject: "));
        let code = subject.and_then(|subject| subject.split(' ').next()).expect("the code is in the subject");
        codes.entry(to.expect("an address").to_owned()).or_default().push(code.to_owned());
    }
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_arrives_when_the_first_of_two_mail_servers_is_killed_under_load() {
    let server = TestServer::start().await;
    let dying = Script { drops_at_rcpt: 1, dies_at_message: Some(LAST), ..Script::default() };
    let (first, second) = (SmtpServer::start(dying).await, SmtpServer::start(Script::default()).await);
    let routes = Routes { email: vec!["first".to_owned(), "second".to_owned()], ..Routes::default() };
    let routing = Routing::new()
        .with_provider("first", channel(&first))
        .and_then(|routing| routing.with_provider("second", channel(&second)))
        .and_then(|routing| routing.with_routes(routes))
        .expect("two providers");
    let worker = Worker::new(WorkerParts {
        id: uuid::Uuid::from_u128(1),
        store: server.store.clone(),
        clock: Arc::clone(&server.clock) as Arc<dyn Clock>,
        keys: server.keys.clone(),
        routing,
        messages: MessageSettings::new("no-reply@mail.example").expect("an address").into(),
        settings: WorkerSettings::default(),
    });
    let mut asked = Vec::with_capacity(MESSAGES);
    for number in 0..MESSAGES {
        asked.push(ask(&server, number).await);
    }
    let began = server.clock.now();
    let mut sent = 0;
    while sent < MESSAGES {
        let round = worker.run_once().await.expect("the store answers");
        assert_eq!((round.failed, round.unrecorded), (0, 0));
        sent += round.sent;
        server.clock.advance_ms(ROUND_MS);
        assert!(
            server.clock.now() - began < 300_000,
            "only {sent} of {MESSAGES} codes arrived while they lived"
        );
    }
    assert!(first.dead.is_cancelled(), "the first server was killed");

    let (at_first, at_second) = (
        first.log.lock().expect("a log").messages.clone(),
        second.log.lock().expect("a log").messages.clone(),
    );
    // The code of each was taken by one server that said so, and by one alone.
    let mut taken = codes(&at_first, |message| message.answered);
    for (to, more) in codes(&at_second, |message| message.answered) {
        taken.entry(to).or_default().extend(more);
    }
    let expected: BTreeSet<String> = (0..MESSAGES).map(address).collect();
    assert_eq!(taken.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(taken.values().all(|codes| codes.len() == 1), "{taken:?}");
    assert_eq!(at_second.iter().filter(|message| !message.answered).count(), 0);
    // Those that the first server had whole when it died, and of which it said nothing, came a second time. No others did.
    let in_doubt: BTreeSet<String> = codes(&at_first, |message| !message.answered).into_keys().collect();
    let mut copies = codes(&at_first, |_| true);
    for (to, more) in codes(&at_second, |_| true) {
        copies.entry(to).or_default().extend(more);
    }
    assert!(copies.values().all(|codes| codes.iter().all(|code| *code == codes[0])), "copies have one code");
    let doubled: BTreeSet<String> =
        copies.into_iter().filter(|(_, copies)| copies.len() > 1).map(|(to, _)| to).collect();
    assert_eq!(doubled, in_doubt);
    assert!(!in_doubt.is_empty(), "the case was seen");
    assert!(in_doubt.len() <= 4, "no more than there were connections: {in_doubt:?}");
    // The conversation that was cut before the body came, and all that came after the death, went to the second server.
    assert_eq!(first.script.lock().expect("a script").drops_at_rcpt, 0, "the case was seen");
    let answered = at_first.iter().filter(|message| message.answered).count();
    assert!((LAST - 4..LAST).contains(&answered), "{answered} before it died");

    let mut latest = 0;
    for number in 0..MESSAGES {
        let contact = ContactKey::of(&Contact::email(&address(number)).expect("an address"));
        let organization = server.tenant.organization_id;
        let told = server.store.email_events(organization, contact, None, Page::default()).await;
        let told = told.expect("the store answers");
        let sent: Vec<i64> = told.iter().map(|event| event.at - began).collect();
        assert!(told.iter().all(|event| event.event_type == EmailEventType::Send), "{told:?}");
        assert_eq!(sent.len(), 1, "sent once, as far as its sender is told");
        latest = latest.max(sent[0]);
    }
    assert!(latest <= LATEST_MS, "{latest} ms");

    // What arrived lets its owner in, once.
    for (number, Asked { otp_id, bundle }) in asked.iter().enumerate() {
        let key = client_key(&server);
        let guess = || server.guess(otp_id, bundle, &taken[&address(number)][0], &key);
        let verify = server.proxy("otp_verify_v2", guess()).await;
        assert_eq!(verify.status, 200, "{number}: {}", verify.body);
        assert!(verify.body["verificationToken"].is_string(), "{number}: {}", verify.body);
        let again = server.proxy("otp_verify_v2", guess()).await;
        assert_eq!(again.status, 400, "{number}: {}", again.body);
    }
}
