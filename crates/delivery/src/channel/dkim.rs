//! Signatures of outgoing mail (DKIM, RFC 6376; Ed25519 by RFC 8463), by keys of the operator's.
//!
//! Promise: a signed message says of the domain its `From` names, or of one above it, that this domain answers for the
//! message: receivers that check alignment (DMARC, RFC 7489) find it. A message from a domain without a key is left
//! unsigned. Nobody can add a second sender, subject or recipient to a signed message without breaking the signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::mail_key::{MailKey, MailKeyError};
use vestibule_crypto::secret::Secret;
use vestibule_engine::model::Millis;
use vestibule_wire::Contact;

/// What is signed, in the order of `h=`. Those that may stand only once are named once more than they occur, so that none
/// can be added (RFC 6376, section 8.15).
const SIGNED: &[(&str, bool)] = &[
    ("From", true),
    ("To", true),
    ("Cc", true),
    ("Subject", true),
    ("Date", true),
    ("Message-ID", true),
    ("Reply-To", true),
    ("Auto-Submitted", false),
    ("MIME-Version", true),
    ("Content-Type", true),
    ("Content-Transfer-Encoding", true),
];

/// Characters of a line of the header field, as mail programs like them.
const LINE: usize = 72;

/// One key, and what DNS knows it by.
#[derive(Debug, Clone)]
pub struct DkimSettings {
    /// The domain that signs: messages from it, and from those below it that have no key of their own.
    pub domain: String,
    /// The key's name: its public half is the TXT record of `SELECTOR._domainkey.DOMAIN`.
    pub selector: String,
    /// The private key in PEM: RSA of at least 2048 bits, or Ed25519.
    pub key_pem: Secret<String>,
}

/// Why mail cannot be signed so; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DkimConfigError {
    /// Not a domain.
    #[error("{0:?} is no domain to sign for; write one such as example.com")]
    Domain(String),
    /// Not dot-separated labels of letters, digits and hyphens.
    #[error("{0:?} is no DKIM selector; use letters, digits and hyphens, for example \"login2026\"")]
    Selector(String),
    /// The key does not sign mail.
    #[error(transparent)]
    Key(#[from] MailKeyError),
}

/// One key, ready to sign.
#[derive(Debug)]
struct Signer {
    /// In A-labels and lower case.
    domain: String,
    selector: String,
    key: MailKey,
}

/// All keys of a server.
#[derive(Debug, Default)]
pub struct Dkim(Vec<Signer>);

impl Dkim {
    /// Reads the keys. Several may be for one domain, an RSA and an Ed25519 key say: a message gets a signature by each.
    pub fn new(settings: &[DkimSettings]) -> Result<Self, DkimConfigError> {
        settings.iter().map(Signer::new).collect::<Result<_, _>>().map(Self)
    }

    /// Whether mail from an address is signed.
    pub fn covers(&self, from: &str) -> bool {
        domain_of(from).is_some_and(|domain| self.signers(&domain).next().is_some())
    }

    /// A message with its signatures before it. `message` has CRLF line ends; `from` is the address of its `From`.
    pub fn sign(&self, message: Vec<u8>, from: &str, at: Millis) -> Vec<u8> {
        let Some(domain) = domain_of(from) else { return message };
        let mut signatures = Vec::new();
        for signer in self.signers(&domain) {
            signatures.extend_from_slice(signer.field(&message, at).as_bytes());
        }
        if signatures.is_empty() {
            return message;
        }
        signatures.extend_from_slice(&message);
        signatures
    }

    /// The keys of the nearest domain at or above `domain` that has any.
    fn signers<'a>(&'a self, domain: &str) -> impl Iterator<Item = &'a Signer> {
        let is_above = |above: &str| {
            let below = domain.strip_suffix(above);
            below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        };
        let nearest =
            self.0.iter().map(|s| s.domain.as_str()).filter(|d| is_above(d)).max_by_key(|d| d.len());
        let nearest = nearest.map(str::to_owned);
        self.0.iter().filter(move |signer| Some(&signer.domain) == nearest.as_ref())
    }
}

/// The domain of an address, in A-labels and lower case.
fn domain_of(address: &str) -> Option<String> {
    let contact = Contact::email(address).ok()?;
    contact.normalised().rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase())
}

impl Signer {
    fn new(settings: &DkimSettings) -> Result<Self, DkimConfigError> {
        let DkimSettings { domain, selector, key_pem } = settings;
        let normalised = domain_of(&format!("postmaster@{domain}"));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !selector.split('.').all(is_label) || selector.len() > 200 {
            return Err(DkimConfigError::Selector(selector.clone()));
        }
        Ok(Self {
            domain: normalised.ok_or_else(|| DkimConfigError::Domain(domain.clone()))?,
            selector: selector.clone(),
            key: MailKey::from_pem(key_pem.expose())?,
        })
    }

