//! Pictures and logos: those that some mail readers do not show, or nobody hears of.

use super::{Finding, Severity, found};
use crate::template::{Part, parse};

/// Stands for each byte of an action while attributes are read: what is inside of one is no HTML.
const ACTION: char = '\u{1}';
const NO_PNG: &str = "no PNG by its name; mail readers do not agree on other formats";

/// What is found in the pictures of an HTML part.
pub fn lint_pictures(html: &str) -> Vec<Finding> {
    let masked = masked(html);
    let mut findings = Vec::new();
    for (at, attributes) in images(&masked) {
        let attribute = |name: &str| attributes.iter().find(|attribute| attribute.name == name);
        let mut say =
            |message: String| findings.push(found(Severity::Warning, Part::Html, html, at, message));
        if attribute("alt").is_none() {
            say("the image has no alt text: whoever sees no images reads nothing there".to_owned());
        }
        let source = attribute("src");
        match source {
            None | Some(Attribute { quoted: false, .. }) => say("the image has no quoted src".to_owned()),
            // What a value brings is checked when a request brings it.
            Some(Attribute { value, .. }) if value.trim_start().starts_with(ACTION) => {}
            Some(Attribute { value, .. }) if !is_https(value) => {
                say("the image is not at an https:// URL; many mail readers do not show it".to_owned());
            }
            Some(_) => {}
        }
        if source.is_some_and(|source| !may_be_png(source.value)) {
            say(format!("the image is {NO_PNG}"));
        }
    }
    findings
}

/// Why mail readers may not show what is at the URL of a logo.
pub fn lint_logo_url(url: &str) -> Vec<(Severity, String)> {
    let mut findings = Vec::new();
    if !is_https(url) {
        let message = "the logo is not at an https:// URL; requests that name it are refused";
        findings.push((Severity::Warning, message.to_owned()));
    }
    if !may_be_png(url) {
        findings.push((Severity::Warning, format!("the logo is {NO_PNG}")));
    }
    findings
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

/// Whether a file is a picture rather than a part of a message, by its bytes: it is no text, or an SVG.
pub fn is_picture(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return true };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.contains('\0') || text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg"))
}

fn is_https(url: &str) -> bool {
    url.trim().get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

/// Whether the path of a URL ends as the name of a PNG does, or in a value that may.
fn may_be_png(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with(ACTION) || name.to_ascii_lowercase().ends_with(".png")
}

/// The source with its actions blotted out, byte for byte.
fn masked(html: &str) -> String {
    let mut masked = String::with_capacity(html.len());
    for token in parse::tokens(html) {
        match token {
            Ok(parse::Token::Literal(text)) => masked.push_str(text),
            Ok(parse::Token::Action { offset, end, .. }) => {
                masked.extend(std::iter::repeat_n(ACTION, end - offset));
            }
            // Said elsewhere; what follows it is read as it stands.
            Err(_) => break,
        }
    }
    masked.push_str(&html[masked.len()..]);
    masked
}

#[derive(Debug, PartialEq, Eq)]
struct Attribute<'t> {
    /// In lower case.
    name: String,
    value: &'t str,
    quoted: bool,
}

/// Every `<img>` of the source with its place and its attributes.
fn images(html: &str) -> Vec<(usize, Vec<Attribute<'_>>)> {
    let lower = html.to_ascii_lowercase();
    let starts = lower.match_indices("<img").map(|(at, _)| at);
    starts
        .filter(|at| lower[at + 4..].starts_with(|c: char| c.is_ascii_whitespace() || c == '/'))
        .map(|at| (at, attributes(&html[at + 4..])))
        .collect()
}

