//! The guard against SMS pumping, and the drill: fifty thousand requests beside a user who wants nothing but to log in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use serde_json::json;
use vestibule_engine::limits::{Action, LimitName, Pumping};
use vestibule_engine::model::AbuseRecord;
use vestibule_engine::store::{CallerKey, IntentKeys, ReadKeys};
use vestibule_engine::{AbuseFilter, Settings};
use vestibule_testkit::{Reply, TestServer};
use vestibule_wire::{ActivityType, Contact, OtpType};

const TOO_MANY: (u16, &str, &str) =
    (400, "MAX_OTP_INITIATED", "Max number of OTPs have been initiated please wait and try again");

async fn with(pumping: Pumping) -> TestServer {
    assert_eq!(pumping.problems(), Vec::<String>::new());
    TestServer::with(Settings { pumping, ..Settings::default() }).await
}

async fn init(server: &TestServer, from: Option<IpAddr>, number: &str) -> Reply {
    server.proxy_from(from, "otp_init", json!({ "otpType": "OTP_TYPE_SMS", "contact": number })).await
}

/// How many messages a number got so far.
async fn received(server: &TestServer, number: &str) -> usize {
    server.messages(OtpType::Sms, number).await.len()
}

/// Logs in as far as the verification token; whether the message came.
async fn verify(server: &TestServer, from: Option<IpAddr>, number: &str) -> bool {
    let before = received(server, number).await;
    let sent = init(server, from, number).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    // Messages of one millisecond come in no order.
    server.clock.advance_ms(1);
    let messages = server.messages(OtpType::Sms, number).await;
    if messages.len() == before {
        return false;
    }
    let code = &messages.last().expect("a message").code;
    let guess = json!({ "otpId": sent.body["otpId"], "otpCode": code });
    let verified = server.proxy_from(from, "otp_verify", guess).await;
    assert_eq!(verified.status, 200, "{}", verified.body);
    true
}

async fn report(server: &TestServer) -> Vec<AbuseRecord> {
    let filter = AbuseFilter { hours: 48, most: 10_000, ..AbuseFilter::default() };
    server.engine.abuse_report(&filter).await.expect("the store answers")
}

/// What a report says was done, by limit and action.
fn sums(report: &[AbuseRecord]) -> BTreeMap<(String, String), i64> {
    let mut sums = BTreeMap::new();
    for record in report {
        *sums.entry((record.limit.clone(), record.action.clone())).or_default() += record.hits;
    }
    sums
}

async fn spent_today(server: &TestServer) -> i64 {
    let keys = ReadKeys {
        organization: server.tenant.organization_id,
        caller: CallerKey::User(server.tenant.user_id),
        fingerprint: None,
        intent: IntentKeys {
            counters: BTreeSet::from(["spend_per_day".to_owned()]),
            ..IntentKeys::default()
        },
    };
    let facts = server.store.read(&keys).await.expect("the store answers");
    facts.counters.get("spend_per_day").map_or(0, |counter| counter.amount)
}

#[tokio::test]
async fn a_prefix_whose_codes_are_not_used_is_closed_but_for_contacts_that_were_verified() {
    let server = with(Pumping::default()).await;
    let known = "+14155559999";
    assert!(verify(&server, None, known).await);
    server.clock.advance_s(2 * 3600);
    for n in 0..20 {
        let number = format!("+1415555{n:04}");
        assert_eq!(init(&server, None, &number).await.status, 200);
        assert_eq!(received(&server, &number).await, 1, "{number}");
    }
    let unknown = "+14155558888";
    let withheld = init(&server, None, unknown).await;
    assert_eq!(withheld.status, 200, "it is answered like any other: {}", withheld.body);
    assert_eq!(received(&server, unknown).await, 0);
    assert!(verify(&server, None, known).await, "a contact that was verified before is served");
    assert!(verify(&server, None, "+14155651234").await, "and so is the prefix beside it");

    let sums = sums(&report(&server).await);
    let hits = |action: &str| sums.get(&("prefix_ratio".to_owned(), action.to_owned())).copied();
    assert_eq!((hits("withhold"), hits("pass"), hits("alert")), (Some(1), Some(1), Some(1)));

    server.clock.advance_s(2 * 3600);
    assert!(verify(&server, None, unknown).await, "it opens again");
}

#[tokio::test]
async fn a_prefix_whose_codes_are_used_stays_open() {
    let server = with(Pumping::default()).await;
    for n in 0..60 {
        let number = format!("+1415555{n:04}");
        if n % 4 == 0 {
            assert!(verify(&server, None, &number).await, "{number}");
        } else {
            init(&server, None, &number).await;
            assert_eq!(received(&server, &number).await, 1, "{number}");
        }
    }
}

