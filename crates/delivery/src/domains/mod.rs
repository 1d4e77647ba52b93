//! Which domains mail may go to: the operator's lists, and whether a domain takes mail at all.
//!
//! Promise: an answer comes within a bounded time; where a name server does not answer, the domain is accepted.

mod lists;
mod mx;

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures_util::future::join_all;
use vestibule_engine::{DomainCheck, DomainVerdict};

pub use lists::{DomainList, DomainLists, ListError};
pub use mx::{DnsFailure, Exchanges, MailDns, MxCheck, MxSettings, NoNameServers, SystemDns};

/// The lists first, which cost nothing; then the exchanges of those that are left.
pub struct Domains {
    lists: RwLock<Arc<DomainLists>>,
    mx: Option<MxCheck>,
}

impl Domains {
    /// With lists, and without or with a look at the DNS.
    pub fn new(lists: DomainLists, mx: Option<MxCheck>) -> Self {
        Self { lists: RwLock::new(Arc::new(lists)), mx }
    }

    /// Puts other lists in place of those in use.
    pub fn replace_lists(&self, lists: DomainLists) {
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lists);
    }

    fn lists(&self) -> Arc<DomainLists> {
        Arc::clone(&self.lists.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl DomainCheck for Domains {
    async fn judge(&self, domains: &[&str]) -> DomainVerdict {
        let lists = self.lists();
        if domains.iter().any(|domain| !lists.takes(domain)) {
            metrics::counter!("vestibule_domains_refused_total", "reason" => "list").increment(1);
            return DomainVerdict::Unwanted;
        }
        let Some(mx) = &self.mx else { return DomainVerdict::Accepted };
        let reachable = join_all(domains.iter().map(|domain| mx.takes_mail(domain))).await;
        if reachable.into_iter().all(|takes| takes) {
            return DomainVerdict::Accepted;
        }
        metrics::counter!("vestibule_domains_refused_total", "reason" => "mx").increment(1);
        DomainVerdict::Unreachable
    }
}
