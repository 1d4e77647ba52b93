//! What is wrong with a template, and what may surprise its author, before it is stored.
//!
//! Promise: what is called an error would be refused or would not tell the code; a template without one can be stored, and is sent
//! whatever the app is called. Only what requests put into it beside, variables, link and logo, can still make an SMS too long, which is
//! noted.

mod pictures;
mod segments;

use std::collections::BTreeSet;
use std::fmt;

use vestibule_wire::Locale;

use super::{ParsedPart, Part, TemplateError, Variable, parse};
use crate::render::{Direction, Texts};
use crate::settings::MessageSettings;

pub use pictures::{is_picture, lint_logo, lint_logo_url, lint_pictures};

/// Bytes of HTML beyond which some mail readers cut a message off.
const CLIPPED_HTML: usize = 100 * 1024;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Some people will not see what the author sees, or it costs more than it must.
    Warning,
    /// The template is refused, or would not tell the code.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something found in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// The part it is in.
    pub part: Part,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What it is, as a sentence fragment for people.
    pub message: String,
}

/// A template that is not stored yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draft<'a> {
    /// Its language.
    pub locale: Option<&'a Locale>,
    /// Subject; with `html`, or neither.
    pub subject: Option<&'a str>,
    /// HTML body.
    pub html: Option<&'a str>,
    /// Text body.
    pub text: Option<&'a str>,
    /// Text of an SMS.
    pub sms: Option<&'a str>,
}

impl<'a> Draft<'a> {
    fn parts(&self) -> impl Iterator<Item = (Part, &'a str)> + use<'a> {
        let Self { locale: _, subject, html, text, sms } = *self;
        [(Part::Subject, subject), (Part::Html, html), (Part::Text, text), (Part::Sms, sms)]
            .into_iter()
            .filter_map(|(part, source)| Some((part, source?)))
    }
}

/// Everything found, by part and place. `variables`: the names that requests give in `templateVariables`, where they are known.
pub fn lint(
    draft: &Draft<'_>,
    variables: Option<&BTreeSet<String>>,
    settings: &MessageSettings,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut parsed = true;
    for (part, source) in draft.parts() {
        match ParsedPart::parse(part, source) {
            Err(error) => {
                parsed = false;
                findings.push(error.into());
            }
            Ok(whole) => {
                if !tells_code(part, &whole) {
                    findings.push(missing_code(part).into());
                }
                unknown_variables(part, source, variables, &mut findings);
            }
        }
    }
    if let Some(html) = draft.html {
        findings.extend(lint_pictures(html));
        reading(draft, html, &mut findings);
    }
    if parsed && let Some(sms) = draft.sms {
        findings.extend(segments::lint(sms, settings));
    }
    findings.sort_by_key(|finding| (finding.part as u8, finding.line, finding.column));
    findings
}

/// Whether a part says what it is there for. A subject need not.
pub(super) fn tells_code(part: Part, parsed: &ParsedPart) -> bool {
    match part {
        Part::Subject => true,
        Part::Html => parsed.shows_code(),
        Part::Text | Part::Sms => parsed.has_code(),
    }
}

pub(super) fn missing_code(part: Part) -> TemplateError {
    let expected = "expected {{ .OtpCode }} somewhere in the text; the message would not tell the code";
    TemplateError { part, line: 1, column: 1, expected: expected.to_owned() }
}

impl From<TemplateError> for Finding {
    fn from(error: TemplateError) -> Self {
        let TemplateError { part, line, column, expected } = error;
        Self { severity: Severity::Error, part, line, column, message: expected }
    }
}

/// Line and column of a byte offset, both from 1.
pub(super) fn place(source: &str, offset: usize) -> (usize, usize) {
    let before = &source[..offset];
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1)
}

fn found(severity: Severity, part: Part, source: &str, offset: usize, message: String) -> Finding {
    let (line, column) = place(source, offset);
    Finding { severity, part, line, column, message }
}

fn unknown_variables(
    part: Part,
    source: &str,
    known: Option<&BTreeSet<String>>,
    findings: &mut Vec<Finding>,
) {
    let mut told = BTreeSet::new();
    for token in parse::tokens(source).flatten() {
        let parse::Token::Action { offset, variable: Variable::Custom(name), .. } = token else { continue };
        let (severity, message) = match known {
            Some(known) if known.contains(&name) => continue,
            Some(_) => (Severity::Error, format!("unknown variable {name:?}")),
            None if told.insert(name.clone()) => {
                (Severity::Note, format!("{name:?} is empty unless a request gives it in templateVariables"))
            }
            None => continue,
        };
        findings.push(found(severity, part, source, offset, message));
    }
}

