//! Sends, live codes and failures of one contact, and sends of one identifier.

use vestibule_wire::OtpId;

use super::{Action, GUESSES, Limit, LimitName, LimitTable};
use crate::model::{ContactLimits, IdentifierLimits, Millis, Slot};

/// The longest pause after wrong guesses, unless the first one is longer already.
const LONGEST_PAUSE_MS: i64 = 3_600_000;

/// How a code may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowance {
    /// The slot to take.
    pub slot: usize,
    /// The live code that gives way.
    pub replaces: Option<OtpId>,
    /// Whether it comes from the reserve.
    pub reserved: bool,
    /// How old the oldest send of a window must be, milliseconds.
    pub window_ms: i64,
    /// What the send waits for, milliseconds.
    pub delay_ms: i64,
    /// Limits that were met and let it pass.
    pub met: Vec<LimitName>,
}

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The limit that was met.
    pub limit: LimitName,
    /// How long, milliseconds; `None` where waiting does not help.
    pub ms: Option<i64>,
}

/// How long new sends wait after `failures` consecutive wrong guesses.
///
/// The first few cost nothing: one mistyped code must not delay the next. From then on the pause doubles with every three
/// failures up to an hour. A pause is followed by at most three codes, nine guesses, so that by default a hundred failures
/// are some eight hours of attack away.
pub fn send_delay_ms(pauses: Limit, failures: i64) -> i64 {
    let beyond = failures - i64::from(pauses.count) - 1;
    if beyond < 0 || !pauses.is_on() {
        return 0;
    }
    let steps = u32::try_from(beyond / 3).unwrap_or(u32::MAX).min(7);
    let first = pauses.window_ms();
    (first << steps).min(LONGEST_PAUSE_MS.max(first))
}

/// Whether a contact may be sent a code now, and from what.
///
/// `trusted` callers (the user's own key, or an identifier that succeeded with this contact before) may use the
/// reserve when a flood has used up the ordinary sends; it still ends with the budget of failures.
pub(super) fn send(
    table: &LimitTable,
    limits: &ContactLimits,
    now: Millis,
    trusted: bool,
) -> Result<Allowance, Wait> {
    let slots = &limits.slots[..(table.contact_live_codes.count as usize).clamp(1, limits.slots.len())];
    // Every live code may still take all its guesses; a new one must not lead past the end.
    let live = limits.slots.iter().filter(|slot| slot.until > now).count() as i64;
    let room_for = |codes: i64| limits.failures + GUESSES * codes <= i64::from(table.contact_failures.count);
    if !room_for(1) {
        return Err(Wait { limit: LimitName::ContactFailures, ms: None });
    }
    let free = slots.iter().position(|slot| slot.until <= now);
    let window = window_wait(table.contact_sends, limits.sends, now);
    let pause = limits.failed_at + send_delay_ms(table.contact_pauses, limits.failures) - now;
    let waits = [(LimitName::ContactSends, window), (LimitName::ContactPauses, pause)];
    let waits = waits.into_iter().filter(|(_, ms)| *ms > 0);
    let refusing = |name: &LimitName| table.get(*name).action == Action::Refuse;
    let barrier = waits.clone().filter(|(name, _)| refusing(name)).max_by_key(|(_, ms)| *ms);
    if let (Some(slot), None, true) = (free, barrier, room_for(live + 1)) {
        let held = waits.clone().filter(|(name, _)| table.get(*name).action == Action::Delay);
        return Ok(Allowance {
            slot,
            replaces: None,
            reserved: false,
            window_ms: if refusing(&LimitName::ContactSends) { table.contact_sends.window_ms() } else { 0 },
            delay_ms: held.map(|(_, ms)| ms).max().unwrap_or(0),
            met: waits.map(|(name, _)| name).collect(),
        });
    }
    if trusted && limits.reserve[0] + table.contact_sends.window_ms() <= now {
        let slot = free.unwrap_or_else(|| earliest(slots));
        let replaces = if limits.slots[slot].until > now { limits.slots[slot].otp } else { None };
        if room_for(live + i64::from(replaces.is_none())) {
            let window_ms = table.contact_sends.window_ms();
            return Ok(Allowance { slot, replaces, reserved: true, window_ms, ..Allowance::default() });
        }
    }
    let crowded = free.is_none() || !room_for(live + 1);
    let next = slots.iter().map(|slot| slot.until).filter(|until| *until > now).min();
    let slot_wait = next.filter(|_| crowded).map_or(0, |until| until - now);
    Err(match barrier {
        Some((limit, ms)) => Wait { limit, ms: Some(ms.max(slot_wait)) },
        None => Wait { limit: LimitName::ContactLiveCodes, ms: Some(slot_wait) },
    })
}

/// How long a contact must wait for a message that carries no code, milliseconds. Wrong guesses and live codes do not matter:
/// there is nothing to guess in it. It takes part in the count of sends, so that nobody's mailbox is flooded with either.
pub(super) fn mail_wait(table: &LimitTable, limits: &ContactLimits, now: Millis) -> i64 {
    window_wait(table.contact_sends, limits.sends, now)
}

/// How long an identifier must wait for a code, milliseconds.
pub(super) fn identifier_wait(table: &LimitTable, limits: &IdentifierLimits, now: Millis) -> i64 {
    window_wait(table.identifier_sends, limits.sends, now)
}

/// Until the oldest of as many sends as a window takes has left it; zero or less where one more fits.
fn window_wait(limit: Limit, sends: [Millis; 3], now: Millis) -> i64 {
    let oldest = sends[sends.len() - (limit.count as usize).clamp(1, sends.len())];
    oldest + limit.window_ms() - now
}

