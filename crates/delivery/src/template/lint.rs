//! What is wrong with a template, and what may surprise its author, before it is stored.
//!
//! Promise: what is called an error would be refused or would not tell the code; a template without one can be stored and is sent.

use std::collections::BTreeSet;
use std::fmt;

use vestibule_wire::Locale;

use super::{ParsedPart, Part, TemplateError, Variable, parse};
use crate::gsm7::{SmsEncoding, SmsSize, gsm7_segments};
use crate::preview::{self, Sample};
use crate::render::{Direction, Rendered, Texts};
use crate::settings::MessageSettings;

/// Bytes of HTML beyond which some mail readers cut a message off.
const CLIPPED_HTML: usize = 100 * 1024;
/// Bytes of an app name, at most.
const LONGEST_NAME: usize = vestibule_wire::MAX_LABEL;

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
        pictures(html, &mut findings);
        reading(draft, html, &mut findings);
    }
    if parsed && let Some(sms) = draft.sms {
        segments(sms, settings, &mut findings);
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
        let parse::Token::Action { offset, variable: Variable::Custom(name) } = token else { continue };
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

/// Every `<img>` of the source with its place.
fn images(html: &str) -> Vec<(usize, &str)> {
    let lower = html.to_ascii_lowercase();
    let starts = lower.match_indices("<img").map(|(at, _)| at);
    starts
        .filter(|at| lower[at + 4..].starts_with(|c: char| c.is_ascii_whitespace() || c == '/'))
        .map(|at| (at, &html[at..at + html[at..].find('>').unwrap_or(html.len() - at)]))
        .collect()
}

/// The value of a quoted attribute.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let lower = tag.to_ascii_lowercase();
    let wanted = format!("{name}=");
    let at = lower
        .match_indices(&wanted)
        .map(|(at, _)| at)
        .find(|at| lower[..*at].ends_with(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\''))?;
    let rest = &tag[at + wanted.len()..];
    let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
    rest[1..].split(quote).next()
}

