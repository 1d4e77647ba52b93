//! Which provider a message leaves by, and which one next where that one fails.
//!
//! Promise: of a route, the first provider that works takes a message, and no other is asked after that; an organization's own
//! route counts before the configuration's; a name that no provider has any more is passed over, never a reason not to send.

mod breaker;
mod places;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vestibule_engine::model::{Millis, Routes, is_provider_name, is_route_prefix};
use vestibule_wire::OtpType;

pub use breaker::{Admission, Breaker, BreakerSettings, BreakerState, Pass, Verdict};
pub(crate) use places::{Place, Places};

use crate::channel::Channel;
use crate::channel::receipt::Receipts;

/// Why routes were refused; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// Not 1 to 32 lower-case letters, digits and hyphens.
    #[error("a provider cannot be called {0:?}: names have 1 to 32 lower-case letters, digits and hyphens")]
    Name(String),
    /// Two have one name.
    #[error("two providers are called {0:?}")]
    Twice(String),
    /// A route names a provider that there is none.
    #[error("no provider is called {0:?}; add [providers.{0}] or take it out of the route")]
    Unknown(String),
    /// A route names a provider of the other channel.
    #[error("the provider {0:?} does not carry {1}")]
    WrongChannel(String, &'static str),
    /// A route names a provider more than once.
    #[error("a route names the provider {0:?} more than once")]
    Repeated(String),
    /// Not `+` and 1 to 8 digits.
    #[error("{0:?} is no prefix of phone numbers; write it as +49")]
    Prefix(String),
}

/// The providers of a server, by name, and the routes of those organizations that have none of their own.
#[derive(Clone, Default)]
pub struct Routing {
    providers: Vec<Configured>,
    routes: Routes,
}

#[derive(Clone)]
struct Configured {
    name: String,
    channel: Arc<dyn Channel>,
    receipts: Option<Arc<dyn Receipts>>,
}

impl Routing {
    /// No providers and no routes: nothing can be sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider.
    pub fn with_provider(mut self, name: &str, channel: Arc<dyn Channel>) -> Result<Self, RoutingError> {
        if !is_provider_name(name) {
            return Err(RoutingError::Name(name.to_owned()));
        }
        if self.providers.iter().any(|provider| provider.name == name) {
            return Err(RoutingError::Twice(name.to_owned()));
        }
        self.providers.push(Configured { name: name.to_owned(), channel, receipts: None });
        Ok(self)
    }

    /// Sets what reads the receipts of a provider that was added.
    pub fn with_receipts(mut self, name: &str, receipts: Arc<dyn Receipts>) -> Result<Self, RoutingError> {
        let provider = self.providers.iter_mut().find(|provider| provider.name == name);
        provider.ok_or_else(|| RoutingError::Unknown(name.to_owned()))?.receipts = Some(receipts);
        Ok(self)
    }

    /// What reads receipts, by the names of the providers that send any.
    pub fn receipts(&self) -> BTreeMap<String, Arc<dyn Receipts>> {
        let with =
            |provider: &Configured| Some((provider.name.clone(), Arc::clone(provider.receipts.as_ref()?)));
        self.providers.iter().filter_map(with).collect()
    }

    /// Sets the routes; every provider in them must have been added.
    pub fn with_routes(mut self, routes: Routes) -> Result<Self, RoutingError> {
        if let Some(prefix) = routes.sms.keys().find(|prefix| !is_route_prefix(prefix)) {
            return Err(RoutingError::Prefix(prefix.clone()));
        }
        for (kind, name) in routes.names() {
            let provider = self.providers.iter().find(|provider| provider.name == name);
            let provider = provider.ok_or_else(|| RoutingError::Unknown(name.to_owned()))?;
            if !provider.channel.carries(kind) {
                return Err(RoutingError::WrongChannel(name.to_owned(), label(kind)));
            }
        }
        for list in std::iter::once(&routes.email).chain(routes.sms.values()) {
            for (position, name) in list.iter().enumerate() {
                if list[..position].contains(name) {
                    return Err(RoutingError::Repeated(name.clone()));
                }
            }
        }
        self.routes = routes;
        Ok(self)
    }

