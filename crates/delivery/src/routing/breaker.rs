//! When to leave a provider alone: a circuit breaker, as a state machine that is told the time.
//!
//! Promise: a provider that fails time and again is asked no more until a pause is over; then one message alone tries it, and
//! the others follow only when that one got through. What was asked before the state changed does not count afterwards.

use vestibule_engine::model::Millis;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row open it. So do two times as many within the window, where they are at least half of all tries.
    pub failures: u32,
    /// Length of the window, milliseconds.
    pub window_ms: i64,
    /// The first pause, milliseconds. Each failed probe doubles it.
    pub pause_ms: i64,
    /// The longest pause, milliseconds.
    pub max_pause_ms: i64,
    /// How long a probe whose end nobody tells keeps others away, milliseconds: longer than a try takes.
    pub probe_ms: i64,
}

impl Default for BreakerSettings {
    /// Five in a row, or ten within 30 seconds; pauses of 10, 20 and 30 seconds, no longer than the
    /// longest between two tries of a message.
    fn default() -> Self {
        Self { failures: 5, window_ms: 30_000, pause_ms: 10_000, max_pause_ms: 30_000, probe_ms: 30_000 }
    }
}

/// What the breaker does now, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything passes.
    Closed,
    /// One message tries whether it works again.
    HalfOpen,
    /// Nothing passes.
    Open,
}

/// The right to ask the provider once. It is given back with what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    generation: u64,
}

/// Whether the provider may be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Passed(Pass),
    /// No, and not before this time.
    Held {
        /// When it may be asked again, perhaps.
        until: Millis,
    },
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The provider works, whatever it said to this message.
    Works,
    /// It does not.
    Fails,
    /// It let the time of the try pass.
    Silent,
    /// The try was cut off before anybody could tell.
    Unknown,
}

/// Tries and failures of half a window.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    tries: u32,
    failures: u32,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed {
        in_a_row: u32,
        /// Of these, so many let their time pass.
        silent: u32,
        /// When `now` began.
        since: Millis,
        now: Counts,
        before: Counts,
    },
    Open {
        until: Millis,
        pause_ms: i64,
    },
    HalfOpen {
        /// Since when a message tries it; none where that try was cut off.
        probe: Option<Millis>,
        pause_ms: i64,
    },
}

/// The breaker of one provider.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    /// So many in a row that let their time pass open it.
    all_silent: u32,
    /// Rises with each change of phase, so that a try that began before it is known as such.
    generation: u64,
    phase: Phase,
}

/// How long those wait who meet a probe under way.
const PROBE_MS: i64 = 1000;

impl Breaker {
    /// A closed one, of a provider that may have so many messages under way at once: when it lets the time of all of them
    /// pass, and of two at least, it hangs, whether or not they are enough failures in a row.
    pub fn new(settings: BreakerSettings, at_once: u32) -> Self {
        Self { settings, all_silent: at_once.max(2), generation: 0, phase: closed(Millis::MIN) }
    }