fn earliest(slots: &[Slot]) -> usize {
    (0..slots.len()).min_by_key(|&i| slots[i].until).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the table of default.
    fn try_send(limits: &ContactLimits, now: Millis, trusted: bool) -> Result<Allowance, Wait> {
        send(&LimitTable::default(), limits, now, trusted)
    }

    fn ordinary(slot: usize) -> Result<Allowance, Wait> {
        Ok(Allowance { slot, window_ms: WINDOW_MS, ..Allowance::default() })
    }

    fn wait(limit: LimitName, ms: i64) -> Result<Allowance, Wait> {
        Err(Wait { limit, ms: Some(ms) })
    }

    const WINDOW_MS: i64 = 180_000;
    const NOW: Millis = 1_800_000_000_000;

    fn otp(n: u8) -> Option<OtpId> {
        Some(OtpId::from_bytes([n; 16]))
    }

    #[test]
    fn the_fourth_send_within_three_minutes_waits_for_the_first_to_age() {
        let mut limits =
            ContactLimits { sends: [NOW - 100_000, NOW - 50_000, NOW - 10_000], ..Default::default() };
        assert_eq!(try_send(&limits, NOW, false), wait(LimitName::ContactSends, 80_000));
        limits.sends[0] = NOW - WINDOW_MS;
        assert_eq!(try_send(&limits, NOW, false), ordinary(0));
    }

    #[test]
    fn three_live_codes_are_the_most() {
        let live = |until| Slot { otp: otp(1), until };
        let mut limits = ContactLimits {
            slots: [live(NOW + 1000), live(NOW + 2000), live(NOW + 3000)],
            ..Default::default()
        };
        assert_eq!(try_send(&limits, NOW, false), wait(LimitName::ContactLiveCodes, 1000));
        limits.slots[1].until = 0;
        assert_eq!(try_send(&limits, NOW, false), ordinary(1));
    }

    #[test]
    fn failures_delay_sends_more_and_more_and_a_hundred_end_them() {
        let delays: Vec<_> = [0, 5, 6, 9, 12, 24, 27, 97]
            .map(|n| send_delay_ms(LimitTable::default().contact_pauses, n) / 1000)
            .to_vec();
        assert_eq!(delays, [0, 0, 30, 60, 120, 1920, 3600, 3600]);
        let limits = ContactLimits { failures: 6, failed_at: NOW - 29_000, ..Default::default() };
        assert_eq!(try_send(&limits, NOW, false), wait(LimitName::ContactPauses, 1000));
        let limits = ContactLimits { failures: 100, failed_at: 0, ..Default::default() };
        assert_eq!(try_send(&limits, NOW, true), Err(Wait { limit: LimitName::ContactFailures, ms: None }));
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
        let table = LimitTable::default();
        assert_eq!(mail_wait(&table, &limits, NOW), 0);
        limits.sends[0] += 1500;
        assert_eq!(mail_wait(&table, &limits, NOW), 1500);
    }

    #[test]
    fn live_codes_count_with_all_their_guesses() {
        let live = |n| Slot { otp: otp(n), until: NOW + 2000 };
        let none = Slot::default();
        let with = |failures, slots| ContactLimits { failures, slots, ..Default::default() };
        assert!(try_send(&with(97, [none; 3]), NOW, false).is_ok());
        assert_eq!(
            try_send(&with(98, [none; 3]), NOW, true),
            Err(Wait { limit: LimitName::ContactFailures, ms: None })
        );
        assert!(try_send(&with(94, [live(1), none, none]), NOW, false).is_ok());
        let waits = wait(LimitName::ContactLiveCodes, 2000);
        assert_eq!(try_send(&with(95, [live(1), none, none]), NOW, false), waits);
        assert_eq!(try_send(&with(95, [live(1), none, none]), NOW, true), waits, "nor from the reserve");
        assert!(try_send(&with(91, [live(1), live(2), live(3)]), NOW, true).is_ok(), "one gives way");
        assert_eq!(try_send(&with(92, [live(1), live(2), live(3)]), NOW, true), waits);
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
        assert!(try_send(&limits, NOW, false).is_err());
        let from_reserve = Allowance {
            slot: 1,
            replaces: otp(2),
            reserved: true,
            window_ms: WINDOW_MS,
            ..Allowance::default()
        };
        assert_eq!(try_send(&limits, NOW, true), Ok(from_reserve));
        limits.reserve = [NOW - 20, NOW - 10];
        assert!(try_send(&limits, NOW, true).is_err());
    }

    #[test]
    fn a_limit_that_delays_or_records_lets_the_send_pass() {
        let limits = ContactLimits { sends: [NOW - 3, NOW - 2, NOW - 1], ..Default::default() };
        for (action, delay_ms) in [(Action::Delay, WINDOW_MS - 3), (Action::Record, 0)] {
            let mut table = LimitTable::default();
            table.contact_sends.action = action;
            let allowance = send(&table, &limits, NOW, false).expect("it passes");
            assert_eq!((allowance.delay_ms, allowance.met), (delay_ms, vec![LimitName::ContactSends]));
        }
    }

    #[test]
    fn fewer_sends_and_slots_than_three_are_counted_as_configured() {
        let mut table = LimitTable::default();
        table.contact_sends.count = 1;
        table.contact_live_codes.count = 1;
        let limits = ContactLimits { sends: [0, 0, NOW - 1000], ..Default::default() };
        assert_eq!(send(&table, &limits, NOW, false), wait(LimitName::ContactSends, WINDOW_MS - 1000));
        let slots = [Slot { otp: otp(1), until: NOW + 5 }, Slot::default(), Slot::default()];
        let limits = ContactLimits { slots, ..Default::default() };
        assert_eq!(send(&table, &limits, NOW, false), wait(LimitName::ContactLiveCodes, 5));
    }
}
