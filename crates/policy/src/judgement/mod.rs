//! The judgement of one activity: root quorum, explicit denials, allowances, implicit rights, refusal (protocol 00, section 5.2).
//!
//! Promise: a [`Permit`] exists only where a rule of this crate allowed it, and the engine commits nothing without one. Where an
//! expression has no value, an allowance does not allow and a denial denies (G-POL-1).

mod policy;
mod search;

use vestibule_wire::view::Quorum;

pub use vestibule_wire::view::Outcome;
use vestibule_wire::{Effect, PolicyId, UserId};

pub use policy::{InvalidPolicy, Policy};
pub use search::{ELECTION_STEPS, SEARCH_STEPS};

use crate::facts::{ActivityFacts, Approver, CredentialFacts};
use search::{Search, Voice};

/// Leave to commit what one activity decides. Only a judgement makes it.
#[derive(Debug)]
pub struct Permit {
    evaluations: Vec<Evaluation>,
}

impl Permit {
    pub(crate) fn new(evaluations: Vec<Evaluation>) -> Self {
        Self { evaluations }
    }

    /// What the policies said; empty where none was asked.
    pub fn evaluations(&self) -> &[Evaluation] {
        &self.evaluations
    }
}

/// An approval that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ballot {
    /// Who approved.
    pub user: Approver,
    /// With what; absent for a stamp that is made with no stored credential.
    pub credential: Option<CredentialFacts>,
}

/// A user of the organization with all live credentials. One without any cannot vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: Approver,
    /// What the user could approve with.
    pub credentials: Vec<CredentialFacts>,
}

/// What a judgement may depend on. All of it is of the organization that the proposer lives in.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is asked.
    pub activity: &'a ActivityFacts,
    /// Who asks.
    pub proposer: UserId,
    /// Whether the proposer lives in the organization acted on.
    pub at_home: bool,
    /// Whether the activity concerns only the proposer's own credentials, sessions or particulars.
    pub on_self: bool,
    /// Whether a valid auth proxy configuration, not a stamp, made the proposer.
    pub by_proxy: bool,
    /// The root quorum.
    pub quorum: &'a Quorum,
    /// The approvals that count now, in the order in which they came; the proposer's own is one of them.
    pub approvals: &'a [Ballot],
    /// Who rejected. An approval of the same user does not count.
    pub rejections: &'a [UserId],
    /// All users; `None` while they have not been read, which most judgements do not need.
    pub members: Option<&'a [Member]>,
    /// All policies.
    pub policies: &'a [Policy],
    /// Milliseconds since 1970.
    pub now: i64,
}

/// The answer.
#[derive(Debug)]
pub enum Verdict {
    /// It may be done.
    Allow(Permit),
    /// It may be done once more users approve.
    NeedsConsensus(Vec<Evaluation>),
    /// It may not.
    Deny(Vec<Evaluation>),
    /// It could have been done, had nobody rejected it.
    Rejected(Vec<Evaluation>),
    /// The answer depends on who else could approve: ask again with [`Question::members`].
    NeedsMembers,
}

/// What one policy said, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The policy.
    pub policy_id: PolicyId,
    /// What it said.
    pub outcome: Outcome,
    /// Why, in words, for those who may read the activity.
    pub reason: String,
}

/// Decides one activity.
pub fn judge(question: &Question<'_>) -> Verdict {
    let case = Case::new(question);
    if case.quorum_is_met() || case.proxy_right() {
        return Verdict::Allow(Permit::new(Vec::new()));
    }
    if root_quorum_alone(question.activity.kind) {
        return case.undecided(Vec::new());
    }
    let evaluations: Vec<_> = question.policies.iter().map(|policy| case.evaluate(policy)).collect();
    let says = |effect: Effect, outcomes: &[Outcome]| {
        let outcomes_of = question.policies.iter().zip(&evaluations);
        outcomes_of
            .into_iter()
            .any(|(policy, said)| policy.effect == effect && outcomes.contains(&said.outcome))
    };
    let denied = says(Effect::Deny, &[Outcome::DenyExplicit, Outcome::Error]);
    if !denied && (says(Effect::Allow, &[Outcome::Allow]) || case.own_right() && case.proposer_approves()) {
        return Verdict::Allow(Permit::new(evaluations));
    }
    if question.members.is_none() && says(Effect::Allow, &[Outcome::RequiresConsensus]) {
        return Verdict::NeedsMembers;
    }
    if denied { Verdict::Deny(evaluations) } else { case.undecided(evaluations) }
}

