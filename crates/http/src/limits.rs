//! Limits: what one request and one client address may cost this node.
//!
//! Addresses are counted in memory and per node, so that unauthenticated traffic never costs a write to the store.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use ipnet::IpNet;
use tokio::time::Instant;
use vestibule_wire::Refusal;

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

/// What one client address may do: calls of the auth proxy, and requests to the public API whose authentication fails.
#[derive(Debug, Clone)]
pub struct AddressLimits {
    /// Whether addresses are counted at all.
    pub enabled: bool,
    /// Requests per second in the long run; above zero.
    pub rate: f64,
    /// Requests at once after a pause; at least one.
    pub burst: u32,
    /// Proxies in front of this server. Only their `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self { enabled: true, rate: 10.0, burst: 100, trusted_proxies: Vec::new() }
    }
}

/// Addresses remembered at once. Those that find no room share one account until others have been idle long enough.
const MAX_ADDRESSES: usize = 65_536;

/// Whom a request is counted against: an IPv4 address, or the /64 that an IPv6 client has to itself.
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

/// One account per client address. Each holds the time at which it will be idle again: a request moves that time on by
/// the interval of the rate, and is refused where it would lie further ahead than the burst allows.
pub struct AddressBook {
    origin: Instant,
    interval: u64,
    burst: u64,
    trusted: Vec<IpNet>,
    accounts: Mutex<Accounts>,
}

#[derive(Default)]
struct Accounts {
    idle_at: HashMap<Client, u64>,
    /// No sweep before then: a flood of new addresses must not make each request walk the book.
    sweep_at: u64,
}

impl AddressBook {
    /// An empty book; `None` where addresses are not counted.
    pub fn new(limits: &AddressLimits, now: Instant) -> Option<Self> {
        limits.enabled.then(|| Self {
            origin: now,
            interval: (1e9 / limits.rate.max(1e-3)) as u64,
            burst: u64::from(limits.burst.max(1)),
            trusted: limits.trusted_proxies.clone(),
            accounts: Mutex::default(),
        })
    }

    /// Whom a request is counted against. `None` for a peer without an address.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Client> {
        origin(peer, headers, &self.trusted).map(Client::of)
    }

    /// Counts a request, or refuses it.
    pub fn take(&self, client: Client, now: Instant) -> Result<(), Refusal> {
        self.turn(client, now, true)
    }

    /// Refuses a client that has nothing left, and counts nothing.
    pub fn check(&self, client: Client, now: Instant) -> Result<(), Refusal> {
        self.turn(client, now, false)
    }

    fn turn(&self, client: Client, now: Instant, count: bool) -> Result<(), Refusal> {
        let now = now.saturating_duration_since(self.origin).as_nanos() as u64;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let client = accounts.place(client, now);
        let idle_at = accounts.idle_at.get(&client).copied().unwrap_or(0).max(now);
        let after = idle_at + self.interval;
        let latest = now + self.burst * self.interval;
        if after > latest {
            let wait = Duration::from_nanos(after - latest);
            return Err(Refusal::RateLimited { retry_after: wait.as_secs_f64().ceil().max(1.0) as u32 });
        }
        if count {
            accounts.idle_at.insert(client, after);
        }
        Ok(())
    }
}

impl Accounts {
    /// The account of a client: its own where there is one or room for one, else the shared one.
    fn place(&mut self, client: Client, now: u64) -> Client {
        if self.idle_at.len() < MAX_ADDRESSES || self.idle_at.contains_key(&client) {
            return client;
        }
        if now >= self.sweep_at {
            self.idle_at.retain(|_, idle_at| *idle_at > now);
            self.sweep_at = now + 1_000_000_000;
        }
        if self.idle_at.len() < MAX_ADDRESSES { client } else { Client::OVERFLOW }
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

    fn book(rate: f64, burst: u32, trusted: &[&str]) -> (AddressBook, Instant) {
        let now = Instant::now();
        let trusted_proxies = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let limits = AddressLimits { enabled: true, rate, burst, trusted_proxies };
        (AddressBook::new(&limits, now).unwrap(), now)
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
    fn a_burst_is_spent_and_comes_back_at_the_rate() {
        let (book, start) = book(2.0, 3, &[]);
        let one = client("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(book.take(one, start), Ok(()));
        }
        assert_eq!(book.take(one, start), Err(Refusal::RateLimited { retry_after: 1 }));
        assert_eq!(book.take(client("192.0.2.2"), start), Ok(()), "another address has its own account");
        let later = start + Duration::from_millis(500);
        assert_eq!(book.take(one, later), Ok(()));
        assert!(book.take(one, later).is_err());
    }

    #[test]
    fn the_refusal_says_when_to_come_back() {
        let (book, start) = book(0.1, 1, &[]);
        assert_eq!(book.take(client("192.0.2.1"), start), Ok(()));
        let refused = book.take(client("192.0.2.1"), start + Duration::from_secs(4));
        assert_eq!(refused, Err(Refusal::RateLimited { retry_after: 6 }));
    }

    #[test]
    fn a_check_counts_nothing() {
        let (book, start) = book(1.0, 1, &[]);
        for _ in 0..5 {
            assert_eq!(book.check(client("192.0.2.1"), start), Ok(()));
        }
        assert_eq!(book.take(client("192.0.2.1"), start), Ok(()));
        assert!(book.check(client("192.0.2.1"), start).is_err());
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
        let (book, _) = book(1.0, 1, &["10.0.0.0/8", "2001:db8::/32"]);
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
        let (book, start) = book(1.0, 2, &[]);
        let known = client("192.0.2.1");
        assert_eq!(book.take(known, start), Ok(()));
        let networks = (0..MAX_ADDRESSES as u128).map(|n| Client((0x2001_0db8_u128 << 96) + (n << 64)));
        let refused = networks.filter(|network| book.take(*network, start).is_err()).count();
        assert_eq!(refused, 0, "one more than fits shares an account with a burst of its own");
        assert_eq!(book.take(client("2001:db8:ffff:ffff::1"), start), Ok(()));
        assert!(book.take(client("2001:db8:ffff:fffe::1"), start).is_err());
        assert_eq!(book.take(known, start), Ok(()));
        assert!(book.accounts.lock().unwrap().idle_at.len() <= MAX_ADDRESSES + 1);
        let later = start + Duration::from_secs(5);
        assert_eq!(book.take(client("2001:db8:ffff:fffe::1"), later), Ok(()), "idle accounts made room");
    }
}
