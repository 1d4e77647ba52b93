//! Limits: what one request and one client address may cost this node.
//!
//! Addresses are counted in memory and per node, so that unauthenticated traffic never costs a write to the store.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use ipnet::IpNet;
use vestibule_engine::limits::{
    Action, Bucket, Counter, Guard, Limit, LimitName, LimitTable, Limited, Pumping, Ratio, Tally,
};

/// What one request may cost.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a request may take from its head to the head of its answer; then it is answered as unavailable.
    pub request_timeout: Duration,
    /// What one client address may do.
    pub addresses: AddressLimits,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            addresses: AddressLimits::default(),
        }
    }
}

/// What one client address may do. Counted in memory, on this server alone, so that unauthenticated traffic never costs a write.
#[derive(Debug, Clone)]
pub struct AddressLimits {
    /// Whether addresses are counted at all.
    pub enabled: bool,
    /// Calls of the auth proxy, and requests to the public API whose authentication fails.
    pub requests: Limit,
    /// Messages sent through the auth proxy.
    pub sends: Limit,
    /// Wrong guesses through the auth proxy.
    pub failures: Limit,
    /// How many of the codes that it asked for by text message must be used.
    pub ratio: Ratio,
    /// Proxies in front of this server. Only their `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl AddressLimits {
    /// The rows of the table of limits, and of the guard against pumping, that concern addresses.
    pub fn of(table: &LimitTable, pumping: &Pumping) -> Self {
        let Ratio { action, .. } = pumping.address_ratio;
        Self {
            enabled: true,
            requests: table.address_requests,
            sends: table.address_sends,
            failures: table.address_failures,
            ratio: Ratio { action: pumping.effective(action), ..pumping.address_ratio },
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self::of(&LimitTable::default(), &Pumping::default())
    }
}

/// Addresses remembered at once. Those that find no room share one account until others have been idle long enough.
const MAX_ADDRESSES: usize = 65_536;

/// Whom a request is counted against: an IPv4 address, or the /64 that an IPv6 client has to itself.
///
/// Shown as reports show it: `192.0.2.1`, or `2001:db8:1:2::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(u128);

impl Client {
    const OVERFLOW: Self = Self(0);

    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Self(v6.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.0);
        match IpAddr::V6(address).to_canonical() {
            _ if *self == Self::OVERFLOW => f.write_str("others"),
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

/// What is counted of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Requests.
    Requests,
    /// Messages.
    Sends,
    /// Wrong guesses.
    Failures,
}

impl Counted {
    fn name(self) -> LimitName {
        match self {
            Self::Requests => LimitName::AddressRequests,
            Self::Sends => LimitName::AddressSends,
            Self::Failures => LimitName::AddressFailures,
        }
    }
}

/// A limit that an address met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// What becomes of the request.
    pub action: Action,
    /// Until it would be welcome, milliseconds.
    pub wait_ms: i64,
    /// What the operator is told.
    pub limited: Limited,
}

/// What became of one that was counted.
#[derive(Debug, Default)]
pub struct Taken {
    /// The limit, where it was met.
    pub met: Option<Met>,
    /// How much fuller the bucket is, microseconds: less than a drop where it was full.
    added_us: i64,
}

/// A row that is on.
#[derive(Debug, Clone, Copy)]
struct Row {
    bucket: Bucket,
    action: Action,
}

impl Row {
    fn of(limit: Limit) -> Option<Self> {
        limit.is_on().then(|| Self { bucket: Bucket::of(limit), action: limit.action })
    }
}

/// One account per client address, with a bucket for each thing that is counted: kept as the time at which it will be empty.
pub struct AddressBook {
    rows: [Option<Row>; 3],
    ratio: Ratio,
    trusted: Vec<IpNet>,
    accounts: Mutex<Accounts>,
}

#[derive(Default)]
struct Accounts {
    by_client: HashMap<Client, Account>,
    /// No sweep before then: a flood of new addresses must not make each request walk the book.
    sweep_at: i64,
}

/// Times in microseconds.
#[derive(Debug, Default, Clone, Copy)]
struct Account {
    idle_at: [i64; 3],
    codes: Counter,
}

impl AddressBook {
    /// An empty book; `None` where addresses are not counted.
    pub fn new(limits: &AddressLimits) -> Option<Self> {
        let AddressLimits { enabled, requests, sends, failures, ratio, trusted_proxies } = limits;
        enabled.then(|| Self {
            rows: [Row::of(*requests), Row::of(*sends), Row::of(*failures)],
            ratio: *ratio,
            trusted: trusted_proxies.clone(),
            accounts: Mutex::default(),
        })
    }

    /// Whom a request is counted against. `None` for a peer without an address.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Client> {
        origin(peer, headers, &self.trusted).map(Client::of)
    }

