//! Whether approvals still to come could satisfy a consensus, and whose.
//!
//! A consensus is any expression, so that the question is as hard as trying all sets of voters. What is tried is enough for
//! what people write: "so many of these", "one of those", "all with a passkey", and such joined by `&&` and `||`. A consensus
//! that only an unusual set would satisfy (exactly three of a mixed group, say) may be taken for one that nobody can satisfy.
//!
//! Both searches are bounded. Where the one for a satisfying set gives up, there is none, and the activity is refused. Where
//! the one for a voter's part gives up, the voter may vote: that cannot satisfy what is not satisfied.

use std::collections::HashSet;

use crate::facts::{Approvals, Approver, CredentialFacts};
use crate::language::Consensus;

/// Evaluation steps that the search for a set of voters who satisfy one policy may take.
pub const SEARCH_STEPS: u64 = 20_000;
/// Evaluation steps that the search for one voter's part in all policies may take.
pub const ELECTION_STEPS: u64 = 500_000;

/// An approval, given or imagined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice<'a> {
    pub(super) user: &'a Approver,
    pub(super) credential: Option<&'a CredentialFacts>,
}

/// The roots of a consensus: each user and each credential once, in order of the first approval.
pub(super) fn approvals<'a>(voices: impl IntoIterator<Item = Voice<'a>>) -> Approvals<'a> {
    let mut approvals = Approvals::default();
    let (mut users, mut credentials) = (HashSet::new(), HashSet::new());
    for voice in voices {
        if users.insert(voice.user.id) {
            approvals.approvers.push(voice.user);
        }
        if let Some(credential) = voice.credential
            && credentials.insert(&credential.id)
        {
            approvals.credentials.push(credential);
        }
    }
    approvals
}

/// A consensus, the approvals that it has, and what the search may still cost.
pub(super) struct Search<'a, 'b> {
    consensus: &'b Consensus,
    given: Vec<Voice<'a>>,
    fuel: u64,
}

