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
}

impl Default for BreakerSettings {
    /// Five in a row, or ten within 30 seconds; pauses of 10, 20 and 30 seconds, no longer than the
    /// longest between two tries of a message.
    fn default() -> Self {
        Self { failures: 5, window_ms: 30_000, pause_ms: 10_000, max_pause_ms: 30_000 }
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
    /// Rises with each change of phase, so that a try that began before it is known as such.
    generation: u64,
    phase: Phase,
}

/// How long those wait who meet a probe under way.
const PROBE_MS: i64 = 1000;

impl Breaker {
    /// A closed one.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, generation: 0, phase: closed(Millis::MIN) }
    }

    /// What it does now.
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Asks to pass.
    pub fn admit(&mut self, now: Millis) -> Admission {
        match self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until, .. } if now < until => return Admission::Held { until },
            // A probe whose end nobody told holds its place for as long as a pause, not for ever.
            Phase::HalfOpen { probe: Some(since), pause_ms } if now < since.saturating_add(pause_ms) => {
                return Admission::Held { until: now.saturating_add(PROBE_MS) };
            }
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
            (Phase::HalfOpen { pause_ms, .. }, Verdict::Fails) => {
                let pause_ms = pause_ms.saturating_mul(2).min(self.settings.max_pause_ms);
                self.enter(Phase::Open { until: now.saturating_add(pause_ms), pause_ms });
            }
            (Phase::Closed { in_a_row, since, now: counts, before }, verdict) => {
                let half = self.settings.window_ms / 2;
                let age = now.saturating_sub(*since);
                if age >= half {
                    *before = if age < 2 * half { *counts } else { Counts::default() };
                    *counts = Counts::default();
                    *since = now;
                }
                let failed = u32::from(verdict == Verdict::Fails);
                counts.tries += 1;
                counts.failures += failed;
                *in_a_row = if failed == 1 { *in_a_row + 1 } else { 0 };
                let (tries, failures) = (counts.tries + before.tries, counts.failures + before.failures);
                let often = failures >= self.settings.failures.saturating_mul(2) && failures * 2 >= tries;
                if *in_a_row >= self.settings.failures || (failed == 1 && often) {
                    let pause_ms = self.settings.pause_ms;
                    self.enter(Phase::Open { until: now.saturating_add(pause_ms), pause_ms });
                }
            }
            // No pass is of the generation of an open breaker.
            (Phase::Open { .. }, Verdict::Works | Verdict::Fails) => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }
}

fn closed(since: Millis) -> Phase {
    Phase::Closed { in_a_row: 0, since, now: Counts::default(), before: Counts::default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings::default())
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
        assert!(matches!(breaker.admit(at + 9_999), Admission::Held { .. }));
        tell(&mut breaker, Verdict::Works, at + 10_000);
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.tell(lost, Verdict::Fails, at + 10_000);
        assert_eq!(breaker.state(), BreakerState::Closed);
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
            steps in prop::collection::vec((0_u8..4, 0_usize..8, 0_i64..5_000), 1..200),
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
                        let verdict = [Verdict::Works, Verdict::Fails, Verdict::Unknown][usize::from(kind) - 1];
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
