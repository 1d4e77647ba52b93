//! What becomes of a code: three guesses, one success, an end.

use std::collections::BTreeMap;

use super::Checker;
use super::groups::Group;
use super::report::{Report, Rule, Violation};
use crate::event::Operation;

/// Guesses that a code takes.
const GUESSES: usize = 3;

/// Everything that was asked of one code.
struct Code<'a> {
    otp: &'a str,
    /// Not before.
    expires_from_us: u64,
    /// Not after.
    expires_by_us: u64,
    wrong: Vec<&'a Group<'a>>,
    right: Vec<&'a Group<'a>>,
}

/// A right guess that was acknowledged.
struct Success<'a> {
    guess: &'a Group<'a>,
    /// The acknowledgement that came first.
    told: usize,
}

impl Checker<'_> {
    pub(super) fn codes(&self, report: &mut Report) {
        let mut codes: BTreeMap<&str, Code<'_>> = BTreeMap::new();
        for group in &self.groups.all {
            let (Operation::Init { lifetime_ms, .. }, Some((index, ids))) =
                (group.operation, group.acknowledged)
            else {
                continue;
            };
            let Some(otp) = ids.otp.as_deref() else {
                report.violations.push(Violation::new(Rule::Record, "a code without its id", [index]));
                continue;
            };
            // The attempt was made between the first sending of its bytes and the first answer.
            let (lifetime_us, skew_us) = (lifetime_ms * 1000, self.bounds.skew_ms * 1000);
            let code = Code {
                otp,
                expires_from_us: (group.began_us + lifetime_us).saturating_sub(skew_us),
                expires_by_us: self.events[index].ended_us + lifetime_us + skew_us,
                wrong: Vec::new(),
                right: Vec::new(),
            };
            codes.insert(otp, code);
        }
        for group in &self.groups.all {
            let Operation::Verify { otp, right } = group.operation else { continue };
            match codes.get_mut(otp.as_str()) {
                Some(code) if *right => code.right.push(group),
                Some(code) => code.wrong.push(group),
                None => {
                    let what = format!("a guess at {otp}, of which no acknowledgement is recorded");
                    report.violations.push(Violation::new(Rule::Record, what, [group.events[0]]));
                }
            }
        }
        for code in codes.values() {
            self.code(code, report);
        }
    }

    fn code(&self, code: &Code<'_>, report: &mut Report) {
        for guess in &code.wrong {
            if let Some((index, _)) = guess.acknowledged {
                let what = format!("a wrong code was accepted for {}", code.otp);
                report.violations.push(Violation::new(Rule::WrongCode, what, [index]));
            }
        }
        let successes: Vec<Success<'_>> = code
            .right
            .iter()
            .filter_map(|guess| Some(Success { guess, told: guess.acknowledged?.0 }))
            .collect();
        if successes.len() > 1 {
            let what = format!("{} succeeded {} times", code.otp, successes.len());
            let events = successes.iter().map(|success| success.told);
            report.violations.push(Violation::new(Rule::OneSuccess, what, events));
        }
        for success in &successes {
            self.success(code, success, report);
        }
        for guess in &code.right {
            self.refused_right_code(code, guess, report);
        }
        self.end(code, &successes, report);
    }

    /// A success needs a live code: every guess that was refused before it can have begun met one.
    fn success(&self, code: &Code<'_>, success: &Success<'_>, report: &mut Report) {
        let otp = code.otp;
        let refused_before = |guesses: &[&Group<'_>]| -> Vec<usize> {
            let refused = guesses.iter().filter_map(|guess| guess.refused);
            refused.filter(|&index| self.events[index].ended_us < success.guess.began_us).collect()
        };
        let wrong = refused_before(&code.wrong);
        if wrong.len() >= GUESSES {
            let what = format!("{otp} succeeded after {} wrong guesses", wrong.len());
            let events = wrong.into_iter().chain([success.told]);
            report.violations.push(Violation::new(Rule::ThreeGuesses, what, events));
        }
        for refused in refused_before(&code.right) {
            let what = format!("{otp} was refused as the right code, and then succeeded");
            report.violations.push(Violation::new(Rule::Revived, what, [refused, success.told]));
        }
        if success.guess.began_us > code.expires_by_us {
            let late_ms = (success.guess.began_us - code.expires_by_us) / 1000;
            let what = format!("{otp} succeeded {late_ms} ms too late");
            report.violations.push(Violation::new(Rule::Expiry, what, [success.told]));
        }
    }

    /// The right code is refused for a reason: three wrong guesses, another success, or expiry. Whatever may have taken
    /// effect before the answer may be it.
    fn refused_right_code(&self, code: &Code<'_>, guess: &Group<'_>, report: &mut Report) {
        let Some(refused) = guess.refused.filter(|_| guess.acknowledged.is_none()) else { return };
        let told_us = self.events[refused].ended_us;
        let wrong: Vec<_> = code.wrong.iter().filter(|other| other.began_us < told_us).collect();
        let is_consumed = code.right.iter().any(|other| {
            // A guess that was refused itself took nothing from anybody.
            other.began_us < told_us && (other.acknowledged.is_some() || other.is_open())
        });
        if wrong.len() < GUESSES && !is_consumed && told_us < code.expires_from_us {
            let what =
                format!("{} was refused as the right code after {} wrong guesses", code.otp, wrong.len());
            let events = wrong.iter().map(|guess| guess.events[0]).chain([refused]);
            report.violations.push(Violation::new(Rule::LiveCode, what, events));
        }
    }

    /// A code that came to an end was tried again afterwards.
    fn end(&self, code: &Code<'_>, successes: &[Success<'_>], report: &mut Report) {
        let ended_us = |index: &usize| self.events[*index].ended_us;
        let spent: Vec<usize> = code.wrong.iter().filter_map(|guess| guess.refused).collect();
        let end = match successes.iter().map(|success| success.told).min_by_key(ended_us) {
            Some(told) => {
                report.consumed += 1;
                Some(told)
            }
            None if spent.len() >= GUESSES => {
                report.locked += 1;
                spent.into_iter().max_by_key(ended_us)
            }
            None => None,
        };
        let Some(end) = end else { return };
        let is_later = |refused: usize| self.events[refused].began_us > self.events[end].ended_us;
        if !code.right.iter().any(|guess| guess.refused.is_some_and(is_later)) {
            let what = format!("{} was not tried again after its end", code.otp);
            report.violations.push(Violation::new(Rule::ReadBack, what, [end]));
        }
    }
}
