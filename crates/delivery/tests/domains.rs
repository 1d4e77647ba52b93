//! Whether a domain takes mail: the rules over a DNS that says what a test likes, and the resolver over a name server on
//! this machine.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use vestibule_delivery::domains::{
    DnsFailure, DomainList, DomainLists, Domains, Exchanges, MailDns, MxCheck, MxSettings, SystemDns,
};
use vestibule_engine::{Clock, DomainCheck, DomainVerdict};

const SETTINGS: MxSettings =
    MxSettings { timeout: Duration::from_secs(2), remember: Duration::from_secs(3600) };

#[derive(Default)]
struct Time(AtomicI64);

impl Time {
    fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

type Said = (Result<Exchanges, DnsFailure>, Result<bool, DnsFailure>);

/// Says of each domain what it was told to, and counts the questions. Unknown domains get no answer at all.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<HashMap<&'static str, Said>>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    fn says(
        &self,
        domain: &'static str,
        exchanges: Result<Exchanges, DnsFailure>,
        address: Result<bool, DnsFailure>,
    ) {
        self.answers.lock().unwrap().insert(domain, (exchanges, address));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn of(&self, domain: &str) -> Said {
        let said = self.answers.lock().unwrap().get(domain).copied();
        match said {
            Some(said) => said,
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl MailDns for Scripted {
    async fn exchanges(&self, domain: &str) -> Result<Exchanges, DnsFailure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.of(domain).await.0
    }

    async fn has_address(&self, host: &str) -> Result<bool, DnsFailure> {
        self.of(host).await.1
    }
}

fn check(dns: &Scripted, time: &Arc<Time>) -> MxCheck {
    MxCheck::new(Box::new(dns.clone()), Arc::clone(time) as _, SETTINGS)
}

#[tokio::test]
async fn a_domain_takes_mail_by_an_exchanger_or_else_by_an_address_of_its_own() {
    let dns = Scripted::default();
    dns.says("mx.example", Ok(Exchanges::Some), Err(DnsFailure));
    dns.says("implicit.example", Ok(Exchanges::None), Ok(true));
    dns.says("bare.example", Ok(Exchanges::None), Ok(false));
    dns.says("null.example", Ok(Exchanges::Null), Ok(true));
    dns.says("gone.example", Ok(Exchanges::NoDomain), Ok(true));
    let check = check(&dns, &Arc::default());
    for (domain, takes_mail) in [
        ("mx.example", true),
        ("implicit.example", true),
        ("bare.example", false),
        ("null.example", false),
        ("gone.example", false),
    ] {
        assert_eq!(check.takes_mail(domain).await, takes_mail, "{domain}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_domain_is_accepted_while_nobody_answers() {
    let dns = Scripted::default();
    dns.says("failing.example", Err(DnsFailure), Ok(false));
    dns.says("half.example", Ok(Exchanges::None), Err(DnsFailure));
    let check = check(&dns, &Arc::default());
    for domain in ["failing.example", "half.example", "silent.example"] {
        assert!(check.takes_mail(domain).await, "{domain}");
    }
}

#[tokio::test]
async fn answers_are_remembered_the_longer_the_surer_they_are() {
    let (dns, time) = (Scripted::default(), Arc::new(Time::default()));
    dns.says("mx.example", Ok(Exchanges::Some), Ok(false));
    dns.says("gone.example", Ok(Exchanges::NoDomain), Ok(false));
    dns.says("failing.example", Err(DnsFailure), Ok(false));
    let check = check(&dns, &time);
    let ask_all = async || {
        let before = dns.asked();
        for domain in ["mx.example", "gone.example", "failing.example"] {
            check.takes_mail(domain).await;
        }
        dns.asked() - before
    };
    assert_eq!(ask_all().await, 3);
    assert_eq!(ask_all().await, 0);
    time.advance_s(29);
    assert_eq!(ask_all().await, 0);
    time.advance_s(2);
    assert_eq!(ask_all().await, 1, "the failure");
    time.advance_s(300);
    assert_eq!(ask_all().await, 2, "the refusal as well");
    time.advance_s(3600);
    assert_eq!(ask_all().await, 3);
    dns.says("gone.example", Ok(Exchanges::Some), Ok(false));
    time.advance_s(301);
    assert!(check.takes_mail("gone.example").await, "who was set up since is taken");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_domains_that_never_answer_holds_nobody_up() {
    let (dns, time) = (Scripted::default(), Arc::new(Time::default()));
    let check = Arc::new(check(&dns, &time));
    let waiting: Vec<_> = (0..64)
        .map(|n| {
            let check = Arc::clone(&check);
            tokio::spawn(async move { check.takes_mail(&format!("silent{n}.example")).await })
        })
        .collect();
    while dns.asked() < 64 {
        tokio::task::yield_now().await;
    }
    let started = tokio::time::Instant::now();
    assert!(check.takes_mail("one-more.example").await);
    assert_eq!((dns.asked(), started.elapsed()), (64, Duration::ZERO), "accepted unasked");
    for waiting in waiting {
        assert!(waiting.await.unwrap());
    }
}

#[tokio::test]
async fn lists_come_before_the_dns_and_can_be_replaced() {
    let dns = Scripted::default();
    dns.says("gone.example", Ok(Exchanges::NoDomain), Ok(false));
    dns.says("mx.example", Ok(Exchanges::Some), Ok(false));
    let denied = |text| DomainLists { denied: DomainList::parse(text).unwrap(), ..Default::default() };
    let domains = Domains::new(denied("spam.example"), Some(check(&dns, &Arc::default())));
    assert_eq!(domains.judge(&["mx.example"]).await, DomainVerdict::Accepted);
    assert_eq!(domains.judge(&["gone.example", "mx.example"]).await, DomainVerdict::Unreachable);
    let asked = dns.asked();
    assert_eq!(domains.judge(&["a.spam.example", "gone.example"]).await, DomainVerdict::Unwanted);
    assert_eq!(dns.asked(), asked, "nobody asks about what the operator does not want");
    domains.replace_lists(denied("mx.example"));
    assert_eq!(domains.judge(&["mx.example"]).await, DomainVerdict::Unwanted);
}

/// A name server: answers by the first label of the name, and not at all to `silent`.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            if let Some(answer) = answer(&query) {
                socket.send_to(&answer.to_vec().unwrap(), client).await.unwrap();
            }
        }
    });
    address
}

