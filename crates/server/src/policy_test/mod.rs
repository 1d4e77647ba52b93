//! `vestibule policy test`: judges the cases of a file as a server would, without one.

mod file;

use std::fmt;

use anyhow::{Context, Result};
use vestibule_policy::judgement::{Evaluation, Question, Verdict, judge, may_matter};

use file::{Case, Expected, Suite};

/// What came of a file.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
    verbose: bool,
}

#[derive(Debug)]
struct Row {
    case: String,
    found: Expected,
    /// What differs from what was expected.
    differences: Vec<String>,
    /// Each policy's name, outcome and reason.
    policies: Vec<(String, &'static str, String)>,
}

/// Judges the cases of a file's text. `verbose`: show what the policies said of cases that came out as expected, too.
pub fn report(text: &str, verbose: bool) -> Result<Report> {
    let suite = file::read(text)?;
    Ok(Report { rows: suite.cases.iter().map(|case| row(&suite, case)).collect(), verbose })
}

/// The command. False where a case came out differently.
pub fn run(arguments: &crate::cli::PolicyTest) -> Result<bool> {
    let path = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file).with_context(|| format!("cannot read {path}"))?;
    let report = report(&text, arguments.verbose).with_context(|| format!("{path} is at fault"))?;
    crate::output::print(format_args!("{report}"));
    Ok(report.passed())
}

fn row(suite: &Suite, case: &Case) -> Row {
    let question = Question {
        activity: &case.activity,
        proposer: case.proposer,
        at_home: true,
        on_self: case.own,
        by_proxy: false,
        quorum: &suite.quorum,
        approvals: &case.approvals,
        rejections: &case.rejections,
        members: Some(&suite.members),
        policies: &suite.policies,
        now: case.now,
    };
    let (found, evaluations): (Expected, Vec<Evaluation>) = match judge(&question) {
        Verdict::Allow(permit) => (Expected::Allow, permit.evaluations().to_vec()),
        Verdict::NeedsConsensus(evaluations) => (Expected::NeedsConsensus, evaluations),
        Verdict::Rejected(evaluations) => (Expected::Rejected, evaluations),
        // The members were given.
        Verdict::Deny(evaluations) => (Expected::Deny, evaluations),
        Verdict::NeedsMembers => (Expected::Deny, Vec::new()),
    };
    let mut differences = Vec::new();
    if found != case.expected {
        differences.push(format!("expected {}, found {found}", case.expected));
    }
    for (policy, expected) in &case.outcomes {
        let name = &suite.policies[*policy].name;
        match evaluations.get(*policy) {
            Some(said) if said.outcome == *expected => {}
            Some(said) => differences.push(format!(
                "expected {} of \"{name}\", found {}",
                expected.as_str(),
                said.outcome.as_str()
            )),
            None => {
                differences.push(format!("expected {} of \"{name}\", which was not asked", expected.as_str()))
            }
        }
    }
    if let Some(expected) = &case.voters {
        let members = suite.members.iter().zip(&suite.names);
        let found: Vec<_> = members
            .filter(|(member, _)| may_matter(&question, member.user.id))
            .map(|(_, name)| name.clone())
            .collect();
        if found != *expected {
            let list =
                |names: &[String]| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            differences.push(format!("expected votes of {}, found {}", list(expected), list(&found)));
        }
    }
    let policies = suite.policies.iter().zip(evaluations);
    Row {
        case: case.name.clone(),
        found,
        differences,
        policies: policies
            .map(|(policy, said)| (policy.name.clone(), said.outcome.as_str(), said.reason))
            .collect(),
    }
}

impl Report {
    /// Whether every case came out as expected.
    pub fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.differences.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max();
        let cases = width(&mut self.rows.iter().map(|row| row.case.as_str())).unwrap_or(0);
        for row in &self.rows {
            let mark = if row.differences.is_empty() { "ok  " } else { "FAIL" };
            writeln!(f, "{mark}  {:cases$}  {}", row.case, row.found)?;
            for difference in &row.differences {
                writeln!(f, "      {difference}")?;
            }
            if self.verbose || !row.differences.is_empty() {
                let names = width(&mut row.policies.iter().map(|(name, ..)| name.as_str())).unwrap_or(0);
                for (name, outcome, reason) in &row.policies {
                    writeln!(f, "      {name:names$}  {outcome:26}  {reason}")?;
                }
            }
        }
        let failed = self.rows.iter().filter(|row| !row.differences.is_empty()).count();
        let cases = if self.rows.len() == 1 { "case" } else { "cases" };
        writeln!(f, "{} {cases}, {failed} failed", self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../docs/policies.example.toml");

    fn refusal(text: &str) -> String {
        format!("{:#}", report(text, false).unwrap_err())
    }

    const USERS: &str = "[users.a]\nid = '00000000-0000-0000-0000-00000000000a'\n";

    #[test]
    fn the_example_comes_out_as_it_says() {
        let report = report(EXAMPLE, false).unwrap();
        assert!(report.passed(), "{report}");
        assert!(report.rows.len() >= 12);
        // Every member of the format is shown.
        for member in [
            "root-quorum",
            "tags",
            "email",
            "credentials",
            "consensus",
            "time",
            "params",
            "own",
            "approvals",
            "rejections",
            "at",
            "outcomes",
            "voters",
            "with",
        ] {
            let written = |line: &str| {
                line.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == member)
            };
            assert!(EXAMPLE.lines().filter(|line| !line.starts_with('#')).any(written), "{member}");
        }
    }

