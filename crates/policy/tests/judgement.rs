//! Who may do what: every rule of the judgement, and their order.

mod common;

use common::{allow, api_key, ballot, delete_users, deny, member, otp_login, passkey, policy, user_id};
use vestibule_policy::facts::{ActivityFacts, Params};
use vestibule_policy::judgement::{
    Ballot, InvalidPolicy, Member, Outcome, Policy, Question, Verdict, judge, may_matter,
};
use vestibule_wire::view::Quorum;
use vestibule_wire::{
    ActivityType, ApiKeyId, DeleteApiKeys, DeleteUsers, Effect, Intent, PolicyId, SessionRequest, StampLogin,
    UserId,
};

/// Everything a question borrows from.
struct Scene {
    activity: ActivityFacts,
    proposer: u128,
    at_home: bool,
    on_self: bool,
    by_proxy: bool,
    quorum: Quorum,
    members: Vec<Member>,
    approvers: Vec<u128>,
    rejecters: Vec<u128>,
    policies: Vec<Policy>,
    now: i64,
}

/// Users 1 to 5, of whom 1 is the root quorum; user 3 proposes; 3 and 4 are "ops"; 4 has a passkey, too.
fn scene(activity: ActivityFacts, policies: Vec<Policy>) -> Scene {
    Scene {
        activity,
        proposer: 3,
        at_home: true,
        on_self: false,
        by_proxy: false,
        quorum: Quorum { threshold: 1, user_ids: vec![user_id(1)] },
        members: vec![
            member(1, &[], vec![api_key(1)]),
            member(2, &["finance"], vec![api_key(2)]),
            member(3, &["ops"], vec![api_key(3)]),
            member(4, &["ops"], vec![api_key(4), passkey(4)]),
            member(5, &["ops", "finance"], vec![]),
        ],
        approvers: vec![3],
        rejecters: vec![],
        policies,
        now: 1_782_907_200_000,
    }
}

impl Scene {
    fn ask<T>(&self, answer: impl FnOnce(&Question<'_>) -> T) -> T {
        let cast = |n: &u128| {
            let found = self.members.iter().find(|member| member.user.id == user_id(*n));
            ballot(found.expect("the scene has five members"))
        };
        let approvals: Vec<Ballot> = self.approvers.iter().map(cast).collect();
        let rejections: Vec<UserId> = self.rejecters.iter().map(|n| user_id(*n)).collect();
        answer(&Question {
            activity: &self.activity,
            proposer: user_id(self.proposer),
            at_home: self.at_home,
            on_self: self.on_self,
            by_proxy: self.by_proxy,
            quorum: &self.quorum,
            approvals: &approvals,
            rejections: &rejections,
            members: Some(&self.members),
            policies: &self.policies,
            now: self.now,
        })
    }

    fn verdict(&self) -> &'static str {
        self.ask(|question| match judge(question) {
            Verdict::Allow(_) => "allow",
            Verdict::NeedsConsensus(_) => "needs consensus",
            Verdict::Deny(_) => "deny",
            Verdict::Rejected(_) => "rejected",
            Verdict::NeedsMembers => "needs members",
        })
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.ask(|question| match judge(question) {
            Verdict::Allow(permit) => permit.evaluations().iter().map(|said| said.outcome).collect(),
            Verdict::NeedsConsensus(said) | Verdict::Deny(said) | Verdict::Rejected(said) => {
                said.iter().map(|said| said.outcome).collect()
            }
            Verdict::NeedsMembers => Vec::new(),
        })
    }

    fn reasons(&self) -> Vec<String> {
        self.ask(|question| match judge(question) {
            Verdict::Allow(permit) => permit.evaluations().iter().map(|said| said.reason.clone()).collect(),
            Verdict::NeedsConsensus(said) | Verdict::Deny(said) | Verdict::Rejected(said) => {
                said.into_iter().map(|said| said.reason).collect()
            }
            Verdict::NeedsMembers => Vec::new(),
        })
    }

