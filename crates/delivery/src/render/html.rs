//! The built-in HTML.
//!
//! One column of tables, because that is what every mail reader lays out alike; colours come in pairs that keep their contrast
//! when a reader inverts them; nothing needs an image or the style sheet; and the code is one run of text, from left to right.

use vestibule_engine::model::MessagePurpose;

use super::languages::{FSI, PDI};
use super::palette::{DARK, LIGHT};
use super::words::Words;
use crate::template::{Values, html_escape};

pub(super) fn built_in(values: &Values<'_>, words: &Words) -> String {
    let language = values.texts.language();
    let heading = text(&words.heading);
    let value = match (values.purpose, values.magic_link) {
        (MessagePurpose::Code, _) => field(
            values.code,
            "font-size:32px;line-height:40px;font-weight:700;letter-spacing:4px;white-space:nowrap",
        ),
        (_, "") => {
            let bundle = field(values.code, "font-size:16px;line-height:24px;word-break:break-all");
            format!("{}{bundle}", sentence(&words.copy))
        }
        (_, _) => sentence(&words.open),
    };
    format!(
        include_str!("email.html"),
        lang = language.tag,
        dir = language.direction.attribute(),
        title = escaped(&words.heading),
        heading = heading,
        logo = logo(values),
        value = value,
        expiry = text(&words.expiry),
        button = button(values, words),
        warning = text(&words.warning),
        page = LIGHT.page,
        card = LIGHT.card,
        text = LIGHT.text,
        quiet = LIGHT.quiet,
        dark_page = DARK.page,
        dark_card = DARK.card,
        dark_text = DARK.text,
        dark_quiet = DARK.quiet,
        dark_field = DARK.field,
        dark_button = DARK.button,
        dark_button_text = DARK.button_text,
    )
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    html_escape(&mut out, value);
    out
}

/// A text with the isolates of its values as elements, which more mail readers know than the characters.
fn text(value: &str) -> String {
    escaped(value).replace(FSI, "<bdi>").replace(PDI, "</bdi>")
}

fn logo(values: &Values<'_>) -> String {
    match values.logo_url {
        "" => String::new(),
        url => format!(
            "<tr><td align=\"center\" style=\"padding:0 0 24px\"><img class=\"logo\" src=\"{}\" alt=\"{}\" \
             style=\"display:block;max-width:340px;max-height:124px;width:auto;height:auto;border:0\"></td></tr>\n",
            escaped(url),
            escaped(values.app_name)
        ),
    }
}

fn button(values: &Values<'_>, words: &Words) -> String {
    match values.magic_link {
        "" => String::new(),
        url => format!(
            "<tr><td align=\"center\" style=\"padding:0 0 24px\"><table role=\"presentation\" cellpadding=\"0\" \
             cellspacing=\"0\" border=\"0\"><tr><td class=\"button\" align=\"center\" bgcolor=\"{back}\" \
             style=\"border-radius:8px;background-color:{back}\"><a href=\"{}\" \
             style=\"display:inline-block;padding:14px 28px;font-size:16px;font-weight:600;color:{front};\
             text-decoration:none\">{}</a></td></tr></table></td></tr>\n",
            escaped(url),
            text(&words.button),
            back = LIGHT.button,
            front = LIGHT.button_text,
        ),
    }
}

fn sentence(value: &str) -> String {
    format!(
        "<tr><td align=\"center\" style=\"padding:0 0 16px;font-size:16px;line-height:24px;color:{}\">{}</td></tr>\n",
        LIGHT.text,
        text(value)
    )
}

/// A box with text to be read or copied, which is no text of any language.
fn field(value: &str, style: &str) -> String {
    format!(
        "<tr><td align=\"center\" style=\"padding:0 0 16px\"><table role=\"presentation\" cellpadding=\"0\" \
         cellspacing=\"0\" border=\"0\"><tr><td class=\"code\" dir=\"ltr\" align=\"center\" bgcolor=\"{back}\" \
         style=\"padding:16px;border-radius:8px;background-color:{back};color:{front};\
         font-family:ui-monospace,Menlo,Consolas,monospace;{style}\">{}</td></tr></table></td></tr>\n",
        escaped(value),
        back = LIGHT.field,
        front = LIGHT.text,
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixtures::{bundle, email, payload};
    use super::super::languages::LANGUAGES;
    use super::*;
    use vestibule_engine::model::MessagePayload;

    /// Every built-in HTML in every language, with everything that a request can add.
    pub(in super::super) fn samples() -> Vec<String> {
        let purposes = [
            payload("a@b.example"),
            bundle(MessagePurpose::SignInBundle),
            bundle(MessagePurpose::RecoveryBundle),
        ];
        let mut samples = Vec::new();
        for language in LANGUAGES {
            for payload in &purposes {
                for link in [None, Some("https://app.example/?c=%s".to_owned())] {
                    let payload = MessagePayload {
                        locales: vec![language.tag.parse().unwrap()],
                        logo_url: Some("https://cdn.example/l.png".to_owned()),
                        magic_link_template: link,
                        ..payload.clone()
                    };
                    samples.push(email(&payload, None).html);
                }
            }
        }
        samples
    }

    #[test]
    fn every_message_names_its_language_and_direction_where_mail_readers_keep_it() {
        for (html, language) in samples().chunks(6).flatten().zip(LANGUAGES.iter().flat_map(|l| [l; 6])) {
            let named = format!("lang=\"{}\" dir=\"{}\"", language.tag, language.direction.attribute());
            // Of html, of body, and of the table that is left where a reader takes the others off.
            assert_eq!(html.matches(&named).count(), 3, "{}", language.tag);
        }
    }

    #[test]
    fn the_code_is_one_run_of_text_from_left_to_right() {
        for language in LANGUAGES {
            let payload =
                MessagePayload { locales: vec![language.tag.parse().unwrap()], ..payload("a@b.example") };
            let html = email(&payload, None).html;
            let start = html.find("<td class=\"code\" dir=\"ltr\"").expect("the code's box");
            assert!(
                html[start..].split_once('>').unwrap().1.starts_with("7G3K9QW2X</td>"),
                "{}",
                language.tag
            );
        }
    }

    #[test]
    fn a_name_that_runs_against_the_text_is_isolated_by_an_element() {
        let named = |tag: &str, app_name: &str| {
            let app_name = app_name.to_owned();
            let locales = vec![tag.parse().unwrap()];
            email(&MessagePayload { app_name, locales, ..payload("a@b.example") }, None).html
        };
        assert!(named("he", "A & B").contains("<bdi>A &amp; B</bdi>"));
        assert!(!named("he", "חנות").contains("<bdi>"));
        assert!(named("en", "חנות").contains("Your <bdi>חנות</bdi> code"));
        assert!(!named("en", "Shop\u{2068}").contains("<bdi>"), "only our own isolates become elements");
    }

    #[test]
    fn nothing_needs_an_image_and_every_image_has_its_words() {
        for html in samples() {
            assert_eq!(html.matches("<img ").count(), 1);
            assert!(html.contains(" alt=\"Shop\" "));
            assert!(!html.contains("background-image") && !html.contains("url("));
        }
    }
}
