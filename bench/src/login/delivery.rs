//! How long messages take by the server's own account: `vestibule_delivery_seconds`, read from its metrics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const HISTOGRAM: &str = "vestibule_delivery_seconds_bucket{";

/// How long the listener of metrics may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A histogram: how many messages took at most so long, by the bounds in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery(BTreeMap<u64, u64>);

impl Delivery {
    /// Asks a server.
    pub fn of(metrics: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&metrics, PATIENCE)
            .context("the server's metrics cannot be reached")?;
        stream.set_read_timeout(Some(PATIENCE)).context("the connection cannot be limited")?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            .context("the server's metrics cannot be asked for")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("the server's metrics cannot be read")?;
        Ok(Self::parse(&text))
    }

    /// From the text form, whatever its labels. What ends above the last bound is left out.
    fn parse(text: &str) -> Self {
        let mut buckets = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.trim().strip_prefix(HISTOGRAM)) {
            let Some((labels, count)) = line.split_once("} ") else { continue };
            let bound = labels.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"'));
            let (Some((bound, _)), Ok(count)) = (bound, count.trim().parse::<u64>()) else { continue };
            if let Ok(bound) = bound.parse::<f64>()
                && bound.is_finite()
            {
                *buckets.entry((bound * 1e6).round() as u64).or_default() += count;
            }
        }
        Self(buckets)
    }

    /// What came in since.
    pub fn since(&self, before: &Self) -> Self {
        let count = |bound| before.0.get(bound).copied().unwrap_or(0);
        Self(self.0.iter().map(|(bound, now)| (*bound, now.saturating_sub(count(bound)))).collect())
    }

    /// The milliseconds within which `share` (0 to 1) of all were handed over, by straight lines between the bounds. Zero for
    /// none.
    pub fn quantile(&self, share: f64) -> f64 {
        let all = self.0.values().max().copied().unwrap_or(0) as f64;
        let wanted = all * share;
        let (mut bound_below, mut count_below) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            let (bound, count) = (*bound as f64 / 1000.0, *count as f64);
            if count >= wanted && count > 0.0 {
                let part = (wanted - count_below) / (count - count_below).max(1.0);
                return bound_below + (bound - bound_below) * part;
            }
            (bound_below, count_below) = (bound, count);
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "HTTP/1.1 200 OK\r\n\r\n# TYPE vestibule_delivery_seconds histogram\n\
        vestibule_delivery_seconds_bucket{channel=\"email\",provider=\"a\",le=\"0.01\"} 40\n\
        vestibule_delivery_seconds_bucket{channel=\"email\",provider=\"a\",le=\"0.02\"} 60\n\
        vestibule_delivery_seconds_bucket{channel=\"email\",provider=\"a\",le=\"+Inf\"} 60\n\
        vestibule_delivery_seconds_bucket{channel=\"email\",provider=\"b\",le=\"0.01\"} 10\n\
        vestibule_delivery_seconds_bucket{channel=\"email\",provider=\"b\",le=\"0.02\"} 40\n\
        vestibule_delivery_seconds_sum{channel=\"email\",provider=\"a\"} 1\n\
        vestibule_http_request_seconds_bucket{route=\"x\",le=\"0.01\"} 9\n";

    #[test]
    fn providers_are_added_up_and_shares_lie_between_the_bounds() {
        let found = Delivery::parse(TEXT);
        assert_eq!(found, Delivery(BTreeMap::from([(10_000, 50), (20_000, 100)])));
        assert!((found.quantile(0.5) - 10.0).abs() < 1e-9);
        assert!((found.quantile(0.25) - 5.0).abs() < 1e-9);
        assert!((found.quantile(0.99) - 19.8).abs() < 1e-9);
        assert_eq!(found.since(&found).quantile(0.5), 0.0);
        let later = Delivery(BTreeMap::from([(10_000, 50), (20_000, 200)]));
        assert!((later.since(&found).quantile(0.5) - 15.0).abs() < 1e-9);
    }
}
