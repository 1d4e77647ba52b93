//! The certificates that Amazon SNS signs with, by the URLs that posts name.
//!
//! Promise: whoever invents names of certificates makes this server ask for no more than [`FETCHES_PER_SENDER`] of them in a minute,
//! and all who do for no more than [`FETCHES`]; they do not keep it from the real one, because part of that is left for senders
//! that have named no wrong one lately. What is known is given at once, whoever waits for something else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use reqwest::Url;
use vestibule_crypto::certificate::CertificateKey;
use vestibule_engine::model::Millis;

use super::client::{MAX_ANSWER, ask};
use super::receipt::ReceiptRefused;

/// Fetches within a minute, at most: their number is the senders' choice.
const FETCHES: usize = 60;
/// Of one sender.
const FETCHES_PER_SENDER: usize = 6;
/// How many of all are left for senders that named no wrong certificate lately.
const RESERVED: usize = 30;
/// How long a certificate that is not there is not asked for again, and its sender has none of the reserve.
const REFUSED_MS: Millis = 10 * MINUTE_MS;
/// Certificates kept. SNS uses one per region and changes it a few times a year.
const MAX_KNOWN: usize = 8;
const MINUTE_MS: Millis = 60_000;

/// Fetches certificates and keeps them.
pub(super) struct Certificates {
    client: reqwest::Client,
    /// Never held while anything is waited for.
    book: Mutex<Book>,
}

