//! Limits on sends and guesses: what is allowed, as pure functions of the stored counters (D-3, NIST SP 800-63B 3.2.2).

use vestibule_wire::{OtpId, Refusal};

use crate::model::{ContactLimits, IdentifierLimits, Millis, Slot};

/// Length of the window in which sends are counted.
pub const WINDOW_MS: i64 = 180_000;
/// Guesses per code.
pub const GUESSES: i64 = 3;
/// Consecutive failures after which a contact gets no more codes.
pub const MAX_FAILURES: i64 = 100;
/// Live session and other expiring keys per user (protocol 00, section 1).
pub const EXPIRING_KEYS: u32 = 10;
/// Live keys per user that were mailed, counted apart: whoever can have mail sent must not end anybody's sessions.
pub const MAILED_KEYS: u32 = 3;
/// Long-lived keys per user.
pub const LONG_LIVED_KEYS: usize = 10;
/// Passkeys per user.
pub const AUTHENTICATORS: usize = 10;
/// OAuth identities per user.
pub const OAUTH_PROVIDERS: usize = 10;
/// Users per organization.
pub const USERS: usize = 100;
/// Policies per organization.
pub const POLICIES: usize = 100;
/// User tags per parent.
pub const TAGS: usize = 100;
/// User tags per sub-organization.
pub const TAGS_OF_SUB_ORGANIZATION: usize = 10;
/// Session profiles per parent; the contract names no limit.
pub const SESSION_PROFILES: usize = 100;
/// What an MFA policy may demand, and alternatives of each; the contract names no limit.
pub const MFA_METHODS: usize = 10;
/// MFA policies per user; the contract names no limit.
pub const MFA_POLICIES: usize = 10;

/// Webhook endpoints per organization, parent or not; the contract names no limit. They are read with every request.
pub const WEBHOOK_ENDPOINTS: usize = 10;

/// How a code may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The slot to take.
    pub slot: usize,
    /// The live code that gives way.
    pub replaces: Option<OtpId>,
    /// Whether it comes from the reserve.
    pub reserved: bool,
}

/// How long new sends wait after `failures` consecutive wrong guesses.
///
/// The first five cost nothing: one mistyped code must not delay the next. From the sixth on the pause starts at 30 s
/// and doubles with every three failures up to an hour. A pause is followed by at most three codes, nine guesses, so
/// that [`MAX_FAILURES`] is some eight hours of attack away.
pub fn send_delay_ms(failures: i64) -> i64 {
    if failures < 6 {
        return 0;
    }
    let steps = u32::try_from((failures - 6) / 3).unwrap_or(u32::MAX).min(7);
    (30_000 << steps).min(3_600_000)
}

/// Whether a contact may be sent a code now, and from what.
///
/// `trusted` callers (the user's own key, or an identifier that succeeded with this contact before) may use the
/// reserve when a flood has used up the ordinary sends; it still ends at [`MAX_FAILURES`].
pub fn send(limits: &ContactLimits, now: Millis, trusted: bool) -> Result<Allowance, Refusal> {
    // Every live code may still take all its guesses; a new one must not lead past the end.
    let live = limits.slots.iter().filter(|slot| slot.until > now).count() as i64;
    let room_for = |codes: i64| limits.failures + GUESSES * codes <= MAX_FAILURES;
    if !room_for(1) {
        return Err(Refusal::MaxOtpInitiated { retry_after: None });
    }
    let free = limits.slots.iter().position(|slot| slot.until <= now);
    let window_ends = limits.sends[0] + WINDOW_MS;
    let delay_ends = limits.failed_at + send_delay_ms(limits.failures);
    if let Some(slot) = free
        && window_ends <= now
        && delay_ends <= now
        && room_for(live + 1)
    {
        return Ok(Allowance { slot, replaces: None, reserved: false });
    }
    if trusted && limits.reserve[0] + WINDOW_MS <= now {
        let slot = free.unwrap_or_else(|| earliest(&limits.slots));
        let replaces = if limits.slots[slot].until > now { limits.slots[slot].otp } else { None };
        if room_for(live + i64::from(replaces.is_none())) {
            return Ok(Allowance { slot, replaces, reserved: true });
        }
    }
    let crowded = free.is_none() || !room_for(live + 1);
    let next = limits.slots.iter().map(|slot| slot.until).filter(|until| *until > now).min();
    let slot_ends = next.filter(|_| crowded).unwrap_or(now);
    let wait_ms = window_ends.max(delay_ends).max(slot_ends) - now;
    Err(Refusal::MaxOtpInitiated { retry_after: Some(seconds_up(wait_ms)) })
}

/// Whether a contact may be sent a message that carries no code now. Wrong guesses and live codes do not matter: there is
/// nothing to guess in it. It takes part in the count of sends, so that nobody's mailbox is flooded with either.
pub fn mail(limits: &ContactLimits, now: Millis) -> Result<(), Refusal> {
    window(limits.sends[0], now)
}

/// Whether an identifier may be sent a code now.
pub fn identifier(limits: &IdentifierLimits, now: Millis) -> Result<(), Refusal> {
    window(limits.sends[0], now)
}