    /// The whole header field, its line end included.
    fn field(&self, message: &[u8], at: Millis) -> String {
        let (head, body) = split(message);
        let headers = Headers::read(head);
        let names = headers.names_to_sign();
        let mut field = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; t={};\r\n",
            self.key.algorithm(),
            self.domain,
            self.selector,
            at.div_euclid(1000).max(0),
        );
        field.push_str(&folded(" h=", names.iter().copied(), ":"));
        field.push_str(";\r\n bh=");
        field.push_str(&STANDARD.encode(body_hash(body)));
        field.push_str(";\r\n b=");
        let signature = STANDARD.encode(self.key.sign(&headers.signed(&names, &field)));
        // Blanks within the signature do not count (RFC 6376, section 3.5).
        let pieces =
            signature.as_bytes().chunks(LINE).map(|piece| std::str::from_utf8(piece).unwrap_or_default());
        field.push_str(&pieces.collect::<Vec<_>>().join("\r\n "));
        field.push_str("\r\n");
        field
    }
}

/// Words behind `start`, in lines of moderate length; a line is broken before a word.
fn folded<'a>(start: &str, words: impl Iterator<Item = &'a str>, separator: &str) -> String {
    let mut text = start.to_owned();
    let mut column = start.len();
    for (number, word) in words.enumerate() {
        if number > 0 {
            text.push_str(separator);
            column += separator.len();
        }
        if column + word.len() > LINE {
            text.push_str("\r\n  ");
            column = 2;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

/// Head and body; the head keeps the line end of its last field.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match message.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(end) => (&message[..end + 2], &message[end + 4..]),
        None => (message, &[]),
    }
}

/// The header fields of a message, in their order.
struct Headers<'a>(Vec<&'a [u8]>);

impl<'a> Headers<'a> {
    fn read(head: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < head.len() {
            let end = head[at..].windows(2).position(|w| w == b"\r\n").map_or(head.len(), |p| at + p + 2);
            // A line that begins with a blank continues the field before it.
            if !matches!(head.get(end), Some(b' ' | b'\t')) {
                fields.push(&head[start..end]);
                start = end;
            }
            at = end;
        }
        Self(fields)
    }

    /// The fields of a name, from the last to the first: the order in which `h=` takes them.
    fn named<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
        self.0.iter().rev().copied().filter(move |field| {
            let end = field.iter().position(|b| *b == b':').unwrap_or(field.len());
            field[..end].trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn names_to_sign(&self) -> Vec<&'static str> {
        let times = |&(name, once): &(&'static str, bool)| {
            std::iter::repeat_n(name, self.named(name).count() + usize::from(once))
        };
        SIGNED.iter().flat_map(times).collect()
    }

    /// What a signature is over: the named fields, and the signature's own without its value and line end.
    fn signed(&self, names: &[&str], own: &str) -> Vec<u8> {
        let mut text = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let earlier = names[..index].iter().filter(|other| other.eq_ignore_ascii_case(name)).count();
            // A name without a field stands for its absence.
            if let Some(field) = self.named(name).nth(earlier) {
                text.extend_from_slice(&relaxed_field(field));
                text.extend_from_slice(b"\r\n");
            }
        }
        text.extend_from_slice(&relaxed_field(own.as_bytes()));
        text
    }
}

/// A field in the relaxed form (RFC 6376, section 3.4.2), without its line end.
fn relaxed_field(field: &[u8]) -> Vec<u8> {
    let colon = field.iter().position(|b| *b == b':').unwrap_or(field.len());
    let mut text = field[..colon].trim_ascii().to_ascii_lowercase();
    text.push(b':');
    let value = field.get(colon + 1..).unwrap_or_default();
    let words = value.split(|b| b" \t\r\n".contains(b)).filter(|word| !word.is_empty());
    for (number, word) in words.enumerate() {
        if number > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
    text
}

/// SHA-256 of a body in the relaxed form (RFC 6376, section 3.4.4).
fn body_hash(body: &[u8]) -> [u8; 32] {
    let mut text: Vec<u8> = Vec::with_capacity(body.len() + 2);
    let mut rest = body;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        let starts_blank = matches!(line.first(), Some(b' ' | b'\t'));
        let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty()).peekable();
        // Blanks before the first word count as one, those behind the last do not count.
        if starts_blank && words.peek().is_some() {
            text.push(b' ');
        }
        for (number, word) in words.enumerate() {
            if number > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(word);
        }
        text.extend_from_slice(b"\r\n");
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    while text.ends_with(b"\r\n\r\n") || text == b"\r\n" {
        text.truncate(text.len() - 2);
    }
    sha256(&text)
}

#[cfg(test)]
mod tests;
