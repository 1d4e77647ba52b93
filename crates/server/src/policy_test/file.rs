//! The file of `vestibule policy test`: users, policies, and cases with what is expected of them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use vestibule_policy::facts::{ActivityFacts, Approver, CredentialFacts, Params};
use vestibule_policy::judgement::{Ballot, Member, Outcome, Policy};
use vestibule_wire::view::{CredentialType, Quorum};
use vestibule_wire::{ActivityType, Effect, PolicyId, UserId};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    root_quorum: RootQuorum,
    users: BTreeMap<String, User>,
    #[serde(default)]
    policies: Vec<PolicyText>,
    cases: Vec<CaseText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootQuorum {
    threshold: u32,
    users: Vec<String>,
}

/// Nobody: what the file tests are policies.
impl Default for RootQuorum {
    fn default() -> Self {
        Self { threshold: 1, users: Vec::new() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    id: UserId,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    email: String,
    alias: Option<String>,
    credentials: Option<Vec<Credential>>,
}

/// A credential, or its type alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Credential {
    Type(CredentialType),
    Full(FullCredential),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullCredential {
    #[serde(rename = "type")]
    kind: CredentialType,
    id: Option<String>,
    #[serde(default)]
    credential_id: String,
    #[serde(default)]
    public_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    name: String,
    effect: Effect,
    #[serde(default)]
    condition: String,
    #[serde(default)]
    consensus: String,
    time: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: String,
    activity: String,
    #[serde(default)]
    params: ParamsText,
    proposer: Vote,
    /// Whether it concerns the proposer's own credentials, sessions or particulars alone.
    #[serde(default)]
    own: bool,
    #[serde(default)]
    approvals: Vec<Vote>,
    #[serde(default)]
    rejections: Vec<String>,
    at: Option<String>,
    expect: Expected,
    #[serde(default)]
    outcomes: BTreeMap<String, String>,
    voters: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParamsText {
    user_ids: Option<Vec<String>>,
    user_id: Option<String>,
    api_key_ids: Option<Vec<String>>,
    otp_length: Option<i64>,
    session_profile_id: Option<String>,
    endpoint_id: Option<String>,
}

/// A user who votes with the first credential, or one who says with which.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Vote {
    User(String),
    With(VoteWith),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VoteWith {
    user: String,
    /// Type or id of a credential.
    with: String,
}

/// What a judgement comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    Allow,
    Deny,
    NeedsConsensus,
    Rejected,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::NeedsConsensus => "needs-consensus",
            Self::Rejected => "rejected",
        })
    }
}

/// Everything ready to be judged.
#[derive(Debug)]
pub struct Suite {
    pub quorum: Quorum,
    pub members: Vec<Member>,
    /// Names of the members, in their order.
    pub names: Vec<String>,
    pub policies: Vec<Policy>,
    pub cases: Vec<Case>,
}

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub activity: ActivityFacts,
    pub proposer: UserId,
    pub own: bool,
    /// The proposer's approval is the first.
    pub approvals: Vec<Ballot>,
    pub rejections: Vec<UserId>,
    pub now: i64,
    pub expected: Expected,
    /// Policies by their place, and what each should say.
    pub outcomes: Vec<(usize, Outcome)>,
    /// Users who should be able to vote still, sorted by name.
    pub voters: Option<Vec<String>>,
}

/// Reads a file. The error says where it is at fault; all policies that do not compile are in one error.
pub fn read(text: &str) -> Result<Suite> {
    let file: File = toml::from_str(text).map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
    let policies = compile(&file.policies)?;
    let names: Vec<String> = file.users.keys().cloned().collect();
    let members: Vec<_> = file.users.iter().map(|(name, user)| member(name, user)).collect();
    let timed = file.policies.iter().find(|policy| policy.time.is_some());
    let mut suite = Suite {
        quorum: Quorum { threshold: file.root_quorum.threshold, user_ids: Vec::new() },
        members,
        names,
        policies,
        cases: Vec::new(),
    };
    suite.quorum.user_ids = suite.ids(&file.root_quorum.users).context("the root quorum")?;
    for case in file.cases {
        let name = case.name.clone();
        let case = suite.case(case, timed).with_context(|| format!("case \"{name}\""))?;
        suite.cases.push(case);
    }
    Ok(suite)
}