/// Whether this user's approval or rejection can still change anything about an activity that waits (G-VOTE-2). Never for
/// a user who already has a say. Without [`Question::members`], members of the root quorum alone count.
pub fn may_matter(question: &Question<'_>, user: UserId) -> bool {
    let case = Case::new(question);
    if case.has_approved(user) || question.rejections.contains(&user) {
        return false;
    }
    let evaluations = match judge(question) {
        Verdict::NeedsConsensus(evaluations) => evaluations,
        Verdict::NeedsMembers => Vec::new(),
        Verdict::Allow(_) | Verdict::Deny(_) | Verdict::Rejected(_) => return false,
    };
    if case.quorum_is_reachable(question.rejections) && question.quorum.user_ids.contains(&user)
        || user == question.proposer && case.own_right()
    {
        return true;
    }
    let voters = case.voters(question.rejections);
    let (own, others): (Vec<_>, Vec<_>) = voters.into_iter().partition(|voices| voices[0].user.id == user);
    let mut fuel = ELECTION_STEPS;
    let waiting = question.policies.iter().zip(&evaluations);
    waiting.filter(|(_, said)| said.outcome == Outcome::RequiresConsensus).any(|(policy, _)| {
        match (&policy.consensus, own.first()) {
            (None, _) => user == question.proposer,
            (Some(consensus), Some(voices)) => {
                let mut search = Search::new(consensus, &case.given, fuel);
                let needed = search.needs(voices, &others);
                fuel = search.fuel();
                needed
            }
            (Some(_), None) => false,
        }
    })
}

/// Activities that no policy decides (protocol 02, section 1.1).
fn root_quorum_alone(kind: &str) -> bool {
    matches!(
        kind,
        "UPDATE_ROOT_QUORUM"
            | "SET_ORGANIZATION_FEATURE"
            | "REMOVE_ORGANIZATION_FEATURE"
            | "UPDATE_ORGANIZATION_NAME"
    )
}

/// A question and the approvals that count in it.
struct Case<'a> {
    question: &'a Question<'a>,
    given: Vec<Voice<'a>>,
}