    /// Which of the members may vote.
    fn electorate(&self) -> Vec<u128> {
        (1..=5).filter(|n| self.ask(|question| may_matter(question, user_id(*n)))).collect()
    }

    fn approved_by(mut self, approvers: &[u128]) -> Self {
        self.approvers = approvers.to_vec();
        self
    }

    fn rejected_by(mut self, rejecters: &[u128]) -> Self {
        self.rejecters = rejecters.to_vec();
        self
    }

    fn proposed_by(mut self, proposer: u128) -> Self {
        self.proposer = proposer;
        self.approvers = vec![proposer];
        self
    }

    fn quorum_of(mut self, threshold: u32, users: &[u128]) -> Self {
        self.quorum = Quorum { threshold, user_ids: users.iter().map(|n| user_id(*n)).collect() };
        self
    }

    fn on_self(mut self) -> Self {
        self.on_self = true;
        self
    }
}

fn activity(kind: &'static str, resource: &'static str, action: &'static str) -> ActivityFacts {
    ActivityFacts { activity_type: "ACTIVITY_TYPE_TEST", kind, resource, action, params: Params::default() }
}

const BACKEND: &str = "(activity.resource == 'AUTH' && activity.action == 'CREATE') || \
    (activity.resource == 'OTP' && activity.action == 'CREATE') || \
    (activity.resource == 'OTP' && activity.action == 'VERIFY') || \
    (activity.resource == 'ORGANIZATION' && activity.action == 'CREATE')";
const BY_3: &str = "approvers.any(user, user.id == '00000000-0000-0000-0000-000000000003')";
const TWO_OPS: &str = "approvers.filter(user, user.tags.contains('ops')).count() >= 2";
const A_PASSKEY: &str = "credentials.any(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR')";

#[test]
fn the_documented_backend_policy_allows_otp_logins_and_nothing_else() {
    for (activity, expected) in [
        (activity("INIT_OTP", "OTP", "CREATE"), "allow"),
        (activity("VERIFY_OTP", "OTP", "VERIFY"), "allow"),
        (otp_login(), "allow"),
        (activity("CREATE_SUB_ORGANIZATION", "ORGANIZATION", "CREATE"), "allow"),
        (activity("DELETE_SUB_ORGANIZATION", "ORGANIZATION", "DELETE"), "deny"),
        (delete_users(&["a"]), "deny"),
        (activity("CREATE_POLICY", "POLICY", "CREATE"), "deny"),
        (activity("CREATE_API_KEYS", "CREDENTIAL", "CREATE"), "deny"),
        (activity("SET_ORGANIZATION_FEATURE", "", ""), "deny"),
    ] {
        let kind = activity.kind;
        let backend = scene(activity, vec![allow(1, BACKEND, BY_3)]);
        assert_eq!(backend.verdict(), expected, "{kind}");
        let stranger = Scene { members: backend.members.clone(), ..backend }.proposed_by(2);
        assert_ne!(stranger.verdict(), "allow", "{kind}");
    }
}

#[test]
fn the_root_quorum_does_everything_and_asks_no_policy() {
    for activity in [otp_login(), activity("UPDATE_ROOT_QUORUM", "", "")] {
        let scene = scene(activity, vec![deny(1, "true", "")]).proposed_by(1);
        assert_eq!(scene.verdict(), "allow");
        assert_eq!(scene.outcomes(), []);
    }
}

