//! SMS: the text, kept within one segment where that is possible, and its origin-bound last line.

use vestibule_engine::model::{MessagePayload, Template};

use super::languages::{Said, Texts};
use super::{Rendered, RenderedSms, Rendering, logo_url, magic_link, texts, values};
use crate::gsm7::{SmsEncoding, gsm7_segments};
use crate::settings::MessageSettings;
use crate::template::{ParsedPart, Part, TooLong, clean_line, settled_text};

/// Segments a text of a caller or of a stored template may take; each of them costs money.
pub(crate) const MAX_SEGMENTS: usize = 10;
/// An app name is not cut below this; it is left out instead.
const SHORTEST_NAME: usize = 6;
/// Characters of a name that are ever tried: no more fit a segment.
const LONGEST_NAME: usize = 160;

pub(super) fn render(
    payload: &MessagePayload,
    template: Option<&Template>,
    settings: &MessageSettings,
) -> Rendering {
    let app_name = plain_name(&payload.app_name);
    let origin = settings.sms_origin.as_deref().map(|domain| format!("\n\n@{domain} #{}", payload.code));
    let origin = origin.as_deref().unwrap_or_default();
    let texts = texts(payload, template);
    let own = match (&payload.sms_template, template.and_then(|template| template.sms.as_deref())) {
        (Some(given), _) => Some(custom(given, payload, &app_name, origin)),
        (None, Some(source)) => Some(stored(source, payload, &app_name, origin, texts)),
        (None, None) => None,
    };
    let (text, fault) = match own {
        None => (built_in(payload, &app_name, origin, texts), None),
        Some(Ok(text)) => (text, None),
        Some(Err(fault)) => (built_in(payload, &app_name, origin, texts), Some(fault)),
    };
    Rendering { message: Rendered::Sms(RenderedSms { to: payload.to.clone(), text }), fault }
}

/// The name on one line, with typographic characters that would cost the whole text its compact encoding in their
/// plain form.
fn plain_name(name: &str) -> String {
    let name = clean_line(name);
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '‘' | '’' | '‚' | '′' | '`' | '´' => out.push('\''),
            '“' | '”' | '„' | '″' => out.push('"'),
            '‐' | '‑' | '‒' | '–' | '—' => out.push('-'),
            '…' => out.push_str("..."),
            '•' | '·' => out.push('-'),
            _ => out.push(c),
        }
    }
    out
}

/// The first of these that fits one segment: with lifetime; without it; with a shorter name; without the name; the code and the
/// origin alone, which have the compact encoding in every language; the text without the origin.
fn built_in(payload: &MessagePayload, name: &str, origin: &str, texts: Texts) -> String {
    let lifetime = texts.lifetime(payload.lifetime_s);
    let said = Said { app: name, code: &payload.code, lifetime: &lifetime };
    let fits = |text: &String| gsm7_segments(text).segments == 1;
    let bound = |text: String| format!("{text}{origin}");
    let unnamed = texts.say("sms-unnamed", said);
    let shortened = || {
        let length = name.chars().count().min(LONGEST_NAME);
        (SHORTEST_NAME..length).rev().find_map(|keep| {
            let text = bound(shorter(name, keep, said, texts));
            fits(&text).then_some(text)
        })
    };
    let whole = [bound(texts.named("sms-full", said)), bound(texts.named("sms", said))];
    let bare = [bound(unnamed.clone()), bound(payload.code.clone())];
    whole
        .into_iter()
        .find(fits)
        .or_else(|| if name.is_empty() { None } else { shortened() })
        .or_else(|| bare.into_iter().find(fits))
        .unwrap_or(unnamed)
}

/// The text with the first `keep` characters of the name; the mark that it was cut costs no other encoding.
fn shorter(name: &str, keep: usize, said: Said<'_>, texts: Texts) -> String {
    let cut: String = name.chars().take(keep).collect();
    let cut = cut.trim_end();
    let plain = texts.say("sms", Said { app: &format!("{cut}..."), ..said });
    match gsm7_segments(&plain).encoding {
        SmsEncoding::Gsm7 => plain,
        SmsEncoding::Ucs2 => texts.say("sms", Said { app: &format!("{cut}…"), ..said }),
    }
}

/// The text of a stored template. The origin line is added as to a caller's text.
fn stored(
    source: &str,
    payload: &MessagePayload,
    app_name: &str,
    origin: &str,
    texts: Texts,
) -> Result<String, String> {
    let (logo, link) = (logo_url(payload).unwrap_or_default(), magic_link(payload).unwrap_or_default());
    let parsed = ParsedPart::parse(Part::Sms, source).map_err(|error| error.to_string())?;
    let values = values(payload, app_name, &logo, &link, texts);
    let text = parsed.render(&values, MAX_SEGMENTS * 160 * 4).map_err(|TooLong| TOO_LONG.to_owned())?;
    finished(&text, origin)
}