    /// One provider for both channels, or for those of them that it carries.
    pub fn single(name: &str, channel: Arc<dyn Channel>) -> Result<Self, RoutingError> {
        let mut routes = Routes::default();
        for kind in [OtpType::Email, OtpType::Sms] {
            if channel.carries(kind) {
                routes.set(kind, "", vec![name.to_owned()]);
            }
        }
        Self::new().with_provider(name, channel)?.with_routes(routes)
    }
}

/// The label of a channel in logs and metrics.
pub(crate) fn label(channel: OtpType) -> &'static str {
    match channel {
        OtpType::Email => "email",
        OtpType::Sms => "sms",
    }
}

/// A provider with its circuit breaker.
pub(crate) struct Provider {
    pub(crate) name: Arc<str>,
    pub(crate) channel: Arc<dyn Channel>,
    /// Where messages are under way to it.
    pub(crate) places: Places,
    breaker: Mutex<Breaker>,
}

impl Provider {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Nothing panics while the lock is held.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the breaker lets nobody pass, where that is so now.
    pub(crate) fn holds(&self, now: Millis) -> Option<Millis> {
        self.breaker().holds(now)
    }

    /// Asks the breaker.
    pub(crate) fn admit(&self, now: Millis) -> Admission {
        let mut breaker = self.breaker();
        let before = breaker.state();
        let admission = breaker.admit(now);
        self.report(before, breaker.state());
        admission
    }

    /// Tells the breaker what came of a try.
    pub(crate) fn tell(&self, pass: Pass, verdict: Verdict, now: Millis) {
        let mut breaker = self.breaker();
        let before = breaker.state();
        breaker.tell(pass, verdict, now);
        self.report(before, breaker.state());
    }

    fn report(&self, before: BreakerState, after: BreakerState) {
        if before == after {
            return;
        }
        let provider = &*self.name;
        match after {
            BreakerState::Open => {
                tracing::error!(provider, "the provider fails; others are asked until a pause is over");
            }
            BreakerState::HalfOpen => tracing::info!(provider, "one message tries the provider again"),
            BreakerState::Closed => tracing::info!(provider, "the provider works again"),
        }
        self.show(after);
    }

    fn show(&self, state: BreakerState) {
        let value = match state {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        };
        metrics::gauge!("vestibule_provider_breaker", "provider" => Arc::clone(&self.name)).set(value);
    }
}

/// What a worker routes by: the providers with their breakers, and the routes of the configuration.
pub(crate) struct Router {
    providers: BTreeMap<String, Provider>,
    routes: Routes,
}

impl Router {
    /// `at_once` messages are under way together, at most; each provider has its share of them.
    pub(crate) fn new(routing: Routing, settings: BreakerSettings, at_once: u32) -> Self {
        let Routing { providers, routes } = routing;
        let wishes: Vec<_> = providers.iter().map(|provider| provider.channel.at_once()).collect();
        let guarded = |(Configured { name, channel, receipts: _ }, places): (Configured, u32)| {
            let breaker = Mutex::new(Breaker::new(settings, places));
            let places = Places::new(places);
            let provider = Provider { name: Arc::from(name.as_str()), channel, places, breaker };
            provider.show(BreakerState::Closed);
            (name, provider)
        };
        let shares = places::divide(at_once, &wishes);
        Self { providers: providers.into_iter().zip(shares).map(guarded).collect(), routes }
    }