impl Certificates {
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self { client, book: Mutex::default() }
    }

    /// The key of a certificate: known, or fetched for `sender` if that may cause another fetch.
    pub(super) async fn get(
        &self,
        url: &Url,
        sender: Option<IpAddr>,
        now: Millis,
    ) -> Result<CertificateKey, ReceiptRefused> {
        let turn = {
            let mut book = self.book();
            if let Some(found) = book.look_up(url, now) {
                return found;
            }
            book.turn(url)
        };
        // Whoever asks for the same one at the same time waits for its answer.
        let _turn = turn.lock().await;
        let sender = Sender::of(sender);
        {
            let mut book = self.book();
            if let Some(found) = book.look_up(url, now) {
                return found;
            }
            if !book.admit(sender, now) {
                return Err(ReceiptRefused::Unverifiable);
            }
        }
        let fetched = self.fetch(url).await;
        let mut book = self.book();
        match &fetched {
            Ok(key) => book.keep(url, key.clone()),
            Err(ReceiptRefused::Signature) => book.refuse(url, sender, now),
            Err(_) => {}
        }
        fetched
    }

    /// A certificate that a post was verified by is kept before all that were only fetched.
    pub(super) fn verified(&self, url: &Url, now: Millis) {
        if let Some(known) = self.book().known.get_mut(url.as_str()) {
            known.verified_at = now;
        }
    }

    async fn fetch(&self, url: &Url) -> Result<CertificateKey, ReceiptRefused> {
        let answer = ask(self.client.get(url.clone()), "Amazon SNS").await.map_err(|error| {
            tracing::warn!(error = %error.text, "a certificate of SNS cannot be fetched");
            ReceiptRefused::Unverifiable
        })?;
        match answer.status {
            200 if answer.body.len() < MAX_ANSWER => {}
            // Whoever names a certificate that is not there is not SNS.
            400..500 => return Err(ReceiptRefused::Signature),
            _ => return Err(ReceiptRefused::Unverifiable),
        }
        CertificateKey::from_pem(&answer.body).map_err(|_| ReceiptRefused::Signature)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom a fetch is counted against: an IPv4 address, or the /48 that an IPv6 network may have to itself. Those without an address
/// are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sender(u128);

impl Sender {
    fn of(address: Option<IpAddr>) -> Self {
        Self(match address.map(|address| address.to_canonical()) {
            None => 0,
            Some(IpAddr::V4(v4)) => v4.to_ipv6_mapped().to_bits(),
            Some(IpAddr::V6(v6)) => v6.to_bits() >> 80 << 80,
        })
    }
}

struct Known {
    key: CertificateKey,
    /// When a post was last verified by it; 0: never.
    verified_at: Millis,
}

/// What is known, and who caused what. Fetches bound everything in it but the turns, which live as long as their requests.
#[derive(Default)]
struct Book {
    known: HashMap<String, Known>,
    /// Names that are no certificates, and since when.
    refused: HashMap<String, Millis>,
    /// Who named them last.
    misled_by: HashMap<Sender, Millis>,
    /// The fetches of the last minute.
    fetches: Vec<(Millis, Sender)>,
    turns: HashMap<String, Weak<tokio::sync::Mutex<()>>>,
}

impl Book {
    fn look_up(&self, url: &Url, now: Millis) -> Option<Result<CertificateKey, ReceiptRefused>> {
        if let Some(known) = self.known.get(url.as_str()) {
            return Some(Ok(known.key.clone()));
        }
        let refused = self.refused.get(url.as_str()).is_some_and(|at| is_within(*at, REFUSED_MS, now));
        refused.then_some(Err(ReceiptRefused::Signature))
    }

    fn turn(&mut self, url: &Url) -> Arc<tokio::sync::Mutex<()>> {
        if let Some(turn) = self.turns.get(url.as_str()).and_then(Weak::upgrade) {
            return turn;
        }
        self.turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        self.turns.insert(url.to_string(), Arc::downgrade(&turn));
        turn
    }

    /// Whether one more fetch may be made for a sender; it counts.
    fn admit(&mut self, sender: Sender, now: Millis) -> bool {
        self.fetches.retain(|(at, _)| is_within(*at, MINUTE_MS, now));
        let own = self.fetches.iter().filter(|(_, other)| *other == sender).count();
        let misled = self.misled_by.get(&sender).is_some_and(|at| is_within(*at, REFUSED_MS, now));
        let limit = if misled { FETCHES - RESERVED } else { FETCHES };
        let admitted = own < FETCHES_PER_SENDER && self.fetches.len() < limit;
        if admitted {
            self.fetches.push((now, sender));
        }
        admitted
    }

    fn keep(&mut self, url: &Url, key: CertificateKey) {
        if self.known.len() >= MAX_KNOWN {
            let idlest = self.known.iter().min_by_key(|(_, known)| known.verified_at);
            let idlest = idlest.map(|(url, _)| url.clone());
            idlest.and_then(|url| self.known.remove(&url));
        }
        self.known.insert(url.to_string(), Known { key, verified_at: 0 });
    }

    fn refuse(&mut self, url: &Url, sender: Sender, now: Millis) {
        self.refused.retain(|_, at| is_within(*at, REFUSED_MS, now));
        self.misled_by.retain(|_, at| is_within(*at, REFUSED_MS, now));
        self.refused.insert(url.to_string(), now);
        self.misled_by.insert(sender, now);
    }
}

/// Whether something was at most so long ago. What lies ahead of a clock that was set back is forgotten.
fn is_within(at: Millis, length: Millis, now: Millis) -> bool {
    (now.saturating_sub(length)..=now).contains(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_782_916_074_000;

    fn url(number: usize) -> Url {
        let text = format!("https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-{number}.pem");
        Url::parse(&text).expect("a URL")
    }

    fn sender(number: u8) -> Sender {
        Sender::of(Some(IpAddr::from([192, 0, 2, number])))
    }

    #[test]
    fn half_of_the_fetches_are_left_for_senders_that_named_no_wrong_certificate_lately() {
        let mut book = Book::default();
        let mut fetched = 0;
        for number in 0..20_u8 {
            for name in 0..10 {
                if book.admit(sender(number), NOW) {
                    fetched += 1;
                    book.refuse(&url(usize::from(number) * 10 + name), sender(number), NOW);
                }
            }
        }
        // Six of each of the first five, and one of each of the others.
        assert_eq!(fetched, 30 + 15);
        assert!(book.admit(sender(200), NOW), "somebody else");
        let later = NOW + MINUTE_MS + 1;
        for number in 0..20_u8 {
            (0..10).for_each(|_| {
                book.admit(sender(number), later);
            });
        }
        assert_eq!(book.fetches.len(), 30, "they have nothing of the reserve in the next minute either");
    }

    #[test]
    fn all_together_cause_no_more_than_so_many_fetches() {
        let mut book = Book::default();
        let admitted = (0..=255).filter(|number| book.admit(sender(*number), NOW)).count();
        assert_eq!(admitted, FETCHES);
        assert_eq!((book.refused.len(), book.misled_by.len()), (0, 0));
    }

    #[test]
    fn what_was_refused_is_forgotten_after_a_while() {
        let mut book = Book::default();
        for number in 0..100 {
            book.refuse(&url(number), sender(1), NOW);
        }
        assert!(book.look_up(&url(7), NOW + REFUSED_MS).is_some());
        assert!(book.look_up(&url(7), NOW + REFUSED_MS + 1).is_none());
        book.refuse(&url(0), sender(2), NOW + REFUSED_MS + 1);
        assert_eq!((book.refused.len(), book.misled_by.len()), (1, 1));
    }

    #[test]
    fn a_certificate_that_verified_something_stays_when_others_are_fetched() {
        let pem = include_bytes!("../../../crypto/tests/certificate/certificate.pem");
        let key = CertificateKey::from_pem(pem).expect("a certificate");
        let certificates = Certificates::new(reqwest::Client::new());
        certificates.book().keep(&url(0), key.clone());
        certificates.verified(&url(0), NOW);
        for number in 1..50 {
            certificates.book().keep(&url(number), key.clone());
        }
        let book = certificates.book();
        assert_eq!(book.known.len(), MAX_KNOWN);
        assert!(book.known.contains_key(url(0).as_str()));
    }

    #[test]
    fn a_turn_lives_as_long_as_somebody_takes_it() {
        let mut book = Book::default();
        let first = book.turn(&url(1));
        assert!(Arc::ptr_eq(&first, &book.turn(&url(1))));
        for number in 2..50 {
            book.turn(&url(number));
        }
        assert!(book.turns.len() <= 2, "{}", book.turns.len());
    }

    #[test]
    fn a_sender_is_an_address_or_the_network_it_may_have_to_itself() {
        let of = |text: &str| Sender::of(Some(text.parse().expect("an address")));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::2"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(Sender::of(None), Sender::of(None));
    }
}