/// The attributes of a tag, from behind its name on (HTML, sections 13.2.5.32 to 13.2.5.39).
fn attributes(mut rest: &str) -> Vec<Attribute<'_>> {
    let blank = |c: char| c.is_ascii_whitespace();
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c| blank(c) || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return attributes;
        }
        // An equals sign in the first place is part of a name.
        let ends = |(at, c): &(usize, char)| *at > 0 && (blank(*c) || ['/', '>', '='].contains(c));
        let end = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let Some(after) = rest.trim_start_matches(blank).strip_prefix('=') else {
            attributes.push(Attribute { name, value: "", quoted: true });
            continue;
        };
        let after = after.trim_start_matches(blank);
        let quote = after.chars().next().filter(|c| ['"', '\''].contains(c));
        let (value, behind) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => after.split_at(after.find(|c| blank(c) || c == '>').unwrap_or(after.len())),
        };
        attributes.push(Attribute { name, value, quoted: quote.is_some() });
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{html, lines};
    use super::*;

    fn of(tag: &str) -> Vec<String> {
        lines(html(&format!("<p>{{{{ .OtpCode }}}}</p>{tag}")), None)
    }

    #[test]
    fn an_image_that_is_no_png_at_https_or_has_no_words_is_warned_of() {
        for (tag, what) in [
            ("<img src=\"https://x.example/a.svg\" alt=\"\">", "no PNG by its name"),
            ("<IMG SRC='https://x.example/a.gif' ALT=''>", "no PNG by its name"),
            ("<img src = \"https://x.example/a.webp?v=1.png#.png\" alt=\">\">", "no PNG by its name"),
            ("<img alt='src=\"a.png\"' src='https://x.example/a.jpg'/>", "no PNG by its name"),
            ("<img src='https://x.example/logo' alt=''>", "no PNG by its name"),
            ("<img src='https://logo.png' alt=''>", "no PNG by its name"),
            ("<img src='{{ .LogoUrl }}.svg' alt=''>", "no PNG by its name"),
            ("<img src='https://x.example/{{ .AppName }}.ico' alt=''>", "no PNG by its name"),
            ("<img src=\"http://x.example/a.png\" alt=\"\">", "not at an https:// URL"),
            ("<img src=\"https://x.example/a.png\">", "no alt text"),
            ("<img src=x.png alt=\"\">", "no quoted src"),
            ("<img alt=\"\">", "no quoted src"),
        ] {
            let found = of(tag);
            assert_eq!(found.len(), 1, "{tag}: {found:?}");
            assert!(found[0].starts_with("html:1:22: warning: ") && found[0].contains(what), "{found:?}");
        }
        assert_eq!(of("<img src=\"data:image/png;base64,AA\" alt=\"\">").len(), 2);
        assert_eq!(of("<img src=x.svg alt>").len(), 2);
    }

    #[test]
    fn an_image_that_may_be_a_png_is_let_be() {
        for tag in [
            "<img src='https://x.example/a.PNG?v=1' alt=''>",
            "<img src='{{ .LogoUrl }}' alt=''>",
            "<img src='{{ .LogoUrl }}?v=2' alt=''>",
            "<img src='https://x.example/{{ .AppName }}' alt=''>",
            "<img src='https://x.example/{{ .AppName }}.png' alt=''>",
            "<imgx src='a'>",
        ] {
            assert_eq!(of(tag), Vec::<String>::new(), "{tag}");
        }
        let variable = of("<img src=\"{{ index .TemplateVariables \"a.svg\" }}\" alt=\"\">");
        assert!(variable.len() == 1 && variable[0].contains("note"), "{variable:?}");
    }

    #[test]
    fn the_url_of_a_logo_is_judged_by_its_path() {
        let png = |url: &str| lint_logo_url(url);
        for good in ["https://cdn.example/l.png", "HTTPS://cdn.example/l.PNG?v=.svg#x"] {
            assert_eq!(png(good), [], "{good}");
        }
        for ending in ["svg", "webp", "jpg", "jpeg", "gif", "bmp", "ico", "avif", "png.svg", "png/x"] {
            let found = png(&format!("https://cdn.example/l.{ending}?as=l.png"));
            assert_eq!(found, [(Severity::Warning, format!("the logo is {NO_PNG}"))], "{ending}");
        }
        assert_eq!(png("x.svg").len(), 2);
        assert_eq!(png("http://cdn.example/l.png").len(), 1);
        assert_eq!(png("").len(), 2);
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
        assert!(is_picture(&png(340, 124)));
    }

    #[test]
    fn a_picture_is_told_from_a_text_by_its_bytes() {
        for picture in [
            &b"\xff\xd8\xff\xe0\0\x10JFIF"[..],
            b"BM\x36\0\0\0\0\0",
            b"\0\0\x01\0\x01\0",
            b" <svg viewBox='0 0 1 1'/>",
            b"<?xml version='1.0'?>\n<svg/>",
        ] {
            assert!(is_picture(picture), "{picture:?}");
        }
        for text in [&b"Your code"[..], b"<p>{{ .OtpCode }}</p><svg/>", b""] {
            assert!(!is_picture(text), "{text:?}");
        }
    }
}
