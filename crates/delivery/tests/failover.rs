//! Routes of several providers, against an outbox in memory and channels that do as they are told. Time is paused throughout.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use support::{Answer, FakeStore, LIFETIME, Script, State, TENANT, payload, worker_of};
use tokio::time::Instant;
use vestibule_delivery::SuppressionSettings;
use vestibule_delivery::channel::{Channel, SendError};
use vestibule_delivery::routing::{BreakerSettings, Routing};
use vestibule_delivery::worker::{Round, Worker, WorkerSettings};
use vestibule_engine::Clock;
use vestibule_engine::model::{
    ContactKey, HandedOver, MailHead, MessageFate, Routes, SuppressedFor, Suppression,
};
use vestibule_engine::store::SuppressContact;
use vestibule_wire::view::EmailEventType;
use vestibule_wire::{Contact, OtpType};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A worker whose e-mails and SMS go to the first of these, then to the next.
fn routed(store: &Arc<FakeStore>, channels: &[(&str, &Arc<Script>)]) -> Worker<FakeStore> {
    worker_of(store, 1, routing(channels), WorkerSettings::default())
}

fn routing(channels: &[(&str, &Arc<Script>)]) -> Routing {
    let mut routing = Routing::new();
    for (name, channel) in channels {
        routing = routing.with_provider(name, Arc::clone(channel) as Arc<dyn Channel>).unwrap();
    }
    let order: Vec<_> = channels.iter().map(|(name, _)| (*name).to_owned()).collect();
    let sms = BTreeMap::from([(String::new(), order.clone())]);
    routing.with_routes(Routes { email: order, sms }).unwrap()
}

fn told(store: &FakeStore) -> Vec<(EmailEventType, Option<String>)> {
    let events = store.events.lock().unwrap();
    events.iter().map(|event| (event.event_type, event.details.bounce_type.clone())).collect()
}

fn sent(round: Round) -> (usize, usize) {
    (round.claimed, round.sent)
}

