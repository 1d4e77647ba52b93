//! Where requests of this server may lead that somebody else asked for: webhooks.
//!
//! Promise: what parses as a [`Destination`] is an https URL, or an http one to this machine, read once as browsers read
//! it, so that an address in an odd spelling is known for the address it is; and [`reach`] calls public only what
//! anybody on the internet could reach as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::Refusal;

/// The most bytes of a URL.
pub const MAX_URL: usize = 2048;

/// The lowest port but 443 that https may go to: what listens below are mail, remote logins and the like.
const FIRST_OPEN_PORT: u16 = 1024;

/// A URL that a webhook may have; whether its host is public is a question for whoever knows its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    text: String,
    host: Host<String>,
    port: u16,
    plain: bool,
}

impl Destination {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refused = Refusal::InvalidField("url is not an https URL");
        // The parser passes over tabs and line breaks, and trims.
        if text.len() > MAX_URL || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refused);
        }
        // Nor does it mind slashes that are too many or lean the wrong way.
        let authority = text.split_once("://").map_or("", |(_, rest)| rest);
        if authority.is_empty() || authority.starts_with(['/', '\\']) {
            return Err(refused);
        }
        let Ok(url) = Url::parse(text) else { return Err(refused) };
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return Err(refused) };
        let host = host.to_owned();
        let plain = match url.scheme() {
            "https" => false,
            "http" if is_loopback(&host) => true,
            _ => return Err(refused),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::InvalidField("url has a user name or a password"));
        }
        if port != 443 && port < FIRST_OPEN_PORT && !is_loopback(&host) {
            return Err(Refusal::InvalidField("url has a port other than 443 below 1024"));
        }
        Ok(Self { text: text.to_owned(), host, port, plain })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, where the URL has one instead of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// The name to look up, where the URL has one.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is http, which only development allows, and only to this machine.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether requests may go to these addresses of its host, of which there must be one at least. `development` lets this
    /// machine in.
    pub fn may_lead_to(&self, addresses: &[IpAddr], development: bool) -> bool {
        let fits = |address: &IpAddr| match reach(*address) {
            Reach::Public => !self.plain,
            Reach::Loopback => development,
            Reach::Closed => false,
        };
        !addresses.is_empty() && addresses.iter().all(fits)
    }
}

/// Whether a URL names this machine, by address or by the one name that is kept for it.
fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Who can reach an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anybody.
    Public,
    /// This machine alone.
    Loopback,
    /// Some network, or nobody: private, link-local, shared, multicast, documentation, reserved.
    Closed,
}

