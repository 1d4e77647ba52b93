//! Providers that take connections and say nothing, on real sockets. Tokio's clock stands but where a test moves it.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

#[path = "support/smtp_server.rs"]
mod smtp_server;
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smtp_server::SmtpServer;
use support::{Answer, FakeStore, Script, State, hold_clock, pass, payload, until, worker_of};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vestibule_delivery::channel::{Channel, SmtpChannel, SmtpSecurity, SmtpSettings};
use vestibule_delivery::routing::Routing;
use vestibule_delivery::worker::{Worker, WorkerSettings};
use vestibule_engine::model::{OutboxMessage, Routes};
use vestibule_wire::OtpType;

/// A listener that takes connections and never speaks.
struct Mute {
    port: u16,
    taken: Arc<Mutex<Vec<TcpStream>>>,
}

impl Mute {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let streams = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                streams.lock().unwrap().push(stream);
            }
        });
        Self { port, taken }
    }

    fn connections(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

fn smtp(port: u16) -> Arc<dyn Channel> {
    let settings =
        SmtpSettings { port: Some(port), security: SmtpSecurity::None, ..SmtpSettings::new("127.0.0.1") };
    Arc::new(SmtpChannel::new(&settings).unwrap())
}

/// E-mails go along these, texts by the script.
fn routing(mail: &[(&str, Arc<dyn Channel>)], texts: &Arc<Script>) -> Routing {
    let mut routing = Routing::new().with_provider("texts", Arc::clone(texts) as _).unwrap();
    for (name, channel) in mail {
        routing = routing.with_provider(name, Arc::clone(channel)).unwrap();
    }
    let email = mail.iter().map(|(name, _)| (*name).to_owned()).collect();
    let sms = BTreeMap::from([(String::new(), vec!["texts".to_owned()])]);
    routing.with_routes(Routes { email, sms }).unwrap()
}

fn emails(store: &FakeStore, numbers: std::ops::RangeInclusive<u128>) {
    for number in numbers {
        store.email(number);
    }
}

fn sent(store: &FakeStore, channel: OtpType) -> usize {
    let rows = store.rows.lock().unwrap();
    let of = |message: &OutboxMessage| message.channel == channel;
    rows.values().filter(|row| of(&row.message) && row.state == State::Sent).count()
}

fn arrived(server: &SmtpServer) -> usize {
    server.log.lock().unwrap().messages.iter().filter(|message| message.answered).count()
}

/// Runs the worker beside a test.
async fn beside(worker: &Worker<FakeStore>, wake: &Notify, test: impl Future<Output = ()>) {
    let shutdown = CancellationToken::new();
    tokio::join!(worker.run(wake, &shutdown), async {
        test.await;
        shutdown.cancel();
    });
}

#[tokio::test]
async fn a_crowd_before_a_mail_server_that_hangs_goes_to_the_next_one_and_holds_up_no_texts() {
    let _held = hold_clock();
    let store = FakeStore::new();
    let (mute, second) = (Mute::start().await, SmtpServer::start(smtp_server::Script::default()).await);
    let texts = Script::taking();
    let mail = [("first", smtp(mute.port)), ("second", smtp(second.address.port()))];
    let worker = worker_of(&store, 1, routing(&mail, &texts), WorkerSettings::default());
    let wake = Notify::new();
    // More e-mails than there are places, and texts behind them.
    emails(&store, 1..=40);
    for number in 41..=44 {
        store.enqueue(number, OtpType::Sms, &payload("+15551234567"));
    }
    let began = Instant::now();
    let test = async {
        until("the texts are sent", || sent(&store, OtpType::Sms) == 4).await;
        until("all connections hang", || mute.connections() == 4).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "the texts waited for nothing");
        assert_eq!(sent(&store, OtpType::Email), 0, "the crowd waits for its turn");

        // Nobody before them is served: they do not wait for those that hang.
        pass(1).await;
        until("the crowd arrives", || sent(&store, OtpType::Email) == 36).await;
        emails(&store, 45..=84);
        wake.notify_one();
        until("those that come later arrive", || sent(&store, OtpType::Email) == 76).await;
        assert_eq!(began.elapsed().as_secs(), 1, "at once");

        // The four that hung ran out of time: the breaker opens.
        pass(9).await;
        until("those that hung arrive", || sent(&store, OtpType::Email) == 80).await;
        emails(&store, 85..=124);
        wake.notify_one();
        until("more arrive", || sent(&store, OtpType::Email) == 120).await;
        assert_eq!(began.elapsed().as_secs(), 10);
        assert_eq!(mute.connections(), 4, "the first is asked no more");

        // One of many tries it again, and neither closes the breaker nor holds up others.
        pass(10).await;
        emails(&store, 125..=164);
        wake.notify_one();
        until("all but the probe arrive", || sent(&store, OtpType::Email) == 159).await;
        until("one probes", || mute.connections() == 5).await;
        pass(10).await;
        until("the probe arrives", || sent(&store, OtpType::Email) == 160).await;
        emails(&store, 165..=204);
        wake.notify_one();
        until("the last arrive", || sent(&store, OtpType::Email) == 200).await;
        assert_eq!(mute.connections(), 5, "it is open again");
    };
    beside(&worker, &wake, test).await;
    assert_eq!((arrived(&second), texts.tries()), (200, 4), "each once");
}

