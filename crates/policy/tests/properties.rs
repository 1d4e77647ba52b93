//! What holds for every expression there is.

mod common;

use common::{api_key, approver, delete_users, otp_login, passkey};
use proptest::prelude::*;
use vestibule_policy::facts::{ActivityFacts, Approvals, Params};
use vestibule_policy::language::{Condition, Consensus, EvalCause, EvalError, TimeRule};

/// Writes expressions of a wanted type, choosing by the bytes it is given.
struct Writer<'a> {
    bytes: std::slice::Iter<'a, u8>,
    texts: &'a [&'a str],
    lists: &'a [&'a str],
    variables: usize,
}

impl Writer<'_> {
    fn choose(&mut self, of: usize) -> usize {
        usize::from(*self.bytes.next().unwrap_or(&0)) % of
    }

    fn boolean(&mut self, depth: usize) -> String {
        if depth == 0 {
            return ["true", "false"][self.choose(2)].to_owned();
        }
        let deeper = depth - 1;
        match self.choose(12) {
            0 => format!("!{}", self.boolean(deeper)),
            1 => format!("!({})", self.boolean(deeper)),
            2 => format!("{} && {}", self.boolean(deeper), self.boolean(deeper)),
            3 => format!("{}||{}", self.boolean(deeper), self.boolean(deeper)),
            4 => format!("( {} ) &&({})", self.boolean(deeper), self.boolean(deeper)),
            5 => {
                let sign = ["==", "!=", "<", ">", "<=", ">="][self.choose(6)];
                format!("({} {sign} {})", self.integer(deeper), self.integer(deeper))
            }
            6 => format!("({} == {})", self.text(deeper), self.text(deeper)),
            7 => format!("({} in {})", self.text(deeper), self.list(deeper)),
            8 => format!("{}.contains({})", self.list(deeper), self.text(deeper)),
            9 | 10 => {
                let method = ["all", "any"][self.choose(2)];
                self.each(method, deeper)
            }
            _ => self.boolean(0),
        }
    }

    fn each(&mut self, method: &str, depth: usize) -> String {
        let list = self.list(depth);
        self.variables += 1;
        let variable = format!("v{}", self.variables);
        let body = match self.choose(3) {
            0 => self.boolean(depth),
            1 => format!("{variable} == {}", self.text(depth)),
            _ => format!("{variable} in {} || {variable}[0] != {variable}", self.list(depth)),
        };
        format!("{list}.{method}({variable}, {body})")
    }

    fn integer(&mut self, depth: usize) -> String {
        match (depth, self.choose(4)) {
            (0, _) | (_, 0) => {
                ["0", "1", "-7", "2", "340282366920938463463374607431768211456"][self.choose(5)].to_owned()
            }
            _ => format!("{}.count()", self.list(depth - 1)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match (depth, self.choose(6)) {
            (0, _) | (_, 0) => ["''", "'ä'", "'abc'", r"'\''", r"'a\\b'"][self.choose(5)].to_owned(),
            (_, 1) => format!("{}[{}]", self.text(depth - 1), self.integer(depth - 1)),
            (_, 2) => {
                let (from, to) = (self.integer(depth - 1), self.integer(depth - 1));
                format!("{}[{from}..{to}]", self.text(depth - 1))
            }
            (_, 3) => format!("{}[{}]", self.list(depth - 1), self.integer(depth - 1)),
            _ => self.texts[self.choose(self.texts.len())].to_owned(),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        match (depth, self.choose(5)) {
            (0, _) | (_, 0) => self.lists[self.choose(self.lists.len())].to_owned(),
            (_, 1) => self.each("filter", depth - 1),
            (_, 2) => {
                format!("{}[{}..{}]", self.list(depth - 1), self.integer(0), self.integer(depth - 1))
            }
            (_, 3) => format!("[{}, {}]", self.list(depth - 1), self.list(0)) + "[0]",
            _ => format!("[{}, {}]", self.text(depth - 1), self.text(depth - 1)),
        }
    }
}

fn condition_text(bytes: &[u8]) -> String {
    let texts = [
        "activity.type",
        "activity.kind",
        "activity.resource",
        "activity.action",
        "activity.params.user_id",
        "activity.params.session_profile_id",
        "activity.params.endpoint_id",
    ];
    let lists = ["['a', 'b']", "activity.params.user_ids", "activity.params.api_key_ids", "['']"];
    Writer { bytes: bytes.iter(), texts: &texts, lists: &lists, variables: 0 }.boolean(6)
}

fn consensus_text(bytes: &[u8]) -> String {
    let texts = [
        "approvers[0].id",
        "approvers[1].email",
        "approvers[0].alias",
        "credentials[0].type",
        "credentials[0].public_key",
        "credentials[0].credential_id",
        "credentials[1].user_id",
    ];
    let lists = ["approvers[0].tags", "['a']", "approvers.filter(u, u.tags.count() > 0)[0].tags"];
    Writer { bytes: bytes.iter(), texts: &texts, lists: &lists, variables: 0 }.boolean(6)
}

fn activities() -> [ActivityFacts; 4] {
    let full = Params {
        user_ids: Some(vec!["a".to_owned(), String::new()]),
        user_id: Some("ä".to_owned()),
        api_key_ids: Some(Vec::new()),
        otp_length: Some(6),
        session_profile_id: Some("abc".to_owned()),
        endpoint_id: Some("'".to_owned()),
    };
    [otp_login(), delete_users(&[]), delete_users(&["a", "b"]), ActivityFacts { params: full, ..otp_login() }]
}

/// Errors that depend on the facts, and not on the types.
fn is_of_the_facts(error: &EvalError) -> bool {
    error.cause != EvalCause::Types
}

fn check_condition(text: &str) -> Result<(), TestCaseError> {
    if let Ok(condition) = Condition::compile(text) {
        let printed = condition.to_string();
        let again =
            Condition::compile(&printed).map_err(|e| TestCaseError::fail(format!("{printed}: {e}")))?;
        prop_assert_eq!(&condition, &again);
        prop_assert_eq!(&printed, &again.to_string());
        for activity in activities() {
            let value = condition.eval(&activity);
            prop_assert!(value.as_ref().err().is_none_or(is_of_the_facts), "{}: {:?}", printed, value);
            prop_assert_eq!(value.ok(), again.eval(&activity).ok(), "{}", printed);
        }
    }
    Ok(())
}

fn check_consensus(text: &str) -> Result<(), TestCaseError> {
    if let Ok(consensus) = Consensus::compile(text) {
        let printed = consensus.to_string();
        let again =
            Consensus::compile(&printed).map_err(|e| TestCaseError::fail(format!("{printed}: {e}")))?;
        prop_assert_eq!(&consensus, &again);
        let users = [approver(1, &["a", "b"]), approver(2, &[])];
        let credentials = [api_key(1), passkey(2)];
        for count in 0..=2 {
            let approvals = Approvals {
                approvers: users.iter().take(count).collect(),
                credentials: credentials.iter().take(count).collect(),
            };
            let value = consensus.eval(&approvals);
            prop_assert!(value.as_ref().err().is_none_or(is_of_the_facts), "{}: {:?}", printed, value);
        }
    }
    Ok(())
}

fn check_time(text: &str) -> Result<(), TestCaseError> {
    if let Ok(rule) = TimeRule::compile(text) {
        let printed = rule.to_string();
        let again =
            TimeRule::compile(&printed).map_err(|e| TestCaseError::fail(format!("{printed}: {e}")))?;
        prop_assert_eq!(&rule, &again);
        for now in [i64::MIN, -1, 0, 1_782_916_051_261, i64::MAX] {
            let value = rule.eval(now);
            prop_assert!(value.as_ref().err().is_none_or(is_of_the_facts), "{}: {:?}", printed, value);
        }
    }
    Ok(())
}

#[test]
fn every_text_of_the_fuzzing_corpus_is_refused_or_sound() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/expressions");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 12);
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        check_condition(&text).unwrap();
        check_consensus(&text).unwrap();
        check_time(&text).unwrap();
    }
}