    /// Who is asked to carry a message, in this order; nobody where nothing is configured for it.
    pub(crate) fn route(&self, own: Option<&Routes>, kind: OtpType, to: &str) -> Vec<&Provider> {
        let named = |routes: &Routes| -> Vec<&Provider> {
            let known = routes.of(kind, to).iter().filter_map(|name| {
                let provider = self.providers.get(name).filter(|provider| provider.channel.carries(kind));
                if provider.is_none() {
                    tracing::warn!(provider = %name, channel = label(kind), "a route names a provider that is not configured for it");
                }
                provider
            });
            known.collect()
        };
        let chosen = own.map(named).unwrap_or_default();
        if chosen.is_empty() { named(&self.routes) } else { chosen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Inbox;

    fn providers(names: &[&str]) -> Routing {
        let inbox: Arc<dyn Channel> = Arc::new(Inbox::new());
        names
            .iter()
            .fold(Routing::new(), |routing, name| routing.with_provider(name, Arc::clone(&inbox)).unwrap())
    }

    fn routes(email: &[&str], sms: &[(&str, &[&str])]) -> Routes {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Routes {
            email: own(email),
            sms: sms.iter().map(|(prefix, names)| ((*prefix).to_owned(), own(names))).collect(),
        }
    }

    fn chosen(router: &Router, own: Option<&Routes>, kind: OtpType, to: &str) -> Vec<String> {
        router.route(own, kind, to).iter().map(|provider| provider.name.to_string()).collect()
    }

    #[test]
    fn an_organizations_route_counts_before_the_configurations() {
        let defaults = routes(&["a", "b"], &[("", &["c"]), ("+49", &["d"])]);
        let routing = providers(&["a", "b", "c", "d"]).with_routes(defaults).unwrap();
        let router = Router::new(routing, BreakerSettings::default(), 32);
        let of = |own: Option<&Routes>, kind, to: &str| chosen(&router, own, kind, to);
        assert_eq!(of(None, OtpType::Email, "x@y.example"), ["a", "b"]);
        assert_eq!(of(None, OtpType::Sms, "+4915"), ["d"]);
        let own = routes(&["b"], &[("+1", &["a", "b"])]);
        assert_eq!(of(Some(&own), OtpType::Email, "x@y.example"), ["b"]);
        assert_eq!(of(Some(&own), OtpType::Sms, "+15"), ["a", "b"]);
        assert_eq!(
            of(Some(&own), OtpType::Sms, "+4915"),
            ["d"],
            "what it does not say, the configuration says"
        );
    }

    #[test]
    fn a_provider_that_is_gone_is_passed_over() {
        let routing = providers(&["a", "b"]).with_routes(routes(&["a"], &[])).unwrap();
        let router = Router::new(routing, BreakerSettings::default(), 32);
        let some = routes(&["gone", "b"], &[]);
        assert_eq!(chosen(&router, Some(&some), OtpType::Email, "x@y.example"), ["b"]);
        let all = routes(&["gone"], &[]);
        assert_eq!(chosen(&router, Some(&all), OtpType::Email, "x@y.example"), ["a"]);
        assert_eq!(chosen(&router, None, OtpType::Sms, "+1"), Vec::<String>::new());
    }

    #[test]
    fn routes_that_cannot_work_are_refused_with_their_reason() {
        let refused = |routes| providers(&["a", "b"]).with_routes(routes).err().unwrap();
        assert_eq!(refused(routes(&["c"], &[])), RoutingError::Unknown("c".to_owned()));
        assert_eq!(refused(routes(&["a", "b", "a"], &[])), RoutingError::Repeated("a".to_owned()));
        assert_eq!(refused(routes(&[], &[("49", &["a"])])), RoutingError::Prefix("49".to_owned()));
        let inbox = || Arc::new(Inbox::new()) as Arc<dyn Channel>;
        let twice = providers(&["a"]).with_provider("a", inbox());
        assert_eq!(twice.err(), Some(RoutingError::Twice("a".to_owned())));
        let named = Routing::new().with_provider("A b", inbox());
        assert_eq!(named.err(), Some(RoutingError::Name("A b".to_owned())));
    }
}