/// Who can reach an address (the IANA registries of special-purpose addresses). An IPv6 address that stands for an IPv4 address
/// is judged as that one.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [127, ..] => Reach::Loopback,
        // This network, private use, and what carriers share.
        [0 | 10, ..] | [100, 64..=127, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Closed,
        // Link-local, protocol assignments, documentation, the relays of 6to4, benchmarks.
        [169, 254, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Reach::Closed,
        [198, 51, 100, _] | [203, 0, 113, _] => Reach::Closed,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => Reach::Closed,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        // Mapped, translated (NAT64), and 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments (Teredo among them), documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Closed,
        // Nothing else is global unicast: not the deprecated forms that hold an IPv4 address, unique local, link-local,
        // multicast, or the translations of one network.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::",
        "2001:db9::",
        "3ffe::1",
        "3fff:1000::",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ];

    const LOOPBACK: &[&str] =
        &["127.0.0.1", "127.255.255.255", "127.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"];

    const CLOSED: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::2",
        "::7f00:1",
        "::10.0.0.1",
        "::ffff:0:7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:53aa:64c::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "2002:c0a8:101::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fdff::",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff00::1",
        "ff02::1",
    ];

    #[test]
    fn every_kind_of_address_is_judged_by_who_can_reach_it() {
        let mut judged = 0;
        for (addresses, expected) in
            [(PUBLIC, Reach::Public), (LOOPBACK, Reach::Loopback), (CLOSED, Reach::Closed)]
        {
            for text in addresses {
                assert_eq!(reach(text.parse().expect("an address")), expected, "{text}");
                judged += 1;
            }
        }
        assert_eq!(judged, PUBLIC.len() + LOOPBACK.len() + CLOSED.len());
        assert_eq!(reach("2002:7f00:1::1".parse().expect("an address")), Reach::Loopback);
    }

    #[test]
    fn an_address_is_known_in_any_spelling() {
        for (url, address) in [
            ("https://127.0.0.1/", "127.0.0.1"),
            ("https://0x7f.1/", "127.0.0.1"),
            ("https://0177.0.0.1/", "127.0.0.1"),
            ("https://2130706433/", "127.0.0.1"),
            ("https://127.1/", "127.0.0.1"),
            ("https://0xA9FEA9FE/latest", "169.254.169.254"),
            ("https://1\u{ff12}7.0.0.1/", "127.0.0.1"),
            ("https://[::ffff:7f00:1]/", "::ffff:127.0.0.1"),
            ("https://[0:0:0:0:0:0:0:1]/", "::1"),
            ("https://0/", "0.0.0.0"),
        ] {
            let read = Destination::parse(url).expect(url);
            assert_eq!(read.address(), Some(address.parse().expect("an address")), "{url}");
            assert_eq!(read.name(), None);
            assert!(!read.may_lead_to(&[read.address().expect("an address")], false), "{url}");
        }
    }

    #[test]
    fn only_https_to_open_ports_is_read_and_http_to_this_machine() {
        for url in [
            "https://hooks.example.com/turnkey?key=1#part",
            "https://hooks.example.com:443/",
            "https://hooks.example.com:8443/",
            "https://h\u{f6}oks.example/",
            "HTTPS://HOOKS.EXAMPLE.COM",
            "https://8.8.8.8:65535/",
            "https://localhost:80/",
            "http://localhost:3000/hook",
            "http://127.0.0.1/hook",
            "http://[::1]:8080/",
        ] {
            let read = Destination::parse(url).expect(url);
            assert_eq!((read.as_str(), read.is_plain()), (url, url.starts_with("http:")), "{url}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL));
        for url in [
            "",
            "hooks.example.com",
            "//hooks.example.com/",
            "ftp://hooks.example.com/",
            "javascript:alert(1)",
            "http://hooks.example.com/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "https://",
            "https:///path",
            "https:\\\\hooks.example.com/",
            "https:hooks.example.com",
            "https:// hooks.example.com/",
            "https://hooks.example.com/a b",
            "https://hooks\n.example.com/",
            " https://hooks.example.com/",
            "https://user@hooks.example.com/",
            "https://user:word@hooks.example.com/",
            "https://:word@hooks.example.com/",
            "https://hooks.example.com:25/",
            "https://hooks.example.com:80/",
            "https://hooks.example.com:1023/",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:65536/",
            "https://256.0.0.1/",
            "https://1.2.3.4.5/",
            "https://[::1/",
            "https://[fe80::1%eth0]/",
            "https://a%00b/",
            long.as_str(),
        ] {
            assert!(matches!(Destination::parse(url), Err(Refusal::InvalidField(_))), "{url:?}");
        }
    }

    #[test]
    fn one_address_that_is_not_public_closes_a_host() {
        let read = Destination::parse("https://hooks.example.com/").expect("a URL");
        let [public, private, loopback]: [IpAddr; 3] =
            ["1.1.1.1", "10.0.0.1", "127.0.0.1"].map(|text| text.parse().expect("an address"));
        assert!(read.may_lead_to(&[public, public], false));
        for closed in [&[][..], &[private], &[public, private], &[public, loopback], &[loopback]] {
            assert!(!read.may_lead_to(closed, false), "{closed:?}");
        }
        assert!(read.may_lead_to(&[loopback], true) && !read.may_lead_to(&[private], true));
        let plain = Destination::parse("http://localhost/").expect("a URL");
        assert!(plain.may_lead_to(&[loopback], true));
        assert!(!plain.may_lead_to(&[loopback], false) && !plain.may_lead_to(&[public], true));
    }
}
