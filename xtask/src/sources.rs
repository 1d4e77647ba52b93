//! Two things that have one home in the source: SQL text in `crates/store`, HTTP status codes in `crates/http`.
//!
//! Rust files are read as tokens, so comments and documentation may speak of either.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What has one home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A statement in a string literal, or a file of SQL.
    Sql,
    /// `StatusCode`, or a path through `http::status`.
    StatusCode,
}

/// Where a rule does not hold: the home itself, and what stands outside the product. `xtask` holds this check's own patterns;
/// the clusters of the tests make databases and standbys.
const SQL_MAY_STAND_IN: &[&str] = &["crates/store/", "crates/cluster/", "xtask/"];
/// The load generator, the testkit and the client tests are HTTP clients: they read status codes, they choose none.
const STATUS_CODES_MAY_STAND_IN: &[&str] = &["crates/http/", "crates/testkit/", "bench/", "e2e/", "xtask/"];

/// A file reviewed and let through one rule, with the reason.
struct Reviewed {
    path: &'static str,
    rule: Rule,
    reason: &'static str,
}

const REVIEWED: &[Reviewed] = &[Reviewed {
    path: "crates/delivery/src/webhooks/courier.rs",
    rule: Rule::StatusCode,
    reason: "reads the status of webhook endpoints, of which it is the client",
}];

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: String,
    line: usize,
    rule: Rule,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.rule {
            Rule::Sql => "SQL belongs in crates/store",
            Rule::StatusCode => "HTTP status codes belong in crates/http",
        };
        write!(f, "{}:{}: {what}", self.path, self.line)
    }
}

/// The breaches in one file. `path` is relative to the workspace root, with forward slashes. Files that are neither Rust
/// nor SQL have none.
pub fn findings(path: &str, read: impl FnOnce() -> Result<String>) -> Result<Vec<Finding>> {
    if path.ends_with(".sql") {
        let is_out_of_place = !allowed(path, Rule::Sql);
        return Ok(is_out_of_place
            .then(|| Finding { path: path.into(), line: 1, rule: Rule::Sql })
            .into_iter()
            .collect());
    }
    if !path.ends_with(".rs") || (allowed(path, Rule::Sql) && allowed(path, Rule::StatusCode)) {
        return Ok(Vec::new());
    }
    let tokens = tokens(&read()?).map_err(|error| anyhow!("{path} is not Rust: {error}"))?;
    let mut found: Vec<Finding> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let rule = match &token.text {
            Text::Literal(literal) if is_sql(literal) => Rule::Sql,
            Text::Word(word) if word == "StatusCode" => Rule::StatusCode,
            Text::Word(word) if word == "http" && follows_status(&tokens[index + 1..]) => Rule::StatusCode,
            Text::Literal(_) | Text::Word(_) | Text::Mark(_) => continue,
        };
        let finding = Finding { path: path.into(), line: token.line, rule };
        if !allowed(path, rule) && found.last() != Some(&finding) {
            found.push(finding);
        }
    }
    Ok(found)
}

/// The reviewed exceptions, for the reader of the check's output.
pub fn exceptions() -> impl Iterator<Item = String> {
    REVIEWED.iter().map(|reviewed| format!("{} ({:?}): {}", reviewed.path, reviewed.rule, reviewed.reason))
}

fn allowed(path: &str, rule: Rule) -> bool {
    let homes = match rule {
        Rule::Sql => SQL_MAY_STAND_IN,
        Rule::StatusCode => STATUS_CODES_MAY_STAND_IN,
    };
    // An integration test of any crate is a client of the server it starts.
    let is_client_test = rule == Rule::StatusCode && path.contains("/tests/");
    is_client_test
        || homes.iter().any(|home| path.starts_with(home))
        || REVIEWED.iter().any(|reviewed| reviewed.path == path && reviewed.rule == rule)
}

struct Token {
    text: Text,
    line: usize,
}

enum Text {
    Word(String),
    Mark(char),
    /// A literal as it is written, quotes and escapes included.
    Literal(String),
}

fn tokens(source: &str) -> Result<Vec<Token>, proc_macro2::LexError> {
    let mut flat = Vec::new();
    flatten(TokenStream::from_str(source)?, &mut flat);
    Ok(flat)
}

fn flatten(stream: TokenStream, flat: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let text = match tree {
            TokenTree::Group(group) if is_documentation(&group) => continue,
            TokenTree::Group(group) => {
                flatten(group.stream(), flat);
                continue;
            }
            TokenTree::Ident(word) => Text::Word(word.to_string()),
            TokenTree::Punct(mark) => Text::Mark(mark.as_char()),
            TokenTree::Literal(literal) => Text::Literal(literal.to_string()),
        };
        flat.push(Token { text, line });
    }
}

/// A doc comment reads as `#[doc = "..."]`.
fn is_documentation(group: &proc_macro2::Group) -> bool {
    let mut inside = group.stream().into_iter();
    group.delimiter() == Delimiter::Bracket
        && matches!(inside.next(), Some(TokenTree::Ident(word)) if word == "doc")
        && matches!(inside.next(), Some(TokenTree::Punct(mark)) if mark.as_char() == '=')
}

