//! E-mail: senders, subject, and the two bodies.

use vestibule_engine::model::{MessagePayload, MessagePurpose, Template};

use super::{MAX_PART_BYTES, Rendered, RenderedEmail, Rendering, Sender, logo_url, magic_link, values};
use crate::settings::MessageSettings;
use crate::template::{ParsedPart, Part, TemplateError, Values, clean_line, html_escape, minutes};

/// Characters of an app name in the subject; mail readers show about this much.
const NAME_IN_SUBJECT: usize = 60;
/// Bytes of a subject with its values.
const MAX_SUBJECT: usize = 4096;

pub(super) fn render(
    payload: &MessagePayload,
    template: Option<&Template>,
    settings: &MessageSettings,
) -> Rendering {
    let (from, reply_to) = sender(payload, settings);
    let app_name = clean_line(&payload.app_name);
    let logo = logo_url(payload).unwrap_or_default();
    let link = magic_link(payload).unwrap_or_default();
    let values = values(payload, &app_name, &logo, &link);
    let (bodies, fault) = match template.map(|template| stored(template, &values)) {
        None => (built_in(&values), None),
        Some(Ok(bodies)) => (bodies, None),
        Some(Err(fault)) => (built_in(&values), Some(fault)),
    };
    let Bodies { subject, html, text } = bodies;
    Rendering {
        message: Rendered::Email(RenderedEmail {
            from,
            reply_to,
            to: payload.to.clone(),
            subject,
            html,
            text,
        }),
        fault,
    }
}

struct Bodies {
    subject: String,
    html: String,
    text: String,
}

/// 02, section 2: a sender outside the allowed domains is ignored together with its name and Reply-To; a Reply-To
/// outside them is ignored alone.
fn sender(payload: &MessagePayload, settings: &MessageSettings) -> (Sender, Option<String>) {
    match payload.send_from.as_deref().map(str::trim).filter(|address| settings.allows(address)) {
        Some(address) => {
            let name = payload.sender_name.as_deref().map(clean_line).filter(|name| !name.is_empty());
            let reply_to =
                payload.reply_to.as_deref().map(str::trim).filter(|address| settings.allows(address));
            let name = name.unwrap_or_else(|| settings.from_name.clone());
            (Sender { name, address: address.to_owned() }, reply_to.map(str::to_owned))
        }
        None => {
            let sender = Sender { name: settings.from_name.clone(), address: settings.from_address.clone() };
            (sender, settings.reply_to.clone())
        }
    }
}

fn stored(template: &Template, values: &Values<'_>) -> Result<Bodies, String> {
    let parse = |part, source| ParsedPart::parse(part, source).map_err(|e: TemplateError| e.to_string());
    let subject = parse(Part::Subject, &template.subject)?.render(values, MAX_SUBJECT)?;
    let html = parse(Part::Html, &template.html)?.render(values, MAX_PART_BYTES)?;
    let text = match &template.text {
        Some(text) => parse(Part::Text, text)?.render(values, MAX_PART_BYTES)?,
        None => built_in_text(values),
    };
    let subject = clean_line(&subject);
    let subject = if subject.is_empty() { built_in_subject(values) } else { subject };
    Ok(Bodies { subject, html, text })
}

fn built_in(values: &Values<'_>) -> Bodies {
    Bodies { subject: built_in_subject(values), html: built_in_html(values), text: built_in_text(values) }
}

/// What the built-in texts say, by what a message is for.
struct Words {
    subject: String,
    heading: String,
    /// What stands before a link.
    open: &'static str,
    button: &'static str,
    /// What stands before a bundle that is to be copied.
    copy: &'static str,
    expiry: String,
    warning: &'static str,
}