#[test]
fn two_of_three_root_users_make_a_quorum() {
    let quorum = |approvers: &[u128], rejecters: &[u128]| {
        let scene = scene(activity("CREATE_SUB_ORGANIZATION", "ORGANIZATION", "CREATE"), vec![]);
        scene.quorum_of(2, &[1, 2, 3]).approved_by(approvers).rejected_by(rejecters)
    };
    assert_eq!(quorum(&[3], &[]).verdict(), "needs consensus");
    assert_eq!(quorum(&[3], &[]).electorate(), [1, 2]);
    assert_eq!(quorum(&[3, 4], &[]).verdict(), "needs consensus");
    assert_eq!(quorum(&[3, 1], &[]).verdict(), "allow");
    assert_eq!(quorum(&[3, 3], &[]).verdict(), "needs consensus");
    assert_eq!(quorum(&[3], &[1]).verdict(), "needs consensus");
    assert_eq!(quorum(&[3], &[1]).electorate(), [2]);
    assert_eq!(quorum(&[3], &[1, 2]).verdict(), "rejected");
    assert_eq!(quorum(&[3], &[1, 2]).electorate(), [] as [u128; 0]);
    // Whoever rejected does not also approve.
    assert_eq!(quorum(&[3, 1], &[1]).verdict(), "needs consensus");
}

#[test]
fn the_root_quorum_takes_up_only_what_one_of_its_own_proposes() {
    let scene = scene(otp_login(), vec![]).quorum_of(2, &[1, 2]);
    assert_eq!(scene.verdict(), "deny");
    assert_eq!(scene.electorate(), [] as [u128; 0]);
}

#[test]
fn no_policy_decides_what_the_root_quorum_decides_alone() {
    for kind in [
        "UPDATE_ROOT_QUORUM",
        "SET_ORGANIZATION_FEATURE",
        "REMOVE_ORGANIZATION_FEATURE",
        "UPDATE_ORGANIZATION_NAME",
    ] {
        assert!(ActivityType::ALL.iter().any(|known| known.kind() == kind), "{kind}");
        let all = || vec![allow(1, "true", ""), deny(2, "true", "")];
        assert_eq!(scene(activity(kind, "", ""), all()).on_self().verdict(), "deny", "{kind}");
        let root = scene(activity(kind, "", ""), all()).quorum_of(2, &[2, 3]);
        assert_eq!(root.verdict(), "needs consensus", "{kind}");
        assert_eq!(root.electorate(), [2]);
        assert_eq!(root.rejected_by(&[2]).verdict(), "rejected", "{kind}");
    }
}

#[test]
fn a_denial_beats_every_allowance() {
    let policies = vec![allow(1, BACKEND, ""), deny(2, "activity.kind == 'OTP_LOGIN'", "")];
    let scene = scene(otp_login(), policies);
    assert_eq!(scene.verdict(), "deny");
    assert_eq!(scene.outcomes(), [Outcome::Allow, Outcome::DenyExplicit]);
    let of_others = deny(2, "activity.kind == 'OTP_LOGIN'", "approvers.any(u, u.tags.contains('finance'))");
    let scene = Scene { policies: vec![allow(1, BACKEND, ""), of_others], ..scene };
    assert_eq!(scene.verdict(), "allow");
    assert_eq!(scene.outcomes(), [Outcome::Allow, Outcome::DenyImplicit]);
    assert_eq!(scene.proposed_by(2).verdict(), "deny");
}

#[test]
fn an_error_denies_in_a_denial_and_does_not_allow_in_an_allowance() {
    let error = "true || activity.params.otp_length == 6";
    let broken_allowance = scene(otp_login(), vec![allow(1, error, "")]);
    assert_eq!(broken_allowance.verdict(), "deny");
    assert_eq!(broken_allowance.outcomes(), [Outcome::Error]);
    let broken_denial = scene(otp_login(), vec![allow(1, "true", ""), deny(2, error, "")]);
    assert_eq!(broken_denial.verdict(), "deny");
    assert_eq!(broken_denial.outcomes(), [Outcome::Allow, Outcome::Error]);
    assert_eq!(
        broken_denial.reasons()[1],
        "the condition has no value: line 1, column 25: this activity has no parameter `otp_length`"
    );
    for consensus in ["approvers[1].email == ''", "approvers[1].email != ''"] {
        assert_eq!(scene(otp_login(), vec![allow(1, "true", consensus)]).outcomes(), [Outcome::Error]);
        let denial = scene(otp_login(), vec![allow(1, "true", ""), deny(2, "true", consensus)]);
        assert_eq!(denial.verdict(), "deny");
        // A policy whose condition does not hold does not apply, whatever its consensus.
        let other =
            scene(otp_login(), vec![allow(1, "true", ""), deny(2, "activity.kind == 'X'", consensus)]);
        assert_eq!(other.verdict(), "allow");
    }
}

