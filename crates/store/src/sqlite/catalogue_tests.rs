//! What holds of every statement of the catalogue, as SQLite prepares it.

use std::collections::BTreeSet;

use rusqlite::Connection;
use vestibule_engine::model::Millis;

use super::SqliteStore;
use crate::dialect::Dialect;
use crate::statements::Statement;

struct Stopped;

impl vestibule_engine::Clock for Stopped {
    fn now_ms(&self) -> Millis {
        1_700_000_000_000
    }
}

fn schema() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(dir.path(), std::sync::Arc::new(Stopped)).unwrap());
    let conn = Connection::open(dir.path().join("vestibule.db")).unwrap();
    (dir, conn)
}

/// The numbers after `$` in order of first appearance.
fn numbers(text: &str) -> Vec<usize> {
    let mut seen = Vec::new();
    for part in text.split('$').skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let number = digits.parse().unwrap();
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    seen
}

#[test]
fn parameter_i_of_every_statement_is_named_i() {
    let (_dir, conn) = schema();
    for statement in Statement::ALL {
        let prepared =
            conn.prepare(statement.text(Dialect::Sqlite)).unwrap_or_else(|e| panic!("{statement:?}: {e}"));
        for index in 1..=prepared.parameter_count() {
            assert_eq!(prepared.parameter_name(index), Some(format!("${index}").as_str()), "{statement:?}");
        }
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let count = prepared.parameter_count();
            assert_eq!(
                numbers(statement.text(dialect)),
                (1..=count).collect::<Vec<_>>(),
                "{statement:?} {dialect:?}"
            );
        }
    }
}

#[test]
fn names_of_statements_differ() {
    let names: BTreeSet<_> = Statement::ALL.iter().map(|statement| statement.name()).collect();
    assert_eq!(names.len(), Statement::ALL.len());
}

/// How SQLite runs a statement, line by line.
fn plan(conn: &Connection, statement: Statement) -> Vec<String> {
    let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text(Dialect::Sqlite))).unwrap();
    let nulls = vec![rusqlite::types::Null; plan.parameter_count()];
    let lines = plan.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3)).unwrap();
    lines.collect::<Result<_, _>>().unwrap()
}

/// Statements that look at rows of a whole tenant or of everybody, and why they end soon.
const WALKS: &[(Statement, &str)] = {
    use Statement as S;
    const PAGE: &str = "every row is an answer, until the page is full";
    const BATCH: &str = "every row is done with, until the batch is full";
    const FEW: &str = "there are few";
    &[
        (S::SubsAfter, PAGE),
        (S::SubsBefore, PAGE),
        (S::SubsAnyVerifiedAfter, PAGE),
        (S::SubsAnyVerifiedBefore, PAGE),
        (S::ActivitiesAfter, PAGE),
        (S::ActivitiesBefore, PAGE),
        (S::Parents, FEW),
        (S::ServerKeys, FEW),
        (S::NextMessageDue, PAGE),
        (S::FailExpiredMessages, BATCH),
        (S::ClaimMessages, BATCH),
        (S::WaitingEndpoints, PAGE),
        (S::PurgeStaleDeliveries, BATCH),
        (S::PurgeOtps, BATCH),
        (S::PurgeTokens, BATCH),
        (S::PurgeRefusedGuesses, BATCH),
        (S::PurgeCredentials, BATCH),
        (S::PurgeActivities, BATCH),
        (S::PurgeMessageEvents, BATCH),
        (S::PurgeHandedOver, BATCH),
        (S::PurgeCounters, BATCH),
        (S::PurgeAbuse, BATCH),
        (S::AbuseRecords, PAGE),
        (S::PurgeSent, BATCH),
        (S::PurgeFailed, BATCH),
        (S::WalkContactLimits, BATCH),
        (S::WalkIdentifierLimits, BATCH),
        (S::WalkOtpTargets, BATCH),
        (S::WalkActivitySecrets, BATCH),
        (S::WalkMessages, BATCH),
        (S::WalkProxyKeys, BATCH),
    ]
};

