//! Why a connection failed, in words that whoever runs the server can act on.
//!
//! Promise: a text is of a fixed vocabulary; it has no host name, no address and no word of the other side's.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;

/// A host's name has no address, as far as can be learned now.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(crate) struct NoName;

/// What a connection failed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The name has no address.
    Name,
    /// Nobody listens there, or a firewall says so.
    Refused,
    /// The network has no way there.
    NoWay,
    /// The other side hung up.
    BrokenOff,
    /// Nobody who is trusted signed the certificate.
    Untrusted,
    /// The certificate is good, and somebody else's.
    OtherName,
    /// The certificate was good once.
    Expired,
    /// The certificate will be good, or a clock is wrong.
    NotYetValid,
    /// Anything else about the certificate.
    Certificate,
    /// Anything else about TLS.
    Handshake,
}

impl Cause {
    /// Looks for it in an error and in what that one came from.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<NoName>() {
                return Some(Self::Name);
            }
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of_tls(error));
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                // The source of one that wraps another error is that one's source, not the other error.
                let inner = error.get_ref().and_then(|inner| Self::of(inner));
                return inner.or_else(|| Self::of_kind(error.kind()));
            }
            next = error.source();
        }
        None
    }

    fn of_kind(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::ConnectionRefused => Some(Self::Refused),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(Self::NoWay),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Some(Self::BrokenOff),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(error) = error else { return Self::Handshake };
        match error {
            // The second: a CA that is trusted has the name of the one that signed, and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Untrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            _ => Self::Certificate,
        }
    }

    /// What is told of it; `peer` is what the other side is called, as in `the mail server`.
    pub(crate) fn text(self, peer: &str) -> String {
        match self {
            Self::Name => format!("the name of {peer} does not resolve"),
            Self::Refused => format!("{peer} refused the connection"),
            Self::NoWay => format!("the network does not lead to {peer}"),
            Self::BrokenOff => format!("{peer} broke the connection off"),
            Self::Untrusted => format!("{peer}'s certificate is not trusted"),
            Self::OtherName => format!("{peer}'s certificate is for another name"),
            Self::Expired => format!("{peer}'s certificate has expired"),
            Self::NotYetValid => format!("{peer}'s certificate is not valid yet"),
            Self::Certificate => format!("{peer}'s certificate does not verify"),
            Self::Handshake => format!("the TLS handshake with {peer} failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{AlertDescription, InvalidMessage};

    /// As HTTP clients wrap what they got.
    #[derive(Debug, thiserror::Error)]
    #[error("connect")]
    struct Wrapped(#[source] Box<dyn Error + Send + Sync>);

    #[test]
    fn a_cause_is_found_however_deep_it_lies_and_told_without_a_name() {
        let tls = |error: rustls::Error| io::Error::new(ErrorKind::InvalidData, error);
        let certificate = |error| tls(rustls::Error::InvalidCertificate(error));
        let time = UnixTime::since_unix_epoch(Duration::ZERO);
        let name = ServerName::try_from("secret.example").unwrap();
        let presented = vec!["other.example".to_owned()];
        for (error, text) in [
            (io::Error::other(NoName), "the name of the peer does not resolve"),
            (ErrorKind::ConnectionRefused.into(), "the peer refused the connection"),
            (ErrorKind::NetworkUnreachable.into(), "the network does not lead to the peer"),
            (ErrorKind::ConnectionReset.into(), "the peer broke the connection off"),
            (
                io::Error::new(ErrorKind::UnexpectedEof, "tls handshake eof"),
                "the peer broke the connection off",
            ),
            (certificate(CertificateError::UnknownIssuer), "the peer's certificate is not trusted"),
            (
                certificate(CertificateError::NotValidForNameContext { expected: name, presented }),
                "the peer's certificate is for another name",
            ),
            (
                certificate(CertificateError::ExpiredContext { time, not_after: time }),
                "the peer's certificate has expired",
            ),
            (certificate(CertificateError::NotValidYet), "the peer's certificate is not valid yet"),
            (certificate(CertificateError::BadSignature), "the peer's certificate is not trusted"),
            (certificate(CertificateError::Revoked), "the peer's certificate does not verify"),
            (
                tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
                "the TLS handshake with the peer failed",
            ),
            (
                tls(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)),
                "the TLS handshake with the peer failed",
            ),
        ] {
            let deep = Wrapped(Box::new(Wrapped(Box::new(io::Error::other(error)))));
            assert_eq!(Cause::of(&deep).map(|cause| cause.text("the peer")).as_deref(), Some(text));
        }
        for unknown in [io::Error::other("odd"), ErrorKind::TimedOut.into()] {
            assert_eq!(Cause::of(&Wrapped(Box::new(unknown))), None);
        }
    }
}
