//! Stored message templates: a small subset of Go's template language, parsed exactly and escaped for where a value stands.
//!
//! Promise: a template either parses whole or is refused with the place and what was expected there; rendering never
//! fails except for length, runs no code, and a value cannot leave the text or the quoted attribute it was put into.
//!
//! The language: text, and actions between `{{` and `}}` with any blanks around their words. An action is one of
//! `.OtpCode`, `.AppName`, `.LogoUrl`, `.MagicLink`, `.ExpirationMinutes`, `.ExpirationSeconds`, or
//! `index .TemplateVariables "name"` (the name in double quotes, with `\"` and `\\`, or in backquotes). What was not
//! given is empty: nobody wants to read Go's `<no value>` in a mail.

mod escape;
mod html;
mod lint;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use vestibule_engine::model::MessagePurpose;

use crate::render::Texts;

pub use lint::{Draft, Finding, Severity, is_picture, lint, lint_logo, lint_logo_url, lint_pictures};

pub(crate) use escape::{clean_line, html_escape, percent_encode, safe_url, settled_line, settled_text};

use escape::Escape;
use html::HtmlContext;

/// Bytes of a template's subject, at most.
pub const MAX_SUBJECT_BYTES: usize = 1024;
/// Bytes of a template's HTML part, at most.
pub const MAX_HTML_BYTES: usize = 256 * 1024;
/// Bytes of a template's text part, at most.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Bytes of a template's SMS, at most.
pub const MAX_SMS_BYTES: usize = 1024;

/// Which part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The subject line: plain text without line breaks.
    Subject,
    /// The HTML body: values are escaped for where they stand.
    Html,
    /// The text body: values stand as they are.
    Text,
    /// The text of an SMS: values stand as they are.
    Sms,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject => "subject",
            Self::Html => "html",
            Self::Text => "text",
            Self::Sms => "sms",
        })
    }
}

/// Why a template was refused: where, and what would have been right there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}, line {line}, column {column}: {expected}")]
pub struct TemplateError {
    /// The part it is in.
    pub part: Part,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected there, as a sentence fragment for people.
    pub expected: String,
}

/// The result would be longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// What an action stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Variable {
    OtpCode,
    AppName,
    LogoUrl,
    MagicLink,
    ExpirationMinutes,
    ExpirationSeconds,
    Custom(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value(Variable, Escape),
}

/// What actions are replaced by; absent things are empty.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    /// The language of the built-in texts.
    pub(crate) texts: Texts,
    /// What the message is for: the built-in texts differ.
    pub(crate) purpose: MessagePurpose,
    /// The code, or the bundle.
    pub(crate) code: &'a str,
    pub(crate) app_name: &'a str,
    pub(crate) logo_url: &'a str,
    pub(crate) magic_link: &'a str,
    pub(crate) lifetime_s: u32,
    pub(crate) variables: &'a BTreeMap<String, String>,
}

/// Whole minutes of a lifetime, rounded up so that no message promises less than one.
pub(crate) fn minutes(lifetime_s: u32) -> u32 {
    lifetime_s.div_ceil(60).max(1)
}

/// One part that parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsedPart {
    pieces: Vec<Piece>,
}

