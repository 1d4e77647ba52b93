//! When a connection is to be cut: on a pattern of bytes, or behind a number of them.

use super::{Direction, When};

/// How much of what has passed is remembered, so that a pattern in pieces is found; patterns are at most one byte longer.
const REMEMBERED: usize = 4096;

/// Cuts one connection, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    direction: Direction,
    trigger: Trigger,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trigger {
    Pattern { pattern: Vec<u8>, when: When },
    Bytes { left: u64 },
}

/// What becomes of bytes that were just read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are delivered.
    Pass,
    /// That many are delivered, then the connection is cut.
    Cut { deliver: usize, when: When },
}

impl Rule {
    /// # Panics
    /// When the pattern is empty or longer than what is remembered: it could not be found.
    pub fn on(pattern: &[u8], direction: Direction, when: When) -> Self {
        assert!((1..=REMEMBERED).contains(&pattern.len()), "a pattern has 1 to {REMEMBERED} bytes");
        Self { direction, trigger: Trigger::Pattern { pattern: pattern.to_vec(), when } }
    }

    pub fn after_bytes(count: u64, direction: Direction) -> Self {
        Self { direction, trigger: Trigger::Bytes { left: count } }
    }

    fn judge(&mut self, before: &[u8], bytes: &[u8]) -> Verdict {
        match &mut self.trigger {
            Trigger::Pattern { pattern, when } => {
                // Only a match that ends in the new bytes is new.
                let from = before.len().saturating_sub(pattern.len() - 1);
                let seen = [&before[from..], bytes].concat();
                let Some(start) = seen.windows(pattern.len()).position(|window| window == pattern) else {
                    return Verdict::Pass;
                };
                let deliver = match when {
                    When::Before => start.saturating_sub(before.len() - from),
                    When::After => bytes.len(),
                };
                Verdict::Cut { deliver, when: *when }
            }
            Trigger::Bytes { left } => match usize::try_from(*left) {
                Ok(left) if left <= bytes.len() => Verdict::Cut { deliver: left, when: When::Before },
                _ => {
                    *left -= bytes.len() as u64;
                    Verdict::Pass
                }
            },
        }
    }
}

/// Judges bytes that go one way on one connection. A rule that cuts is used up.
pub fn judge(rules: &mut Vec<Rule>, direction: Direction, before: &mut Vec<u8>, bytes: &[u8]) -> Verdict {
    let mut verdict = Verdict::Pass;
    rules.retain_mut(|rule| {
        if verdict != Verdict::Pass || rule.direction != direction {
            return true;
        }
        verdict = rule.judge(before, bytes);
        verdict == Verdict::Pass
    });
    before.extend_from_slice(bytes);
    before.drain(..before.len().saturating_sub(REMEMBERED));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    /// Verdicts on pieces that go to the server one after the other.
    fn verdicts(rules: &mut Vec<Rule>, pieces: &[&str]) -> Vec<Verdict> {
        let mut before = Vec::new();
        pieces.iter().map(|piece| judge(rules, ToServer, &mut before, piece.as_bytes())).collect()
    }

    #[test]
    fn before_a_pattern_only_what_precedes_it_is_delivered() {
        let mut rules = vec![Rule::on(b"COMMIT", ToServer, When::Before)];
        let found = verdicts(&mut rules, &["BEGIN;", "x;COMMIT;", "COMMIT"]);
        assert_eq!(
            found,
            [Verdict::Pass, Verdict::Cut { deliver: 2, when: When::Before }, Verdict::Pass],
            "the rule cuts once"
        );
        assert!(rules.is_empty());
    }

    #[test]
    fn after_a_pattern_everything_read_with_it_is_delivered() {
        let mut rules = vec![Rule::on(b"COMMIT", ToServer, When::After)];
        assert_eq!(verdicts(&mut rules, &["x;COMMIT;y"]), [Verdict::Cut { deliver: 10, when: When::After }]);
    }

    #[test]
    fn a_pattern_in_pieces_is_found() {
        let mut rules = vec![Rule::on(b"COMMIT", ToServer, When::Before)];
        let found = verdicts(&mut rules, &["xCO", "MM", "IT;"]);
        assert_eq!(found[2], Verdict::Cut { deliver: 0, when: When::Before });
    }

    #[test]
    fn a_pattern_that_passed_before_the_rule_was_made_is_not_found_again() {
        let mut before = b"COMMIT".to_vec();
        let mut rules = vec![Rule::on(b"COMMIT", ToServer, When::Before)];
        assert_eq!(judge(&mut rules, ToServer, &mut before, b";"), Verdict::Pass);
    }

    #[test]
    fn the_other_direction_does_not_count() {
        let mut rules = vec![Rule::on(b"COMMIT", ToClient, When::Before), Rule::after_bytes(1, ToClient)];
        assert_eq!(verdicts(&mut rules, &["COMMIT"]), [Verdict::Pass]);
        assert_eq!(rules.len(), 2);
    }

    #[test]
    fn bytes_are_counted_across_pieces() {
        let mut rules = vec![Rule::after_bytes(5, ToServer)];
        let found = verdicts(&mut rules, &["123", "45678"]);
        assert_eq!(found, [Verdict::Pass, Verdict::Cut { deliver: 2, when: When::Before }]);
    }
}