    /// Counts one, unless the limit refuses it. `now` in epoch milliseconds.
    pub fn take(&self, counted: Counted, client: Client, now: i64) -> Taken {
        self.turn(counted, client, now, true)
    }

    /// Whether the limit would refuse one; counts nothing.
    pub fn check(&self, counted: Counted, client: Client, now: i64) -> Option<Met> {
        self.turn(counted, client, now, false).met
    }

    /// Takes back what was counted and did not happen.
    pub fn give_back(&self, counted: Counted, client: Client, taken: &Taken, now: i64) {
        let mut accounts = self.lock();
        let account = accounts.account(client, now * 1000, &self.ratio);
        account.idle_at[counted as usize] -= taken.added_us;
    }

    fn turn(&self, counted: Counted, client: Client, now: i64, count: bool) -> Taken {
        let Some(Row { bucket, action }) = self.rows[counted as usize] else { return Taken::default() };
        let now = now * 1000;
        let mut accounts = self.lock();
        let account = accounts.account(client, now, &self.ratio);
        // A clock that was set back must not leave anybody waiting for as long.
        let level = (account.idle_at[counted as usize] - now).clamp(0, bucket.most_us);
        let wait_ms = bucket.wait_ms(level);
        let is_met = wait_ms > 0;
        let is_counted = count && !(is_met && action == Action::Refuse);
        let after = if is_counted { bucket.after(level) } else { level };
        account.idle_at[counted as usize] = now + after;
        let met = is_met.then(|| Met {
            action,
            wait_ms,
            limited: Limited { limit: counted.name().name(), action, subject: client.to_string() },
        });
        Taken { met, added_us: after - level }
    }

    /// Counts a code that an address asks for by text message. Returns what comes of it where too few of those before were used.
    pub fn ask_code(&self, client: Client, now: i64) -> Option<Met> {
        let before = self.count_codes(client, now, 1, 0)?;
        self.ratio.is_closed(&before).then(|| Met {
            action: self.ratio.action,
            wait_ms: 0,
            limited: Limited {
                limit: Guard::AddressRatio.name(),
                action: self.ratio.action,
                subject: client.to_string(),
            },
        })
    }

    /// Takes back a code that was asked for and not sent.
    pub fn give_back_code(&self, client: Client, now: i64) {
        self.count_codes(client, now, -1, 0);
    }

    /// Counts a code that came by text message and was used.
    pub fn use_code(&self, client: Client, now: i64) {
        self.count_codes(client, now, 0, 1);
    }

    /// Returns what was counted before. Those who share an account answer for each other's requests, but not for each other's
    /// codes: of them nothing is counted.
    fn count_codes(&self, client: Client, now: i64, asked: i64, used: i64) -> Option<Tally> {
        if self.ratio.action == Action::Off {
            return None;
        }
        let window = self.ratio.window(now);
        let mut accounts = self.lock();
        accounts.account(client, now * 1000, &self.ratio);
        let account = accounts.by_client.get_mut(&client)?;
        let tally = account.codes.in_window(&window);
        account.codes = Counter {
            since: if tally.since == 0 { window.opens_at } else { tally.since },
            amount: (tally.amount + asked).max(0),
            verified: tally.verified + used,
            previous_amount: tally.previous_amount,
            previous_verified: tally.previous_verified,
        };
        Some(tally)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// The account of a client: its own where there is one or room for one, else the shared one.
    fn account(&mut self, client: Client, now: i64, ratio: &Ratio) -> &mut Account {
        let mut place = client;
        if self.by_client.len() >= MAX_ADDRESSES && !self.by_client.contains_key(&client) {
            if now >= self.sweep_at {
                self.by_client.retain(|_, account| account.is_in_use(now, ratio));
                self.sweep_at = now + 1_000_000;
            }
            if self.by_client.len() >= MAX_ADDRESSES {
                place = Client::OVERFLOW;
            }
        }
        self.by_client.entry(place).or_default()
    }
}

impl Account {
    /// Whether it must be remembered. A few codes that nobody used yet are no reason: else whoever has many networks fills the
    /// book with one code from each.
    fn is_in_use(&self, now: i64, ratio: &Ratio) -> bool {
        let codes = || self.codes.in_window(&ratio.window(now / 1000));
        self.idle_at.iter().any(|idle_at| *idle_at > now)
            || (ratio.action != Action::Off && ratio.is_closed(&codes()))
    }
}

/// Where a request comes from: the peer, or behind trusted proxies the last address in `X-Forwarded-For` that is none of
/// theirs. `None` for a peer without an address.
pub(crate) fn origin(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut address = peer?.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(&address) {
            break;
        }
        // What a trusted proxy could not name is counted against the proxy.
        let Some(before) = hop_address(hop.trim()) else { break };
        address = before;
    }
    Some(address)
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let unbracketed = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    if let Some(inside) = unbracketed {
        return inside.parse::<Ipv6Addr>().ok().map(|v6| IpAddr::V6(v6).to_canonical());
    }
    let bare = hop.parse().ok();
    let with_port = || hop.rsplit_once(':').and_then(|(address, _)| address.parse().ok());
    bare.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const START: i64 = 1_800_000_000_000;