/// Statements whose rows are put in order after they were read, and why those are few.
const SORTS: &[(Statement, &str)] = &[
    (Statement::ContactInTarget, "the users of one organization"),
    (Statement::TrimExpiringKeys, "the keys of one user"),
    (Statement::ChosenActivitiesAfter, "one page for each type and status"),
    (Statement::ChosenActivitiesBefore, "one page for each type and status"),
];

/// Whether a line of a plan reads more rows than one organization, contact or key has.
///
/// A search tells in parentheses what it binds. What it binds beside the tenant must narrow it down; an organization does
/// for all tables but activities.
fn is_broad(line: &str, subqueries: &[&str]) -> bool {
    let mut words = line.split(' ');
    match (words.next(), words.next()) {
        (Some("SCAN"), Some(name)) => !line.contains(" VIRTUAL TABLE ") && !subqueries.contains(&name),
        (Some("SEARCH"), Some(name)) => {
            let bound = line.split_once('(').map_or("", |(_, bound)| bound);
            let mut columns =
                bound.split(&['(', ')', ' ', ','][..]).filter_map(|term| term.strip_suffix("=?"));
            let of_activities = ["activities", "a", "n"].contains(&name);
            let is_wide = |column: &str| {
                ["tenant_id", "parent_id", "state"].contains(&column)
                    || (of_activities && column == "organization_id")
            };
            columns.all(is_wide)
        }
        _ => false,
    }
}

#[test]
fn no_statement_reads_more_than_it_answers() {
    let (_dir, conn) = schema();
    let listed = |list: &[(Statement, &str)], statement| list.iter().any(|(known, _)| *known == statement);
    for statement in Statement::ALL {
        let lines = plan(&conn, *statement);
        let subqueries: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("CO-ROUTINE ").or_else(|| line.strip_prefix("MATERIALIZE ")))
            .collect();
        let walks = lines.iter().any(|line| is_broad(line, &subqueries));
        assert_eq!(walks, listed(WALKS, *statement), "{statement:?}: {lines:#?}");
        let sorts = lines.iter().any(|line| line.starts_with("USE TEMP B-TREE"));
        assert_eq!(sorts, listed(SORTS, *statement), "{statement:?}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("AUTOMATIC")), "{statement:?}: {lines:#?}");
        // Anybody may make thousands of unverified holders of a contact; they must not be passed over one by one.
        let contacts = lines.iter().filter(|line| line.contains(" contacts "));
        if matches!(
            statement,
            Statement::CallersByContact
                | Statement::VerifiedContact
                | Statement::SubsByVerifiedAfter
                | Statement::SubsByVerifiedBefore
                | Statement::SubsAnyVerifiedAfter
                | Statement::SubsAnyVerifiedBefore
        ) {
            assert!(contacts.clone().count() > 0);
            for line in contacts {
                assert!(line.contains("contacts_verified"), "{statement:?}: {line}");
            }
        }
    }
}

#[test]
fn what_reads_too_much_is_recognised() {
    for (line, expected) in [
        ("SCAN organizations", true),
        ("SCAN u USING COVERING INDEX users_by_name", true),
        ("SCAN others", false),
        ("SCAN t VIRTUAL TABLE INDEX 1:", false),
        ("SEARCH c USING AUTOMATIC COVERING INDEX (tenant_id=?)", true),
        ("SEARCH contacts USING PRIMARY KEY (tenant_id=?)", true),
        ("SEARCH contacts USING PRIMARY KEY (tenant_id=? AND contact_key=?)", false),
        ("SEARCH otps USING PRIMARY KEY ((tenant_id,id)>(?,?))", true),
        ("SEARCH organizations USING COVERING INDEX organizations_by_parent (parent_id=? AND id<?)", true),
        ("SEARCH users USING PRIMARY KEY (organization_id=?)", false),
        ("SEARCH activities USING INDEX sqlite_autoindex_activities_1 (organization_id=? AND id>?)", true),
        ("USE TEMP B-TREE FOR ORDER BY", false),
    ] {
        assert_eq!(is_broad(line, &["others"]), expected, "{line}");
    }
}