fn answer(query: &Message) -> Option<Message> {
    let asked = query.queries[0].clone();
    let (name, kind) = (asked.name().clone(), asked.query_type());
    let first = name.to_string().to_ascii_lowercase();
    let first = first.split('.').next().unwrap().to_owned();
    let mx = |text: &str| RData::MX(MX::new(10, Name::from_ascii(text).unwrap()));
    let records: Vec<RData> = match (first.as_str(), kind) {
        ("mx", RecordType::MX) => vec![mx("mail.example."), mx("other.example.")],
        ("null", RecordType::MX) => vec![RData::MX(MX::new(0, Name::root()))],
        ("null" | "mx" | "four", RecordType::A) => vec![RData::A(A::new(127, 0, 0, 1))],
        ("six", RecordType::AAAA) => vec![RData::AAAA(AAAA::new(0, 0, 0, 0, 0, 0, 0, 1))],
        ("silent", _) => return None,
        _ => Vec::new(),
    };
    let mut answer = query.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.response_code = match first.as_str() {
        "gone" => ResponseCode::NXDomain,
        "broken" => ResponseCode::ServFail,
        "shut" => ResponseCode::Refused,
        _ => ResponseCode::NoError,
    };
    let found = !records.is_empty();
    answer.add_answers(records.into_iter().map(|data| Record::from_rdata(name.clone(), 60, data)));
    // Most name servers say with nothing found how long that holds; not all do.
    if !found && !matches!(first.as_str(), "plain" | "broken" | "shut") {
        let zone = Name::from_ascii("example.").unwrap();
        let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, 60);
        answer.add_authorities([Record::from_rdata(zone, 60, RData::SOA(soa))]);
    }
    Some(answer)
}

#[tokio::test]
async fn a_name_server_is_asked_and_understood() {
    let dns = SystemDns::new(&[name_server().await], Duration::from_secs(5)).unwrap();
    for (domain, exchanges) in [
        ("mx.example", Ok(Exchanges::Some)),
        ("null.example", Ok(Exchanges::Null)),
        ("four.example", Ok(Exchanges::None)),
        ("plain.example", Ok(Exchanges::None)),
        ("gone.example", Ok(Exchanges::NoDomain)),
        ("broken.example", Err(DnsFailure)),
        ("shut.example", Err(DnsFailure)),
    ] {
        assert_eq!(dns.exchanges(domain).await, exchanges, "{domain}");
    }
    for (host, found) in [
        ("four.example", Ok(true)),
        ("six.example", Ok(true)),
        ("bare.example", Ok(false)),
        ("gone.example", Ok(false)),
        ("broken.example", Err(DnsFailure)),
    ] {
        assert_eq!(dns.has_address(host).await, found, "{host}");
    }
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_given_up() {
    let settings = MxSettings { timeout: Duration::from_millis(200), ..SETTINGS };
    let dns = SystemDns::new(&[name_server().await], settings.timeout).unwrap();
    let check = MxCheck::new(Box::new(dns), Arc::new(Time::default()), settings);
    assert!(check.takes_mail("silent.example").await);
    assert!(!check.takes_mail("gone.example").await);
    assert!(check.takes_mail("six.example").await);
}