const PIECES: [&str; 44] = [
    "activity",
    "approvers",
    "credentials",
    "time",
    ".",
    ".",
    "now",
    "kind",
    "params",
    "user_ids",
    "tags",
    "id",
    "(",
    ")",
    "[",
    "]",
    "[0]",
    "..",
    ",",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "in",
    "true",
    "false",
    "'a'",
    "''",
    "0",
    "-1",
    "7",
    ".all(x,",
    ".any(y,",
    ".filter(z,",
    ".contains(",
    ".count()",
    "x",
    "y",
    " ",
    "Timestamp('2026-01-01T00:00:00Z')",
    "CronSpan('*/7 9 * * 1-5','8h','Asia/Tokyo')",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_well_typed_condition_compiles_prints_and_evaluates(
        bytes in prop::collection::vec(any::<u8>(), 0..160)
    ) {
        let text = condition_text(&bytes);
        if let Err(error) = Condition::compile(&text) {
            return Err(TestCaseError::fail(format!("{text}: {error}")));
        }
        check_condition(&text)?;
    }

    #[test]
    fn a_well_typed_consensus_compiles_prints_and_evaluates(
        bytes in prop::collection::vec(any::<u8>(), 0..160)
    ) {
        let text = consensus_text(&bytes);
        if let Err(error) = Consensus::compile(&text) {
            return Err(TestCaseError::fail(format!("{text}: {error}")));
        }
        check_consensus(&text)?;
    }

    #[test]
    fn a_damaged_expression_is_refused_or_sound(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        at in any::<prop::sample::Index>(),
        removed in 0_usize..6,
        piece in prop::sample::select(&PIECES[..]),
    ) {
        let mut text: Vec<char> = condition_text(&bytes).chars().collect();
        let from = at.index(text.len());
        let to = text.len().min(from + removed);
        text.splice(from..to, piece.chars());
        check_condition(&text.into_iter().collect::<String>())?;
    }

    #[test]
    fn any_row_of_pieces_is_refused_or_sound(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)
    ) {
        let text = pieces.concat();
        check_condition(&text)?;
        check_consensus(&text)?;
        check_time(&text)?;
    }

    #[test]
    fn any_text_at_all_is_refused_or_sound(text in any::<String>()) {
        check_condition(&text)?;
        check_consensus(&text)?;
        check_time(&text)?;
    }

    #[test]
    fn any_schedule_is_refused_or_answers(
        cron in "(\\*|[0-5]?[0-9]|1-[1-5]0)(/[1-9])? (\\*|1?[0-9],2[0-4])(/[1-9])? (\\*|[1-3]?[0-9]) (\\*|[1-9]|feb) (\\*|[0-7])",
        now in -300_000_000_000_000_i64..250_000_000_000_000,
    ) {
        let text = format!("time.now in CronSpan('{cron}', '1h', 'America/St_Johns')");
        if let Ok(rule) = TimeRule::compile(&text) {
            let value = rule.eval(now);
            prop_assert!(value.is_ok(), "{}: {:?}", text, value);
        }
    }
}