#[tokio::test(start_paused = true)]
async fn the_next_provider_takes_at_once_what_the_first_cannot() {
    for fault in [
        SendError::later("the connection failed"),
        SendError::later("the mail server answered 450").of_this_message(),
        SendError::next_provider("the mail server answered 535"),
        SendError::next_provider("the country is not served").of_this_message(),
    ] {
        let store = FakeStore::new();
        let failing = fault.clone();
        let (first, second) = (Script::new(move |_| Answer::Fail(failing.clone())), Script::taking());
        let worker = routed(&store, &[("first", &first), ("second", &second)]);
        let (mail, sms) = (store.email(1), store.enqueue(2, OtpType::Sms, &payload("+15551234567")));
        let began = Instant::now();
        assert_eq!(sent(worker.run_once().await.unwrap()), (2, 2), "{fault}");
        assert_eq!(began.elapsed(), Duration::ZERO, "nothing was waited for");
        assert_eq!((first.tries(), second.taken().len()), (2, 2));
        assert_eq!((store.row(mail).state, store.row(sms).state), (State::Sent, State::Sent));
        assert_eq!(told(&store), [(EmailEventType::Send, None)], "{fault}");
        assert!(store.suppressed.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_not_carried_to_the_next_provider() {
    let store = FakeStore::new();
    let (first, second) =
        (Script::new(|_| Answer::Fail(SendError::unreachable("no such mailbox"))), Script::taking());
    let id = store.email(1);
    routed(&store, &[("first", &first), ("second", &second)]).run_once().await.unwrap();
    assert_eq!(store.row(id).state, State::Failed("no such mailbox".to_owned()));
    assert_eq!(second.tries(), 0);
    assert_eq!(told(&store), [(EmailEventType::Bounce, Some("Permanent".to_owned()))]);
    let until = support::START + 7 * 24 * 3_600_000;
    let suppressed = SuppressContact {
        tenant: TENANT,
        contact: ContactKey::of(&Contact::email("ann.secret@example.com").unwrap()),
        suppression: Suppression { reason: SuppressedFor::Bounce, until },
    };
    assert_eq!(*store.suppressed.lock().unwrap(), [suppressed]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_suppresses_nobody_and_neither_does_a_bounce_where_that_is_off() {
    let off = SuppressionSettings { bounce: Duration::ZERO, complaint: Duration::ZERO };
    for (error, suppression) in [
        (SendError::never("the message is too large"), SuppressionSettings::default()),
        (SendError::unreachable("no such mailbox"), off),
    ] {
        let store = FakeStore::new();
        let channel = Script::new(move |_| Answer::Fail(error.clone()));
        store.email(1);
        let settings = WorkerSettings { suppression, ..WorkerSettings::default() };
        worker_of(&store, 1, routing(&[("only", &channel)]), settings).run_once().await.unwrap();
        assert!(store.suppressed.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_has_to_mend_is_no_bounce_of_the_recipient() {
    let store = FakeStore::new();
    let wrong = Script::new(|_| Answer::Fail(SendError::next_provider("the mail server answered 535")));
    let id = store.email(1);
    let worker = routed(&store, &[("only", &wrong)]);
    while store.row(id).state == State::Waiting {
        worker.run_once().await.unwrap();
        store.clock.advance(5_000);
    }
    assert!(wrong.tries() > 3, "it may be mended while the code lives");
    let (late, given_up) = (EmailEventType::DeliveryDelay, EmailEventType::Bounce);
    assert_eq!(told(&store), [(late, None), (given_up, Some("Transient".to_owned()))]);
    assert!(store.suppressed.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_takes_goes_round_again_later() {
    let store = FakeStore::new();
    let busy = |after: u32| {
        Script::new(
            move |d| {
                if d.attempt < after { Answer::Fail(SendError::later("busy")) } else { Answer::Take }
            },
        )
    };
    let (first, second) = (busy(3), busy(9));
    let id = store.email(1);
    let worker = routed(&store, &[("first", &first), ("second", &second)]);
    for pause in [1000, 2000] {
        assert_eq!(worker.run_once().await.unwrap().retried, 1);
        let (at, _) = store.row(id).retries.last().cloned().unwrap();
        assert_eq!(at, store.clock.now_ms() + pause);
        store.clock.advance(pause);
    }
    assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
    assert_eq!((first.tries(), second.tries()), (3, 2), "the first is asked first again");
    assert_eq!(told(&store), [(EmailEventType::DeliveryDelay, None), (EmailEventType::Send, None)]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_time_and_again_is_left_alone_until_it_works() {
    let store = FakeStore::new();
    let clock = Arc::clone(&store.clock);
    let works_again = support::START + 15_000;
    let first = Script::new(move |_| {
        let now = clock.now_ms();
        if now < works_again { Answer::Fail(SendError::later("the connection failed")) } else { Answer::Take }
    });
    let second = Script::taking();
    let worker = routed(&store, &[("first", &first), ("second", &second)]);
    let mut number = 0;
    let mut send = async |messages: u128| {
        for _ in 0..messages {
            number += 1;
            store.email(number);
            assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
        }
        (first.tries(), second.taken().len(), first.taken().len())
    };
    assert_eq!(send(5).await, (5, 5, 0));
    assert_eq!(send(10).await, (5, 15, 0), "nobody asks it any more");
    store.clock.advance(10_000);
    assert_eq!(send(3).await, (6, 18, 0), "one message tries it, in vain");
    store.clock.advance(20_000);
    assert_eq!(send(3).await, (9, 18, 3), "it works again");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_is_left_to_ask_a_message_waits_and_the_last_chance_is_taken() {
    let store = FakeStore::new();
    let only = Script::new(|d| match d.message_id.0.as_u128() {
        7 => Answer::Take,
        _ => Answer::Fail(SendError::later("the connection failed")),
    });
    let worker = routed(&store, &[("only", &only)]);
    for number in 1..=5 {
        store.email(number);
    }
    worker.run_once().await.unwrap();
    assert_eq!(only.tries(), 5);
    let waits = store.email(6);
    worker.run_once().await.unwrap();
    assert_eq!(only.tries(), 5, "it is left alone");
    let (at, error) = store.row(waits).retries.last().cloned().unwrap();
    assert_eq!(at, support::START + 10_000);
    assert!(error.contains("left alone"), "{error}");
    // This one would be dead by then.
    let last = store.email(7);
    store.rows.lock().unwrap().get_mut(&last).unwrap().message.expires_at = support::START + 5_000;
    assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
    assert_eq!(store.row(last).state, State::Sent);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_left_alone_is_the_last_chance_of_what_the_others_do_not_take() {
    let store = FakeStore::new();
    let first = Script::new(|d| match d.message_id.0.as_u128() {
        1..=5 => Answer::Fail(SendError::later("the connection failed")),
        _ => Answer::Take,
    });
    let second = Script::new(|d| match d.message_id.0.as_u128() {
        1..=5 => Answer::Take,
        _ => Answer::Fail(SendError::later("the mail server answered 450").of_this_message()),
    });
    let worker = routed(&store, &[("first", &first), ("second", &second)]);
    for number in 1..=5 {
        store.email(number);
    }
    worker.run_once().await.unwrap();
    assert_eq!((first.tries(), second.taken().len()), (5, 5));
    let patient = store.email(6);
    assert_eq!(sent(worker.run_once().await.unwrap()), (1, 0));
    assert_eq!((first.tries(), store.row(patient).retries.len()), (5, 1), "there is another time");
    let last = store.email(7);
    store.rows.lock().unwrap().get_mut(&last).unwrap().message.expires_at = support::START + 500;
    assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
    assert_eq!((first.taken().len(), store.row(last).state), (1, State::Sent));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_leaves_time_for_the_next_one_within_the_lease() {
    let store = FakeStore::new();
    // However short the lease that is allowed: the next one needs all of its own time but a moment.
    for send_timeout in [Duration::from_secs(1), WorkerSettings::default().send_timeout] {
        let millis = send_timeout.as_millis() as u64;
        let (first, second) =
            (Script::new(|_| Answer::Hang), Script::new(move |_| Answer::After(millis - 1)));
        let id = store.email(millis.into());
        let lease = WorkerSettings::least_lease(send_timeout);
        let settings = WorkerSettings { send_timeout, lease, ..WorkerSettings::default() };
        let routing = routing(&[("first", &first), ("second", &second)]);
        let worker = worker_of(&store, 1, routing, settings);
        let (began, asked) = (Instant::now(), store.clock.now_ms());
        assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
        assert_eq!(began.elapsed(), send_timeout * 2 - Duration::from_millis(1));
        assert_eq!(store.row(id).state, State::Sent);
        let now = second.given.lock().unwrap()[0].now;
        assert_eq!(now, asked + millis as i64, "it is told its own time");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_providers_that_hang_both_are_known_to() {
    let store = FakeStore::new();
    let (first, second) = (Script::new(|_| Answer::Hang), Script::new(|_| Answer::Hang));
    let settings = WorkerSettings::default();
    let lease = WorkerSettings::least_lease(settings.send_timeout);
    let breaker =
        BreakerSettings { failures: 1, pause_ms: LIFETIME, max_pause_ms: LIFETIME, ..settings.breaker };
    let routing = routing(&[("first", &first), ("second", &second)]);
    let worker = worker_of(&store, 1, routing, WorkerSettings { lease, breaker, ..settings });
    for number in 1..=2 {
        store.email(number);
        assert_eq!(worker.run_once().await.unwrap().retried, 1);
    }
    assert_eq!((first.tries(), second.tries()), (1, 1), "both are left alone now");
}

#[tokio::test(start_paused = true)]
async fn no_provider_is_asked_once_the_code_is_dead() {
    let store = FakeStore::new();
    // The clock is set forward while the first is asked.
    let clock = Arc::clone(&store.clock);
    let first = Script::new(move |_| {
        clock.advance(LIFETIME);
        Answer::Fail(SendError::later("the connection failed"))
    });
    let second = Script::taking();
    let id = store.email(1);
    let worker = routed(&store, &[("first", &first), ("second", &second)]);
    assert_eq!(worker.run_once().await.unwrap().failed, 1);
    assert_eq!(second.tries(), 0);
    assert!(matches!(store.row(id).state, State::Failed(error) if error.contains("expired")));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_code_is_shared_by_the_rest_of_the_route() {
    for (left, shares) in [
        (5_000, [2_500, 1_250, 1_250]),
        (3_000, [1_500, 1_000, 500]),
        (60_000, [25_000, 17_500, 17_500]),
        (1_500, [1_000, 500, 0]),
    ] {
        let store = FakeStore::new();
        let channels = [(); 3].map(|()| Script::new(|_| Answer::Hang));
        let id = store.email(1);
        store.clock.advance(LIFETIME - left);
        let names = ["first", "second", "third"];
        let routing =
            routing(&[(names[0], &channels[0]), (names[1], &channels[1]), (names[2], &channels[2])]);
        // A lease that is longer than all of them need.
        let send_timeout = Duration::from_secs(25);
        let settings =
            WorkerSettings { send_timeout, lease: Duration::from_secs(200), ..WorkerSettings::default() };
        let began = Instant::now();
        worker_of(&store, 1, routing, settings).run_once().await.unwrap();
        let total: u64 = shares.iter().sum();
        assert_eq!(began.elapsed().as_millis(), u128::from(total), "{left} ms left");
        let told = channels.each_ref().map(|channel| {
            let given = channel.given.lock().unwrap();
            given.first().map_or(0, |delivery| delivery.time.as_millis() as u64)
        });
        assert_eq!(told, shares, "{left} ms left: each is told its time");
        assert!(matches!(store.row(id).state, State::Failed(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_with_little_life_left_reaches_the_second_provider_when_the_first_hangs() {
    for left in [30_000, 10_000, 5_000, 2_000] {
        let store = FakeStore::new();
        let (first, second) = (Script::new(|_| Answer::Hang), Script::taking());
        let id = store.email(1);
        store.clock.advance(LIFETIME - left);
        let worker = routed(&store, &[("first", &first), ("second", &second)]);
        let began = Instant::now();
        assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
        assert_eq!(began.elapsed().as_millis(), (left / 2) as u128);
        assert_eq!((second.taken(), store.row(id).state), (vec![id], State::Sent));
    }
}

#[tokio::test(start_paused = true)]
async fn an_organization_has_routes_of_its_own_by_prefix() {
    let store = FakeStore::new();
    let (a, b, c) = (Script::taking(), Script::taking(), Script::taking());
    let worker = routed(&store, &[("a", &a), ("b", &b), ("c", &c)]);
    let mut routes = Routes { email: names(&["gone", "b"]), sms: BTreeMap::new() };
    routes.set(OtpType::Sms, "+49", names(&["c"]));
    *store.routes.lock().unwrap() = Some(routes);
    let mail = store.email(1);
    let german = store.enqueue(2, OtpType::Sms, &payload("+491511234567"));
    let other = store.enqueue(3, OtpType::Sms, &payload("+15551234567"));
    assert_eq!(sent(worker.run_once().await.unwrap()), (3, 3));
    assert_eq!((a.taken(), b.taken(), c.taken()), (vec![other], vec![mail], vec![german]));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_no_provider_here_carries_waits_for_a_server_that_has_one() {
    let store = FakeStore::new();
    let sms = store.enqueue(1, OtpType::Sms, &payload("+15551234567"));
    let without = worker_of(&store, 1, Routing::new(), WorkerSettings::default());
    assert_eq!(without.run_once().await.unwrap().retried, 1);
    assert_eq!(store.row(sms).retries[0].1, "no sms provider is configured");
    store.clock.advance(1000);
    let channel = Script::taking();
    assert_eq!(sent(routed(&store, &[("only", &channel)]).run_once().await.unwrap()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_calls_a_message_is_kept_for_its_receipts() {
    let store = FakeStore::new();
    let (first, second) = (Script::new(|_| Answer::TakeAs("m-1")), Script::taking());
    let id = store.email(1);
    let worker = routed(&store, &[("ses", &first), ("smtp", &second)]);
    assert_eq!(sent(worker.run_once().await.unwrap()), (1, 1));
    let handed = HandedOver {
        provider: "ses".to_owned(),
        provider_message_id: "m-1".to_owned(),
        message_id: id,
        organization_id: TENANT,
        tenant_id: TENANT,
        channel: OtpType::Email,
        contact_key: ContactKey::of(&Contact::email("ann.secret@example.com").unwrap()),
        mail: Some(MailHead {
            message_id: format!("<{id}@mail.example>"),
            from: "no-reply@mail.example".to_owned(),
            to: "Ann.Secret@example.com".to_owned(),
        }),
        at: support::START,
        fate: MessageFate::Taken,
    };
    assert_eq!(*store.handed_over.lock().unwrap(), [handed]);
    let other = FakeStore::new();
    other.email(1);
    routed(&other, &[("smtp", &second)]).run_once().await.unwrap();
    assert!(other.handed_over.lock().unwrap().is_empty(), "a provider without names tells nothing later");
}
