//! SIGKILL under load, twenty times over one data directory: what was acknowledged stays, what was spent stays spent,
//! and what was never answered happens once when it is sent again.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod load;
mod support;

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use client::{Attempt, Client, Reply, Source, WRONG};
use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream;
use load::{Entry, Journal, Load, Purpose, Records, Sent};
use serde_json::json;
use support::{Server, workspace};
use tokio::task::JoinSet;
use tokio::time::timeout;
use vestibule_wire::ActivityType;

const ROUNDS: usize = 20;
const STREAMS: usize = 16;
const SEED: u64 = 20;
/// Fewest acknowledgements before a kill, and how many more it may be.
const ACKNOWLEDGEMENTS: (usize, u64) = (60, 160);
const SIGKILL: i32 = 9;
/// Checks under way at once.
const CHECKS: usize = 16;

/// What all rounds left behind.
#[derive(Default)]
struct Past {
    entries: Vec<Entry>,
    /// Codes that must never work again.
    dead: Vec<(Attempt, String)>,
    unanswered: usize,
    consumed: usize,
    locked: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_keeps_what_it_acknowledged_and_revives_no_spent_code() {
    let directory = workspace();
    let source = Source::new(SEED);
    let mut past = Past::default();
    let mut server = Server::dev(directory.path());
    for round in 0..ROUNDS {
        let client = Client::of_dev(&server, directory.path(), &source);
        let enough = ACKNOWLEDGEMENTS.0 + usize::try_from(source.number(ACKNOWLEDGEMENTS.1)).unwrap();
        let records = killed_under_load(server, &client, round, enough).await;

        server = Server::dev(directory.path());
        let client = Client::of_dev(&server, directory.path(), &source);
        let check = Check { client: &client, round };
        check.round(records, &mut past).await;
    }

    let client = Client::of_dev(&server, directory.path(), &source);
    let check = Check { client: &client, round: ROUNDS };
    check.activities(&past.entries).await;
    check.sessions(&past.entries).await;
    check.dead(&past.dead).await;
    let sessions = past.entries.iter().filter(|entry| matches!(entry.purpose, Purpose::Login { .. })).count();
    let Past { entries, dead: _, unanswered, consumed, locked } = &past;
    println!(
        "{} requests, {unanswered} of them unanswered at a kill; {consumed} codes consumed, {locked} locked, {sessions} sessions",
        entries.len()
    );
    assert!(
        *unanswered > ROUNDS && *consumed > ROUNDS && *locked > ROUNDS && sessions > ROUNDS,
        "the kills met too little load"
    );
    server.stop();
}

/// Runs the load until there were enough acknowledgements, and kills the server at that moment.
async fn killed_under_load(mut server: Server, client: &Client, round: usize, enough: usize) -> Records {
    let journal = Arc::new(Journal::new(enough));
    let mut streams = JoinSet::new();
    for stream in 0..STREAMS {
        let (client, journal) = (client.clone(), Arc::clone(&journal));
        streams.spawn(async move {
            let load = Load { client: &client, journal: &journal };
            load.run(&format!("round-{round}-stream-{stream}"), stream).await;
        });
    }
    tokio::select! {
        biased;
        reached = timeout(client::DEADLINE, journal.enough()) => reached.expect("the server is too slow"),
        Some(ended) = streams.join_next() => {
            ended.unwrap();
            panic!("round {round}: a connection broke before the kill: {}", server.log());
        }
    }
    server.signal("KILL");
    let status = server.wait();
    assert_eq!(status.signal(), Some(SIGKILL), "round {round}: {status}");
    while let Some(ended) = streams.join_next().await {
        ended.unwrap();
    }
    let journal = Arc::into_inner(journal).expect("all streams have ended");
    journal.into_records()
}

/// What must hold after a restart.
struct Check<'a> {
    client: &'a Client,
    round: usize,
}

