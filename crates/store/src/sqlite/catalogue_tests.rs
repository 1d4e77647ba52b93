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

#[test]
fn statements_find_their_rows_by_an_index() {
    let (_dir, conn) = schema();
    // The keys of the server are a few rows.
    let walks = [Statement::WalkContactLimits, Statement::WalkIdentifierLimits, Statement::ServerKeys];
    for statement in Statement::ALL {
        let mut plan =
            conn.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text(Dialect::Sqlite))).unwrap();
        let nulls = vec![rusqlite::types::Null; plan.parameter_count()];
        let lines: Vec<String> = plan
            .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        // Subqueries and JSON lists are walked, never tables.
        let tables = [
            "organizations",
            "users",
            "contacts",
            "contact_claims",
            "credentials",
            "otps",
            "tokens",
            "activities",
            "refused_guesses",
            "contact_limits",
            "identifier_limits",
            "trusted_identifiers",
            "outbox",
            "templates",
            "proxy_configs",
            "meta",
            "server_keys",
        ];
        let scanned = lines.iter().any(|line| {
            line.strip_prefix("SCAN ")
                .is_some_and(|rest| tables.contains(&rest.split(' ').next().unwrap_or_default()))
        });
        assert!(!scanned || walks.contains(statement), "{statement:?}: {lines:#?}");
        // Anybody may make thousands of unverified holders of a contact; they must not be passed over one by one.
        let contacts = lines.iter().filter(|line| line.contains(" contacts "));
        if matches!(
            statement,
            Statement::CallersByContact
                | Statement::VerifiedContact
                | Statement::SubsByVerifiedAfter
                | Statement::SubsByVerifiedBefore
        ) {
            assert!(contacts.clone().count() > 0);
            for line in contacts {
                assert!(line.contains("contacts_verified"), "{statement:?}: {line}");
            }
        }
    }
}
