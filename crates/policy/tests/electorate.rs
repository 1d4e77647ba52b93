//! What the judgement finds about votes to come, against trying every set of voters.

mod common;

use common::{allow, api_key, ballot, member, otp_login, passkey, user_id};
use proptest::prelude::*;
use vestibule_policy::facts::Approvals;
use vestibule_policy::judgement::{Ballot, Member, Question, Verdict, judge, may_matter};
use vestibule_policy::language::Consensus;
use vestibule_wire::view::Quorum;

/// Members 1 to 5; 1 proposes. The bits of `traits` choose who has the tags "a" and "b" and a passkey beside the API key.
fn members(traits: u16) -> Vec<Member> {
    (1..=5_u128)
        .map(|n| {
            let bits = traits >> (3 * (n - 1));
            let tags: &[&str] = match bits & 3 {
                0 => &[],
                1 => &["a"],
                2 => &["b"],
                _ => &["a", "b"],
            };
            let passkey = (bits & 4 != 0).then(|| passkey(n));
            member(n, tags, [api_key(n)].into_iter().chain(passkey).collect())
        })
        .collect()
}

/// Asks for at least something: more approvals never make it false.
const RISING: [&str; 9] = [
    "approvers.count() >= 2",
    "approvers.count() >= 3",
    "approvers.filter(u, u.tags.contains('a')).count() >= 2",
    "approvers.filter(u, u.tags.contains('b')).count() >= 1",
    "approvers.any(u, u.id == '00000000-0000-0000-0000-000000000002')",
    "approvers.any(u, u.id == '00000000-0000-0000-0000-000000000004')",
    "credentials.any(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR')",
    "credentials.filter(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR').count() >= 2",
    "credentials.any(c, c.id == 'key-3')",
];
/// Holds of some sets and not of larger ones.
const FALLING: [&str; 4] = [
    "approvers.count() == 2",
    "approvers.all(u, u.tags.contains('a'))",
    "credentials.all(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR')",
    "!approvers.any(u, u.id == '00000000-0000-0000-0000-000000000005')",
];

fn consensus(atoms: &'static [&'static str]) -> impl Strategy<Value = String> {
    let atom = prop::sample::select(atoms);
    let joined = prop::collection::vec((atom, any::<bool>()), 1..5);
    joined.prop_map(|atoms| {
        let mut text = String::new();
        for (nth, (atom, both)) in atoms.into_iter().enumerate() {
            text = match (nth, both) {
                (0, _) => atom.to_owned(),
                (_, true) => format!("({text}) && {atom}"),
                (_, false) => format!("{atom} || {text}"),
            };
        }
        text
    })
}

/// Every way in which the others could vote, as the credential each of them uses; 3 at most, 0 for silence.
fn elections(members: &[Member]) -> Vec<Vec<(usize, usize)>> {
    let mut all = vec![vec![]];
    for (nth, member) in members.iter().enumerate().skip(1) {
        let before = all.clone();
        for credential in 0..member.credentials.len() {
            all.extend(before.iter().map(|votes: &Vec<(usize, usize)>| {
                votes.iter().copied().chain([(nth, credential)]).collect()
            }));
        }
    }
    all
}

fn satisfied(consensus: &Consensus, members: &[Member], votes: &[(usize, usize)]) -> bool {
    let votes: Vec<_> = [(0, 0)].into_iter().chain(votes.iter().copied()).collect();
    let approvals = Approvals {
        approvers: votes.iter().map(|(nth, _)| &members[*nth].user).collect(),
        credentials: votes.iter().map(|(nth, credential)| &members[*nth].credentials[*credential]).collect(),
    };
    consensus.eval(&approvals) == Ok(true)
}

struct Found {
    reachable: bool,
    electorate: Vec<usize>,
}

fn found(text: &str, members: &[Member]) -> Found {
    let activity = otp_login();
    let approvals: Vec<Ballot> = vec![ballot(&members[0])];
    let question = Question {
        activity: &activity,
        proposer: user_id(1),
        at_home: true,
        on_self: false,
        by_proxy: false,
        quorum: &Quorum { threshold: 1, user_ids: vec![user_id(99)] },
        approvals: &approvals,
        rejections: &[],
        members: Some(members),
        policies: &[allow(1, "true", text)],
        now: 0,
    };
    Found {
        reachable: !matches!(judge(&question), Verdict::Deny(_)),
        electorate: (1..5).filter(|nth| may_matter(&question, members[*nth].user.id)).collect(),
    }
}

/// The same by trying everything.
fn true_answer(text: &str, members: &[Member]) -> Found {
    let consensus = Consensus::compile(text).expect("the text is well typed");
    let waits = !satisfied(&consensus, members, &[]);
    let elections = elections(members);
    let satisfying: Vec<_> = elections.iter().filter(|votes| satisfied(&consensus, members, votes)).collect();
    let decides = |nth: usize| {
        satisfying.iter().any(|votes| {
            let without: Vec<_> = votes.iter().copied().filter(|(other, _)| *other != nth).collect();
            without.len() < votes.len() && !satisfied(&consensus, members, &without)
        })
    };
    Found {
        reachable: !satisfying.is_empty(),
        electorate: (1..5).filter(|nth| waits && decides(*nth)).collect(),
    }
}

const ALL: [&str; 13] = {
    let mut all = [""; 13];
    let mut nth = 0;
    while nth < all.len() {
        all[nth] = if nth < RISING.len() { RISING[nth] } else { FALLING[nth - RISING.len()] };
        nth += 1;
    }
    all
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn votes_are_never_waited_for_in_vain(text in consensus(&ALL), traits in 0_u16..1 << 15) {
        let members = members(traits);
        let (found, truth) = (found(&text, &members), true_answer(&text, &members));
        prop_assert!(!found.reachable || truth.reachable, "{}", text);
        for voter in &found.electorate {
            prop_assert!(truth.electorate.contains(voter), "{}: {} of {:?}", text, voter, truth.electorate);
        }
    }

    #[test]
    fn what_more_approvals_can_satisfy_is_found(text in consensus(&RISING), traits in 0_u16..1 << 15) {
        let members = members(traits);
        let (found, truth) = (found(&text, &members), true_answer(&text, &members));
        prop_assert_eq!(found.reachable, truth.reachable, "{}", text);
        // Whoever is waited for includes somebody: an activity never waits for nobody.
        let waits = found.reachable && !truth.electorate.is_empty();
        prop_assert_eq!(!found.electorate.is_empty(), waits, "{}: {:?}", text, truth.electorate);
    }
}
