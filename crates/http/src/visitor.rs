//! A client address at the door: what it may do, and what its deeds count for.

use std::net::IpAddr;

use axum::http::HeaderMap;
use serde::Deserialize;
use vestibule_engine::limits::{Action, Visit};
use vestibule_engine::{Engine, ProxyAnswer};
use vestibule_wire::{OtpType, Refusal};

use crate::limits::{AddressBook, Client, Counted, Met, Taken};

/// Whom a request comes from.
pub(crate) struct Visitor<'a> {
    book: &'a AddressBook,
    engine: &'a Engine,
    client: Client,
}

/// What a call of the auth proxy is about to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    Send(OtpType),
    Guess,
    Other,
}

impl Errand {
    fn of(endpoint: &str, body: &[u8]) -> Self {
        /// The one member that matters here; the engine reads the rest.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Asked {
            otp_type: OtpType,
        }
        match endpoint {
            // What cannot be read is refused, and given back.
            "otp_init" | "otp_init_v2" => {
                Self::Send(serde_json::from_slice(body).map_or(OtpType::Sms, |Asked { otp_type }| otp_type))
            }
            "otp_verify" | "otp_verify_v2" => Self::Guess,
            _ => Self::Other,
        }
    }

    fn counted(self) -> Option<Counted> {
        match self {
            Self::Send(_) => Some(Counted::Sends),
            Self::Guess => Some(Counted::Failures),
            Self::Other => None,
        }
    }
}

impl<'a> Visitor<'a> {
    /// `None` for a peer without an address.
    pub(crate) fn of(
        book: &'a AddressBook,
        engine: &'a Engine,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Option<Self> {
        Some(Self { book, engine, client: book.client(peer, headers)? })
    }

    /// Counts a request, or refuses it.
    pub(crate) fn requests(&self) -> Result<(), Refusal> {
        self.judge(self.book.take(Counted::Requests, self.client, self.engine.now_ms()).met).map(|_| ())
    }

    /// Refuses whoever has no request left, and counts nothing.
    pub(crate) fn may_request(&self) -> Result<(), Refusal> {
        self.judge(self.book.check(Counted::Requests, self.client, self.engine.now_ms())).map(|_| ())
    }

    /// Runs a call of the auth proxy. What it may come to is counted before, so that many calls at once are not more than one
    /// after the other, and given back where it did not.
    pub(crate) async fn call(
        &self,
        endpoint: &str,
        body: &[u8],
        run: impl AsyncFnOnce(Visit) -> Result<ProxyAnswer, Refusal>,
    ) -> Result<ProxyAnswer, Refusal> {
        let errand = Errand::of(endpoint, body);
        let now = self.engine.now_ms();
        let mut visit = Visit::default();
        let taken = errand.counted().map(|counted| (counted, self.book.take(counted, self.client, now)));
        if let Some((_, Taken { met, .. })) = &taken {
            visit.hold_ms = self.judge(met.clone())?;
        }
        let asks_for_sms = errand == Errand::Send(OtpType::Sms);
        if asks_for_sms && let Some(Met { action, limited, .. }) = self.book.ask_code(self.client, now) {
            visit.closed = Some(action);
            visit.client = Some(limited.subject);
        }
        let answered = run(visit).await;
        let happened = match (&answered, errand) {
            (Ok(_), Errand::Send(_)) | (Err(Refusal::InvalidOtpCode), Errand::Guess) => true,
            (_, Errand::Send(_) | Errand::Guess | Errand::Other) => false,
        };
        if let Some((counted, taken)) = taken.filter(|_| !happened) {
            self.book.give_back(counted, self.client, &taken, now);
        }
        if asks_for_sms && !happened {
            self.book.give_back_code(self.client, now);
        }
        if let Ok(ProxyAnswer { used: Some(OtpType::Sms), .. }) = &answered {
            self.book.use_code(self.client, now);
        }
        answered
    }

    /// What comes of a limit that was met: how much later messages are sent, milliseconds, or a refusal.
    fn judge(&self, met: Option<Met>) -> Result<i64, Refusal> {
        let Some(Met { action, wait_ms, limited }) = met else { return Ok(0) };
        self.engine.note_address(&limited);
        match action {
            Action::Refuse | Action::Withhold => {
                let seconds = wait_ms.max(1).saturating_add(999) / 1000;
                Err(Refusal::RateLimited { retry_after: u32::try_from(seconds).unwrap_or(u32::MAX) })
            }
            Action::Delay => Ok(wait_ms),
            Action::Record | Action::Off => Ok(0),
        }
    }
}