#[test]
fn a_consensus_by_tag_waits_for_whoever_has_the_tag() {
    let scene = scene(delete_users(&["a"]), vec![allow(1, "activity.kind == 'DELETE_USERS'", TWO_OPS)]);
    assert_eq!(scene.verdict(), "needs consensus");
    assert_eq!(scene.outcomes(), [Outcome::RequiresConsensus]);
    // User 5 has the tag, but no credential to vote with.
    assert_eq!(scene.electorate(), [4]);
    let scene = scene.approved_by(&[3, 2]);
    assert_eq!(scene.verdict(), "needs consensus");
    let scene = scene.approved_by(&[3, 4]);
    assert_eq!(scene.verdict(), "allow");
    assert_eq!(scene.electorate(), [] as [u128; 0]);
    let scene = scene.approved_by(&[3]).rejected_by(&[4]);
    assert_eq!(scene.verdict(), "rejected");
    assert_eq!(scene.outcomes(), [Outcome::Rejected]);
    let scene = scene.rejected_by(&[2]);
    assert_eq!(scene.verdict(), "needs consensus");
    assert_eq!(scene.electorate(), [4]);
}

#[test]
fn a_consensus_that_nobody_can_reach_is_a_refusal() {
    let three = "approvers.filter(user, user.tags.contains('ops')).count() >= 3";
    let scene = scene(otp_login(), vec![allow(1, "true", three)]);
    assert_eq!(scene.verdict(), "deny");
    assert_eq!(scene.outcomes(), [Outcome::DenyImplicit]);
    assert_eq!(
        scene.reasons(),
        ["nobody's approval would suffice: `approvers.filter(user, user.tags.contains('ops')).count() >= 3`"]
    );
    assert_eq!(scene.rejected_by(&[4]).verdict(), "deny");
}

#[test]
fn a_consensus_may_ask_for_a_kind_of_credential() {
    let scene = scene(otp_login(), vec![allow(1, "true", A_PASSKEY)]);
    assert_eq!(scene.verdict(), "needs consensus");
    assert_eq!(scene.electorate(), [4]);
    let with = |n: usize| {
        scene.ask(|question| {
            let credential = scene.members[3].credentials[n].clone();
            let second = Ballot { user: scene.members[3].user.clone(), credential: Some(credential) };
            let approvals = [question.approvals[0].clone(), second];
            matches!(judge(&Question { approvals: &approvals, ..*question }), Verdict::Allow(_))
        })
    };
    assert!(!with(0));
    assert!(with(1));
}

#[test]
fn nobody_votes_with_two_credentials_at_once() {
    let two = "credentials.filter(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR').count() >= 2";
    let mut scene = scene(otp_login(), vec![allow(1, "true", two)]);
    let mut second = passkey(4);
    second.id = "passkey-4b".to_owned();
    scene.members[3].credentials.push(second);
    assert_eq!(scene.verdict(), "deny");
    scene.members[1].credentials.push(passkey(2));
    assert_eq!(scene.verdict(), "needs consensus");
    assert_eq!(scene.electorate(), [2, 4]);
    let named = "credentials.any(c, c.id == 'passkey-4b') && credentials.all(c, c.id != 'passkey-4')";
    scene.policies = vec![allow(1, "true", named)];
    assert_eq!(scene.electorate(), [4]);
}

