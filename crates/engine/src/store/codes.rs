//! Numbers that stand for closed sets in every store.

use vestibule_wire::{OtpFlavour, OtpType};

/// How a flavour is stored.
pub fn flavour_code(flavour: OtpFlavour) -> i64 {
    match flavour {
        OtpFlavour::Legacy => 1,
        OtpFlavour::Encrypted => 2,
        OtpFlavour::Auth => 3,
    }
}

/// Reads [`flavour_code`] back.
pub fn flavour_from_code(code: i64) -> Option<OtpFlavour> {
    [OtpFlavour::Legacy, OtpFlavour::Encrypted, OtpFlavour::Auth]
        .into_iter()
        .find(|f| flavour_code(*f) == code)
}

/// How a channel is stored.
pub fn channel_code(channel: OtpType) -> i64 {
    match channel {
        OtpType::Email => 1,
        OtpType::Sms => 2,
    }
}

/// Reads [`channel_code`] back.
pub fn channel_from_code(code: i64) -> Option<OtpType> {
    [OtpType::Email, OtpType::Sms].into_iter().find(|c| channel_code(*c) == code)
}