    #[test]
    fn a_case_that_comes_out_differently_is_shown_with_every_policy() {
        let text = format!(
            "{USERS}[[policies]]\nname = 'logins'\neffect = 'EFFECT_ALLOW'\n\
             condition = \"activity.resource == 'AUTH' && activity.action == 'DELETE'\"\n\
             [[cases]]\nname = 'a logs in'\nactivity = 'ACTIVITY_TYPE_OTP_LOGIN_V2'\nproposer = 'a'\n\
             expect = 'allow'\noutcomes = {{ logins = 'OUTCOME_ALLOW' }}\nvoters = ['a']\n"
        );
        let report = report(&text, false).unwrap();
        assert!(!report.passed());
        assert_eq!(
            report.to_string(),
            "FAIL  a logs in  deny\n      \
             expected allow, found deny\n      \
             expected OUTCOME_ALLOW of \"logins\", found OUTCOME_DENY_IMPLICIT\n      \
             expected votes of a, found nobody\n      \
             logins  OUTCOME_DENY_IMPLICIT       the condition does not hold: `activity.action == 'DELETE'`\n\
             1 case, 1 failed\n"
        );
    }

    #[test]
    fn every_policy_that_does_not_compile_is_named_with_line_and_column() {
        let text = format!(
            "cases = []\n{USERS}\
             [[policies]]\nname = 'one'\neffect = 'EFFECT_ALLOW'\ncondition = \"activity.kind == 5\"\n\
             [[policies]]\nname = 'two'\neffect = 'EFFECT_DENY'\nconsensus = \"approvers.count()\\n > 'x'\"\n\
             [[policies]]\nname = 'one'\neffect = 'EFFECT_DENY'\ntime = \"time.now\"\n"
        );
        assert_eq!(
            refusal(&text),
            "policy \"one\": invalid policy condition: line 1, column 18: expected a string, found an integer\n\
             policy \"two\": invalid policy consensus: line 2, column 4: expected an integer, found a string\n\
             policy \"one\": the name is taken\n\
             policy \"one\": invalid policy time: line 1, column 6: expected a boolean, found a timestamp"
        );
    }

    #[test]
    fn what_a_case_names_must_exist() {
        let case = |members: &str| {
            refusal(&format!(
                "{USERS}[[policies]]\nname = 'p'\neffect = 'EFFECT_ALLOW'\n\
                 [[cases]]\nname = 'c'\nexpect = 'deny'\n{members}"
            ))
        };
        let login = "activity = 'ACTIVITY_TYPE_OTP_LOGIN'\n";
        assert_eq!(
            case("activity = 'OTP_LOGIN'\nproposer = 'a'"),
            "case \"c\": `OTP_LOGIN` is no type of activity"
        );
        assert_eq!(case(&format!("{login}proposer = 'b'")), "case \"c\": no user is called `b`");
        assert_eq!(
            case(&format!("{login}proposer = {{ user = 'a', with = 'x' }}")),
            "case \"c\": a has no such credential"
        );
        assert_eq!(
            case(&format!("{login}proposer = 'a'\noutcomes = {{ q = 'OUTCOME_ALLOW' }}")),
            "case \"c\": no policy is called `q`"
        );
        assert_eq!(
            case(&format!("{login}proposer = 'a'\noutcomes = {{ p = 'ALLOW' }}")),
            "case \"c\": `ALLOW` is no outcome"
        );
        assert_eq!(
            case(&format!("{login}proposer = 'a'\nvoters = ['z']")),
            "case \"c\": no user is called `z`"
        );
        assert!(case(&format!("{login}proposer = 'a'\nfoo = 1")).contains("unknown field `foo`"));
        let timed = format!(
            "{USERS}[[policies]]\nname = 'p'\neffect = 'EFFECT_ALLOW'\n\
             time = \"time.now > Timestamp('2026-01-01T00:00:00Z')\"\n\
             [[cases]]\nname = 'c'\nexpect = 'deny'\nproposer = 'a'\n{login}"
        );
        assert_eq!(refusal(&timed), "case \"c\": `at` is missing, and policy \"p\" depends on the time");
        assert!(refusal("users = 5").contains("line 1, column 9"));
    }
}