#[test]
fn whoever_can_be_left_out_does_not_matter() {
    let electorate = |consensus: &str| scene(otp_login(), vec![allow(1, "true", consensus)]).electorate();
    assert_eq!(electorate("approvers.count() >= 2"), [1, 2, 4]);
    assert_eq!(electorate("approvers.count() == 2"), [1, 2, 4]);
    assert_eq!(electorate("approvers.count() >= 4"), [1, 2, 4]);
    assert_eq!(electorate("approvers.count() >= 2 && approvers.all(u, u.tags.contains('ops'))"), [4]);
    let id = |n: u128| format!("approvers.any(u, u.id == '{}')", user_id(n));
    assert_eq!(electorate(&format!("({} && {}) || {}", id(1), id(2), id(4))), [1, 2, 4]);
    assert_eq!(electorate(&format!("{} && ({} || {})", id(3), id(2), id(3))), [] as [u128; 0]);
}

#[test]
fn absent_parts_always_hold_but_the_proposer_must_approve() {
    let open = scene(otp_login(), vec![allow(1, " ", "\n")]);
    assert_eq!(open.verdict(), "allow");
    let silent = open.approved_by(&[4]);
    assert_eq!(silent.verdict(), "needs consensus");
    assert_eq!(silent.electorate(), [3]);
    assert_eq!(silent.rejected_by(&[3]).verdict(), "rejected");
    let denial = scene(otp_login(), vec![allow(1, "", ""), deny(2, "", "")]);
    assert_eq!(denial.approved_by(&[]).verdict(), "deny");
}

#[test]
fn outside_of_its_time_a_policy_does_not_exist() {
    // It is Wednesday 2026-07-01, 12:00 UTC.
    let hours = Some("time.now in CronSpan('0 9 * * 1-5', '8h', 'Europe/London')");
    let nights = Some("time.now in CronSpan('0 22 * * *', '8h', 'UTC')");
    let timed = |effect, time| policy(1, effect, "true", "", time);
    assert_eq!(scene(otp_login(), vec![timed(Effect::Allow, hours)]).verdict(), "allow");
    let night = scene(otp_login(), vec![timed(Effect::Allow, nights)]);
    assert_eq!(night.verdict(), "deny");
    assert_eq!(night.outcomes(), [Outcome::TimeInactive]);
    let night = Scene { now: night.now + 12 * 3_600_000, ..night };
    assert_eq!(night.verdict(), "allow");
    let open = || policy(2, Effect::Allow, "true", "", None);
    assert_eq!(scene(otp_login(), vec![open(), timed(Effect::Deny, hours)]).verdict(), "deny");
    assert_eq!(scene(otp_login(), vec![open(), timed(Effect::Deny, nights)]).verdict(), "allow");
}

#[test]
fn users_manage_themselves_unless_a_policy_denies_it() {
    for kind in [
        "STAMP_LOGIN",
        "CREATE_READ_ONLY_SESSION",
        "CREATE_READ_WRITE_SESSION",
        "RECOVER_USER",
        "CREATE_API_KEYS",
        "DELETE_API_KEYS",
        "CREATE_AUTHENTICATORS",
        "DELETE_AUTHENTICATORS",
        "CREATE_OAUTH_PROVIDERS",
        "DELETE_OAUTH_PROVIDERS",
        "CREATE_MFA_POLICY",
        "UPDATE_MFA_POLICY",
        "DELETE_MFA_POLICY",
        "UPDATE_USER_EMAIL",
        "UPDATE_USER_PHONE_NUMBER",
    ] {
        assert!(ActivityType::ALL.iter().any(|known| known.kind() == kind), "{kind}");
        let own = || activity(kind, "", "");
        assert_eq!(scene(own(), vec![]).on_self().verdict(), "allow", "{kind}");
        assert_eq!(scene(own(), vec![]).verdict(), "deny", "{kind}");
        assert_eq!(Scene { at_home: false, ..scene(own(), vec![]).on_self() }.verdict(), "deny", "{kind}");
        let denial = format!("activity.kind == '{kind}'");
        assert_eq!(scene(own(), vec![deny(1, &denial, "")]).on_self().verdict(), "deny", "{kind}");
        // No votes are needed, neither of a root quorum that the user is in nor of a policy.
        let root = scene(own(), vec![allow(1, "true", TWO_OPS)]).quorum_of(2, &[1, 2, 3]).on_self();
        assert_eq!(root.verdict(), "allow", "{kind}");
        let unheard = scene(own(), vec![]).on_self().approved_by(&[]);
        assert_eq!(unheard.verdict(), "needs consensus", "{kind}");
        assert_eq!(unheard.electorate(), [3], "{kind}");
    }
    for kind in ["UPDATE_USER", "DELETE_USERS", "OTP_LOGIN", "CREATE_POLICY", "APPROVE_ACTIVITY"] {
        assert_eq!(scene(activity(kind, "", ""), vec![]).on_self().verdict(), "deny", "{kind}");
    }
}

