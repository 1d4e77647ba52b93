//! A fresh `vestibule dev` process for a test, and what an application does around the published crates:
//! it reads the code its user got, encrypts it, and signs with the session key.

pub mod client_crypto;
pub mod server;

pub use server::Server;

/// An e-mail address nobody used before; sends are limited per contact.
pub fn fresh_email() -> String {
    format!("user-{}@example.com", uuid::Uuid::new_v4())
}

/// A well-formed E.164 number nobody used before.
pub fn fresh_phone() -> String {
    let random = uuid::Uuid::new_v4().as_u128();
    format!("+1415{:03}{:04}", 200 + random % 800, (random >> 64) % 10_000)
}

/// One way a code travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// `OTP_TYPE_EMAIL`
    Email,
    /// `OTP_TYPE_SMS`
    Sms,
}

impl Channel {
    /// Both channels, for tests that hold on each.
    pub const ALL: [Channel; 2] = [Channel::Email, Channel::Sms];

    /// The `otpType` of the API.
    pub fn otp_type(self) -> String {
        match self {
            Channel::Email => "OTP_TYPE_EMAIL".to_owned(),
            Channel::Sms => "OTP_TYPE_SMS".to_owned(),
        }
    }

    /// The `filterType` under which an organization is found by a contact of this kind.
    pub fn filter_type(self) -> String {
        match self {
            Channel::Email => "EMAIL".to_owned(),
            Channel::Sms => "PHONE_NUMBER".to_owned(),
        }
    }

    /// A contact nobody used before.
    pub fn fresh(self) -> String {
        match self {
            Channel::Email => fresh_email(),
            Channel::Sms => fresh_phone(),
        }
    }
}