impl Check<'_> {
    async fn round(&self, mut records: Records, past: &mut Past) {
        past.unanswered += self.settle_unanswered(&mut records).await;
        self.activities(&records.entries).await;
        self.repeats(&records.entries).await;
        self.users(&records.entries).await;
        self.sessions(&records.entries).await;

        let indexes = 0..records.attempts.len();
        let codes: Vec<_> = stream::iter(indexes)
            .map(|index| self.code(index, &records))
            .buffer_unordered(CHECKS)
            .filter_map(async |dead| dead)
            .collect()
            .await;
        for (dead, consumed) in codes {
            past.consumed += usize::from(consumed);
            past.locked += usize::from(!consumed);
            past.dead.push(dead);
        }
        past.entries.extend(records.entries);
    }

    /// Sends what was never answered again, twice at once: one outcome, whether or not it had happened before the kill.
    /// Returns how many there were.
    async fn settle_unanswered(&self, records: &mut Records) -> usize {
        let unanswered: Vec<usize> =
            (0..records.entries.len()).filter(|&index| records.entries[index].reply.is_none()).collect();
        let replies: Vec<(usize, Reply)> = stream::iter(unanswered)
            .map(async |index| {
                let request = &records.entries[index].request;
                let (one, other) = join(self.client.ask(request), self.client.ask(request)).await;
                assert_eq!(one, other, "round {}: {request:?}", self.round);
                (index, one)
            })
            .buffer_unordered(CHECKS)
            .collect()
            .await;
        let settled = replies.len();
        let mut seen = HashSet::new();
        for (index, reply) in replies {
            match &records.entries[index].purpose {
                Purpose::CreateUser { .. } | Purpose::Login { .. } => {
                    reply.activity();
                }
                Purpose::Init { email } => {
                    if seen.insert(email.clone()) {
                        self.sent_once(email, &reply).await;
                    }
                }
                Purpose::Guess { attempt, right } => {
                    let locked = records.guesses(*attempt).0 >= 3;
                    if *right && !locked {
                        reply.text("verificationToken");
                    } else {
                        assert_eq!(reply.refusal(), WRONG, "round {}", self.round);
                    }
                }
            }
            records.entries[index].reply = Some(reply);
        }
        settled
    }

    /// A contact was sent one code: it is allowed two more, and no third.
    async fn sent_once(&self, email: &str, reply: &Reply) {
        let mut known = vec![reply.text("otpId")];
        for _ in 0..2 {
            known.push(self.client.initiate(email).await.otp_id);
        }
        let fourth = self.client.ask(&self.client.init(ActivityType::InitOtpV3, email)).await;
        assert_eq!(fourth.refusal().1, "MAX_OTP_INITIATED", "round {}: {}", self.round, fourth.body);
        for message in self.client.messages(email).await.expect("the server answers") {
            assert!(
                known.iter().any(|otp_id| message["otpId"] == **otp_id),
                "{message} for none of {known:?}"
            );
        }
    }

    /// Every acknowledged activity can be read, as it was acknowledged.
    async fn activities(&self, entries: &[Entry]) {
        self.each(entries, async |entry, reply| {
            if reply.status != 200 {
                return;
            }
            let activity = reply.activity();
            let members =
                json!({ "organizationId": activity["organizationId"], "activityId": activity["id"] });
            let read = self.client.query("get_activity", &members).await;
            assert_eq!(read.body["activity"], *activity, "round {}: {:?}", self.round, entry.purpose);
        })
        .await;
    }

    /// The same bytes get the same answer, refusals included, and do nothing.
    async fn repeats(&self, entries: &[Entry]) {
        self.each(entries, async |entry, reply| {
            let repeat = self.client.ask(&entry.request).await;
            assert_eq!(repeat, *reply, "round {}: {:?}", self.round, entry.purpose);
        })
        .await;
    }

    /// Every user was made once.
    async fn users(&self, entries: &[Entry]) {
        self.each(entries, async |entry, reply| {
            let Purpose::CreateUser { email } = &entry.purpose else { return };
            let members = json!({
                "organizationId": self.client.organization, "filterType": "EMAIL", "filterValue": email,
            });
            let found = self.client.query("list_suborgs", &members).await;
            let once = json!({ "organizationIds": [load::user(reply).organization] });
            assert_eq!(found.body, once, "round {}: {email}", self.round);
        })
        .await;
    }

    /// Every session still stamps.
    async fn sessions(&self, entries: &[Entry]) {
        self.each(entries, async |entry, _| {
            let Purpose::Login { user, key } = &entry.purpose else { return };
            let members = json!({ "organizationId": user.organization });
            let whoami = self.client.query_by(key, "whoami", &members).await;
            assert_eq!(whoami.status, 200, "round {}: {}", self.round, whoami.body);
            assert_eq!(whoami.body["userId"], *user.id);
            assert_eq!(whoami.body["organizationId"], *user.organization);
        })
        .await;
    }

    /// Holds a code to the tries it has left, and uses it up: consumed, or locked. Returns it, and whether it was
    /// consumed; nothing for a code that nobody read before the kill.
    async fn code(&self, index: usize, records: &Records) -> Option<((Attempt, String), bool)> {
        let Sent { attempt, code } = &records.attempts[index];
        let code = code.clone()?;
        let (wrong, mut consumed) = records.guesses(index);
        if !consumed && wrong < 3 {
            if index.is_multiple_of(2) {
                for _ in wrong..3 {
                    self.refused(attempt, &self.client.source.wrong_code()).await;
                }
            } else {
                let guess = self.client.guess(attempt, &code, &self.client.source.key());
                self.client.ask(&guess).await.text("verificationToken");
                consumed = true;
            }
        }
        self.refused(attempt, &code).await;
        Some(((attempt.clone(), code), consumed))
    }

    /// Codes that were consumed or locked in whichever round work no more.
    async fn dead(&self, codes: &[(Attempt, String)]) {
        stream::iter(codes)
            .for_each_concurrent(CHECKS, async |(attempt, code)| self.refused(attempt, code).await)
            .await;
    }

    async fn refused(&self, attempt: &Attempt, code: &str) {
        let guess = self.client.guess(attempt, code, &self.client.source.key());
        let reply = self.client.ask(&guess).await;
        assert_eq!(reply.refusal(), WRONG, "round {}: {} came back", self.round, attempt.contact);
    }

    async fn each(&self, entries: &[Entry], check: impl AsyncFn(&Entry, &Reply)) {
        let answered = entries.iter().filter_map(|entry| Some((entry, entry.reply.as_ref()?)));
        stream::iter(answered)
            .for_each_concurrent(CHECKS, async |(entry, reply)| check(entry, reply).await)
            .await;
    }
}