#[tokio::test]
async fn a_client_address_whose_codes_are_not_used_is_closed_and_its_neighbour_is_not() {
    let server = with(Pumping::default()).await;
    let (bad, good) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    for n in 0..30 {
        let number = format!("+49{}123456", 100 + n);
        assert_eq!(init(&server, Some(bad), &number).await.status, 200);
        assert_eq!(received(&server, &number).await, usize::from(n < 20), "{n}");
    }
    assert!(verify(&server, Some(good), "+49301234567").await);
    let told = report(&server).await;
    assert!(told.iter().any(|r| r.limit == "address_ratio" && r.subject == "192.0.2.1" && r.hits == 10));
}

#[tokio::test]
async fn a_closed_country_keeps_prefixes_open_whose_codes_are_used() {
    let mut pumping = Pumping::default();
    pumping.country_ratio.unverified = 30;
    let server = with(pumping).await;
    assert!(verify(&server, None, "+49301112222").await);
    for n in 0..40 {
        init(&server, None, &format!("+49{}1234567", 200 + n)).await;
    }
    assert_eq!(received(&server, "+492391234567").await, 0, "the country is closed");
    assert_eq!(received(&server, "+492001234567").await, 1);
    assert!(verify(&server, None, "+49301113333").await, "a newcomer of a prefix that is used");
    assert!(verify(&server, None, "+33123456789").await, "another country");
}

#[tokio::test]
async fn numbers_go_only_to_countries_that_are_listed() {
    let server = with(Pumping { countries: vec!["DE".to_owned()], ..Pumping::default() }).await;
    assert!(verify(&server, None, "+49301234567").await);
    let refused = init(&server, None, "+14155551234").await;
    assert_eq!(refused.refusal(), (400, "REQUEST_INVALID", "invalid phone number"));
    let email = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example" });
    assert_eq!(server.proxy("otp_init", email).await.status, 200);
}

#[tokio::test]
async fn a_cap_ends_the_spending_and_its_last_part_is_for_those_who_were_verified() {
    let prices = BTreeMap::from([("+49".to_owned(), 100)]);
    let pumping = Pumping { spend_per_day: 1000, prices, default_price: 1, ..Pumping::default() };
    let server = with(pumping).await;
    let known = "+49301234567";
    assert!(verify(&server, None, known).await);
    server.clock.advance_s(600);
    for n in 1..8 {
        assert!(verify(&server, None, &format!("+4930{n}1234567")).await, "{n}");
    }
    assert_eq!(spent_today(&server).await, 800);
    assert!(!verify(&server, None, "+49308123456").await, "newcomers have spent their part");
    assert!(verify(&server, None, known).await);
    assert!(!verify(&server, None, "+49307123456").await);
    assert!(verify(&server, None, known).await);
    assert_eq!(spent_today(&server).await, 1000);
    let over = init(&server, None, known).await;
    let message = "this organization cannot execute activities because it has been rate limited.";
    assert_eq!(over.refusal(), (429, "RATE_LIMIT_EXCEEDED", message));
    assert_eq!(init(&server, None, "+49309123456").await.refusal().0, 429, "the same for everybody");
    let wait: i64 = over.headers["retry-after"].to_str().ok().and_then(|t| t.parse().ok()).expect("seconds");
    server.clock.advance_s(wait);
    assert!(verify(&server, None, "+49308123456").await, "a new day");
    assert_eq!(spent_today(&server).await, 100);
}

#[tokio::test]
async fn fifty_sends_at_once_spend_no_more_than_the_cap() {
    let pumping =
        Pumping { spend_per_day: 1000, default_price: 100, reserve_percent: 0, ..Pumping::default() };
    let server = with(pumping).await;
    let numbers: Vec<String> = (0..50).map(|n| format!("+49{}1234567", 300 + n)).collect();
    let replies = join_all(numbers.iter().map(|number| init(&server, None, number))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 10);
    assert_eq!(spent_today(&server).await, 1000);
}

#[tokio::test]
async fn record_only_serves_everybody_and_tells_what_would_have_been() {
    let pumping = Pumping {
        record_only: true,
        countries: vec!["US".to_owned()],
        spend_per_day: 200_000,
        ..Pumping::default()
    };
    let server = with(pumping).await;
    for n in 0..25 {
        let number = format!("+4930123{n:04}");
        assert_eq!(init(&server, None, &number).await.status, 200);
        assert_eq!(received(&server, &number).await, 1);
    }
    let sums = sums(&report(&server).await);
    for limit in ["countries", "prefix_ratio", "spend_per_day"] {
        assert!(sums.contains_key(&(limit.to_owned(), "record".to_owned())), "{limit}: {sums:?}");
    }
    assert!(sums.keys().all(|(_, action)| action == "record" || action == "alert"), "{sums:?}");
}

