//! The schema's history: numbered files that are only ever added to.
//!
//! Promise: a database that was migrated by an older release gets what is missing, in order, in one transaction per
//! file; one whose history differs from this program's, or reaches beyond it, is refused and left as it is.

use vestibule_crypto::fingerprint::sha256;

use crate::dialect::Dialect;

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1, 2, 3, …
    pub version: i64,
    /// The file's text, both dialects in one.
    pub text: &'static str,
}

/// All of them, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, text: include_str!("migrations/0001_init.sql") },
    Migration { version: 2, text: include_str!("migrations/0002_server_keys.sql") },
    Migration { version: 3, text: include_str!("migrations/0003_definitions.sql") },
    Migration { version: 4, text: include_str!("migrations/0004_lists.sql") },
    Migration { version: 5, text: include_str!("migrations/0005_message_events.sql") },
    Migration { version: 6, text: include_str!("migrations/0006_webhooks.sql") },
    Migration { version: 7, text: include_str!("migrations/0007_delivery.sql") },
    Migration { version: 8, text: include_str!("migrations/0008_message_languages.sql") },
    Migration { version: 9, text: include_str!("migrations/0009_limits.sql") },
    Migration { version: 10, text: include_str!("migrations/0010_messages_of_contacts.sql") },
];

impl Migration {
    /// SHA-256 of the file, hex.
    pub fn checksum(&self) -> String {
        sha256(self.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The text for a dialect: its own comments `/*word: …*/` are opened, all else is left alone.
    pub fn text_for(&self, dialect: Dialect) -> String {
        let open = format!("/*{}:", dialect.word());
        let mut rest = self.text;
        let mut out = String::with_capacity(rest.len());
        while let Some((before, after)) = rest.split_once(open.as_str()) {
            out.push_str(before);
            match after.split_once("*/") {
                Some((inside, behind)) => {
                    out.push_str(inside.trim());
                    rest = behind;
                }
                None => {
                    out.push_str(after);
                    rest = "";
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// Why a database's history was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A later release migrated it.
    #[error(
        "the database is at schema version {found}, this program knows {known}: run the release that wrote it, or a later one"
    )]
    Newer {
        /// In the database.
        found: i64,
        /// Here.
        known: i64,
    },
    /// A released file was edited, or the database is another program's.
    #[error(
        "schema version {0} of the database is not the one this program was built with: run an unmodified release"
    )]
    Changed(i64),
}

/// What is still to be applied to a database with this history of versions and checksums, which is in order.
pub fn pending(applied: &[(i64, String)]) -> Result<&'static [Migration], HistoryError> {
    let known = MIGRATIONS.len();
    for (position, (version, checksum)) in applied.iter().enumerate() {
        let Some(migration) = MIGRATIONS.get(position) else {
            return Err(HistoryError::Newer { found: *version, known: known as i64 });
        };
        if migration.version != *version || migration.checksum() != *checksum {
            return Err(HistoryError::Changed(*version));
        }
    }
    Ok(&MIGRATIONS[applied.len()..])
}

/// The table of the history itself.
pub const HISTORY_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";

/// The history, in order.
pub const READ_HISTORY: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";

/// Adds one entry.
pub const ADD_HISTORY: &str =
    "INSERT INTO schema_migrations (version, checksum, applied_at) VALUES ($1, $2, $3)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_reads_its_own_comments_only() {
        let migration = Migration {
            version: 1,
            text: "CREATE TABLE t (a BIGINT) /*sqlite: WITHOUT ROWID*/ /*postgres: X*/;",
        };
        assert_eq!(
            migration.text_for(Dialect::Sqlite),
            "CREATE TABLE t (a BIGINT) WITHOUT ROWID /*postgres: X*/;"
        );
        assert_eq!(
            migration.text_for(Dialect::Postgres),
            "CREATE TABLE t (a BIGINT) /*sqlite: WITHOUT ROWID*/ X;"
        );
    }

    #[test]
    fn versions_count_from_one_without_gaps() {
        for (position, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, position as i64 + 1);
        }
    }

    #[test]
    fn a_history_this_program_does_not_know_is_refused() {
        let history: Vec<_> = MIGRATIONS.iter().map(|m| (m.version, m.checksum())).collect();
        assert_eq!(pending(&[]).map(<[Migration]>::len), Ok(MIGRATIONS.len()));
        assert_eq!(pending(&history).map(<[Migration]>::len), Ok(0));

        let known = MIGRATIONS.len() as i64;
        let mut newer = history.clone();
        newer.push((known + 1, "00".to_owned()));
        assert_eq!(pending(&newer).err(), Some(HistoryError::Newer { found: known + 1, known }));

        let mut changed = history;
        changed[0].1 = "00".to_owned();
        assert_eq!(pending(&changed).err(), Some(HistoryError::Changed(1)));
    }
}