#[test]
fn the_proxy_does_what_its_endpoints_do() {
    for (kind, expected) in [
        ("INIT_OTP", "allow"),
        ("VERIFY_OTP", "allow"),
        ("OTP_LOGIN", "allow"),
        ("CREATE_SUB_ORGANIZATION", "allow"),
        ("CREATE_API_KEYS", "deny"),
        ("SET_ORGANIZATION_FEATURE", "deny"),
    ] {
        let scene = Scene { by_proxy: true, ..scene(activity(kind, "", ""), vec![]) };
        assert_eq!(scene.verdict(), expected, "{kind}");
    }
}

#[test]
fn members_are_asked_for_only_when_they_decide() {
    let without = |scene: &Scene| {
        scene.ask(|question| match judge(&Question { members: None, ..*question }) {
            Verdict::Allow(_) => "allow",
            Verdict::NeedsMembers => "needs members",
            _ => "other",
        })
    };
    let waiting = || allow(1, "true", TWO_OPS);
    assert_eq!(without(&scene(otp_login(), vec![waiting()])), "needs members");
    assert_eq!(without(&scene(otp_login(), vec![waiting(), allow(2, "true", "")])), "allow");
    assert_eq!(without(&scene(otp_login(), vec![waiting()]).proposed_by(1)), "allow");
    assert_eq!(without(&scene(otp_login(), vec![allow(1, "false", TWO_OPS)])), "other");
}

#[test]
fn the_reason_names_the_part_that_does_not_hold() {
    let first = "activity.resource == 'AUTH' && activity.action == 'DELETE'";
    let time = Some("time.now < Timestamp('2020-01-01T00:00:00Z')");
    let long = format!("activity.kind == '{}'", "x".repeat(300));
    let scene = scene(
        otp_login(),
        vec![
            allow(1, first, ""),
            policy(2, Effect::Allow, "true", "", time),
            allow(3, "true", TWO_OPS),
            allow(4, &long, ""),
        ],
    );
    let reasons = scene.reasons();
    assert_eq!(
        reasons[..3],
        [
            "the condition does not hold: `activity.action == 'DELETE'`",
            "it is not the time: `time.now < Timestamp('2020-01-01T00:00:00Z')`",
            "more approvals are needed: `approvers.filter(user, user.tags.contains('ops')).count() >= 2`",
        ]
    );
    assert!(reasons[3].ends_with("xxx`...") || reasons[3].ends_with("xxx...`"), "{}", reasons[3]);
    assert!(reasons[3].len() < 250);
}

#[test]
fn a_policy_that_does_not_compile_says_which_part() {
    let compile = |condition, consensus, time| {
        Policy::compile(PolicyId::from_bytes([0; 16]), "p", Effect::Allow, condition, consensus, time)
            .map(|_| ())
    };
    let error = compile("activity.kind", "approvers", Some("time")).unwrap_err();
    assert!(matches!(error, InvalidPolicy::Condition(_)));
    assert_eq!(
        error.to_string(),
        "invalid policy condition: line 1, column 10: expected a boolean, found a string"
    );
    assert!(matches!(compile("true", "approvers", None), Err(InvalidPolicy::Consensus(_))));
    assert!(matches!(compile("true", "true", Some("time")), Err(InvalidPolicy::Time(_))));
    assert_eq!(compile("", "", Some("")), Ok(()));
}