fn reading(draft: &Draft<'_>, html: &str, findings: &mut Vec<Finding>) {
    let mut say = |severity, message: String| findings.push(found(severity, Part::Html, html, 0, message));
    if draft.text.is_none() {
        say(Severity::Note, "there is no text part; the built-in text is sent beside the HTML".to_owned());
    }
    if html.len() > CLIPPED_HTML {
        say(
            Severity::Warning,
            format!("{} bytes; some mail readers cut off what is over 100 KiB", html.len()),
        );
    }
    if let Some(locale) = draft.locale {
        let language = Texts::choose(std::slice::from_ref(locale)).language();
        let lower = html.to_ascii_lowercase();
        let says = lower.contains("dir=\"rtl\"") || lower.contains("dir='rtl'");
        if language.direction == Direction::RightToLeft && !says {
            say(
                Severity::Warning,
                format!("{} is written from right to left, and no dir=\"rtl\" says so", language.name),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn lines(draft: Draft<'_>, variables: Option<&[&str]>) -> Vec<String> {
        let variables = variables.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let settings =
            MessageSettings::new("a@b.example").unwrap().with_sms_origin("app.example.com").unwrap();
        let findings = lint(&draft, variables.as_ref(), &settings);
        let shown = |Finding { severity, part, line, column, message }| {
            format!("{part}:{line}:{column}: {severity}: {message}")
        };
        findings.into_iter().map(shown).collect()
    }

    pub(super) fn html(html: &str) -> Draft<'_> {
        Draft { subject: Some("s"), html: Some(html), text: Some("{{ .OtpCode }}"), ..Draft::default() }
    }

    #[test]
    fn a_good_template_has_no_finding() {
        let good = Draft {
            sms: Some("{{ .OtpCode }} is your code"),
            ..html(
                "<p>{{ .OtpCode }}</p><img src=\"https://x.example/a.png?v=1\" alt=\"A\"><img src='{{ .LogoUrl }}' alt=''>",
            )
        };
        assert_eq!(lines(good, None), Vec::<String>::new());
    }

    #[test]
    fn a_code_that_is_missing_is_an_error_in_each_part() {
        let bare = Draft {
            subject: Some("s"),
            html: Some("<p>x</p>"),
            text: Some("x"),
            sms: Some("x"),
            locale: None,
        };
        let missing = "expected {{ .OtpCode }} somewhere in the text; the message would not tell the code";
        assert_eq!(
            lines(bare, None),
            ["html", "text", "sms"].map(|part| format!("{part}:1:1: error: {missing}"))
        );
    }

    #[test]
    fn an_unknown_variable_is_named_with_its_place() {
        let source = "<p>{{ .OtpCode }}</p>\n<b>{{ index .TemplateVariables \"given\" }}</b>{{ index .TemplateVariables \"first\" }}";
        assert_eq!(lines(html(source), Some(&["first"])), ["html:2:4: error: unknown variable \"given\""]);
        let notes = lines(html(source), None);
        assert_eq!(notes.len(), 2);
        assert_eq!(
            notes[0],
            "html:2:4: note: \"given\" is empty unless a request gives it in templateVariables"
        );
        let action = lines(html("<p>{{ .OtpCode }}{{ .Nope }}</p>"), None);
        assert!(action[0].starts_with("html:1:21: error: expected .OtpCode, .AppName"), "{action:?}");
    }

    #[test]
    fn what_readers_cut_off_or_lay_out_wrong_is_said() {
        let long = format!("<p>{{{{ .OtpCode }}}}</p>{}", " ".repeat(CLIPPED_HTML));
        assert!(lines(html(&long), None)[0].contains("cut off"));
        let arabic: Locale = "ar-EG".parse().unwrap();
        let draft = Draft { locale: Some(&arabic), ..html("<p>{{ .OtpCode }}</p>") };
        assert!(lines(draft, None)[0].contains("Arabic is written from right to left"));
        let said = Draft { locale: Some(&arabic), ..html("<p dir=\"rtl\">{{ .OtpCode }}</p>") };
        assert_eq!(lines(said, None), Vec::<String>::new());
        let textless = Draft { text: None, ..html("<p>{{ .OtpCode }}</p>") };
        assert!(lines(textless, None)[0].starts_with("html:1:1: note: there is no text part"));
    }
}
