//! Makes values fit for where they stand.

use std::fmt::Write as _;

/// What takes the place of a link that is none.
const NOT_A_URL: &str = "#";

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// A single line of plain text.
    Line,
    /// Plain text.
    Text,
    /// HTML text.
    Html,
    /// A quoted attribute that is no URL.
    Attribute,
    /// A quoted URL attribute from its start on: an absolute URL.
    Url,
    /// Further inside a URL: a part of its path, query or fragment.
    UrlPart,
}

impl Escape {
    pub(super) fn is_url(self) -> bool {
        matches!(self, Self::Url | Self::UrlPart)
    }

    pub(super) fn push(self, out: &mut String, value: &str) {
        match self {
            Self::Line => out.push_str(&clean_line(value)),
            Self::Text => out.push_str(&clean_text(value)),
            Self::Html => html_escape(out, &clean_text(value)),
            Self::Attribute => html_escape(out, &clean_line(value)),
            Self::Url if value.trim().is_empty() => {}
            Self::Url => html_escape(out, safe_url(value).as_deref().unwrap_or(NOT_A_URL)),
            Self::UrlPart => percent_encode(out, value),
        }
    }
}

/// Characters that change what is shown around them, or end a line for some reader: line and paragraph separators and
/// the bidirectional controls (Unicode TR 9).
fn disruptive(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || c == '\u{feff}'
}

/// Characters that no text needs, whoever wrote it: those that end a line for some reader, and the mark some editors begin a file with.
fn needless(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// One line of a value: control characters and blanks become single spaces, disruptive characters go, ends are trimmed.
pub(crate) fn clean_line(value: &str) -> String {
    line(value.chars().filter(|c| !disruptive(*c)))
}

/// One line of a template with its values: as for a value, but that it keeps the direction marks which its author set.
pub(crate) fn settled_line(text: &str) -> String {
    line(text.chars().filter(|c| !needless(*c)))
}

fn line(chars: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in chars {
        let c = if c.is_control() || c.is_whitespace() { ' ' } else { c };
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A value with its line feeds and tabs, and without other control or disruptive characters.
pub(crate) fn clean_text(value: &str) -> String {
    value.chars().filter(|c| !disruptive(*c) && (!c.is_control() || matches!(c, '\n' | '\t'))).collect()
}

/// A template's text with its values: as for a value, but that it keeps the direction marks which its author set.
pub(crate) fn settled_text(text: &str) -> String {
    text.chars().filter(|c| !needless(*c) && (!c.is_control() || matches!(c, '\n' | '\t'))).collect()
}

/// Escapes for HTML text and for attributes in either kind of quotes.
pub(crate) fn html_escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Some readers take a backquote for a quote.
            '`' => out.push_str("&#96;"),
            _ => out.push(c),
        }
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3.
pub(crate) fn percent_encode(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
}

/// The scheme of a URL in lower case, read as browsers do: blanks and control characters do not count.
pub(super) fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let scheme: String = scheme.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    valid.then(|| scheme.to_ascii_lowercase())
}

/// Whether links with this scheme run or read something on the reader's own machine (GAPS D-7).
pub(super) fn forbidden_scheme(scheme: &str) -> bool {
    ["javascript", "data", "vbscript", "file", "blob", "about"].contains(&scheme)
}

/// An absolute URL without blanks and control characters, `None` when it has no scheme or a forbidden one (GAPS D-7).
pub(crate) fn safe_url(url: &str) -> Option<String> {
    let url: String =
        url.chars().filter(|c| !c.is_control() && !c.is_whitespace() && !disruptive(*c)).collect();
    scheme(&url).filter(|scheme| !forbidden_scheme(scheme)).map(|_| url)
}