#[test]
fn a_hundred_users_and_a_hundred_policies_are_judged() {
    let members: Vec<_> = (1..=100).map(|n| member(n, &["ops"], vec![api_key(n), passkey(n)])).collect();
    let hard = |n: u128| match n % 4 {
        0 => "approvers.filter(u, u.tags.contains('ops')).count() >= 100".to_owned(),
        1 => format!("{TWO_OPS} && {A_PASSKEY}"),
        2 => "approvers.count() == 51 && credentials.all(c, approvers.any(u, u.id == c.user_id))".to_owned(),
        _ => "approvers.all(a, approvers.all(b, a.id == b.id || a.tags.count() == 9))".to_owned(),
    };
    let policies = (1..=100).map(|n| allow(n, "true", &format!("false || {} && false", hard(n)))).collect();
    let nobody = Scene { members: members.clone(), ..scene(otp_login(), policies) };
    assert_eq!(nobody.verdict(), "deny");
    let policies =
        (1..=100).map(|n| allow(n, "true", &format!("{} && approvers.count() > 1", hard(n)))).collect();
    let some = Scene { members, ..scene(otp_login(), policies) };
    assert_eq!(some.verdict(), "needs consensus");
    assert_eq!(some.electorate(), [1, 2, 4, 5]);
    assert_eq!(some.outcomes()[0], Outcome::RequiresConsensus);
}

#[test]
fn every_activity_has_the_facts_of_its_type() {
    let facts = ActivityFacts::of(ActivityType::OtpLoginV2, Params::default());
    assert_eq!((facts.activity_type, facts.kind), ("ACTIVITY_TYPE_OTP_LOGIN_V2", "OTP_LOGIN"));
    assert_eq!((facts.resource, facts.action), ("AUTH", "CREATE"));
    let facts = ActivityFacts::of(ActivityType::SetOrganizationFeature, Params::default());
    assert_eq!((facts.resource, facts.action), ("", ""));
}

#[test]
fn a_root_user_alone_meets_a_threshold_of_one_for_every_activity() {
    for &activity_type in ActivityType::ALL {
        let facts = ActivityFacts::of(activity_type, Params::default());
        assert_eq!(scene(facts.clone(), vec![]).proposed_by(1).verdict(), "allow", "{}", facts.kind);
        assert_eq!(scene(facts.clone(), vec![]).verdict(), "deny", "{}", facts.kind);
    }
}

#[test]
fn an_activity_has_the_published_parameters_and_no_others() {
    let public_key = format!("02{}", "11".repeat(32));
    let session = |profile: Option<&str>| SessionRequest {
        public_key: Some(public_key.clone()),
        expiration: None,
        invalidate_existing: false,
        session_profile_id: profile.map(str::to_owned),
    };
    let params = |activity_type, intent| ActivityFacts::about(activity_type, &intent).params;
    let login = |profile| Intent::StampLogin(StampLogin { session: session(profile) });
    let none = Params::default;
    assert_eq!(params(ActivityType::StampLogin, login(None)), none());
    assert_eq!(
        params(ActivityType::StampLogin, login(Some("p"))),
        Params { session_profile_id: Some("p".to_owned()), ..none() }
    );
    let delete = Intent::DeleteUsers(DeleteUsers { ids: vec![user_id(1), user_id(2)] });
    let ids = vec![user_id(1).to_string(), user_id(2).to_string()];
    assert_eq!(params(ActivityType::DeleteUsers, delete), Params { user_ids: Some(ids), ..none() });
    let key = ApiKeyId::from_bytes([7; 16]);
    let keys = Intent::DeleteApiKeys(DeleteApiKeys { user_id: user_id(1), ids: vec![key] });
    assert_eq!(
        params(ActivityType::DeleteApiKeys, keys),
        Params { user_id: Some(user_id(1).to_string()), api_key_ids: Some(vec![key.to_string()]), ..none() }
    );
    assert_eq!(params(ActivityType::DeleteSubOrganization, Intent::DeleteSubOrganization), none());
}