fn follows_status(after: &[Token]) -> bool {
    matches!(after, [Token { text: Text::Mark(':'), .. }, Token { text: Text::Mark(':'), .. }, Token { text: Text::Word(word), .. }, ..] if word == "status")
}

/// A statement in capitals anywhere in the text, or in any case at its start: prose may say "select one from the list".
fn is_sql(literal: &str) -> bool {
    let Some((prefix, text)) = literal.split_once('"') else { return false };
    let text = if prefix.contains('r') { text.to_owned() } else { without_escapes(text) };
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    (0..words.len()).any(|start| is_statement(&words[start..], |word, keyword| word == keyword))
        || is_statement(&words, |word, keyword| word.eq_ignore_ascii_case(keyword))
}

fn is_statement(words: &[&str], is: impl Fn(&str, &str) -> bool) -> bool {
    let opens = |first: &str, second: &[&str]| match words {
        [a, b, ..] => is(a, first) && second.iter().any(|keyword| is(b, keyword)),
        _ => false,
    };
    let leads_to = |first: &str, later: &str, within: usize| match words {
        [a, rest @ ..] => is(a, first) && rest.iter().take(within).any(|word| is(word, later)),
        [] => false,
    };
    opens("INSERT", &["INTO", "OR"])
        || opens("DELETE", &["FROM"])
        || opens("CREATE", &["TABLE", "INDEX", "UNIQUE"])
        || leads_to("SELECT", "FROM", usize::MAX)
        || leads_to("UPDATE", "SET", 4)
}

/// Every escape becomes a space: what counts is where words begin and end.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
            plain.push(' ');
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, source: &str) -> Vec<(usize, Rule)> {
        let findings = findings(path, || Ok(source.to_owned())).unwrap();
        findings.into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn a_statement_outside_the_store_is_found_with_its_line() {
        let source = "fn f() {\n    run(\"INSERT INTO otp (id) VALUES ($1)\");\n}\n";
        assert_eq!(found("crates/engine/src/otp.rs", source), [(2, Rule::Sql)]);
    }

    #[test]
    fn every_kind_of_statement_is_found_in_every_kind_of_string() {
        for literal in [
            r#""SELECT id\n  FROM otp""#,
            r##"r#"UPDATE otp SET attempts = attempts - 1"#"##,
            r#""UPDATE otp AS o SET attempts = 0""#,
            r#""DELETE FROM otp""#,
            r#"b"delete from otp""#,
            r#""  select 1 from otp""#,
            r#""CREATE TABLE otp (id BLOB)""#,
            r#""CREATE UNIQUE INDEX by_contact ON otp (contact)""#,
            r#""INSERT OR IGNORE INTO otp VALUES (1)""#,
            r#"c"WITH gone AS (DELETE FROM otp RETURNING id) TABLE gone""#,
        ] {
            let source = format!("const TEXT: T = {literal};");
            assert_eq!(found("crates/server/src/main.rs", &source), [(1, Rule::Sql)], "{literal}");
        }
    }

    #[test]
    fn the_store_writes_sql() {
        assert_eq!(found("crates/store/src/sqlite/read.rs", r#"const S: &str = "SELECT id FROM otp";"#), []);
        assert_eq!(found("crates/store/migrations/0001.sql", "CREATE TABLE otp (id BLOB);"), []);
    }

    #[test]
    fn a_file_of_sql_outside_the_store_is_found() {
        assert_eq!(found("deploy/extra.sql", ""), [(1, Rule::Sql)]);
    }

    #[test]
    fn prose_comments_and_documentation_are_not_sql() {
        let source = r#"
            //! SELECT id FROM otp
            /// DELETE FROM otp
            // INSERT INTO otp
            fn f() { say("You may select one from the list, or update your settings to delete it from here"); say("UPDATE"); }
        "#;
        assert_eq!(found("crates/http/src/lib.rs", source), []);
    }

    #[test]
    fn a_status_code_outside_http_is_found() {
        let source = "use axum::http::StatusCode;\nfn f() -> u16 { ::http::status::OK }\n";
        assert_eq!(found("crates/engine/src/lib.rs", source), [(1, Rule::StatusCode), (2, Rule::StatusCode)]);
    }

    #[test]
    fn http_chooses_status_codes_and_clients_read_them() {
        let source = "use axum::http::StatusCode;";
        for path in [
            "crates/http/src/refusal.rs",
            "crates/server/tests/limits.rs",
            "bench/src/main.rs",
            "e2e/rust/tests/login.rs",
        ] {
            assert_eq!(found(path, source), [], "{path}");
        }
    }

    #[test]
    fn a_client_may_not_write_sql() {
        let source = r#"const S: &str = "SELECT id FROM otp";"#;
        assert_eq!(found("crates/server/tests/limits.rs", source), [(1, Rule::Sql)]);
    }

    #[test]
    fn other_files_are_not_read() {
        let findings = findings("docs/architecture.md", || Err(anyhow!("read"))).unwrap();
        assert_eq!(findings, []);
    }

    #[test]
    fn a_file_that_is_not_rust_is_an_error_that_names_it() {
        let error = findings("crates/wire/src/lib.rs", || Ok("fn f( {".into())).unwrap_err();
        assert!(error.to_string().starts_with("crates/wire/src/lib.rs is not Rust"), "{error}");
    }
}
