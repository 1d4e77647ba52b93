//! The report, as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use super::cases::CASES;
use super::fill::Site;
use super::{FLOOR, Pair, Plan, Point, Round};
use crate::machine;
use crate::report::median;

/// Everything a run found.
pub struct Results<'a> {
    pub plan: &'a Plan,
    pub rounds: &'a [Round],
    pub few: &'a Site,
    pub many: &'a Site,
    /// Time of one synced write.
    pub sync: Duration,
}

impl Results<'_> {
    /// Medians over the rounds.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    /// The cases whose 99th percentile at the full number is above the floor.
    pub fn slow(&self) -> Vec<&'static str> {
        let cases = CASES.iter().enumerate();
        cases.filter(|(case, _)| self.p99(*case) > ms(FLOOR)).map(|(_, case)| case.name).collect()
    }

    /// Of a case at the full number, milliseconds.
    fn p99(&self, case: usize) -> f64 {
        self.of(case, |point| ms(point.many.p99))
    }

    /// Median of the rounds.
    fn of(&self, case: usize, value: impl Fn(&Pair<Point>) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| value(&round[case])))
    }

    fn longest(&self, case: usize, value: impl Fn(&Pair<Point>) -> Duration) -> f64 {
        ms(self.rounds.iter().map(|round| value(&round[case])).max().unwrap_or_default())
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { plan, few, many, sync, .. } = self;
        writeln!(
            out,
            "Machine: {}. A write of 4 KiB with `fdatasync`: {:.2} ms.",
            machine::describe(),
            ms(*sync)
        )?;
        writeln!(
            out,
            "{} rounds of {} requests for each line and number, interleaved; medians of the rounds, and the longest of all.",
            plan.rounds, plan.requests
        )?;
        writeln!(
            out,
            "{} sub-organizations were made in {:.0} s; their database has {} MiB, that of {} has {}.\n",
            grouped(many.count),
            many.took.as_secs_f64(),
            many.size >> 20,
            grouped(few.count),
            few.size >> 20
        )?;
        writeln!(
            out,
            "| milliseconds, p50 / p99 / longest | {} | {} | ratio of p50 | ratio of p99 |",
            grouped(few.count),
            grouped(many.count)
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|")?;
        for (index, case) in CASES.iter().enumerate() {
            writeln!(
                out,
                "| {} | {:.2} / {:.2} / {:.2} | {:.2} / {:.2} / {:.2} | {:.2} | {:.2} |",
                case.name,
                self.of(index, |point| ms(point.few.p50)),
                self.of(index, |point| ms(point.few.p99)),
                self.longest(index, |point| point.few.max),
                self.of(index, |point| ms(point.many.p50)),
                self.p99(index),
                self.longest(index, |point| point.many.max),
                self.of(index, |point| ms(point.many.p50) / ms(point.few.p50)),
                self.of(index, |point| ms(point.many.p99) / ms(point.few.p99)),
            )?;
        }
        let slow = self.slow();
        let met = match slow.as_slice() {
            [] => "it is met by all".to_owned(),
            slow => format!("it is not met by {}", slow.join("; ")),
        };
        writeln!(out, "\nThe floor is a p99 of {} ms at {}: {met}.", FLOOR.as_millis(), grouped(many.count))
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Digits in groups of three.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        for (number, text) in [(7, "7"), (999, "999"), (1000, "1,000"), (1_000_000, "1,000,000")] {
            assert_eq!(grouped(number), text);
        }
    }
}