#[tokio::test]
async fn a_ratio_that_refuses_says_so_in_the_words_of_every_limit() {
    let mut pumping = Pumping::default();
    pumping.prefix_ratio.action = Action::Refuse;
    let server = with(pumping).await;
    for n in 0..20 {
        init(&server, None, &format!("+1415555{n:04}")).await;
    }
    assert_eq!(init(&server, None, "+14155558888").await.refusal(), TOO_MANY);
}

/// An alert is given once in an hour, whichever server met the limit.
#[tokio::test]
async fn an_alert_is_given_once_in_an_hour() {
    let server = with(Pumping::default()).await;
    for n in 0..30 {
        init(&server, None, &format!("+1415555{n:04}")).await;
        server.engine.write_abuse().await.expect("the store answers");
    }
    let alerts = |told: &[AbuseRecord]| told.iter().filter(|r| r.action == "alert").count();
    assert_eq!(alerts(&report(&server).await), 1);
    server.clock.advance_s(3600);
    init(&server, None, "+14155558888").await;
    assert_eq!(alerts(&report(&server).await), 2);
}

#[tokio::test]
async fn endpoints_that_subscribed_are_told_of_an_alert_once_in_an_hour() {
    let server = with(Pumping::default()).await;
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    for event_type in ["VESTIBULE_ABUSE_ALERT", "ACTIVITY_UPDATES"] {
        let endpoint = json!({
            "url": "https://hooks.example.com/in", "name": event_type, "subscriptions": [{ "eventType": event_type }],
        });
        server.backend(ActivityType::CreateWebhookEndpoint, endpoint).await.text("endpointId");
    }
    for n in 0..30 {
        init(&server, None, &format!("+1415555{n:04}")).await;
    }
    for _ in 0..2 {
        init(&server, None, "+14155558888").await;
        server.engine.write_abuse().await.expect("the store answers");
    }
    let events = server.events().await;
    let alerts: Vec<_> = events.iter().filter(|e| e.event_type == "VESTIBULE_ABUSE_ALERT").collect();
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0].body["alert"];
    assert_eq!((&alert["rule"], &alert["action"]), (&json!("prefix_ratio"), &json!("withhold")));
    assert_eq!(alert["details"]["whose"], json!(["+1415555"]));
    assert_eq!(alert["details"]["requests"], json!(11));
    assert_eq!(alerts[0].organization, server.tenant.organization_id.to_string());
}

#[tokio::test]
async fn a_report_shows_no_contact() {
    let server = TestServer::start().await;
    for _ in 0..4 {
        server.proxy("otp_init", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "ada@acme.example" })).await;
        init(&server, None, "+14155551234").await;
    }
    let told = report(&server).await;
    let subjects: BTreeSet<&str> = told.iter().map(|record| record.subject.as_str()).collect();
    assert_eq!(subjects, BTreeSet::from(["a***@acme.example", "+1***34"]));
    assert!(told.iter().all(|record| record.limit == LimitName::ContactSends.name()));
    let filter =
        AbuseFilter { hours: 1, most: 10, limit: Some("prefix_ratio".to_owned()), ..Default::default() };
    assert_eq!(server.engine.abuse_report(&filter).await.expect("the store answers"), []);
}

/// What is under way at once.
const CROWD: u32 = 100;

/// An attack by many addresses on many prefixes of ten countries, beside which a user who is known logs in again and again.
struct Drill {
    server: TestServer,
    pumping: Pumping,
    numbers: BTreeSet<String>,
    answered: usize,
    logins: usize,
}

const USER: &str = "+94771230100";
const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));
const COUNTRIES: [&str; 10] = ["94", "998", "48", "33", "34", "351", "420", "251", "256", "233"];

/// The number that the `n`th request of an attack names: each another one, a hundred of one prefix in a row.
fn victim(n: u32) -> String {
    let (country, m) = (COUNTRIES[n as usize % 10], n / 10);
    format!("+{country}{}{:06}", 100 + m / 100, m % 100)
}

