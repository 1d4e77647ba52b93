//! The outbox worker against an outbox in memory and channels that do as they are told. Time is paused throughout.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use support::{Answer, CODE, FakeStore, LIFETIME, Script, State, TENANT, payload, worker, worker_with};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_delivery::channel::SendError;
use vestibule_delivery::render::Rendered;
use vestibule_delivery::worker::{Round, Worker, WorkerSettings};
use vestibule_engine::model::{ContactKey, EmailEvent, MessagePayload, Template};
use vestibule_engine::{Clock, outbox};
use vestibule_wire::view::{EmailEventDetails, EmailEventType};
use vestibule_wire::{Contact, MessageId, OtpType, TemplateId};

fn round(claimed: usize, sent: usize, retried: usize, failed: usize) -> Round {
    Round { claimed, sent, retried, failed, unrecorded: 0 }
}

#[tokio::test(start_paused = true)]
async fn a_due_message_is_sent_once_and_recorded() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let id = store.email(1);
    let worker = worker(&store, 1, &channel);
    assert_eq!(worker.run_once().await.unwrap(), round(1, 1, 0, 0));
    assert_eq!(worker.run_once().await.unwrap(), round(0, 0, 0, 0));
    assert_eq!(store.row(id).state, State::Sent);
    let given = channel.given.lock().unwrap();
    assert_eq!(given.len(), 1);
    assert_eq!((given[0].message_id, given[0].attempt, given[0].code.as_str()), (id, 1, CODE));
    assert_eq!(given[0].expires_at - given[0].created_at, LIFETIME);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_may_pass_is_tried_again_ever_later_and_never_past_the_expiry() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::Fail(SendError::later("busy")));
    let id = store.email(1);
    let (born, worker) = (store.clock.now_ms(), worker(&store, 1, &channel));
    let mut waits = Vec::new();
    while store.row(id).state == State::Waiting {
        assert_eq!(worker.run_once().await.unwrap().claimed, 1);
        let Some((at, error)) = store.row(id).retries.get(waits.len()).cloned() else { break };
        assert_eq!(error, "busy");
        waits.push(at - store.clock.now_ms());
        assert_eq!(worker.run_once().await.unwrap().claimed, 0, "not before its time");
        store.clock.advance(at - store.clock.now_ms());
    }
    let seconds: Vec<_> = waits.iter().map(|ms| ms / 1000).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30]);
    assert!(store.clock.now_ms() < born + LIFETIME);
    assert_eq!(store.row(id).state, State::Failed("busy; the code expires before another try".to_owned()));
    assert_eq!(channel.tries(), 14);
    let attempts: Vec<_> = channel.given.lock().unwrap().iter().map(|d| d.attempt).collect();
    assert_eq!(attempts, (1..=14).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_not_tried_again() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::Fail(SendError::never("the mail server answered 550")));
    let id = store.email(1);
    assert_eq!(worker(&store, 1, &channel).run_once().await.unwrap(), round(1, 0, 0, 1));
    assert_eq!(store.row(id).state, State::Failed("the mail server answered 550".to_owned()));
}

