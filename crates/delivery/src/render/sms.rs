//! SMS: the text, kept within one segment where that is possible, and its origin-bound last line.

use vestibule_engine::model::MessagePayload;

use super::{Rendered, RenderedSms, Rendering};
use crate::gsm7::gsm7_segments;
use crate::settings::MessageSettings;
use crate::template::{clean_line, clean_text, minutes};

/// Segments a caller's own text may take; each of them costs money.
const MAX_SEGMENTS: usize = 10;
/// An app name is not cut below this; the code alone is sent instead.
const SHORTEST_NAME: usize = 6;
const ELLIPSIS: &str = "...";

pub(super) fn render(payload: &MessagePayload, settings: &MessageSettings) -> Rendering {
    let app_name = plain_name(&payload.app_name);
    let origin = settings.sms_origin.as_deref().map(|domain| format!("\n\n@{domain} #{}", payload.code));
    let origin = origin.as_deref().unwrap_or_default();
    let (text, fault) =
        match payload.sms_template.as_deref().map(|template| custom(template, payload, &app_name, origin)) {
            None => (built_in(payload, &app_name, origin), None),
            Some(Ok(text)) => (text, None),
            Some(Err(fault)) => (built_in(payload, &app_name, origin), Some(fault.to_owned())),
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
            '…' => out.push_str(ELLIPSIS),
            '•' | '·' => out.push('-'),
            _ => out.push(c),
        }
    }
    out
}

/// The longest of these that fits one segment: with lifetime, without it, with a shorter name, without the name. Where
/// none does, the last.
fn built_in(payload: &MessagePayload, name: &str, origin: &str) -> String {
    let code = &payload.code;
    let unnamed = format!("Your code is {code}{origin}");
    let fits = |text: &String| gsm7_segments(text).segments == 1;
    let lifetime = match minutes(payload.lifetime_s) {
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    if name.is_empty() {
        let full = format!("Your code is {code}. It expires in {lifetime}.{origin}");
        return if fits(&full) { full } else { unnamed };
    }
    let named = |name: &str| format!("{name}: your code is {code}{origin}");
    let full = format!("{name}: your code is {code}. It expires in {lifetime}.{origin}");
    let shortened = || {
        let length = name.chars().count();
        (SHORTEST_NAME..length).rev().map(|keep| named(&shorten(name, keep))).find(|text| fits(text))
    };
    [full, named(name)].into_iter().find(fits).or_else(shortened).unwrap_or(unnamed)
}

fn shorten(name: &str, keep: usize) -> String {
    let cut: String = name.chars().take(keep).collect();
    format!("{}{ELLIPSIS}", cut.trim_end())
}

/// A caller's text with `{{.OtpCode}}` and `{{.AppName}}` replaced, blanks allowed inside the braces; anything else in
/// braces stands as it is. The origin line is added unless the text ends in one of its own.
fn custom(
    template: &str,
    payload: &MessagePayload,
    name: &str,
    origin: &str,
) -> Result<String, &'static str> {
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
        return Err("the SMS template has no {{.OtpCode}}");
    }
    let mut text = clean_text(&text).trim().to_owned();
    let bound = text.lines().last().is_some_and(|line| line.starts_with('@'));
    if !bound {
        text.push_str(origin);
    }
    if text.chars().take(MAX_SEGMENTS * 160 + 1).count() > MAX_SEGMENTS * 160
        || gsm7_segments(&text).segments > MAX_SEGMENTS
    {
        return Err("the SMS template gives more than 10 segments");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::fixtures::{payload, settings};

    fn text(payload: &MessagePayload, settings: &MessageSettings) -> String {
        let rendering = render(payload, settings);
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
            "Żubrówka i Prz...: your code is 7G3K9QW2X\n\n@app.example.com #7G3K9QW2X"
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
            let rendering = render(&payload, &settings());
            assert_eq!(rendering.fault.as_deref(), Some(fault));
            assert_eq!(text(&payload, &settings()), "Shop: your code is 7G3K9QW2X. It expires in 5 minutes.");
        }
    }

    proptest! {
        #[test]
        fn nine_character_codes_always_fit_one_segment_under_any_name(name in "\\PC{0,256}") {
            for settings in [settings(), bound()] {
                let text = text(&named(&name), &settings);
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
