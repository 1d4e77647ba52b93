//! What the language accepts, what it means, and what it says about the rest.

mod common;

use common::{api_key, approver, delete_users, otp_login, passkey};
use vestibule_policy::facts::{ActivityFacts, Approvals};
use vestibule_policy::language::{Condition, Consensus, EvalCause, MAX_TEXT, TimeRule};

fn holds(text: &str, activity: &ActivityFacts) -> bool {
    let condition = Condition::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    condition.eval(activity).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    Condition::compile(text).expect_err(text).to_string()
}

#[test]
fn every_operator_means_what_is_published() {
    let users = delete_users(&["a", "b", "c"]);
    for (text, expected) in [
        ("true", true),
        ("!true", false),
        ("!!true", true),
        ("activity.kind == 'DELETE_USERS'", true),
        ("activity.type != 'ACTIVITY_TYPE_DELETE_USERS'", false),
        ("activity.resource == 'USER' && activity.action == 'DELETE'", true),
        ("activity.resource == 'USER' && activity.action == 'CREATE'", false),
        ("activity.resource == 'OTP' || activity.action == 'DELETE'", true),
        ("activity.action in ['CREATE', 'UPDATE']", false),
        ("activity.params.user_ids.contains('b')", true),
        ("activity.params.user_ids.contains('d')", false),
        ("'c' in activity.params.user_ids", true),
        ("activity.params.user_ids.count() == 3", true),
        ("activity.params.user_ids[0] == 'a'", true),
        ("activity.params.user_ids[1..3].count() == 2", true),
        ("activity.params.user_ids[1..3][0] == 'b'", true),
        ("activity.params.user_ids[3..3].count() == 0", true),
        ("activity.params.user_ids.all(id, id in ['a', 'b', 'c'])", true),
        ("activity.params.user_ids.all(id, id == 'a')", false),
        ("activity.params.user_ids.any(id, id == 'c')", true),
        ("activity.params.user_ids.filter(id, id != 'a').count() == 2", true),
        ("activity.params.user_ids.filter(id, id == 'z').all(id, false)", true),
        ("activity.params.user_ids.filter(id, id == 'z').any(id, true)", false),
        ("[['x'], ['a', 'b']].any(list, list.contains(activity.params.user_ids[0]))", true),
        ("'straße'[5] == 'e'", true),
        ("'abcdef'[1..3] == 'bc'", true),
        ("1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && -1 < 0", true),
        (
            "340282366920938463463374607431768211456 > 340282366920938463463374607431768211455 \
             && -170141183460469231731687303715884105728 < 0",
            true,
        ),
        (r"'it\'s' != 'its' && '\\'[0] == '\\'", true),
    ] {
        assert_eq!(holds(text, &users), expected, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or() {
    let login = otp_login();
    assert!(holds("true || false && false", &login));
    assert!(!holds("(true || false) && false", &login));
    assert!(holds("!false && true || false", &login));
    assert!(holds("!(true && false)", &login));
    assert!(holds("(1 == 1) && !(1 == 2)", &login));
}

#[test]
fn nothing_is_skipped_so_that_an_error_anywhere_is_an_error() {
    let login = otp_login();
    for text in [
        "true || activity.params.otp_length == 6",
        "false && activity.params.otp_length == 6",
        "activity.params.otp_length == 6 || true",
        "['a', 'b'].any(x, x == 'a' || activity.params.user_id == x)",
        "[0, 9].any(i, i == 0 || ['x'][i] == 'x')",
    ] {
        assert!(Condition::compile(text).unwrap().eval(&login).is_err(), "{text}");
    }
}

#[test]
fn an_evaluation_error_says_what_has_no_value_and_where() {
    let login = otp_login();
    let error = |text: &str| Condition::compile(text).unwrap().eval(&login).unwrap_err().to_string();
    assert_eq!(
        error("activity.kind == 'X' ||\n  activity.params.otp_length == 6"),
        "line 2, column 19: this activity has no parameter `otp_length`"
    );
    assert_eq!(error("['a'][1] == 'a'"), "line 1, column 6: index 1 is outside of a length of 1");
    assert_eq!(error("'abc'[-1] == 'a'"), "line 1, column 6: index -1 is outside of a length of 3");
    assert_eq!(error("'abc'[2..4] == 'a'"), "line 1, column 6: index 4 is outside of a length of 3");
    assert_eq!(error("'abc'[2..1] == 'a'"), "line 1, column 6: index 2 is outside of a length of 3");
}

#[test]
fn a_refusal_says_where_and_what_was_expected() {
    for (text, expected) in [
        ("", "line 1, column 1: expected an expression, found the end"),
        ("activity.kind == 5", "line 1, column 18: expected a string, found an integer"),
        ("activity.kind", "line 1, column 10: expected a boolean, found a string"),
        ("activity.kind = 'A'", "line 1, column 15: expected `==`, found `=`"),
        ("activity.kind == \"A\"", "line 1, column 18: expected a string in single quotes, found `\"`"),
        ("activity.kind == 'A", "line 1, column 18: expected a string that ends in `'`, found the end"),
        ("activity.kind == 'A' & true", "line 1, column 22: expected `&&`, found `&`"),
        ("eth.tx.to == '0x'", "line 1, column 1: expected `activity`, found `eth`"),
        ("approvers.count() == 1", "line 1, column 1: expected `activity`, found `approvers`"),
        ("wallet.id == 'x'", "line 1, column 1: expected `activity`, found `wallet`"),
        (
            "activity.name == 'x'",
            "line 1, column 10: expected `type`, `kind`, `resource`, `action` or `params`, found `name`",
        ),
        (
            "activity.params.contact == 'x'",
            "line 1, column 17: expected `user_ids`, `user_id`, `api_key_ids`, `otp_length`, `session_profile_id` \
             or `endpoint_id`, found `contact`",
        ),
        ("activity.kind in 'AB'", "line 1, column 18: expected a list of strings, found a string"),
        (
            "activity.params.user_ids.size() == 1",
            "line 1, column 26: expected `all`, `any`, `filter`, `contains` or `count`, found `size`",
        ),
        (
            "activity.params.user_ids.count == 1",
            "line 1, column 26: expected `all()`, `any()`, `filter()`, `contains()` or `count()`, found `count`",
        ),
        ("activity.kind.all(x, true)", "line 1, column 10: expected a list, found a string"),
        (
            "['a'].all(activity, true)",
            "line 1, column 11: expected a name of your own for the variable, found `activity`",
        ),
        (
            "['a'].all(x, ['b'].any(x, true))",
            "line 1, column 20: expected a variable with a name of its own, found `x` again",
        ),
        ("['a', 1].count() == 2", "line 1, column 7: expected a string, found an integer"),
        ("[].count() == 0", "line 1, column 2: expected an expression, found `]`"),
        (
            "1 < 2 < 3",
            "line 1, column 7: expected `&&`, `||` or the end after a comparison; comparisons do not chain, found `<`",
        ),
        ("'a' < 'b'", "line 1, column 1: expected an integer, found a string"),
        ("true == true", "line 1, column 1: expected integers or strings, found booleans"),
        ("true true", "line 1, column 6: expected an operator or the end, found `true`"),
        ("(true", "line 1, column 6: expected `)`, found the end"),
        ("!activity.kind", "line 1, column 11: expected a boolean, found a string"),
        ("'ä' == 'ö' &&\n 'ü' == 3", "line 2, column 9: expected a string, found an integer"),
        (r"'\n' == 'x'", r"line 1, column 2: expected `\'` or `\\`"),
        ("- 1 < 2", "line 1, column 1: expected a digit after `-`"),
        ("true && time.now == 1", "line 1, column 9: expected `activity`, found `time`"),
        (
            "activity.kind == 'A' && ;",
            "line 1, column 25: expected a name, a literal or an operator, found ';'",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn expressions_are_bounded() {
    let deep = |n: usize| format!("{}true{}", "(".repeat(n), ")".repeat(n));
    assert!(Condition::compile(&deep(64)).is_ok());
    assert!(refusal(&deep(65)).contains("64 levels"));
    assert!(refusal(&deep(4000)).contains("64 levels"));
    assert!(refusal(&format!("{}true", "!".repeat(8000))).contains("64 levels"));
    assert!(refusal(&format!("'a'{} == 'a'", "[0]".repeat(2700))).contains("64 levels"));
    assert!(refusal(&format!("{}1{} == 1", "[".repeat(4000), "]".repeat(4000))).contains("64 levels"));
    let long = vec!["true"; 1100].join("&&");
    assert!(Condition::compile(&long).is_ok());
    assert!(refusal(&format!("[{}].count() == 1", vec!["1"; 3000].join(","))).contains("2048 parts"));
    assert!(refusal(&" ".repeat(MAX_TEXT + 1)).contains("8192 bytes"));
}

#[test]
fn an_evaluation_that_takes_too_long_is_an_error() {
    let list = format!("[{}]", vec!["1"; 60].join(","));
    let text = format!("{list}.all(a, {list}.all(b, {list}.all(c, a == b && b == c)))");
    let error = Condition::compile(&text).unwrap().eval(&otp_login()).unwrap_err();
    assert_eq!(error.cause, EvalCause::TooManySteps);
}

#[test]
fn a_consensus_counts_users_and_their_credentials() {
    let users = [approver(1, &["ops"]), approver(2, &["ops", "finance"]), approver(3, &[])];
    let credentials = [api_key(1), passkey(2), api_key(3)];
    let approvals =
        Approvals { approvers: users.iter().collect(), credentials: credentials.iter().collect() };
    for (text, expected) in [
        ("approvers.count() == 3", true),
        ("approvers.any(user, user.id == '00000000-0000-0000-0000-000000000002')", true),
        ("approvers.any(user, user.id == '00000000-0000-0000-0000-000000000009')", false),
        ("approvers.filter(user, user.tags.contains('ops')).count() >= 2", true),
        ("approvers.all(user, user.tags.contains('ops'))", false),
        ("approvers.any(user, user.email == 'user3@example.com')", true),
        ("approvers[0].alias == 'User 1'", true),
        ("credentials.any(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR')", true),
        ("credentials.all(c, c.type == 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR')", false),
        ("credentials.any(c, c.credential_id == 'cred-2')", true),
        (
            "credentials.filter(c, approvers.any(u, u.id == c.user_id && u.tags.contains('finance'))).count() == 1",
            true,
        ),
        ("credentials.any(c, c.public_key[0..2] == '04') && credentials[0].id == 'key-1'", true),
    ] {
        assert_eq!(Consensus::compile(text).unwrap().eval(&approvals), Ok(expected), "{text}");
    }
    assert_eq!(
        Consensus::compile("activity.kind == 'X'").unwrap_err().to_string(),
        "line 1, column 1: expected `approvers` or `credentials`, found `activity`"
    );
    assert_eq!(
        Consensus::compile("approvers.any(user, user.name == 'X')").unwrap_err().to_string(),
        "line 1, column 26: expected `id`, `tags`, `email` or `alias`, found `name`"
    );
    assert_eq!(
        Consensus::compile("approvers.contains('X')").unwrap_err().to_string(),
        "line 1, column 1: expected integers or strings, found users"
    );
}

#[test]
fn a_time_rule_knows_moments_and_spans() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let wednesday_noon = at("2026-07-01T12:00:00Z");
    for (text, expected) in [
        ("time.now > Timestamp('2026-01-01T00:00:00Z')", true),
        ("time.now >= Timestamp('2026-07-01T12:00:00+00:00')", true),
        ("time.now == Timestamp('2026-07-01T12:00:00.000Z')", true),
        ("time.now < Timestamp('2026-07-01T12:00:00Z')", false),
        ("Timestamp('2027-01-01T00:00:00Z') > time.now", true),
        ("time.now in CronSpan('0 9 * * 1-5', '8h', 'Europe/London')", true),
        ("time.now in CronSpan('0 9 * * 1-5','8h','America/New_York')", false),
        ("!(time.now in CronSpan('0 9 * * sat,sun', '8h', 'UTC'))", true),
        (
            "time.now in CronSpan('0 12 * * *', '1h', 'UTC') && time.now < Timestamp('2026-08-01T00:00:00Z')",
            true,
        ),
    ] {
        assert_eq!(TimeRule::compile(text).unwrap().eval(wednesday_noon), Ok(expected), "{text}");
    }
    for (text, expected) in [
        ("time.now", "line 1, column 6: expected a boolean, found a timestamp"),
        (
            "time.now == CronSpan('0 9 * * *', '8h', 'UTC')",
            "line 1, column 13: expected a timestamp, found a cron span",
        ),
        (
            "1 in CronSpan('0 9 * * *', '8h', 'UTC')",
            "line 1, column 1: expected a timestamp, found an integer",
        ),
        (
            "time.now in CronSpan('0 9 * *', '8h', 'UTC')",
            "line 1, column 22: expected a schedule of five fields, like '0 9 * * 1-5'",
        ),
        (
            "time.now in CronSpan('0 24 * * *', '8h', 'UTC')",
            "line 1, column 22: expected values from 0 to 23 for the hour of a schedule, found `24`",
        ),
        (
            "time.now in CronSpan('0 9 * * *', '8x', 'UTC')",
            "line 1, column 35: expected a duration like '8h' or '1h 30m', from '1m' to '744h'",
        ),
        (
            "time.now in CronSpan('0 9 * * *', '8h', 'Mars')",
            "line 1, column 41: expected the IANA name of a time zone, like 'Europe/Berlin'",
        ),
        (
            "time.now > Timestamp('yesterday')",
            "line 1, column 22: expected a time like '2026-01-31T09:00:00Z'",
        ),
        ("time.now > Timestamp(5)", "line 1, column 22: expected a string in single quotes, found `5`"),
        ("activity.kind == 'X'", "line 1, column 1: expected `time`, found `activity`"),
        ("time.zone == 'X'", "line 1, column 6: expected `now`, found `zone`"),
    ] {
        assert_eq!(TimeRule::compile(text).unwrap_err().to_string(), expected, "{text}");
    }
    assert_eq!(
        TimeRule::compile("time.now in CronSpan('0 9 * * *', '8h', 'UTC')").unwrap().eval(i64::MAX),
        Err(vestibule_policy::language::EvalError {
            at: vestibule_policy::language::At { line: 1, column: 6 },
            cause: EvalCause::NoSuchTime
        })
    );
    assert_eq!(
        refusal(
            "activity.kind == 'X' && Timestamp('2026-01-01T00:00:00Z') > Timestamp('2025-01-01T00:00:00Z')"
        ),
        "line 1, column 25: expected no time: `Timestamp` and `CronSpan` are for the time rule of a policy"
    );
}

#[test]
fn printing_gives_one_spelling() {
    for (text, printed) in [
        ("( activity . kind=='A' )", "activity.kind == 'A'"),
        ("((true)||false)&&!(true&&false)", "(true || false) && !(true && false)"),
        ("true&&(true&&true)", "true && (true && true)"),
        (r"['a','b'] . filter( x ,x!='a')[ 0 ]=='\''", r"['a', 'b'].filter(x, x != 'a')[0] == '\''"),
        ("1==007", "1 == 7"),
    ] {
        assert_eq!(Condition::compile(text).unwrap().to_string(), printed);
    }
    let rule = "time.now  in CronSpan('0 9 * * *','8h','UTC')";
    assert_eq!(
        TimeRule::compile(rule).unwrap().to_string(),
        "time.now in CronSpan('0 9 * * *', '8h', 'UTC')"
    );
}