const TOO_LONG: &str = "the SMS template gives more than 10 segments";

/// A caller's text with `{{.OtpCode}}` and `{{.AppName}}` replaced, blanks allowed inside the braces; anything else in
/// braces stands as it is. The origin line is added unless the text ends in one of its own.
fn custom(template: &str, payload: &MessagePayload, name: &str, origin: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut found = false;
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        text.push_str(before);
        let Some(end) = after.find("}}") else {
            rest = &rest[start..];
            break;
        };
        match after[..end].trim() {
            ".OtpCode" => {
                text.push_str(&payload.code);
                found = true;
            }
            ".AppName" => text.push_str(name),
            _ => {
                // One brace only: the next two may open the real placeholder.
                text.push('{');
                rest = &rest[start + 1..];
                continue;
            }
        }
        rest = &after[end + 2..];
    }
    text.push_str(rest);
    if !found {
        return Err("the SMS template has no {{.OtpCode}}".to_owned());
    }
    finished(&text, origin)
}

/// Adds the origin line unless the text ends in one of its own, or has no room for it. The values in the text are clean already.
fn finished(text: &str, origin: &str) -> Result<String, String> {
    let text = settled_text(text).trim().to_owned();
    let bound = text.lines().last().is_some_and(|line| line.starts_with('@'));
    let whole = if bound { text.clone() } else { format!("{text}{origin}") };
    [whole, text].into_iter().find(|text| may_be_sent(text)).ok_or_else(|| TOO_LONG.to_owned())
}