impl Words {
    fn of(values: &Values<'_>) -> Self {
        let short: String = values.app_name.chars().take(NAME_IN_SUBJECT).collect();
        let named = |name: &str, with: &dyn Fn(&str) -> String, without: &str| match name.trim_end() {
            "" => without.to_owned(),
            name => with(name),
        };
        let lifetime = lifetime(values.lifetime_s);
        match values.purpose {
            MessagePurpose::Code => Self {
                // The code first: it is readable in a notification, and mail readers offer it for filling in.
                subject: named(
                    &short,
                    &|name| format!("{} is your {name} code", values.code),
                    &format!("{} is your code", values.code),
                ),
                heading: named(values.app_name, &|name| format!("Your {name} code"), "Your code"),
                open: "Or open this link to log in:",
                button: "Log in",
                copy: "",
                expiry: format!("It works once and expires in {lifetime}."),
                warning: "Do not share this code with anyone. If you did not ask for it, you can ignore this message.",
            },
            MessagePurpose::SignInBundle => Self {
                subject: named(&short, &|name| format!("Log in to {name}"), "Log in"),
                heading: named(values.app_name, &|name| format!("Log in to {name}"), "Log in"),
                open: "Open this link to log in, on the device where you asked for it:",
                button: "Log in",
                copy: "To log in, copy this text to where you asked for it:",
                expiry: format!("It expires in {lifetime}."),
                warning: "Do not share this message with anyone. If you did not ask for it, you can ignore it.",
            },
            MessagePurpose::RecoveryBundle => Self {
                subject: named(
                    &short,
                    &|name| format!("Recover your {name} account"),
                    "Recover your account",
                ),
                heading: named(
                    values.app_name,
                    &|name| format!("Recover your {name} account"),
                    "Recover your account",
                ),
                open: "Open this link to recover your account, on the device where you asked for it:",
                button: "Recover account",
                copy: "To recover your account, copy this text to where you asked for it:",
                expiry: format!("It expires in {lifetime}."),
                warning: "Do not share this message with anyone. If you did not ask for it, somebody else may be trying to get into your account; you can ignore this message.",
            },
        }
    }
}

fn built_in_subject(values: &Values<'_>) -> String {
    Words::of(values).subject
}