fn told(store: &FakeStore) -> Vec<(EmailEventType, EmailEventDetails)> {
    let events = store.events.lock().unwrap();
    assert!(events.iter().map(|event| event.id.0).is_sorted(), "later events have greater ids");
    events.iter().map(|event| (event.event_type, event.details.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sent_mail_is_told_with_its_addresses_and_its_message_id() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let id = store.email(1);
    store.enqueue(2, OtpType::Sms, &payload("+15551234567"));
    worker(&store, 1, &channel).run_once().await.unwrap();
    let events = store.events.lock().unwrap();
    assert_eq!(events.len(), 1, "nothing of SMS");
    let expected = EmailEvent {
        id: events[0].id,
        organization_id: TENANT,
        tenant_id: TENANT,
        contact_key: ContactKey::of(&Contact::email("ann.secret@example.com").unwrap()),
        event_type: EmailEventType::Send,
        message_id: format!("<{id}@mail.example>"),
        from: "no-reply@mail.example".to_owned(),
        to: "Ann.Secret@example.com".to_owned(),
        details: EmailEventDetails::default(),
        at: events[0].at,
    };
    assert_eq!(events[0], expected);
}

#[tokio::test(start_paused = true)]
async fn a_late_mail_is_told_once_and_that_it_was_given_up() {
    let refused = |smtp_code, error| SendError { smtp_code, ..error };
    for (error, kind, code) in [
        (refused(Some(450), SendError::later("the mail server answered 450")), "General", Some("smtp; 450")),
        (refused(None, SendError::later("the connection failed")), "TransientCommunicationFailure", None),
    ] {
        let store = FakeStore::new();
        let channel = Script::new(move |_| Answer::Fail(error.clone()));
        let id = store.email(1);
        let worker = worker(&store, 1, &channel);
        while store.row(id).state == State::Waiting {
            worker.run_once().await.unwrap();
            store.clock.advance(30_000);
        }
        let code = code.map(str::to_owned);
        let delay = EmailEventDetails {
            delivery_delay_type: Some(kind.to_owned()),
            diagnostic_code: code.clone(),
            ..EmailEventDetails::default()
        };
        let bounce = |code| EmailEventDetails {
            bounce_type: Some("Transient".to_owned()),
            diagnostic_code: code,
            ..EmailEventDetails::default()
        };
        let told = told(&store);
        assert_eq!(told[0], (EmailEventType::DeliveryDelay, delay));
        assert_eq!(told.len(), 2);
        assert_eq!(told[1], (EmailEventType::Bounce, bounce(code)));
    }
    let store = FakeStore::new();
    let channel = Script::new(move |_| {
        Answer::Fail(refused(Some(550), SendError::never("the mail server answered 550")))
    });
    store.email(1);
    worker(&store, 1, &channel).run_once().await.unwrap();
    let bounce = EmailEventDetails {
        bounce_type: Some("Permanent".to_owned()),
        diagnostic_code: Some("smtp; 550".to_owned()),
        ..EmailEventDetails::default()
    };
    assert_eq!(told(&store), [(EmailEventType::Bounce, bounce)]);
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_a_shutdown_gave_back_is_told_to_be_late_with_its_first_delay() {
    let store = FakeStore::new();
    let channel = Script::new(|delivery| match delivery.attempt {
        1 => Answer::Hang,
        2 | 3 => Answer::Fail(SendError::later("the mail server answered 450").of_this_message()),
        _ => Answer::Take,
    });
    let id = store.email(1);
    let worker = worker(&store, 1, &channel);
    let drain = WorkerSettings::default().drain;
    while_running(&worker, &Notify::new(), tokio::time::sleep(drain)).await;
    assert_eq!((store.row(id).message.attempts, told(&store)), (1, vec![]), "it is not late yet");
    while store.row(id).state == State::Waiting {
        worker.run_once().await.unwrap();
        store.clock.advance(4000);
    }
    let told: Vec<_> = told(&store).into_iter().map(|(event_type, _)| event_type).collect();
    assert_eq!(told, [EmailEventType::DeliveryDelay, EmailEventType::Send]);
    assert_eq!(channel.tries(), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_code_is_dead() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let id = store.email(1);
    store.clock.advance(LIFETIME);
    assert_eq!(worker(&store, 1, &channel).run_once().await.unwrap(), round(1, 0, 0, 1));
    assert_eq!(channel.tries(), 0);
    assert!(matches!(store.row(id).state, State::Failed(error) if error.contains("expired")));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_runs_into_the_expiry_is_cut_off_there() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::After(6000));
    let id = store.email(1);
    store.clock.advance(LIFETIME - 5000);
    let began = Instant::now();
    assert_eq!(worker(&store, 1, &channel).run_once().await.unwrap(), round(1, 0, 0, 1));
    assert_eq!(began.elapsed(), Duration::from_secs(5), "of paused time");
    assert_eq!(channel.taken(), []);
    assert!(matches!(store.row(id).state, State::Failed(error) if error.contains("in time")));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_hangs_is_given_up_before_the_lease_ends() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::Hang);
    let id = store.email(1);
    let settings = WorkerSettings::default();
    let lease = settings.lease;
    let began = Instant::now();
    assert_eq!(worker_with(&store, 1, &channel, settings).run_once().await.unwrap(), round(1, 0, 1, 0));
    assert!(began.elapsed() < lease);
    assert_eq!(store.row(id).retries[0].1, "the channel did not finish in time");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_leaves_the_record_to_the_worker_that_has_it() {
    let store = FakeStore::new();
    let id = store.email(1);
    // While the first worker sends, its lease runs out and the second takes the message over, and fails for good.
    let (clock, second) = (Arc::clone(&store.clock), Script::new(|_| Answer::Fail(SendError::never("no"))));
    let slow = Script::new(move |_| {
        clock.advance(60_001);
        Answer::After(10)
    });
    let (first, second) = (worker(&store, 1, &slow), worker(&store, 2, &second));
    let (first, second) = tokio::join!(first.run_once(), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        second.run_once().await
    });
    assert_eq!(first.unwrap(), Round { unrecorded: 1, ..round(1, 1, 0, 0) });
    assert_eq!(second.unwrap(), round(1, 0, 0, 1));
    assert_eq!(store.row(id).state, State::Failed("no".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_channel_costs_one_try_and_nothing_else() {
    let store = FakeStore::new();
    let channel = Script::new(|d| {
        if d.attempt == 1 && d.message_id.0.as_u128() == 1 { Answer::Panic } else { Answer::Take }
    });
    let (one, two) = (store.email(1), store.email(2));
    let worker = worker(&store, 1, &channel);
    assert_eq!(worker.run_once().await.unwrap(), round(2, 1, 1, 0));
    assert_eq!(store.row(one).retries[0].1, "the channel panicked");
    store.clock.advance(1000);
    assert_eq!(worker.run_once().await.unwrap(), round(1, 1, 0, 0));
    assert_eq!(channel.taken(), [two, one]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_moment_causes_no_second_message() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let id = store.email(1);
    store.failing_settlements.store(3, Ordering::SeqCst);
    let worker = worker(&store, 1, &channel);
    assert_eq!(worker.drain().await.unwrap(), round(1, 1, 0, 0));
    assert_eq!((store.row(id).state, channel.tries()), (State::Sent, 1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_gets_the_message_sent_again_after_the_lease() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let id = store.email(1);
    store.failing_settlements.store(6, Ordering::SeqCst);
    let worker = worker(&store, 1, &channel);
    assert_eq!(worker.run_once().await.unwrap(), Round { unrecorded: 1, ..round(1, 1, 0, 0) });
    store.clock.advance(60_000);
    assert_eq!(worker.run_once().await.unwrap(), round(1, 1, 0, 0));
    assert_eq!(store.row(id).state, State::Sent);
    assert_eq!(channel.taken(), [id, id], "the same id both times, so that a receiver can drop one");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_opened_is_given_up() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let moved = store.email(1);
    // A sealed payload opens in its own row only.
    let foreign = outbox::seal(
        &store.keys.current(),
        &SeededEntropy::new(9),
        MessageId(Uuid::nil()),
        &payload("a@b.example"),
    );
    store.rows.lock().unwrap().get_mut(&moved).unwrap().message.payload = foreign;
    assert_eq!(worker(&store, 1, &channel).run_once().await.unwrap(), round(1, 0, 0, 1));
    assert_eq!(channel.tries(), 0);
    assert!(matches!(store.row(moved).state, State::Failed(error) if error.contains("cannot be opened")));
}

#[tokio::test(start_paused = true)]
async fn the_stored_template_that_was_chosen_is_used_and_the_built_in_one_where_it_is_gone() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let template_id = TemplateId(Uuid::from_u128(5));
    let chosen = MessagePayload { template_id: Some(template_id), ..payload("a@b.example") };
    store.templates.lock().unwrap().insert(
        template_id,
        Template {
            organization_id: TENANT,
            id: template_id,
            name: "login".to_owned(),
            subject: "Hello from {{ .AppName }}".to_owned(),
            html: "<p>{{ .OtpCode }}</p>".to_owned(),
            text: None,
            locale: None,
            sms: None,
            created_at: 0,
        },
    );
    let worker = worker(&store, 1, &channel);
    store.enqueue(1, OtpType::Email, &chosen);
    worker.run_once().await.unwrap();
    store.templates.lock().unwrap().clear();
    store.enqueue(2, OtpType::Email, &chosen);
    worker.run_once().await.unwrap();
    let subjects: Vec<_> = channel
        .given
        .lock()
        .unwrap()
        .iter()
        .map(|delivery| match &delivery.message {
            Rendered::Email(email) => email.subject.clone(),
            Rendered::Sms(_) => panic!("an e-mail was asked for"),
        })
        .collect();
    assert_eq!(subjects, ["Hello from Shop".to_owned(), format!("{CODE} is your Shop code")]);
}

/// Starts `run`, lets `during` happen, shuts down, and returns when the worker has.
async fn while_running(worker: &Worker<FakeStore>, wake: &Notify, during: impl Future<Output = ()>) {
    let shutdown = CancellationToken::new();
    tokio::join!(worker.run(wake, &shutdown), async {
        during.await;
        shutdown.cancel();
    });
}

#[tokio::test(start_paused = true)]
async fn a_running_worker_sends_what_is_announced_at_once() {
    let store = FakeStore::new();
    let channel = Script::taking();
    let (worker, wake) = (worker(&store, 1, &channel), Notify::new());
    let began = Instant::now();
    while_running(&worker, &wake, async {
        for number in 1..=3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            store.email(number);
            wake.notify_one();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(channel.taken().len(), 3);
    })
    .await;
    assert_eq!(began.elapsed(), Duration::from_millis(4), "no poll and no drain was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_running_worker_finds_unannounced_and_due_messages_by_itself() {
    let store = FakeStore::new();
    let channel =
        Script::new(|d| if d.attempt < 3 { Answer::Fail(SendError::later("busy")) } else { Answer::Take });
    let (worker, wake) = (worker(&store, 1, &channel), Notify::new());
    store.failing_claims.store(1, Ordering::SeqCst);
    let id = store.email(1);
    while_running(&worker, &wake, async {
        // 0.25 s after the claim that failed, then the two retries.
        tokio::time::sleep(Duration::from_millis(3300)).await;
        assert_eq!(store.row(id).state, State::Sent);
        let late = store.email(2);
        tokio::time::sleep(WorkerSettings::default().poll * 2).await;
        assert_eq!(store.row(late).retries.len(), 2);
        tokio::time::sleep(WorkerSettings::default().poll).await;
        assert_eq!(store.row(late).state, State::Sent);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_running_workers_send_each_message_once() {
    let store = FakeStore::new();
    let channel = Script::new(|d| Answer::After((d.message_id.0.as_u128() % 7) as u64));
    let (one, two) = (worker(&store, 1, &channel), worker(&store, 2, &channel));
    let (wake_one, wake_two, shutdown) = (Notify::new(), Notify::new(), CancellationToken::new());
    tokio::join!(one.run(&wake_one, &shutdown), two.run(&wake_two, &shutdown), async {
        for number in 1..=300 {
            store.email(number);
            if number % 10 == 0 {
                wake_one.notify_one();
                wake_two.notify_one();
                tokio::task::yield_now().await;
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        shutdown.cancel();
    });
    let taken = channel.taken();
    assert_eq!(taken.len(), 300);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 300);
    assert!(store.rows.lock().unwrap().values().all(|row| row.state == State::Sent));
}

#[tokio::test(start_paused = true)]
async fn no_more_messages_are_held_at_once_than_the_limit() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::After(50));
    for number in 1..=50 {
        store.email(number);
    }
    let settings = WorkerSettings { max_in_flight: 8, ..WorkerSettings::default() };
    let (worker, wake) = (worker_with(&store, 1, &channel, settings), Notify::new());
    while_running(&worker, &wake, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
    assert_eq!(channel.taken().len(), 50);
    assert_eq!(channel.most_at_once.load(Ordering::SeqCst), 8);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_finishes_what_is_nearly_done_and_claims_nothing_new() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::After(3000));
    let (worker, wake) = (worker(&store, 1, &channel), Notify::new());
    let (held, late) = (store.email(1), Mutex::new(None));
    while_running(&worker, &wake, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        *late.lock().unwrap() = Some(store.email(2));
    })
    .await;
    assert_eq!(store.row(held).state, State::Sent);
    let late = store.row(late.into_inner().unwrap().unwrap());
    assert_eq!((late.state, late.worker, late.message.attempts), (State::Waiting, None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_does_not_finish() {
    let store = FakeStore::new();
    let channel = Script::new(|_| Answer::Hang);
    let (worker, wake) = (worker(&store, 1, &channel), Notify::new());
    let id = store.email(1);
    let began = Instant::now();
    while_running(&worker, &wake, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
    assert_eq!(began.elapsed(), Duration::from_secs(1) + WorkerSettings::default().drain);
    let row = store.row(id);
    assert_eq!((row.state, row.worker), (State::Waiting, None));
    assert!(row.message.due_at <= store.clock.now_ms(), "another worker may take it at once");

    let next = Script::taking();
    assert_eq!(support::worker(&store, 2, &next).run_once().await.unwrap(), round(1, 1, 0, 0));
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_contact_code_or_text_is_logged_at_any_level() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let store = FakeStore::new();
    let channel = Script::new(|d| match (d.message_id.0.as_u128() % 4, d.attempt) {
        (1, _) => Answer::Fail(SendError::never("the mail server answered 550")),
        (2, 1) => Answer::Fail(SendError::later("busy")),
        (3, 1) => Answer::Panic,
        _ => Answer::Take,
    });
    for number in 1..=4 {
        store.email(number);
        store.enqueue(number + 4, OtpType::Sms, &payload("+15551234567"));
    }
    let gone =
        MessagePayload { template_id: Some(TemplateId(Uuid::nil())), ..payload("Ann.Secret@example.com") };
    store.enqueue(12, OtpType::Email, &gone);
    let worker = worker(&store, 1, &channel);
    worker.run_once().await.unwrap();
    store.clock.advance(1000);
    worker.run_once().await.unwrap();
    drop(guard);

    let logs = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let id = MessageId(Uuid::from_u128(1)).to_string();
    assert!(
        logs.contains("message given up") && logs.contains("message sent") && logs.contains(&id),
        "{logs}"
    );
    for secret in [CODE, "Ann.Secret", "ann.secret", "5551234567", "Your Shop code", "is your"] {
        assert!(!logs.contains(secret), "{secret} in {logs}");
    }
}

#[test]
fn outcomes_and_delays_are_counted_per_channel() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let store = FakeStore::new();
            let channel = Script::new(|d| match d.message_id.0.as_u128() {
                1 => Answer::After(1500),
                2 => Answer::Fail(SendError::later("busy")),
                _ => Answer::Fail(SendError::never("no")),
            });
            store.email(1);
            store.email(2);
            store.enqueue(3, OtpType::Sms, &payload("+15551234567"));
            assert_eq!(worker(&store, 1, &channel).run_once().await.unwrap(), round(3, 1, 1, 1));
        });
    });
    let mut seen: Vec<String> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Histogram(values) => {
                    format!("{:?}", values.iter().map(|v| v.0).collect::<Vec<_>>())
                }
                DebugValue::Gauge(value) => value.to_string(),
            };
            format!("{}{{{}}} {value}", key.key().name(), labels.join(","))
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "vestibule_delivery_seconds{channel=email,provider=script} [1.5]",
            "vestibule_messages_total{channel=email,outcome=retried} 1",
            "vestibule_messages_total{channel=email,outcome=sent} 1",
            "vestibule_messages_total{channel=sms,outcome=failed} 1",
            "vestibule_provider_breaker{provider=script} 0",
            "vestibule_provider_tries_total{provider=script,outcome=accepted} 1",
            "vestibule_provider_tries_total{provider=script,outcome=later} 1",
            "vestibule_provider_tries_total{provider=script,outcome=refused} 1",
        ]
    );
}