    /// A book that takes so many requests in so many seconds.
    fn book(count: u32, seconds: u32, trusted: &[&str]) -> AddressBook {
        let trusted_proxies = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let requests = Limit::refuse(count, seconds);
        AddressBook::new(&AddressLimits { requests, trusted_proxies, ..AddressLimits::default() }).unwrap()
    }

    impl AddressBook {
        /// Milliseconds to wait, where a request is refused.
        fn request(&self, client: Client, now: i64) -> Option<i64> {
            self.take(Counted::Requests, client, now).met.map(|met| met.wait_ms)
        }
    }

    fn client(text: &str) -> Client {
        Client::of(text.parse().unwrap())
    }

    fn forwarded(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_str(line).unwrap()))
            .collect()
    }

    #[test]
    fn a_burst_is_spent_and_comes_back_in_its_window() {
        let book = book(3, 3, &[]);
        let one = client("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(book.request(one, START), None);
        }
        assert_eq!(book.request(one, START), Some(1000));
        assert_eq!(book.request(client("192.0.2.2"), START), None, "another address has its own account");
        assert_eq!(book.request(one, START + 999), Some(1));
        assert_eq!(book.request(one, START + 1000), None);
        assert!(book.request(one, START + 1000).is_some());
        for _ in 0..3 {
            assert_eq!(book.request(one, START + 4000), None);
        }
    }

    #[test]
    fn a_check_counts_nothing_and_what_is_given_back_was_not_counted() {
        let book = book(1, 1, &[]);
        let one = client("192.0.2.1");
        for _ in 0..5 {
            assert_eq!(book.check(Counted::Requests, one, START), None);
        }
        let taken = book.take(Counted::Requests, one, START);
        assert_eq!(taken.met, None);
        assert!(book.check(Counted::Requests, one, START).is_some());
        book.give_back(Counted::Requests, one, &taken, START);
        assert_eq!(book.request(one, START), None);
    }

    #[test]
    fn what_no_longer_fitted_takes_nothing_out_again() {
        for action in [Action::Delay, Action::Record, Action::Refuse] {
            let sends = Limit { action, ..Limit::refuse(2, 10) };
            let book = AddressBook::new(&AddressLimits { sends, ..AddressLimits::default() }).unwrap();
            let one = client("192.0.2.1");
            for _ in 0..10 {
                book.take(Counted::Sends, one, START);
            }
            let before = book.check(Counted::Sends, one, START);
            assert!(before.is_some());
            for _ in 0..10 {
                let taken = book.take(Counted::Sends, one, START);
                book.give_back(Counted::Sends, one, &taken, START);
            }
            assert_eq!(book.check(Counted::Sends, one, START), before, "{action:?}");
        }
    }

    #[test]
    fn a_limit_that_records_lets_pass_and_tells() {
        let requests = Limit { action: Action::Record, ..Limit::refuse(1, 1) };
        let book = AddressBook::new(&AddressLimits { requests, ..AddressLimits::default() }).unwrap();
        let one = client("2001:db8:1:2::3");
        assert_eq!(book.take(Counted::Requests, one, START).met, None);
        let met = book.take(Counted::Requests, one, START).met.unwrap();
        assert_eq!((met.action, met.limited.limit), (Action::Record, "address_requests"));
        assert_eq!(met.limited.subject, "2001:db8:1:2::/64");
    }

    #[test]
    fn what_is_counted_is_counted_apart() {
        let limits = AddressLimits {
            sends: Limit::refuse(1, 1),
            failures: Limit::refuse(1, 1),
            ..AddressLimits::default()
        };
        let book = AddressBook::new(&limits).unwrap();
        let one = client("192.0.2.1");
        assert_eq!(book.take(Counted::Sends, one, START).met, None);
        assert_eq!(book.take(Counted::Failures, one, START).met, None);
        assert!(book.take(Counted::Sends, one, START).met.is_some());
        assert_eq!(book.request(one, START), None);
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_nobody_waiting() {
        let book = book(1, 1, &[]);
        assert_eq!(book.request(client("192.0.2.1"), START), None);
        assert_eq!(book.request(client("192.0.2.1"), START - 3_600_000), Some(1000));
    }

    #[test]
    fn an_address_whose_codes_are_not_used_is_closed_until_its_window_is_forgotten() {
        let book = AddressBook::new(&AddressLimits::default()).unwrap();
        let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
        for _ in 0..20 {
            assert_eq!(book.ask_code(one, START), None);
            assert_eq!(book.ask_code(other, START), None);
            book.use_code(other, START);
        }
        let met = book.ask_code(one, START).unwrap();
        assert_eq!((met.action, met.limited.subject.as_str()), (Action::Withhold, "192.0.2.1"));
        book.give_back_code(one, START);
        assert_eq!(book.ask_code(other, START), None);
        for _ in 0..5 {
            book.use_code(one, START);
        }
        assert_eq!(book.ask_code(one, START), None, "used codes open it");
    }

    #[test]
    fn an_address_opens_again_when_its_window_is_forgotten() {
        let asked = |later: i64| {
            let book = AddressBook::new(&AddressLimits::default()).unwrap();
            for _ in 0..20 {
                assert_eq!(book.ask_code(client("192.0.2.1"), START), None);
            }
            book.ask_code(client("192.0.2.1"), START + later)
        };
        assert!(asked(3_600_000).is_some(), "the window before counts");
        assert_eq!(asked(7_200_000), None);
    }

    #[test]
    fn a_code_that_is_taken_back_was_never_asked_for() {
        let book = AddressBook::new(&AddressLimits::default()).unwrap();
        for _ in 0..100 {
            assert_eq!(book.ask_code(client("192.0.2.1"), START), None);
            book.give_back_code(client("192.0.2.1"), START);
        }
    }

    #[test]
    fn codes_of_many_networks_do_not_fill_the_book_and_a_closed_one_stays_closed() {
        let book = AddressBook::new(&AddressLimits::default()).unwrap();
        let closed = client("192.0.2.1");
        for _ in 0..20 {
            assert_eq!(book.ask_code(closed, START), None);
        }
        for network in (1..MAX_ADDRESSES as u128).map(|n| Client((0x2001_0db8_u128 << 96) + (n << 64))) {
            assert_eq!(book.ask_code(network, START), None);
        }
        assert_eq!(book.lock().by_client.len(), MAX_ADDRESSES);
        let newcomer = client("192.0.2.2");
        for _ in 0..20 {
            assert_eq!(book.ask_code(newcomer, START), None);
        }
        assert!(book.ask_code(newcomer, START).is_some(), "it has an account of its own");
        assert!(book.ask_code(closed, START).is_some());
    }

    #[test]
    fn a_whole_ipv6_network_of_64_bits_is_one_client_and_a_mapped_address_is_its_ipv4_one() {
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn a_forwarded_address_counts_only_when_a_trusted_proxy_says_so() {
        let book = book(1, 1, &["10.0.0.0/8", "2001:db8::/32"]);
        let seen =
            |peer: &str, lines: &[&str]| book.client(Some(peer.parse().unwrap()), &forwarded(lines)).unwrap();
        assert_eq!(seen("198.51.100.7", &["192.0.2.1"]), client("198.51.100.7"));
        assert_eq!(seen("10.0.0.1", &["192.0.2.1"]), client("192.0.2.1"));
        assert_eq!(seen("10.0.0.1", &["203.0.113.9, 192.0.2.1, 10.2.3.4"]), client("192.0.2.1"));
        assert_eq!(
            seen("10.0.0.1", &["203.0.113.9", "192.0.2.1:4711", "[2001:db8::5]:80"]),
            client("192.0.2.1")
        );
        assert_eq!(seen("10.0.0.1", &["192.0.2.1, unknown"]), client("10.0.0.1"));
        assert_eq!(seen("::ffff:10.0.0.1", &["192.0.2.1"]), client("192.0.2.1"));
        assert_eq!(seen("10.0.0.1", &[]), client("10.0.0.1"));
        assert_eq!(book.client(None, &forwarded(&["192.0.2.1"])), None);
    }

    #[test]
    fn a_flood_of_addresses_shares_one_account_and_leaves_known_ones_alone() {
        let book = book(2, 2, &[]);
        let known = client("192.0.2.1");
        assert_eq!(book.request(known, START), None);
        let networks = (0..MAX_ADDRESSES as u128).map(|n| Client((0x2001_0db8_u128 << 96) + (n << 64)));
        let refused = networks.filter(|network| book.request(*network, START).is_some()).count();
        assert_eq!(refused, 0, "one more than fits shares an account with a burst of its own");
        assert_eq!(book.request(client("2001:db8:ffff:ffff::1"), START), None);
        assert!(book.request(client("2001:db8:ffff:fffe::1"), START).is_some());
        assert_eq!(book.request(known, START), None);
        assert!(book.lock().by_client.len() <= MAX_ADDRESSES + 1);
        let later = START + 5000;
        assert_eq!(book.request(client("2001:db8:ffff:fffe::1"), later), None, "idle accounts made room");
    }
}