impl<'a> Case<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        let counts = |ballot: &&Ballot| !question.rejections.contains(&ballot.user.id);
        let voice = |ballot: &'a Ballot| Voice { user: &ballot.user, credential: ballot.credential.as_ref() };
        Self { question, given: question.approvals.iter().filter(counts).map(voice).collect() }
    }

    fn has_approved(&self, user: UserId) -> bool {
        self.given.iter().any(|voice| voice.user.id == user)
    }

    fn proposer_approves(&self) -> bool {
        self.has_approved(self.question.proposer)
    }

    /// How many of the root quorum's users fit.
    fn root_users(&self, fits: impl Fn(UserId) -> bool) -> usize {
        let users: std::collections::HashSet<_> = self.question.quorum.user_ids.iter().copied().collect();
        users.into_iter().filter(|user| fits(*user)).count()
    }

    fn threshold(&self) -> usize {
        usize::try_from(self.question.quorum.threshold.max(1)).unwrap_or(usize::MAX)
    }

    fn quorum_is_met(&self) -> bool {
        self.root_users(|user| self.has_approved(user)) >= self.threshold()
    }

    /// The root quorum takes up only what one of its own proposes.
    fn quorum_is_reachable(&self, rejections: &[UserId]) -> bool {
        self.question.quorum.user_ids.contains(&self.question.proposer)
            && self.root_users(|user| !rejections.contains(&user)) >= self.threshold()
    }

    /// The auth proxy does what its endpoints do, and nothing else (protocol 04, section 3).
    fn proxy_right(&self) -> bool {
        self.question.by_proxy
            && matches!(
                self.question.activity.kind,
                "INIT_OTP" | "VERIFY_OTP" | "OTP_LOGIN" | "CREATE_SUB_ORGANIZATION"
            )
    }

    /// Users manage their own credentials, sessions and contacts (protocol 00 section 5.2, G-LOGIN-2). Their names are others'
    /// to give: a consensus may ask for one.
    fn own_right(&self) -> bool {
        self.question.on_self
            && self.question.at_home
            && matches!(
                self.question.activity.kind,
                "STAMP_LOGIN"
                    | "CREATE_READ_ONLY_SESSION"
                    | "CREATE_READ_WRITE_SESSION"
                    | "RECOVER_USER"
                    | "CREATE_API_KEYS"
                    | "DELETE_API_KEYS"
                    | "CREATE_AUTHENTICATORS"
                    | "DELETE_AUTHENTICATORS"
                    | "CREATE_OAUTH_PROVIDERS"
                    | "DELETE_OAUTH_PROVIDERS"
                    | "CREATE_MFA_POLICY"
                    | "UPDATE_MFA_POLICY"
                    | "DELETE_MFA_POLICY"
                    | "UPDATE_USER_EMAIL"
                    | "UPDATE_USER_PHONE_NUMBER"
            )
    }

    /// The users whose approval may still come, each with the ways to give it.
    fn voters(&self, rejections: &[UserId]) -> Vec<Vec<Voice<'a>>> {
        let members = self.question.members.unwrap_or_default().iter();
        let open = |member: &&Member| {
            !member.credentials.is_empty()
                && !self.has_approved(member.user.id)
                && !rejections.contains(&member.user.id)
        };
        let voices = |member: &'a Member| {
            let voice = |credential| Voice { user: &member.user, credential: Some(credential) };
            member.credentials.iter().map(voice).collect()
        };
        members.filter(open).map(voices).collect()
    }

    /// What is left when nothing allows it now.
    fn undecided(&self, evaluations: Vec<Evaluation>) -> Verdict {
        let any = |outcome| evaluations.iter().any(|said| said.outcome == outcome);
        let rejections = self.question.rejections;
        let own = self.own_right();
        if any(Outcome::RequiresConsensus)
            || self.quorum_is_reachable(rejections)
            || own && !rejections.contains(&self.question.proposer)
        {
            Verdict::NeedsConsensus(evaluations)
        } else if any(Outcome::Rejected) || own || self.quorum_is_reachable(&[]) {
            Verdict::Rejected(evaluations)
        } else {
            Verdict::Deny(evaluations)
        }
    }

    fn evaluate(&self, policy: &Policy) -> Evaluation {
        let (outcome, reason) = self.outcome(policy);
        Evaluation { policy_id: policy.id, outcome, reason }
    }

    fn outcome(&self, policy: &Policy) -> (Outcome, String) {
        match policy.time.as_ref().map(|rule| (rule, rule.eval(self.question.now))) {
            None | Some((_, Ok(true))) => {}
            Some((rule, Ok(false))) => {
                return (Outcome::TimeInactive, format!("it is not the time: {}", quoted(rule)));
            }
            Some((_, Err(error))) => return (Outcome::Error, format!("the time has no value: {error}")),
        }
        let activity = self.question.activity;
        match policy.condition.as_ref().map(|condition| (condition, condition.eval(activity))) {
            None | Some((_, Ok(true))) => {}
            Some((condition, Ok(false))) => {
                let part = condition.failing(activity).unwrap_or_default();
                return (Outcome::DenyImplicit, format!("the condition does not hold: {}", quoted(part)));
            }
            Some((_, Err(error))) => return (Outcome::Error, format!("the condition has no value: {error}")),
        }
        let holds = match policy.effect {
            Effect::Allow => (Outcome::Allow, "it holds and allows".to_owned()),
            Effect::Deny => (Outcome::DenyExplicit, "it holds and denies".to_owned()),
        };
        let Some(consensus) = &policy.consensus else {
            return match policy.effect {
                Effect::Allow if !self.proposer_approves() => self.without_proposer(),
                Effect::Allow | Effect::Deny => holds,
            };
        };
        let approvals = search::approvals(self.given.iter().copied());
        match consensus.eval(&approvals) {
            Ok(true) => return holds,
            Ok(false) => {}
            Err(error) => return (Outcome::Error, format!("the consensus has no value: {error}")),
        }
        let part = quoted(consensus.failing(&approvals).unwrap_or_default());
        let reaches = |rejections: &[UserId]| {
            let mut search = Search::new(consensus, &self.given, SEARCH_STEPS);
            search.reach(&self.voters(rejections)).is_some()
        };
        if policy.effect == Effect::Deny {
            (Outcome::DenyImplicit, format!("the consensus does not hold: {part}"))
        } else if self.question.members.is_none() || reaches(self.question.rejections) {
            (Outcome::RequiresConsensus, format!("more approvals are needed: {part}"))
        } else if !self.question.rejections.is_empty() && reaches(&[]) {
            (Outcome::Rejected, format!("those who could have approved rejected it: {part}"))
        } else {
            (Outcome::DenyImplicit, format!("nobody's approval would suffice: {part}"))
        }
    }

    /// An allowance without a consensus, while the approval of the one who asks does not count.
    fn without_proposer(&self) -> (Outcome, String) {
        if self.question.rejections.contains(&self.question.proposer) {
            (Outcome::Rejected, "who proposed it rejected it".to_owned())
        } else {
            (Outcome::RequiresConsensus, "the approval of who proposed it is needed".to_owned())
        }
    }
}

/// An expression in backquotes, cut to a length that suits a reason.
fn quoted(text: impl std::fmt::Display) -> String {
    const LONGEST: usize = 200;
    let text = text.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}