fn pictures(html: &str, findings: &mut Vec<Finding>) {
    for (at, tag) in images(html) {
        let mut say =
            |message: String| findings.push(found(Severity::Warning, Part::Html, html, at, message));
        if attribute(tag, "alt").is_none() {
            say("the image has no alt text: whoever sees no images reads nothing there".to_owned());
        }
        let Some(source) = attribute(tag, "src") else {
            say("the image has no quoted src".to_owned());
            continue;
        };
        // What a value brings is checked when a request brings it.
        if source.trim_start().starts_with("{{") {
            continue;
        }
        if !source.trim().to_ascii_lowercase().starts_with("https://") {
            say("the image is not at an https:// URL; many mail readers do not show it".to_owned());
        }
        let path = source.split(['?', '#']).next().unwrap_or_default();
        if !path.contains("{{") && !path.to_ascii_lowercase().ends_with(".png") {
            say("the image is no PNG by its name; mail readers do not agree on other formats".to_owned());
        }
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

fn segments(source: &str, settings: &MessageSettings, findings: &mut Vec<Finding>) {
    if let Some((at, c)) = source
        .char_indices()
        .find(|(_, c)| gsm7_segments(c.encode_utf8(&mut [0; 4])).encoding == SmsEncoding::Ucs2)
    {
        let message = format!("{c:?} is outside of the GSM alphabet: a segment has 70 characters, not 160");
        findings.push(found(Severity::Note, Part::Sms, source, at, message));
    }
    for (name, what) in [
        (preview::APP_NAME.to_owned(), format!("an app name like {:?}", preview::APP_NAME)),
        ("W".repeat(LONGEST_NAME), format!("the longest app name ({LONGEST_NAME} bytes)")),
    ] {
        let sample = Sample { app_name: &name, ..Sample::sms() };
        let template = preview::draft(&Draft { sms: Some(source), ..Draft::default() });
        let rendering = sample.render(Some(&template), settings);
        let Rendered::Sms(sms) = &rendering.message else { continue };
        let (severity, message) = match (&rendering.fault, gsm7_segments(&sms.text)) {
            (Some(fault), _) => (Severity::Error, format!("with {what}: {fault}")),
            (None, SmsSize { segments: 1, .. }) => continue,
            (None, SmsSize { segments, encoding, .. }) => {
                let alphabet = match encoding {
                    SmsEncoding::Gsm7 => "GSM-7",
                    SmsEncoding::Ucs2 => "UCS-2",
                };
                (
                    Severity::Warning,
                    format!(
                        "with {what} it takes {segments} segments ({alphabet}), each of which is paid for"
                    ),
                )
            }
        };
        findings.push(found(severity, Part::Sms, source, 0, message));
        if !source.contains(".AppName") {
            break;
        }
    }
}

/// Why a file is no logo that mail readers show as it is meant: the format, or the size.
pub fn lint_logo(bytes: &[u8]) -> Vec<(Severity, String)> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    let header = bytes.strip_prefix(SIGNATURE).and_then(|rest| rest.get(4..16));
    let Some(header) = header.filter(|header| header.starts_with(b"IHDR")) else {
        return vec![(Severity::Error, "the logo is no PNG".to_owned())];
    };
    let number = |at: usize| header[at..at + 4].iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    let (width, height) = (number(4), number(8));
    let mut findings = Vec::new();
    if width > 2 * 340 || height > 2 * 124 {
        let message = format!("{width} x {height} pixels; it is shown at 340 x 124 at most");
        findings.push((Severity::Warning, message));
    }
    if bytes.len() > 100 * 1024 {
        findings.push((Severity::Warning, format!("{} bytes, loaded with every message", bytes.len())));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(draft: Draft<'_>, variables: Option<&[&str]>) -> Vec<String> {
        let variables = variables.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let settings =
            MessageSettings::new("a@b.example").unwrap().with_sms_origin("app.example.com").unwrap();
        let findings = lint(&draft, variables.as_ref(), &settings);
        let shown = |Finding { severity, part, line, column, message }| {
            format!("{part}:{line}:{column}: {severity}: {message}")
        };
        findings.into_iter().map(shown).collect()
    }

    fn html(html: &str) -> Draft<'_> {
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
    fn segments_are_counted_with_a_usual_and_with_the_longest_name() {
        let sms = |source| lines(Draft { sms: Some(source), ..Draft::default() }, None);
        assert_eq!(
            sms("{{ .AppName }}: {{ .OtpCode }}"),
            [
                "sms:1:1: warning: with the longest app name (256 bytes) it takes 2 segments (GSM-7), each of which is paid for"
            ]
        );
        assert_eq!(
            sms("Twój kod do naszego sklepu internetowego: {{ .OtpCode }}"),
            [
                "sms:1:3: note: 'ó' is outside of the GSM alphabet: a segment has 70 characters, not 160",
                "sms:1:1: warning: with an app name like \"Example Shop\" it takes 2 segments (UCS-2), each of which is paid for",
            ]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
        );
        let long = format!("{{{{ .OtpCode }}}}{}", "ж".repeat(490));
        assert_eq!(
            sms(&long).last().unwrap(),
            "sms:1:15: note: 'ж' is outside of the GSM alphabet: a segment has 70 characters, not 160"
        );
        assert!(sms(&long)[0].contains("it takes 8 segments (UCS-2)"), "{:?}", sms(&long));
    }

    #[test]
    fn an_image_that_is_no_png_at_https_or_has_no_words_is_warned_of() {
        let of = |tag: &str| lines(html(&format!("<p>{{{{ .OtpCode }}}}</p>{tag}")), None);
        for (tag, what) in [
            ("<img src=\"https://x.example/a.svg\" alt=\"\">", "no PNG by its name"),
            ("<IMG SRC='https://x.example/a.gif' ALT=''>", "no PNG by its name"),
            ("<img src=\"http://x.example/a.png\" alt=\"\">", "not at an https:// URL"),
            ("<img src=\"https://x.example/a.png\">", "no alt text"),
            ("<img src=x.png alt=\"\">", "no quoted src"),
        ] {
            let found = of(tag);
            assert_eq!(found.len(), 1, "{tag}: {found:?}");
            assert!(found[0].starts_with("html:1:22: warning: ") && found[0].contains(what), "{found:?}");
        }
        assert_eq!(of("<img src=\"data:image/png;base64,AA\" alt=\"\">").len(), 2);
        assert_eq!(of("<imgx src='a'>"), Vec::<String>::new());
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

    #[test]
    fn a_logo_is_judged_by_its_bytes() {
        let png = |width: u32, height: u32| {
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
            bytes.extend(width.to_be_bytes());
            bytes.extend(height.to_be_bytes());
            bytes
        };
        assert_eq!(lint_logo(&png(340, 124)), []);
        assert_eq!(lint_logo(&png(680, 248)), []);
        assert_eq!(lint_logo(&png(1200, 248))[0].0, Severity::Warning);
        for other in [&b"<svg>"[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", b""] {
            assert_eq!(lint_logo(other), [(Severity::Error, "the logo is no PNG".to_owned())]);
        }
    }
}