fn window(oldest: Millis, now: Millis) -> Result<(), Refusal> {
    let wait_ms = oldest + WINDOW_MS - now;
    if wait_ms <= 0 {
        Ok(())
    } else {
        Err(Refusal::MaxOtpInitiated { retry_after: Some(seconds_up(wait_ms)) })
    }
}

fn earliest(slots: &[Slot; 3]) -> usize {
    (0..slots.len()).min_by_key(|&i| slots[i].until).unwrap_or(0)
}

fn seconds_up(ms: i64) -> u32 {
    u32::try_from(ms.max(1).saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn otp(n: u8) -> Option<OtpId> {
        Some(OtpId::from_bytes([n; 16]))
    }

    #[test]
    fn the_fourth_send_within_three_minutes_waits_for_the_first_to_age() {
        let mut limits =
            ContactLimits { sends: [NOW - 100_000, NOW - 50_000, NOW - 10_000], ..Default::default() };
        assert_eq!(send(&limits, NOW, false), Err(Refusal::MaxOtpInitiated { retry_after: Some(80) }));
        limits.sends[0] = NOW - WINDOW_MS;
        assert_eq!(send(&limits, NOW, false), Ok(Allowance { slot: 0, replaces: None, reserved: false }));
    }

    #[test]
    fn three_live_codes_are_the_most() {
        let live = |until| Slot { otp: otp(1), until };
        let mut limits = ContactLimits {
            slots: [live(NOW + 1000), live(NOW + 2000), live(NOW + 3000)],
            ..Default::default()
        };
        assert_eq!(send(&limits, NOW, false), Err(Refusal::MaxOtpInitiated { retry_after: Some(1) }));
        limits.slots[1].until = 0;
        assert_eq!(send(&limits, NOW, false).map(|a| a.slot), Ok(1));
    }

    #[test]
    fn failures_delay_sends_more_and_more_and_a_hundred_end_them() {
        let delays: Vec<_> = [0, 5, 6, 9, 12, 24, 27, 97].map(|n| send_delay_ms(n) / 1000).to_vec();
        assert_eq!(delays, [0, 0, 30, 60, 120, 1920, 3600, 3600]);
        let limits = ContactLimits { failures: 6, failed_at: NOW - 29_000, ..Default::default() };
        assert_eq!(send(&limits, NOW, false), Err(Refusal::MaxOtpInitiated { retry_after: Some(1) }));
        let limits = ContactLimits { failures: 100, failed_at: 0, ..Default::default() };
        assert_eq!(send(&limits, NOW, true), Err(Refusal::MaxOtpInitiated { retry_after: None }));
    }

    #[test]
    fn a_mail_without_a_code_waits_for_the_window_alone() {
        let live = Slot { otp: otp(1), until: NOW + 2000 };
        let mut limits = ContactLimits {
            sends: [NOW - WINDOW_MS, NOW - 2, NOW - 1],
            slots: [live; 3],
            failures: 100,
            failed_at: NOW,
            ..Default::default()
        };
        assert_eq!(mail(&limits, NOW), Ok(()));
        limits.sends[0] += 1500;
        assert_eq!(mail(&limits, NOW), Err(Refusal::MaxOtpInitiated { retry_after: Some(2) }));
    }

    #[test]
    fn live_codes_count_with_all_their_guesses() {
        let live = |n| Slot { otp: otp(n), until: NOW + 2000 };
        let none = Slot::default();
        let with = |failures, slots| ContactLimits { failures, slots, ..Default::default() };
        assert!(send(&with(97, [none; 3]), NOW, false).is_ok());
        assert_eq!(
            send(&with(98, [none; 3]), NOW, true),
            Err(Refusal::MaxOtpInitiated { retry_after: None })
        );
        assert!(send(&with(94, [live(1), none, none]), NOW, false).is_ok());
        let waits = Err(Refusal::MaxOtpInitiated { retry_after: Some(2) });
        assert_eq!(send(&with(95, [live(1), none, none]), NOW, false), waits);
        assert_eq!(send(&with(95, [live(1), none, none]), NOW, true), waits, "nor from the reserve");
        assert!(send(&with(91, [live(1), live(2), live(3)]), NOW, true).is_ok(), "one gives way");
        assert_eq!(send(&with(92, [live(1), live(2), live(3)]), NOW, true), waits);
    }

    #[test]
    fn a_trusted_caller_gets_through_a_flood_twice() {
        let live = |n, until| Slot { otp: otp(n), until };
        let mut limits = ContactLimits {
            sends: [NOW - 3, NOW - 2, NOW - 1],
            slots: [live(1, NOW + 3000), live(2, NOW + 1000), live(3, NOW + 2000)],
            failures: 30,
            failed_at: NOW,
            ..Default::default()
        };
        assert!(send(&limits, NOW, false).is_err());
        assert_eq!(send(&limits, NOW, true), Ok(Allowance { slot: 1, replaces: otp(2), reserved: true }));
        limits.reserve = [NOW - 20, NOW - 10];
        assert!(send(&limits, NOW, true).is_err());
    }
}