    /// What it does now.
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Until when nobody passes, where that is so now. Changes nothing.
    pub fn holds(&self, now: Millis) -> Option<Millis> {
        match self.phase {
            Phase::Open { until, .. } if now < until => Some(until),
            // A probe whose end nobody told keeps others away for a while, not for ever.
            Phase::HalfOpen { probe: Some(since), .. }
                if now < since.saturating_add(self.settings.probe_ms) =>
            {
                Some(now.saturating_add(PROBE_MS))
            }
            Phase::Closed { .. } | Phase::Open { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    /// Asks to pass.
    pub fn admit(&mut self, now: Millis) -> Admission {
        if let Some(until) = self.holds(now) {
            return Admission::Held { until };
        }
        match self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { pause_ms, .. } | Phase::HalfOpen { pause_ms, .. } => {
                self.enter(Phase::HalfOpen { probe: Some(now), pause_ms });
            }
        }
        Admission::Passed(Pass { generation: self.generation })
    }

    /// Tells what came of asking.
    pub fn tell(&mut self, pass: Pass, verdict: Verdict, now: Millis) {
        if pass.generation != self.generation {
            return;
        }
        match (&mut self.phase, verdict) {
            (Phase::Closed { .. } | Phase::Open { .. }, Verdict::Unknown) => {}
            (Phase::HalfOpen { probe, .. }, Verdict::Unknown) => *probe = None,
            (Phase::HalfOpen { .. }, Verdict::Works) => self.enter(closed(now)),
            (Phase::HalfOpen { pause_ms, .. }, Verdict::Fails | Verdict::Silent) => {
                let pause_ms = pause_ms.saturating_mul(2).min(self.settings.max_pause_ms);
                self.enter(Phase::Open { until: now.saturating_add(pause_ms), pause_ms });
            }
            (Phase::Closed { in_a_row, silent, since, now: counts, before }, verdict) => {
                let half = self.settings.window_ms / 2;
                let age = now.saturating_sub(*since);
                if age >= half {
                    *before = if age < 2 * half { *counts } else { Counts::default() };
                    *counts = Counts::default();
                    *since = now;
                }
                let failed = u32::from(verdict != Verdict::Works);
                counts.tries += 1;
                counts.failures += failed;
                *in_a_row = if failed == 1 { *in_a_row + 1 } else { 0 };
                *silent = if failed == 1 { *silent + u32::from(verdict == Verdict::Silent) } else { 0 };
                let (tries, failures) = (counts.tries + before.tries, counts.failures + before.failures);
                let often = failures >= self.settings.failures.saturating_mul(2) && failures * 2 >= tries;
                let hangs = *silent >= self.all_silent;
                if *in_a_row >= self.settings.failures || hangs || (failed == 1 && often) {
                    let pause_ms = self.settings.pause_ms;
                    self.enter(Phase::Open { until: now.saturating_add(pause_ms), pause_ms });
                }
            }
            // No pass is of the generation of an open breaker.
            (Phase::Open { .. }, Verdict::Works | Verdict::Fails | Verdict::Silent) => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }
}

fn closed(since: Millis) -> Phase {
    Phase::Closed { in_a_row: 0, silent: 0, since, now: Counts::default(), before: Counts::default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings::default(), 32)
    }

    fn pass(breaker: &mut Breaker, now: Millis) -> Pass {
        match breaker.admit(now) {
            Admission::Passed(pass) => pass,
            Admission::Held { until } => panic!("held for {} ms", until - now),
        }
    }

    fn tell(breaker: &mut Breaker, verdict: Verdict, now: Millis) {
        let pass = pass(breaker, now);
        breaker.tell(pass, verdict, now);
    }

    fn opened(now: Millis) -> Breaker {
        let mut breaker = breaker();
        (0..5).for_each(|_| tell(&mut breaker, Verdict::Fails, now));
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_among_them_does_not() {
        let mut breaker = breaker();
        for verdict in [Verdict::Fails; 4].into_iter().chain([Verdict::Works]).chain([Verdict::Fails; 4]) {
            tell(&mut breaker, verdict, NOW);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        tell(&mut breaker, Verdict::Unknown, NOW);
        tell(&mut breaker, Verdict::Fails, NOW);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(NOW + 9_999), Admission::Held { until: NOW + 10_000 });
    }

    #[test]
    fn a_provider_that_fails_half_of_the_time_is_left_alone_too() {
        let mut breaker = breaker();
        for turn in 0..9 {
            tell(&mut breaker, Verdict::Works, NOW + turn);
            tell(&mut breaker, Verdict::Fails, NOW + turn);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        tell(&mut breaker, Verdict::Works, NOW + 20);
        tell(&mut breaker, Verdict::Fails, NOW + 20);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn failures_that_are_few_among_many_or_long_ago_do_not_open_it() {
        let mut busy = breaker();
        for turn in 0..1000 {
            tell(&mut busy, if turn % 3 == 0 { Verdict::Fails } else { Verdict::Works }, NOW + turn);
        }
        assert_eq!(busy.state(), BreakerState::Closed);
        let mut slow = breaker();
        for turn in 0..50 {
            tell(&mut slow, Verdict::Works, NOW + turn * 40_000);
            (0..4).for_each(|_| tell(&mut slow, Verdict::Fails, NOW + turn * 40_000));
        }
        assert_eq!(slow.state(), BreakerState::Closed);
    }

    #[test]
    fn one_message_alone_probes_and_its_success_lets_the_others_through() {
        let mut breaker = opened(NOW);
        let at = NOW + 10_000;
        let probe = pass(&mut breaker, at);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(at), Admission::Held { until: at + 1000 });
        breaker.tell(probe, Verdict::Works, at + 5);
        assert_eq!(breaker.state(), BreakerState::Closed);
        (0..4).for_each(|_| tell(&mut breaker, Verdict::Fails, at + 6));
        assert_eq!(breaker.state(), BreakerState::Closed, "it starts from nothing");
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        let mut breaker = opened(NOW);
        let mut now = NOW + 10_000;
        for pause in [20_000, 30_000, 30_000] {
            tell(&mut breaker, Verdict::Fails, now);
            assert_eq!(breaker.admit(now), Admission::Held { until: now + pause });
            now += pause;
        }
        tell(&mut breaker, Verdict::Works, now);
        (0..5).for_each(|_| tell(&mut breaker, Verdict::Fails, now));
        assert_eq!(breaker.admit(now), Admission::Held { until: now + 10_000 }, "and a success undoes that");
    }

    #[test]
    fn a_probe_that_was_cut_off_or_never_heard_of_again_makes_room_for_another() {
        let mut breaker = opened(NOW);
        let at = NOW + 10_000;
        let cut = pass(&mut breaker, at);
        breaker.tell(cut, Verdict::Unknown, at);
        let lost = pass(&mut breaker, at);
        assert!(matches!(breaker.admit(at + 29_999), Admission::Held { .. }));
        tell(&mut breaker, Verdict::Works, at + 30_000);
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.tell(lost, Verdict::Fails, at + 30_000);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_provider_that_lets_all_that_is_under_way_there_run_out_of_time_hangs() {
        for (at_once, enough) in [(1, 2), (2, 2), (4, 4), (32, 5)] {
            let mut breaker = Breaker::new(BreakerSettings::default(), at_once);
            for told in 1..=enough {
                assert_eq!(breaker.state(), BreakerState::Closed, "{told} of {enough}");
                tell(&mut breaker, Verdict::Silent, NOW);
            }
            assert_eq!(breaker.state(), BreakerState::Open, "{enough} of {at_once}");
        }
        let mut breaker = Breaker::new(BreakerSettings::default(), 2);
        for verdict in [Verdict::Silent, Verdict::Works, Verdict::Silent, Verdict::Fails, Verdict::Fails] {
            tell(&mut breaker, verdict, NOW);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "a refused connection is no silence");
    }

    #[test]
    fn tries_that_began_before_it_opened_do_not_count_when_they_end() {
        let mut breaker = breaker();
        let slow: Vec<Pass> = (0..10).map(|_| pass(&mut breaker, NOW)).collect();
        (0..5).for_each(|_| tell(&mut breaker, Verdict::Fails, NOW));
        breaker.tell(slow[0], Verdict::Works, NOW + 1);
        assert_eq!(breaker.state(), BreakerState::Open);
        let probe = pass(&mut breaker, NOW + 10_000);
        slow[1..].iter().for_each(|pass| breaker.tell(*pass, Verdict::Fails, NOW + 10_001));
        breaker.tell(probe, Verdict::Works, NOW + 10_002);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    proptest! {
        /// However tries end, and in whichever order, an open breaker is asked again after at most its longest pause, and
        /// never by more than one message at once while it is half open.
        #[test]
        fn nobody_is_shut_out_for_ever_and_a_sick_provider_is_never_flooded(
            steps in prop::collection::vec((0_u8..5, 0_usize..8, 0_i64..5_000), 1..200),
        ) {
            let mut breaker = breaker();
            let (mut now, mut held) = (NOW, Vec::new());
            for (kind, index, wait) in steps {
                now += wait;
                match kind {
                    0 => if let Admission::Passed(pass) = breaker.admit(now) { held.push(pass) },
                    _ if held.is_empty() => {}
                    kind => {
                        let pass = held.remove(index % held.len());
                        let verdicts = [Verdict::Works, Verdict::Fails, Verdict::Unknown, Verdict::Silent];
                        let verdict = verdicts[usize::from(kind) - 1];
                        breaker.tell(pass, verdict, now);
                    }
                }
                if breaker.state() == BreakerState::HalfOpen {
                    let mine = held.iter().filter(|pass| pass.generation == breaker.generation).count();
                    prop_assert!(mine <= 1, "{mine} probes at once");
                }
                if let Admission::Held { until } = breaker.clone().admit(now) {
                    prop_assert!(until > now && until <= now + 30_000);
                }
            }
            let passed = matches!(breaker.admit(now + 30_000), Admission::Passed(_));
            prop_assert!(passed);
        }
    }
}