fn may_be_sent(text: &str) -> bool {
    text.chars().nth(MAX_SEGMENTS * 160).is_none() && gsm7_segments(text).segments <= MAX_SEGMENTS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::LANGUAGES;
    use crate::render::fixtures::{payload, settings, template};
    use crate::render::languages::Language;

    fn text(payload: &MessagePayload, settings: &MessageSettings) -> String {
        let rendering = render(payload, None, settings);
        let Rendered::Sms(sms) = rendering.message else { panic!("an SMS was asked for") };
        sms.text
    }

    fn named(app_name: &str) -> MessagePayload {
        MessagePayload { app_name: app_name.to_owned(), ..payload("+15551234567") }
    }

    fn bound() -> MessageSettings {
        settings().with_sms_origin("app.example.com").unwrap()
    }

    #[test]
    fn the_built_in_text_says_app_code_and_lifetime() {
        assert_eq!(
            text(&named("Shop"), &settings()),
            "Shop: your code is 7G3K9QW2X. It expires in 5 minutes."
        );
        assert_eq!(text(&named(" \n"), &settings()), "Your code is 7G3K9QW2X. It expires in 5 minutes.");
    }

    #[test]
    fn the_last_line_binds_the_code_to_the_origin() {
        assert_eq!(
            text(&named("Shop"), &bound()),
            "Shop: your code is 7G3K9QW2X. It expires in 5 minutes.\n\n@app.example.com #7G3K9QW2X"
        );
    }

    #[test]
    fn a_long_name_gives_way_so_that_one_segment_suffices() {
        let text = |name: &str| text(&named(name), &bound());
        assert_eq!(
            text(&"A".repeat(100)),
            format!("{}: your code is 7G3K9QW2X\n\n@app.example.com #7G3K9QW2X", "A".repeat(100))
        );
        let shortened = text(&"A".repeat(250));
        assert!(shortened.starts_with("AAAAAA") && shortened.contains("...: your code is 7G3K9QW2X\n\n@"));
        assert_eq!(gsm7_segments(&shortened).units, 160);
        // UCS-2 leaves 70 characters, 17 of them for the name.
        assert_eq!(
            text("Żubrówka i Przyjaciele"),
            "Żubrówka i Przyj…: your code is 7G3K9QW2X\n\n@app.example.com #7G3K9QW2X"
        );
    }

    #[test]
    fn typographic_characters_do_not_cost_the_compact_encoding() {
        let text = text(&named("Joe’s “Shop” – Café…"), &settings());
        assert_eq!(gsm7_segments(&text).encoding, crate::SmsEncoding::Gsm7, "{text}");
        assert!(text.starts_with("Joe's \"Shop\" - Café...: your code is"));
    }

    #[test]
    fn a_callers_text_takes_the_place_of_the_built_in_one() {
        let with =
            |template: &str| MessagePayload { sms_template: Some(template.to_owned()), ..named("Shop") };
        for (template, expected) in [
            ("Code {{.OtpCode}} for {{ .AppName }}", "Code 7G3K9QW2X for Shop"),
            ("{{  .OtpCode\t}}{{.OtpCode}}", "7G3K9QW2X7G3K9QW2X"),
            ("{{{.OtpCode}}} {{ .Other }} {{", "{7G3K9QW2X} {{ .Other }} {{"),
            ("{{ x {{.OtpCode}}", "{{ x 7G3K9QW2X"),
        ] {
            assert_eq!(text(&with(template), &settings()), expected, "{template}");
        }
        assert_eq!(
            text(&with("Code {{.OtpCode}}"), &bound()),
            "Code 7G3K9QW2X\n\n@app.example.com #7G3K9QW2X"
        );
        assert_eq!(
            text(&with("Code {{.OtpCode}}\n@other.example #{{.OtpCode}}"), &bound()),
            "Code 7G3K9QW2X\n@other.example #7G3K9QW2X"
        );
    }

    #[test]
    fn a_callers_text_without_the_code_or_too_long_gives_way_to_the_built_in_one() {
        for (template, fault) in [
            ("hello".to_owned(), "the SMS template has no {{.OtpCode}}"),
            (format!("{{{{.OtpCode}}}}{}", "x".repeat(1530)), "the SMS template gives more than 10 segments"),
        ] {
            let payload = MessagePayload { sms_template: Some(template), ..named("Shop") };
            let rendering = render(&payload, None, &settings());
            assert_eq!(rendering.fault.as_deref(), Some(fault));
            assert_eq!(text(&payload, &settings()), "Shop: your code is 7G3K9QW2X. It expires in 5 minutes.");
        }
    }

    fn in_language(payload: MessagePayload, language: &Language) -> MessagePayload {
        MessagePayload { locales: vec![language.tag.parse().unwrap()], ..payload }
    }

    #[test]
    fn every_language_fits_one_segment_with_name_code_and_origin() {
        for language in LANGUAGES {
            let plain = text(&in_language(named("Example Shop"), language), &settings());
            assert!(
                plain.contains("Example Shop") && plain.contains("7G3K9QW2X"),
                "{}: {plain}",
                language.tag
            );
            let lifetime = Texts::choose(&[language.tag.parse().unwrap()]).lifetime(300);
            assert!(plain.contains(&lifetime), "{}: the lifetime is told: {plain}", language.tag);
            assert_eq!(gsm7_segments(&plain).segments, 1, "{}: {plain}", language.tag);

            let bound = text(&in_language(named("Example Shop"), language), &bound());
            assert!(bound.contains("Example Shop"), "{}: the name is whole: {bound}", language.tag);
            assert!(bound.ends_with("\n\n@app.example.com #7G3K9QW2X"), "{}: {bound}", language.tag);
            assert_eq!(bound.matches("7G3K9QW2X").count(), 2, "{}: {bound}", language.tag);
            assert_eq!(gsm7_segments(&bound).segments, 1, "{}: {bound}", language.tag);
        }
    }

    /// 256 bytes, in one, two, three and four bytes a character.
    #[test]
    fn every_language_fits_one_segment_with_the_longest_names() {
        let names = ["W".repeat(256), "Ж".repeat(128), "店".repeat(85), "🏪".repeat(64)];
        for language in LANGUAGES {
            for name in &names {
                for settings in [settings(), bound()] {
                    let text = text(&in_language(named(name), language), &settings);
                    assert_eq!(gsm7_segments(&text).segments, 1, "{}: {text}", language.tag);
                    assert!(text.contains("7G3K9QW2X"), "{}: {text}", language.tag);
                    let first: String = name.chars().take(SHORTEST_NAME).collect();
                    assert!(text.contains(&first), "{}: something of the name is left: {text}", language.tag);
                    let line =
                        settings.sms_origin.is_none() || text.ends_with("\n@app.example.com #7G3K9QW2X");
                    assert!(line, "{}: {text}", language.tag);
                }
            }
        }
    }

    #[test]
    fn a_long_origin_leaves_the_code_beside_it_and_one_that_fits_nowhere_is_left_out() {
        let russian = LANGUAGES.iter().find(|language| language.tag == "ru").unwrap();
        let at = |length: usize| {
            let label = "a".repeat(50);
            let domain = [label.as_str(); 5].join(".");
            let domain = format!("{}.example", &domain[..length - 8]);
            let settings = settings().with_sms_origin(&domain).unwrap();
            (text(&in_language(named("Shop"), russian), &settings), domain)
        };
        let (text, domain) = at(60);
        assert_eq!(text, format!("7G3K9QW2X\n\n@{domain} #7G3K9QW2X"));
        let (text, _) = at(200);
        assert_eq!(text, "Ваш код 7G3K9QW2X");
    }

    #[test]
    fn a_stored_text_stands_behind_a_callers_and_before_the_built_in_one() {
        let stored = Template {
            sms: Some("{{ .AppName }}: {{ .OtpCode }} ({{ .ExpirationMinutes }} min)".to_owned()),
            ..template("", "", None)
        };
        let text = |payload: &MessagePayload, template: &Template| {
            let rendering = render(payload, Some(template), &bound());
            let Rendered::Sms(sms) = rendering.message else { panic!("an SMS was asked for") };
            (sms.text, rendering.fault)
        };
        let plain = named("Shop");
        assert_eq!(
            text(&plain, &stored),
            ("Shop: 7G3K9QW2X (5 min)\n\n@app.example.com #7G3K9QW2X".to_owned(), None)
        );
        let with_own = MessagePayload { sms_template: Some("Own {{.OtpCode}}".to_owned()), ..plain.clone() };
        assert!(text(&with_own, &stored).0.starts_with("Own 7G3K9QW2X\n"));
        let long = Template { sms: Some(format!("{}{{{{ .OtpCode }}}}", "x".repeat(900))), ..stored.clone() };
        let variables = [("k".to_owned(), "x".repeat(2000))].into();
        let grown =
            Template { sms: Some("{{ .OtpCode }}{{ index .TemplateVariables \"k\" }}".to_owned()), ..stored };
        assert_eq!(text(&plain, &long).1, None);
        let (sent, fault) = text(&MessagePayload { template_variables: variables, ..plain }, &grown);
        assert_eq!(fault.as_deref(), Some("the SMS template gives more than 10 segments"));
        assert!(sent.starts_with("Shop: your code is 7G3K9QW2X."));
    }

    #[test]
    fn an_origin_that_would_make_an_eleventh_segment_is_left_out() {
        let code = "{{ .OtpCode }}";
        for (length, expected) in [(1480, true), (1520, false)] {
            let own = format!("{}{{{{.OtpCode}}}}", "x".repeat(length));
            let payload = MessagePayload { sms_template: Some(own), ..named("Shop") };
            let rendering = render(&payload, None, &bound());
            assert_eq!(rendering.fault, None, "{length}");
            assert_eq!(text(&payload, &bound()).ends_with("@app.example.com #7G3K9QW2X"), expected);
        }
        let stored = format!("{code}{}", "ж".repeat(480));
        let template = Template { sms: Some(stored), ..template("", "", None) };
        let long = format!("{}.example", ["a".repeat(50).as_str(); 4].join("."));
        let rendering = render(&named("Shop"), Some(&template), &settings().with_sms_origin(&long).unwrap());
        let Rendered::Sms(sms) = rendering.message else { panic!("an SMS was asked for") };
        assert_eq!((rendering.fault, sms.text), (None, format!("7G3K9QW2X{}", "ж".repeat(480))));
    }

    #[test]
    fn direction_marks_of_an_author_stay_and_those_of_a_value_go() {
        let app_name = "Shop\u{202e}\u{200f}";
        let source = "\u{feff}رمز \u{200e}{{ .OtpCode }}\u{7}\r\n{{ .AppName }} \u{2067}x\u{2069}";
        let expected = "رمز \u{200e}7G3K9QW2X\nShop \u{2067}x\u{2069}";
        let template = Template { sms: Some(source.to_owned()), ..template("", "", None) };
        let rendering = render(&named(app_name), Some(&template), &settings());
        let Rendered::Sms(stored) = rendering.message else { panic!("an SMS was asked for") };
        assert_eq!(stored.text, expected);
        let payload = MessagePayload { sms_template: Some(source.to_owned()), ..named(app_name) };
        assert_eq!(text(&payload, &settings()), expected, "of a caller");
    }

    proptest! {
        #[test]
        fn nine_character_codes_always_fit_one_segment_under_any_name(name in "\\PC{0,256}", language in 0..LANGUAGES.len()) {
            for settings in [settings(), bound()] {
                let text = text(&in_language(named(&name), &LANGUAGES[language]), &settings);
                prop_assert!(text.contains("7G3K9QW2X"));
                prop_assert_eq!(gsm7_segments(&text).segments, 1, "{}", text);
            }
        }

        #[test]
        fn a_callers_text_never_panics_and_always_tells_the_code(template in "([{}. a-z]|\\{\\{ ?\\.OtpCode ?\\}\\}|\\PC){0,40}") {
            let payload = MessagePayload { sms_template: Some(template), ..named("Shop") };
            prop_assert!(text(&payload, &bound()).contains("7G3K9QW2X"));
        }
    }
}
