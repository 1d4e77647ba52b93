//! Whether a domain takes mail: its mail exchangers, as RFC 5321 section 5 finds them, and RFC 7505.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::sync::Semaphore;
use vestibule_engine::Clock;

/// Questions under way at once; a domain that would be one more is accepted unasked.
const MAX_QUESTIONS: usize = 64;
/// Answers remembered at once.
const MAX_ANSWERS: usize = 10_000;
/// How long a refusal is remembered at most: who sets up a domain tries again soon.
const REFUSED_MS: i64 = 5 * 60_000;
/// How long a name server that did not answer is not asked again about the same domain.
const FAILED_MS: i64 = 30_000;

/// The mail exchangers of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanges {
    /// There is at least one.
    Some,
    /// The domain exists and names none.
    None,
    /// The domain says that it takes no mail (RFC 7505).
    Null,
    /// There is no such domain.
    NoDomain,
}

/// The question got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsFailure;

/// What is asked of the DNS. A domain is given as lower-case A-labels without a trailing dot.
#[async_trait]
pub trait MailDns: Send + Sync {
    /// The mail exchangers of a domain.
    async fn exchanges(&self, domain: &str) -> Result<Exchanges, DnsFailure>;

    /// Whether a host has an address of either kind.
    async fn has_address(&self, host: &str) -> Result<bool, DnsFailure>;
}

/// How domains are asked about.
#[derive(Debug, Clone, Copy)]
pub struct MxSettings {
    /// How long the questions about one domain may take together.
    pub timeout: Duration,
    /// How long an answer is remembered.
    pub remember: Duration,
}

/// Asks the DNS whether domains take mail, and remembers the answers.
pub struct MxCheck {
    dns: Box<dyn MailDns>,
    clock: Arc<dyn Clock>,
    settings: MxSettings,
    answers: Mutex<HashMap<String, Answer>>,
    questions: Semaphore,
}

#[derive(Clone, Copy)]
struct Answer {
    takes_mail: bool,
    until: i64,
}

impl MxCheck {
    /// A check with nothing remembered yet.
    pub fn new(dns: Box<dyn MailDns>, clock: Arc<dyn Clock>, settings: MxSettings) -> Self {
        Self { dns, clock, settings, answers: Mutex::default(), questions: Semaphore::new(MAX_QUESTIONS) }
    }

    /// Whether a domain takes mail; true where that cannot be learned now.
    pub async fn takes_mail(&self, domain: &str) -> bool {
        let now = self.clock.now_ms();
        if let Some(answer) = self.remembered(domain, now) {
            return answer;
        }
        let Ok(_turn) = self.questions.try_acquire() else {
            outcome("busy");
            return true;
        };
        let asked = tokio::time::timeout(self.settings.timeout, self.ask(domain)).await;
        let remember_ms = i64::try_from(self.settings.remember.as_millis()).unwrap_or(i64::MAX);
        let (takes_mail, for_ms, name) = match asked {
            Ok(Ok(true)) => (true, remember_ms, "takes_mail"),
            Ok(Ok(false)) => (false, remember_ms.min(REFUSED_MS), "takes_none"),
            Ok(Err(DnsFailure)) => (true, remember_ms.min(FAILED_MS), "failed"),
            Err(_) => (true, remember_ms.min(FAILED_MS), "timeout"),
        };
        outcome(name);
        self.remember(domain, Answer { takes_mail, until: now.saturating_add(for_ms) }, now);
        takes_mail
    }

    async fn ask(&self, domain: &str) -> Result<bool, DnsFailure> {
        match self.dns.exchanges(domain).await? {
            Exchanges::Some => Ok(true),
            // A domain without an exchanger is its own, where it has an address (RFC 5321 section 5.1).
            Exchanges::None => self.dns.has_address(domain).await,
            Exchanges::Null | Exchanges::NoDomain => Ok(false),
        }
    }

    fn remembered(&self, domain: &str, now: i64) -> Option<bool> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(domain).filter(|answer| answer.until > now).map(|answer| answer.takes_mail)
    }

    fn remember(&self, domain: &str, answer: Answer, now: i64) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS && !answers.contains_key(domain) {
            answers.retain(|_, answer| answer.until > now);
            if answers.len() >= MAX_ANSWERS {
                answers.clear();
            }
        }
        answers.insert(domain.to_owned(), answer);
    }
}

fn outcome(outcome: &'static str) {
    metrics::counter!("vestibule_mx_checks_total", "outcome" => outcome).increment(1);
}

/// There is no name server to ask.
#[derive(Debug, thiserror::Error)]
#[error("the name servers of this machine cannot be read: {0}")]
pub struct NoNameServers(String);

/// The name servers of this machine, or named ones.
pub struct SystemDns(TokioResolver);

impl SystemDns {
    /// As `/etc/resolv.conf` says, or from `servers` where that is not empty; each question is given up after `timeout`.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, NoNameServers> {
        let refused = |error: NetError| NoNameServers(error.to_string());
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(refused)?
        } else {
            let servers = servers.iter().map(|server| {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (server.port(), server.port());
                NameServerConfig::new(server.ip(), true, vec![udp, tcp])
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        // Within the time for a domain there is room for a second try, and no answer is remembered twice.
        options.timeout = (timeout / 2).max(Duration::from_millis(50));
        options.attempts = 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self(builder.build().map_err(refused)?))
    }
}

#[async_trait]
impl MailDns for SystemDns {
    async fn exchanges(&self, domain: &str) -> Result<Exchanges, DnsFailure> {
        match self.0.mx_lookup(format!("{domain}.")).await {
            Ok(found) => {
                let mut exchanges = found.answers().iter().filter_map(|record| match &record.data {
                    RData::MX(mx) => Some(&mx.exchange),
                    _ => None,
                });
                let null = exchanges.clone().any(|exchange| exchange.is_root());
                let real = exchanges.any(|exchange| !exchange.is_root());
                Ok(match (real, null) {
                    (true, _) => Exchanges::Some,
                    (false, true) => Exchanges::Null,
                    (false, false) => Exchanges::None,
                })
            }
            Err(error) if error.is_nx_domain() => Ok(Exchanges::NoDomain),
            Err(error) if error.is_no_records_found() => no_records(&error).map(|()| Exchanges::None),
            Err(_) => Err(DnsFailure),
        }
    }

    async fn has_address(&self, host: &str) -> Result<bool, DnsFailure> {
        match self.0.lookup_ip(format!("{host}.")).await {
            Ok(found) => Ok(found.iter().next().is_some()),
            Err(error) if error.is_nx_domain() => Ok(false),
            Err(error) if error.is_no_records_found() => no_records(&error).map(|()| false),
            Err(_) => Err(DnsFailure),
        }
    }
}

/// The resolver also says that there are no records where the server would or could not look.
fn no_records(error: &NetError) -> Result<(), DnsFailure> {
    use hickory_resolver::net::DnsError;
    use hickory_resolver::proto::op::ResponseCode;

    match error {
        NetError::Dns(DnsError::NoRecordsFound(found)) if found.response_code == ResponseCode::NoError => {
            Ok(())
        }
        _ => Err(DnsFailure),
    }
}