impl ParsedPart {
    /// Parses one part.
    pub(crate) fn parse(part: Part, source: &str) -> Result<Self, TemplateError> {
        let limit = match part {
            Part::Subject => MAX_SUBJECT_BYTES,
            Part::Html => MAX_HTML_BYTES,
            Part::Text => MAX_TEXT_BYTES,
            Part::Sms => MAX_SMS_BYTES,
        };
        let refuse = |offset: usize, expected: String| {
            let (line, column) = lint::place(source, offset);
            TemplateError { part, line, column, expected }
        };
        if source.len() > limit {
            return Err(refuse(0, format!("expected at most {limit} bytes, got {}", source.len())));
        }
        if part == Part::Subject {
            if let Some((offset, _)) = source.char_indices().find(|(_, c)| c.is_control()) {
                return Err(refuse(offset, "expected no line break or other control character".to_owned()));
            }
            if source.trim().is_empty() {
                return Err(refuse(0, "expected a subject".to_owned()));
            }
        }
        let mut context = HtmlContext::default();
        let mut pieces = Vec::new();
        for token in parse::tokens(source) {
            match token.map_err(|e| refuse(e.offset, e.expected.to_owned()))? {
                parse::Token::Literal(text) => {
                    if part == Part::Html {
                        context.feed(text);
                    }
                    pieces.push(Piece::Literal(text.to_owned()));
                }
                parse::Token::Action { offset, end: _, variable } => {
                    let escape = match part {
                        Part::Subject => Escape::Line,
                        Part::Text | Part::Sms => Escape::Text,
                        Part::Html => context.value().map_err(|e| refuse(offset, e.to_owned()))?,
                    };
                    pieces.push(Piece::Value(variable, escape));
                }
            }
        }
        Ok(Self { pieces })
    }

    /// Whether the code is in it.
    fn has_code(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Value(Variable::OtpCode, _)))
    }

    /// Whether the code is where a person can read and copy it: in text, not only in an attribute.
    fn shows_code(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Value(Variable::OtpCode, escape) => *escape != Escape::Attribute && !escape.is_url(),
            Piece::Value(Variable::MagicLink, escape) => escape.is_url(),
            _ => false,
        })
    }

    /// The part with its values, at most `limit` bytes.
    pub(crate) fn render(&self, values: &Values<'_>, limit: usize) -> Result<String, TooLong> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Value(variable, escape) => {
                    let number;
                    let value = match variable {
                        Variable::OtpCode => values.code,
                        Variable::AppName => values.app_name,
                        Variable::LogoUrl => values.logo_url,
                        Variable::MagicLink => values.magic_link,
                        Variable::ExpirationMinutes => {
                            number = minutes(values.lifetime_s).to_string();
                            &number
                        }
                        Variable::ExpirationSeconds => {
                            number = values.lifetime_s.to_string();
                            &number
                        }
                        Variable::Custom(name) => values.variables.get(name).map_or("", String::as_str),
                    };
                    if value.len() > limit {
                        return Err(TooLong);
                    }
                    escape.push(&mut out, value);
                }
            }
            if out.len() > limit {
                return Err(TooLong);
            }
        }
        Ok(out)
    }
}

/// The names of the variables in a part, up to its first error.
pub(crate) fn variables(source: &str) -> impl Iterator<Item = String> + '_ {
    parse::tokens(source).filter_map(|token| match token {
        Ok(parse::Token::Action { variable: Variable::Custom(name), .. }) => Some(name),
        Ok(_) | Err(_) => None,
    })
}

/// Checks a template before it is stored: every part parses, and the HTML, the text and the SMS part (where there are such) each
/// show the code, or in HTML link the magic link.
pub fn check(draft: &Draft<'_>) -> Result<(), TemplateError> {
    let Draft { locale: _, subject, html, text, sms } = *draft;
    let absent =
        |part, expected: &str| Err(TemplateError { part, line: 1, column: 1, expected: expected.to_owned() });
    match (subject, html) {
        (Some(_), None) => return absent(Part::Html, "expected an HTML body beside the subject"),
        (None, Some(_)) => return absent(Part::Subject, "expected a subject beside the HTML body"),
        (None, None) if text.is_some() => {
            return absent(Part::Subject, "expected a subject and an HTML body beside the text");
        }
        (None, None) if sms.is_none() => {
            return absent(Part::Subject, "expected an e-mail (subject and HTML body), an SMS, or both");
        }
        (None, None) | (Some(_), Some(_)) => {}
    }
    let parts = [(Part::Subject, subject), (Part::Html, html), (Part::Text, text), (Part::Sms, sms)];
    for (part, source) in parts {
        let Some(source) = source else { continue };
        if !lint::tells_code(part, &ParsedPart::parse(part, source)?) {
            return Err(lint::missing_code(part));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