#[tokio::test]
async fn where_the_only_mail_server_hangs_e_mails_wait_and_texts_go() {
    let _held = hold_clock();
    let store = FakeStore::new();
    let (mute, texts) = (Mute::start().await, Script::taking());
    let mail = [("only", smtp(mute.port))];
    let worker = worker_of(&store, 1, routing(&mail, &texts), WorkerSettings::default());
    let wake = Notify::new();
    emails(&store, 1..=200);
    store.enqueue(201, OtpType::Sms, &payload("+15551234567"));
    let began = Instant::now();
    let given_back = || store.rows.lock().unwrap().values().filter(|row| !row.retries.is_empty()).count();
    let held = || store.rows.lock().unwrap().values().filter(|row| row.worker.is_some()).count();
    let test = async {
        until("all connections hang", || mute.connections() == 4).await;
        until("as many are held as may be", || held() == 128).await;
        // As many as are held at once wait for their turn, for a while; then they are given back, and others are looked at.
        pass(5).await;
        until("the text is sent", || sent(&store, OtpType::Sms) == 1).await;
        assert!(given_back() >= 124, "{}", given_back());
        store.enqueue(202, OtpType::Sms, &payload("+15551234567"));
        wake.notify_one();
        until("another text is sent", || sent(&store, OtpType::Sms) == 2).await;
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(mute.connections(), 4);
        // Four ran out of time. No more are let run into it.
        pass(5).await;
        until("they are given back", || given_back() >= 128).await;
        pass(5).await;
        store.enqueue(203, OtpType::Sms, &payload("+15551234567"));
        wake.notify_one();
        until("a third text is sent", || sent(&store, OtpType::Sms) == 3).await;
        assert_eq!((mute.connections(), sent(&store, OtpType::Email)), (4, 0));
    };
    beside(&worker, &wake, test).await;
}

#[tokio::test(start_paused = true)]
async fn no_number_of_providers_that_hang_takes_the_places_of_another() {
    let store = FakeStore::new();
    let hanging = [(); 3].map(|()| Script::new(|_| Answer::Hang));
    let texts = Script::taking();
    let names = ["a", "b", "c"];
    let mail: Vec<_> =
        names.iter().zip(&hanging).map(|(name, script)| (*name, Arc::clone(script) as _)).collect();
    let worker = worker_of(&store, 1, routing(&mail, &texts), WorkerSettings::default());
    let (wake, seconds) = (Notify::new(), AtomicUsize::new(0));
    emails(&store, 1..=100);
    let test = async {
        for number in 101..=130 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            store.enqueue(number, OtpType::Sms, &payload("+15551234567"));
            wake.notify_one();
            tokio::time::sleep(Duration::from_millis(1)).await;
            seconds.fetch_add(1, Ordering::SeqCst);
            assert_eq!(texts.taken().len(), seconds.load(Ordering::SeqCst), "each is sent when it comes");
        }
    };
    beside(&worker, &wake, test).await;
    for script in hanging {
        assert_eq!(script.most_at_once.load(Ordering::SeqCst), 8, "a quarter each");
    }
}