impl Drill {
    async fn start(spend_per_day: i64) -> Self {
        let prices = BTreeMap::from([("+94".to_owned(), 300_000)]);
        let pumping = Pumping { spend_per_day, prices, ..Pumping::default() };
        let server = with(pumping.clone()).await;
        assert!(verify(&server, HOME, USER).await);
        server.clock.advance_s(600);
        Self { server, pumping, numbers: BTreeSet::new(), answered: 0, logins: 0 }
    }

    /// So many requests, a hundred each five seconds. After every fifty hundreds the user and `beside` have their turn.
    async fn attack(&mut self, requests: u32, every: u32, beside: impl AsyncFn(&TestServer, u32)) {
        for crowd in 0..requests / CROWD {
            let attack: Vec<(Option<IpAddr>, String)> = (crowd * CROWD..(crowd + 1) * CROWD)
                .map(|n| {
                    let address = Ipv4Addr::from(0xCB00_7100 + n % 2000);
                    (Some(IpAddr::V4(address)), victim(n))
                })
                .collect();
            let server = &self.server;
            let replies = join_all(attack.iter().map(|(from, number)| init(server, *from, number))).await;
            for reply in &replies {
                let known = matches!(reply.status, 200 | 429) || reply.refusal() == TOO_MANY;
                assert!(known, "{}", reply.body);
            }
            self.answered += replies.len();
            self.numbers.extend(attack.into_iter().map(|(_, number)| number));
            self.server.clock.advance_ms(4800);
            if crowd % every == 0 {
                // Before the codes of the oldest expire.
                self.server.all_messages().await;
                self.server.clock.advance_s(60);
                assert!(verify(&self.server, HOME, USER).await, "the user is served after {crowd} crowds");
                beside(&self.server, crowd / every).await;
                self.logins += 1;
            }
        }
        assert_eq!(self.answered, requests as usize);
        assert_eq!(self.numbers.len(), requests as usize);
    }

    /// Messages that the attack caused, what they cost, and what was spent in all.
    async fn bill(&self) -> (usize, i64, i64) {
        let sent = self.server.all_messages().await;
        let price = |number: &str| self.pumping.price(&Contact::phone(number).expect("a number"));
        let caused: Vec<i64> =
            sent.iter().filter(|m| self.numbers.contains(&m.to)).map(|m| price(&m.to)).collect();
        let spent = spent_today(&self.server).await;
        let whole: i64 = sent.iter().map(|m| price(&m.to)).sum();
        assert_eq!(whole, spent, "every message that was sent was counted, and nothing else");
        (caused.len(), caused.iter().sum(), spent)
    }
}

#[tokio::test]
async fn fifty_thousand_requests_stay_under_the_cap_and_users_beside_them_are_served() {
    const REQUESTS: u32 = 50_000;
    const CAP: i64 = 400_000_000;
    let mut drill = Drill::start(CAP).await;
    let newcomer = async |server: &TestServer, n: u32| {
        let number = format!("+4417{}123456", 10 + n);
        assert!(verify(server, HOME, &number).await, "a newcomer of a country beside is served: {n}");
    };
    drill.attack(REQUESTS, 50, newcomer).await;
    assert_eq!(drill.logins, 10);
    let (messages, cost, spent) = drill.bill().await;
    let told = report(&drill.server).await;
    println!(
        "{} requests: {messages} messages for {cost} micro-units; {spent} of {CAP} spent; {:?}",
        drill.answered,
        sums(&told)
    );
    assert!(spent <= CAP && cost < CAP / 2, "{spent} {cost}");
    assert!(messages <= REQUESTS as usize / 20, "{messages}");
    let limits: BTreeSet<&str> = told.iter().map(|record| record.limit.as_str()).collect();
    for limit in ["prefix_ratio", "country_ratio", "address_ratio"] {
        assert!(limits.contains(limit), "{limit}: {limits:?}");
    }
    assert!(told.iter().any(|record| record.action == "alert"));
    assert!(!told.iter().any(|record| record.subject.contains(&USER[4..])));
}

#[tokio::test]
async fn an_attack_that_spends_what_is_for_newcomers_leaves_the_rest_to_users_who_are_known() {
    const CAP: i64 = 20_000_000;
    let mut drill = Drill::start(CAP).await;
    drill.attack(2000, 2, async |_, _| {}).await;
    assert_eq!(drill.logins, 10);
    let (messages, cost, spent) = drill.bill().await;
    assert!(spent <= CAP, "{spent}");
    assert!(cost <= CAP / 100 * 80 && messages < 300, "{messages} messages for {cost}");
    let sums = sums(&report(&drill.server).await);
    assert!(sums.contains_key(&("spend_per_day".to_owned(), "withhold".to_owned())), "{sums:?}");
}