fn compile(texts: &[PolicyText]) -> Result<Vec<Policy>> {
    let mut policies = Vec::new();
    let mut errors = Vec::new();
    for (nth, text) in texts.iter().enumerate() {
        if texts[..nth].iter().any(|other| other.name == text.name) {
            errors.push(format!("policy \"{}\": the name is taken", text.name));
        }
        let id = PolicyId::from_bytes((nth as u128 + 1).to_be_bytes());
        let time = text.time.as_deref();
        match Policy::compile(id, &text.name, text.effect, &text.condition, &text.consensus, time) {
            Ok(policy) => policies.push(policy),
            Err(error) => errors.push(format!("policy \"{}\": {error}", text.name)),
        }
    }
    if errors.is_empty() { Ok(policies) } else { bail!(errors.join("\n")) }
}

fn member(name: &str, user: &User) -> Member {
    let of_default = vec![Credential::Type(CredentialType::ApiKeyP256)];
    let credentials = user.credentials.clone().unwrap_or(of_default);
    let facts = |(nth, credential): (usize, Credential)| {
        let full = match credential {
            Credential::Type(kind) => {
                FullCredential { kind, id: None, credential_id: String::new(), public_key: String::new() }
            }
            Credential::Full(full) => full,
        };
        CredentialFacts {
            id: full.id.unwrap_or_else(|| format!("{name}-{}", nth + 1)),
            user_id: user.id,
            credential_type: full.kind.as_str().to_owned(),
            credential_id: full.credential_id,
            public_key: full.public_key,
        }
    };
    Member {
        user: Approver {
            id: user.id,
            tags: user.tags.clone(),
            email: user.email.clone(),
            alias: user.alias.clone().unwrap_or_else(|| name.to_owned()),
        },
        credentials: credentials.into_iter().enumerate().map(facts).collect(),
    }
}

impl Suite {
    fn member(&self, name: &str) -> Result<&Member> {
        let place = self.names.iter().position(|known| known == name);
        place.map(|place| &self.members[place]).with_context(|| format!("no user is called `{name}`"))
    }

    fn ids(&self, names: &[String]) -> Result<Vec<UserId>> {
        names.iter().map(|name| Ok(self.member(name)?.user.id)).collect()
    }

    fn ballot(&self, vote: &Vote) -> Result<Ballot> {
        let (name, with) = match vote {
            Vote::User(name) => (name, None),
            Vote::With(VoteWith { user, with }) => (user, Some(with)),
        };
        let member = self.member(name)?;
        let fits =
            |one: &&CredentialFacts| with.is_none_or(|with| one.id == *with || one.credential_type == *with);
        let credential =
            member.credentials.iter().find(fits).with_context(|| format!("{name} has no such credential"))?;
        Ok(Ballot { user: member.user.clone(), credential: Some(credential.clone()) })
    }

    fn case(&self, case: CaseText, timed: Option<&PolicyText>) -> Result<Case> {
        let activity_type = ActivityType::from_name(&case.activity)
            .with_context(|| format!("`{}` is no type of activity", case.activity))?;
        let ParamsText { user_ids, user_id, api_key_ids, otp_length, session_profile_id, endpoint_id } =
            case.params;
        let params = Params { user_ids, user_id, api_key_ids, otp_length, session_profile_id, endpoint_id };
        let now = match (&case.at, timed) {
            (Some(at), _) => at
                .parse::<jiff::Timestamp>()
                .map_err(|_| anyhow!("`at` is no time like 2026-01-31T09:00:00Z"))?
                .as_millisecond(),
            (None, None) => 0,
            (None, Some(policy)) => {
                bail!("`at` is missing, and policy \"{}\" depends on the time", policy.name)
            }
        };
        let proposal = self.ballot(&case.proposer)?;
        let proposer = proposal.user.id;
        let mut approvals = vec![proposal];
        for vote in &case.approvals {
            approvals.push(self.ballot(vote)?);
        }
        let mut outcomes = Vec::new();
        for (policy, outcome) in &case.outcomes {
            let place = self.policies.iter().position(|known| known.name == *policy);
            let place = place.with_context(|| format!("no policy is called `{policy}`"))?;
            let known = Outcome::ALL.into_iter().find(|known| known.as_str() == *outcome);
            outcomes.push((place, known.with_context(|| format!("`{outcome}` is no outcome"))?));
        }
        if let Some(voters) = &case.voters {
            self.ids(voters)?;
        }
        Ok(Case {
            name: case.name,
            activity: ActivityFacts::of(activity_type, params),
            proposer,
            own: case.own,
            approvals,
            rejections: self.ids(&case.rejections)?,
            now,
            expected: case.expect,
            outcomes,
            voters: case.voters.map(|mut voters| {
                voters.sort();
                voters
            }),
        })
    }
}