/// In minutes up to two hours, hours up to two days, and days; rounded up, as the minutes of templates are.
fn lifetime(lifetime_s: u32) -> String {
    let minutes = minutes(lifetime_s);
    let (number, unit) = match minutes {
        0..=120 => (minutes, "minute"),
        121..=2880 => (minutes.div_ceil(60), "hour"),
        _ => (minutes.div_ceil(1440), "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

fn built_in_text(values: &Values<'_>) -> String {
    let Words { subject: _, heading, open, button: _, copy, expiry, warning } = Words::of(values);
    let link = values.magic_link;
    match values.purpose {
        MessagePurpose::Code => {
            let mut text = format!("{heading} is {}\n\n{expiry}\n", values.code);
            if !link.is_empty() {
                text.push_str(&format!("\n{open}\n{link}\n"));
            }
            text.push_str(&format!("\n{warning}\n"));
            text
        }
        MessagePurpose::SignInBundle | MessagePurpose::RecoveryBundle => {
            let (what, value) = if link.is_empty() { (copy, values.code) } else { (open, link) };
            format!("{heading}\n\n{what}\n\n{value}\n\n{expiry}\n\n{warning}\n")
        }
    }
}

/// One column of tables, because that is what every mail reader lays out alike; colours come in pairs that keep their
/// contrast when a reader inverts them; nothing needs an image or the style sheet; and the code is one run of text.
fn built_in_html(values: &Values<'_>) -> String {
    let escaped = |value: &str| {
        let mut out = String::with_capacity(value.len());
        html_escape(&mut out, value);
        out
    };
    let words = Words::of(values);
    let (code, name, heading) = (escaped(values.code), escaped(values.app_name), escaped(&words.heading));
    let logo = match values.logo_url {
        "" => String::new(),
        url => format!(
            "<tr><td align=\"center\" style=\"padding:0 0 24px\"><img src=\"{}\" alt=\"{name}\" \
             style=\"display:block;max-width:340px;max-height:124px;width:auto;height:auto;border:0\"></td></tr>\n",
            escaped(url)
        ),
    };
    let button = match values.magic_link {
        "" => String::new(),
        url => format!(
            "<tr><td align=\"center\" style=\"padding:0 0 24px\"><table role=\"presentation\" cellpadding=\"0\" \
             cellspacing=\"0\" border=\"0\"><tr><td class=\"button\" align=\"center\" bgcolor=\"#1f2937\" \
             style=\"border-radius:8px;background-color:#1f2937\"><a href=\"{}\" \
             style=\"display:inline-block;padding:14px 28px;font-size:16px;font-weight:600;color:#ffffff;\
             text-decoration:none\">{}</a></td></tr></table></td></tr>\n",
            escaped(url),
            words.button
        ),
    };
    let sentence = |text: &str| {
        format!(
            "<tr><td align=\"center\" style=\"padding:0 0 16px;font-size:16px;line-height:24px;color:#111827\">{}</td></tr>\n",
            escaped(text)
        )
    };
    let value = match (values.purpose, values.magic_link) {
        (MessagePurpose::Code, _) => boxed(
            &code,
            "font-size:32px;line-height:40px;font-weight:700;letter-spacing:4px;white-space:nowrap",
        ),
        (_, "") => {
            let bundle = boxed(&code, "font-size:16px;line-height:24px;word-break:break-all");
            format!("{}{bundle}", sentence(words.copy))
        }
        (_, _) => sentence(words.open),
    };
    format!(
        include_str!("email.html"),
        heading = heading,
        logo = logo,
        value = value,
        expiry = words.expiry,
        button = button,
        warning = words.warning
    )
}

/// A box with text to be read or copied. `value` is escaped.
fn boxed(value: &str, style: &str) -> String {
    format!(
        "<tr><td align=\"center\" style=\"padding:0 0 16px\"><table role=\"presentation\" cellpadding=\"0\" \
         cellspacing=\"0\" border=\"0\"><tr><td class=\"code\" align=\"center\" bgcolor=\"#f3f4f6\" \
         style=\"padding:16px 24px;border-radius:8px;background-color:#f3f4f6;color:#111827;\
         font-family:ui-monospace,Menlo,Consolas,monospace;{style}\">{value}</td></tr></table></td></tr>\n"
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vestibule_wire::{OrganizationId, TemplateId};

    use super::*;
    use crate::render::fixtures::{payload, settings};

    fn email(payload: &MessagePayload, template: Option<&Template>) -> RenderedEmail {
        let rendering = render(payload, template, &settings());
        assert_eq!(rendering.fault, None);
        let Rendered::Email(email) = rendering.message else { panic!("an e-mail was asked for") };
        email
    }

    fn template(subject: &str, html: &str, text: Option<&str>) -> Template {
        Template {
            organization_id: OrganizationId(Uuid::nil()),
            id: TemplateId(Uuid::nil()),
            name: "login".to_owned(),
            subject: subject.to_owned(),
            html: html.to_owned(),
            text: text.map(str::to_owned),
            created_at: 0,
        }
    }

    #[test]
    fn the_built_in_message_says_code_app_and_lifetime_in_every_part() {
        let email = email(&payload("a@b.example"), None);
        assert_eq!(email.subject, "7G3K9QW2X is your Shop code");
        assert_eq!(
            email.text,
            "Your Shop code is 7G3K9QW2X\n\nIt works once and expires in 5 minutes.\n\n\
             Do not share this code with anyone. If you did not ask for it, you can ignore this message.\n"
        );
        assert!(email.html.contains(">7G3K9QW2X<"), "the code is one run of text");
        assert!(email.html.contains("Your Shop code"));
        assert!(email.html.contains("expires in 5 minutes"));
        assert!(
            !email.html.contains("<img") && !email.html.contains("<a "),
            "nothing that was not asked for"
        );
    }

    fn bundle(purpose: MessagePurpose) -> MessagePayload {
        let code = "w99a5xV6A75TfoAUkZn869fVyDYvgVsKrawMALZXmrauZd8hEv66EkPU1Z42CUaHESQjcA5bqd8dynTGBMLWB9ewtXWPEVbZvocB4Tw2K1vQVp7uwjf".to_owned();
        MessagePayload { purpose, code, lifetime_s: 900, ..payload("a@b.example") }
    }

    #[test]
    fn a_bundle_is_text_to_be_copied_or_stands_in_the_link() {
        for (purpose, subject, button) in [
            (MessagePurpose::SignInBundle, "Log in to Shop", ">Log in</a>"),
            (MessagePurpose::RecoveryBundle, "Recover your Shop account", ">Recover account</a>"),
        ] {
            let payload = bundle(purpose);
            let plain = email(&payload, None);
            assert_eq!(plain.subject, subject, "the bundle stands in no notification");
            assert!(plain.text.contains(&format!("\n{}\n", payload.code)), "{}", plain.text);
            assert!(plain.html.contains(&format!(">{}<", payload.code)), "the bundle is one run of text");
            assert!(
                plain.text.contains("It expires in 15 minutes.")
                    && plain.html.contains("It expires in 15 minutes.")
            );
            assert!(!plain.html.contains("<a "));
            let link = "https://app.example/?bundle=%s".to_owned();
            let linked = email(&MessagePayload { magic_link_template: Some(link), ..payload.clone() }, None);
            let url = format!("https://app.example/?bundle={}", payload.code);
            assert!(linked.text.contains(&format!("\n{url}\n")), "{}", linked.text);
            assert!(linked.html.contains(&format!("<a href=\"{url}\"")) && linked.html.contains(button));
            assert_eq!(linked.html.matches(&payload.code).count(), 1, "in the link alone");
        }
    }

    #[test]
    fn a_stored_template_shows_the_bundle_where_a_code_would_stand() {
        let payload = bundle(MessagePurpose::SignInBundle);
        let template = template("For {{ .AppName }}", "<p>{{ .OtpCode }}</p>", None);
        let sent = email(&payload, Some(&template));
        assert_eq!((sent.subject.as_str(), sent.html), ("For Shop", format!("<p>{}</p>", payload.code)));
        assert!(
            sent.text.starts_with("Log in to Shop\n"),
            "the built-in text is the bundle's: {}",
            sent.text
        );
    }

    #[test]
    fn a_long_lifetime_is_told_in_hours_and_days() {
        for (seconds, told) in [
            (7200, "120 minutes"),
            (7201, "3 hours"),
            (86_400, "24 hours"),
            (172_801, "3 days"),
            (2_592_000, "30 days"),
        ] {
            assert_eq!(lifetime(seconds), told);
        }
    }

    #[test]
    fn a_lifetime_is_told_in_whole_minutes() {
        for (seconds, told) in
            [(30, "1 minute."), (60, "1 minute."), (61, "2 minutes."), (600, "10 minutes.")]
        {
            let payload = MessagePayload { lifetime_s: seconds, ..payload("a@b.example") };
            assert!(email(&payload, None).text.contains(told), "{seconds}");
        }
    }

    #[test]
    fn logo_and_link_are_shown_where_given_and_escaped() {
        let payload = MessagePayload {
            logo_url: Some("https://cdn.example/l.png?a=\"1\"&b".to_owned()),
            magic_link_template: Some("https://app.example/?c=%s&again=%s".to_owned()),
            ..payload("a@b.example")
        };
        let email = email(&payload, None);
        assert!(
            email.html.contains("<img src=\"https://cdn.example/l.png?a=&quot;1&quot;&amp;b\" alt=\"Shop\"")
        );
        assert!(email.html.contains("max-width:340px;max-height:124px"));
        assert!(email.html.contains("<a href=\"https://app.example/?c=7G3K9QW2X&amp;again=7G3K9QW2X\""));
        assert!(email.text.contains("\nhttps://app.example/?c=7G3K9QW2X&again=7G3K9QW2X\n"));
    }

    #[test]
    fn a_code_is_percent_encoded_in_the_link() {
        let payload = MessagePayload {
            code: "a&b/c".to_owned(),
            magic_link_template: Some("myapp://login/%s".to_owned()),
            ..payload("a@b.example")
        };
        assert!(email(&payload, None).text.contains("\nmyapp://login/a%26b%2Fc\n"));
    }

    #[test]
    fn links_and_logos_that_are_not_safe_are_left_out() {
        for link in
            ["javascript:alert('%s')", " java\nscript:%s", "data:text/html,%s", "https://x.example/", "%s"]
        {
            let payload =
                MessagePayload { magic_link_template: Some(link.to_owned()), ..payload("a@b.example") };
            assert!(!email(&payload, None).html.contains("<a "), "{link}");
        }
        for logo in ["javascript:1", "data:image/png;base64,AAAA", "cid:1", "/l.png"] {
            let payload = MessagePayload { logo_url: Some(logo.to_owned()), ..payload("a@b.example") };
            assert!(!email(&payload, None).html.contains("<img"), "{logo}");
        }
    }

    #[test]
    fn an_app_name_is_text_and_nothing_else() {
        let payload = MessagePayload {
            app_name: "<img src=x>\r\nBcc: x@y.example\r\n\r\n\"'&".to_owned(),
            logo_url: Some("https://cdn.example/l.png".to_owned()),
            ..payload("a@b.example")
        };
        let email = email(&payload, None);
        assert_eq!(email.subject, "7G3K9QW2X is your <img src=x> Bcc: x@y.example \"'& code");
        assert!(email.html.contains("Your &lt;img src=x&gt; Bcc: x@y.example &quot;&#39;&amp; code"));
        assert!(!email.html.contains("<img src=x>"));
        assert!(email.text.starts_with("Your <img src=x> Bcc: x@y.example \"'& code is 7G3K9QW2X\n"));
    }

    #[test]
    fn a_long_app_name_leaves_the_subject_readable() {
        let payload = MessagePayload { app_name: "ö".repeat(128), ..payload("a@b.example") };
        assert_eq!(email(&payload, None).subject, format!("7G3K9QW2X is your {} code", "ö".repeat(60)));
    }

    #[test]
    fn the_default_sender_stands_where_none_was_asked_for() {
        let email = email(&payload("a@b.example"), None);
        assert_eq!(
            (email.from.name.as_str(), email.from.address.as_str()),
            ("Notifications", "no-reply@mail.example")
        );
        assert_eq!(email.reply_to, None);
    }

    #[test]
    fn a_sender_on_an_allowed_domain_is_taken_with_its_name_and_reply_to() {
        let asked = MessagePayload {
            send_from: Some("Hello@Shop.example".to_owned()),
            sender_name: Some("The \r\nShop".to_owned()),
            reply_to: Some("help@shop.example".to_owned()),
            ..payload("a@b.example")
        };
        let rendered = email(&asked, None);
        assert_eq!(
            (rendered.from.name.as_str(), rendered.from.address.as_str()),
            ("The Shop", "Hello@Shop.example")
        );
        assert_eq!(rendered.reply_to.as_deref(), Some("help@shop.example"));

        let nameless = MessagePayload { sender_name: Some(" \n".to_owned()), ..asked.clone() };
        assert_eq!(email(&nameless, None).from.name, "Notifications");

        let elsewhere = MessagePayload { reply_to: Some("help@other.example".to_owned()), ..asked };
        let rendered = email(&elsewhere, None);
        assert_eq!((rendered.from.address.as_str(), rendered.reply_to), ("Hello@Shop.example", None));
    }

    #[test]
    fn a_sender_elsewhere_is_ignored_together_with_its_name_and_reply_to() {
        for send_from in [Some("a@other.example"), Some("a@shop.example\r\nBcc: x@shop.example"), None] {
            let payload = MessagePayload {
                send_from: send_from.map(str::to_owned),
                sender_name: Some("Shop".to_owned()),
                reply_to: Some("help@shop.example".to_owned()),
                ..payload("a@b.example")
            };
            let email = email(&payload, None);
            assert_eq!(
                (email.from.name.as_str(), email.from.address.as_str()),
                ("Notifications", "no-reply@mail.example")
            );
            assert_eq!(email.reply_to, None);
        }
    }

    #[test]
    fn a_stored_template_takes_the_place_of_every_part_it_has() {
        let payload = MessagePayload {
            template_variables: [("greeting".to_owned(), "Hi <you>".to_owned())].into(),
            ..payload("a@b.example")
        };
        let html = "<p>{{ index .TemplateVariables \"greeting\" }}: {{.OtpCode}}</p>";
        let with_text = template(
            "{{ .AppName }}: {{ .OtpCode }}",
            html,
            Some("{{ index .TemplateVariables \"greeting\" }} {{ .OtpCode }}"),
        );
        let rendered = email(&payload, Some(&with_text));
        assert_eq!(rendered.subject, "Shop: 7G3K9QW2X");
        assert_eq!(rendered.html, "<p>Hi &lt;you&gt;: 7G3K9QW2X</p>");
        assert_eq!(rendered.text, "Hi <you> 7G3K9QW2X");

        let without_text = template("{{ index .TemplateVariables \"none\" }}", html, None);
        let rendered = email(&payload, Some(&without_text));
        assert_eq!(rendered.subject, "7G3K9QW2X is your Shop code", "an empty subject is none");
        assert!(rendered.text.starts_with("Your Shop code is 7G3K9QW2X\n"));
    }

    #[test]
    fn a_template_that_cannot_be_used_gives_way_to_the_built_in_text_and_is_named() {
        let broken = template("s", "<p>{{ .Nope }}</p>", None);
        let payload = MessagePayload {
            template_variables: [("long".to_owned(), "x".repeat(MAX_PART_BYTES))].into(),
            ..payload("a@b.example")
        };
        let rendering = render(&payload, Some(&broken), &settings());
        assert!(rendering.fault.unwrap().starts_with("html, line 1, column 7: expected"));
        let Rendered::Email(email) = rendering.message else { panic!("an e-mail was asked for") };
        assert!(email.html.contains(">7G3K9QW2X<"));

        let long = template("s", "<p>{{ .OtpCode }}{{ index .TemplateVariables \"long\" }}</p>", None);
        let rendering = render(&payload, Some(&long), &settings());
        assert_eq!(rendering.fault.as_deref(), Some("longer than 524288 bytes with its values"));
    }

    #[test]
    fn debug_output_of_a_rendered_message_is_redacted() {
        let rendering = render(&payload("a@b.example"), None, &settings());
        let printed = format!("{rendering:?}");
        assert!(!printed.contains("7G3K9QW2X") && !printed.contains("a@b.example"), "{printed}");
    }
}
