//! Who may use the tools of `dev`: requests that call the server by its own address, from no other page.
//!
//! Checking `Host` stops a page whose name was rebound to this address; checking `Origin` and `Sec-Fetch-Site` stops a
//! page elsewhere, other ports of this machine included, from sending requests on its visitor's behalf.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};
use vestibule_wire::Refusal;

pub(super) struct Guard {
    listen: SocketAddr,
}

impl Guard {
    pub(super) fn new(listen: SocketAddr) -> Self {
        Self { listen }
    }

    /// Lets a request pass, or refuses it with `OriginNotAllowed`.
    pub(super) fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::OriginNotAllowed) };
        let host = host.to_str().map_err(|_| Refusal::OriginNotAllowed)?;
        if !self.is_ours(host) {
            return Err(Refusal::OriginNotAllowed);
        }
        // The page itself holds nothing; a link to it may stand anywhere.
        if !path.starts_with("/dev/") {
            return Ok(());
        }
        let own = format!("http://{host}");
        let from_us =
            headers.get_all(header::ORIGIN).iter().all(|origin| origin.as_bytes() == own.as_bytes());
        let site = headers.get_all("sec-fetch-site").iter();
        let fetched_by_us = site.into_iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        if from_us && fetched_by_us { Ok(()) } else { Err(Refusal::OriginNotAllowed) }
    }

    /// Whether a `Host` names this server: a loopback name or the address it listens on, with its port. A server on all
    /// addresses goes by any address, but by no other name: names can be rebound, addresses cannot.
    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        if port != Some(self.listen.port()) {
            return false;
        }
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let literal = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => inside.parse().map(IpAddr::V6),
            None => name.parse().map(IpAddr::V4),
        };
        literal.is_ok_and(|ip: IpAddr| {
            ip.is_loopback() || ip == self.listen.ip() || self.listen.ip().is_unspecified()
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn guard(listen: &str) -> Guard {
        Guard::new(listen.parse().unwrap())
    }

    fn passes(guard: &Guard, path: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        guard.check(path, &pairs.collect()).is_ok()
    }

    #[test]
    fn the_server_goes_by_its_loopback_names_and_its_port_alone() {
        let guard = guard("127.0.0.1:7007");
        for ours in ["127.0.0.1:7007", "localhost:7007", "LOCALHOST:7007", "[::1]:7007"] {
            assert!(passes(&guard, "/dev/messages", &[("host", ours)]), "{ours}");
        }
        for other in [
            "localhost",
            "127.0.0.1:7008",
            "localhost:",
            "rebound.example:7007",
            "localhost.example:7007",
            "192.168.1.5:7007",
            "[::1",
            "::1:7007",
            "user@localhost:7007",
            "",
        ] {
            for path in ["/dev/messages", "/", "/assets/app.js"] {
                assert!(!passes(&guard, path, &[("host", other)]), "{other} {path}");
            }
        }
        assert!(!passes(&guard, "/dev/messages", &[]));
        assert!(!passes(&guard, "/dev/messages", &[("host", "localhost:7007"), ("host", "localhost:7007")]));
    }

    #[test]
    fn an_address_listened_on_by_choice_is_a_name_too() {
        assert!(passes(&guard("192.168.1.5:7007"), "/dev/messages", &[("host", "192.168.1.5:7007")]));
        assert!(!passes(&guard("192.168.1.5:7007"), "/dev/messages", &[("host", "192.168.1.6:7007")]));
        assert!(passes(&guard("0.0.0.0:7007"), "/dev/messages", &[("host", "192.168.1.6:7007")]));
        assert!(!passes(&guard("0.0.0.0:7007"), "/dev/messages", &[("host", "rebound.example:7007")]));
        assert!(passes(&guard("127.0.0.1:80"), "/dev/messages", &[("host", "localhost")]));
    }

    #[test]
    fn no_other_page_reaches_the_tools() {
        let guard = guard("127.0.0.1:7007");
        let host = ("host", "localhost:7007");
        for (name, value) in [
            ("origin", "https://example.com"),
            ("origin", "http://localhost:3000"),
            ("origin", "http://127.0.0.1:7007"),
            ("origin", "https://localhost:7007"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!passes(&guard, "/dev/clock", &[host, (name, value)]), "{name}: {value}");
        }
        for (name, value) in [
            ("origin", "http://localhost:7007"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert!(passes(&guard, "/dev/clock", &[host, (name, value)]), "{name}: {value}");
        }
        assert!(passes(&guard, "/", &[host, ("sec-fetch-site", "cross-site")]), "a link to the page");
    }
}