impl<'a, 'b> Search<'a, 'b> {
    pub(super) fn new(consensus: &'b Consensus, given: &[Voice<'a>], fuel: u64) -> Self {
        Self { consensus, given: given.to_vec(), fuel }
    }

    /// Steps that are left.
    pub(super) fn fuel(&self) -> u64 {
        self.fuel
    }

    /// The approvals given and these, which are of other users.
    fn with(&mut self, more: &[Voice<'a>]) -> Approvals<'a> {
        let mut approvals = approvals(self.given.iter().copied());
        approvals.approvers.extend(more.iter().map(|voice| voice.user));
        approvals.credentials.extend(more.iter().filter_map(|voice| voice.credential));
        // Making the lists is work, too.
        self.fuel = self.fuel.saturating_sub((self.given.len() * 4 + more.len()) as u64);
        approvals
    }

    fn satisfied(&mut self, more: &[Voice<'a>]) -> bool {
        let approvals = self.with(more);
        self.consensus.eval_within(&approvals, &mut self.fuel) == Ok(true)
    }

    /// Approvals among these that, all together, satisfy the consensus. Each entry is one user with a choice of voices.
    pub(super) fn reach(&mut self, voters: &[Vec<Voice<'a>>]) -> Option<Vec<Voice<'a>>> {
        if self.satisfied(&[]) {
            return Some(Vec::new());
        }
        let first: Vec<_> = voters.iter().filter_map(|voices| voices.first().copied()).collect();
        if self.satisfied(&first) {
            return Some(first);
        }
        for selection in self.selections(voters) {
            let everybody: Vec<_> = selection.iter().map(|(voice, _)| *voice).collect();
            if self.satisfied(&everybody) {
                return Some(everybody);
            }
            // Without those whose approval takes away what holds already: "all approvers have the tag".
            let harmless: Vec<_> =
                selection.iter().filter(|(_, harm)| !harm).map(|(voice, _)| *voice).collect();
            if harmless.len() < everybody.len() && self.satisfied(&harmless) {
                return Some(harmless);
            }
            // One after the other, for what holds of few and not of many: "exactly two".
            let backwards = harmless.iter().rev().copied().collect();
            for order in [harmless, backwards] {
                if let Some(enough) = (1..order.len()).find(|count| self.satisfied(&order[..*count])) {
                    return Some(order[..enough].to_vec());
                }
            }
        }
        if self.consensus.reads_credentials() { self.settle(voters) } else { None }
    }

    /// Starts from everybody voting with everything, and settles each voter on one voice: first those of whom one voice is
    /// indispensable, then the others on whatever still suffices.
    fn settle(&mut self, voters: &[Vec<Voice<'a>>]) -> Option<Vec<Voice<'a>>> {
        let mut open = voters.to_vec();
        if !self.satisfied(&open.concat()) {
            return None;
        }
        let several: Vec<_> = (0..open.len()).filter(|nth| open[*nth].len() > 1).collect();
        for nth in several.iter().copied() {
            for left_out in 0..open[nth].len() {
                let mut without = open.clone();
                let voice = without[nth].remove(left_out);
                if !self.satisfied(&without.concat()) {
                    open[nth] = vec![voice];
                    break;
                }
            }
        }
        for nth in several {
            let choices = std::mem::take(&mut open[nth]);
            let settled = choices.into_iter().find(|voice| {
                open[nth] = vec![*voice];
                self.satisfied(&open.concat())
            });
            settled?;
        }
        Some(open.concat())
    }

    /// Ways of giving every voter one voice, with whether it does harm: first the credential that helps most on its own, then
    /// one of each type.
    fn selections(&mut self, voters: &[Vec<Voice<'a>>]) -> Vec<Vec<(Voice<'a>, bool)>> {
        let given = self.with(&[]);
        let before = self.consensus.parts_within(&given, &mut self.fuel);
        let mut weighed = Vec::new();
        for voices in voters {
            let choices = if self.consensus.reads_credentials() { &voices[..] } else { &voices[..1] };
            let mut weights = Vec::new();
            for voice in choices {
                let approvals = self.with(&[*voice]);
                let after = self.consensus.parts_within(&approvals, &mut self.fuel);
                let lost = before.iter().zip(&after).any(|(was, is)| *was == Some(true) && *is != *was);
                let held = after.iter().filter(|is| **is == Some(true)).count();
                weights.push((*voice, lost, held));
            }
            weighed.push(weights);
        }
        let mut types: Vec<&str> = Vec::new();
        if self.consensus.reads_credentials() {
            for credential in weighed.iter().flatten().filter_map(|(voice, ..)| voice.credential) {
                if !types.contains(&credential.credential_type.as_str()) {
                    types.push(&credential.credential_type);
                }
            }
        }
        let preferring = |prefers: &dyn Fn(&Voice<'a>) -> bool| -> Vec<(Voice<'a>, bool)> {
            let best = |weights: &Vec<(Voice<'a>, bool, usize)>| {
                let ranked =
                    weights.iter().rev().max_by_key(|(voice, lost, held)| (prefers(voice), !lost, *held));
                ranked.map(|(voice, lost, _)| (*voice, *lost))
            };
            weighed.iter().filter_map(best).collect()
        };
        let mut selections = vec![preferring(&|_| false)];
        for wanted in types {
            selections.push(preferring(&|voice| {
                voice.credential.is_some_and(|credential| credential.credential_type == wanted)
            }));
        }
        selections
    }

    /// Whether there is a set of approvals that satisfies the consensus with this voter's and not without: tried with each
    /// of the voter's credentials, leaving out whoever else can be left out, in two orders.
    pub(super) fn needs(&mut self, voter: &[Voice<'a>], others: &[Vec<Voice<'a>>]) -> bool {
        let choices = if self.consensus.reads_credentials() { voter } else { &voter[..1] };
        choices.iter().any(|voice| self.needs_voice(*voice, others)) || self.fuel == 0
    }

    fn needs_voice(&mut self, voice: Voice<'a>, others: &[Vec<Voice<'a>>]) -> bool {
        self.given.push(voice);
        let found = self.reach(others);
        self.given.pop();
        let Some(found) = found else { return false };
        if !self.satisfied(&found) {
            return true;
        }
        let backwards = found.iter().rev().copied().collect();
        [found, backwards].into_iter().any(|set| {
            self.given.push(voice);
            let smallest = self.shrink(set);
            self.given.pop();
            !self.satisfied(&smallest)
        })
    }

    /// Leaves out, from the front, whoever is not needed.
    fn shrink(&mut self, mut set: Vec<Voice<'a>>) -> Vec<Voice<'a>> {
        let mut chunk = set.len();
        while chunk > 0 {
            let mut from = 0;
            while from < set.len() {
                let mut without = set.clone();
                without.drain(from..set.len().min(from + chunk));
                if self.satisfied(&without) {
                    set = without;
                } else {
                    from += chunk;
                }
            }
            chunk /= 2;
        }
        set
    }
}
