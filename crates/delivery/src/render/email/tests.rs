use vestibule_engine::model::MessagePurpose;

use super::*;
use crate::render::fixtures::{bundle, email, payload, settings, template};

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
    assert!(!email.html.contains("<img") && !email.html.contains("<a "), "nothing that was not asked for");
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
    assert!(sent.text.starts_with("Log in to Shop\n"), "the built-in text is the bundle's: {}", sent.text);
}

#[test]
fn a_lifetime_is_told_in_whole_minutes() {
    for (seconds, told) in [(30, "1 minute."), (60, "1 minute."), (61, "2 minutes."), (600, "10 minutes.")] {
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
    assert!(email.html.contains(
        "<img class=\"logo\" src=\"https://cdn.example/l.png?a=&quot;1&quot;&amp;b\" alt=\"Shop\""
    ));
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
        let payload = MessagePayload { magic_link_template: Some(link.to_owned()), ..payload("a@b.example") };
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

fn in_languages(hint: &str) -> MessagePayload {
    MessagePayload { locales: vestibule_wire::preferences(hint), ..payload("a@b.example") }
}

#[test]
fn the_message_is_in_the_first_language_of_the_chain_that_there_is() {
    for (hint, subject, first_line) in [
        ("de-AT, en", "7G3K9QW2X ist Ihr Code für Shop", "Ihr Code für Shop lautet 7G3K9QW2X\n"),
        ("tlh, ja", "7G3K9QW2X は Shop の認証コードです", "Shop の認証コード: 7G3K9QW2X\n"),
        ("tlh", "7G3K9QW2X is your Shop code", "Your Shop code is 7G3K9QW2X\n"),
    ] {
        let email = email(&in_languages(hint), None);
        assert_eq!(email.subject, subject, "{hint}");
        assert!(email.text.starts_with(first_line), "{hint}: {}", email.text);
    }
}

#[test]
fn a_subject_and_text_from_right_to_left_keep_name_and_code_whole() {
    let email = email(&in_languages("he"), None);
    assert_eq!(email.subject, "הקוד שלך עבור \u{2068}Shop\u{2069} הוא \u{200e}7G3K9QW2X");
    assert!(email.text.starts_with("הקוד שלך עבור \u{2068}Shop\u{2069} הוא \u{200e}7G3K9QW2X\n"));
    assert!(email.text.contains("5 דקות"));
}

#[test]
fn a_stored_template_leaves_to_the_built_in_texts_of_its_language_what_it_does_not_say() {
    let german =
        Template { locale: Some("de".parse().unwrap()), ..template("Hallo", "<p>{{ .OtpCode }}</p>", None) };
    let sent = email(&in_languages("fr"), Some(&german));
    assert!(sent.text.starts_with("Ihr Code für Shop lautet 7G3K9QW2X\n"), "{}", sent.text);
    let any = Template { locale: None, ..german.clone() };
    assert!(email(&in_languages("fr"), Some(&any)).text.starts_with("Votre code Shop est 7G3K9QW2X\n"));
}

#[test]
fn a_template_of_sms_alone_leaves_the_e_mail_built_in() {
    let sms = Template { sms: Some("{{ .OtpCode }}".to_owned()), ..template("", "", None) };
    assert_eq!(email(&payload("a@b.example"), Some(&sms)).subject, "7G3K9QW2X is your Shop code");
}

/// The parts of a payload that an earlier release stored are fewer.
#[test]
fn a_payload_of_an_earlier_release_is_sent_in_english() {
    let mut stored = serde_json::to_value(payload("a@b.example")).unwrap();
    stored.as_object_mut().unwrap().remove("locales");
    let read: MessagePayload = serde_json::from_value(stored).unwrap();
    assert_eq!(read, payload("a@b.example"));
    assert_eq!(email(&read, None).subject, "7G3K9QW2X is your Shop code");
}

#[test]
fn direction_marks_of_an_author_stay_in_a_subject_and_those_of_a_value_go() {
    let payload = MessagePayload { app_name: "Shop\u{202e}\u{200f}".to_owned(), ..payload("a@b.example") };
    let subject =
        |source: &str| email(&payload, Some(&template(source, "<p>{{ .OtpCode }}</p>", None))).subject;
    assert_eq!(subject("\u{feff}رمز \u{200e}{{ .OtpCode }}  {{ .AppName }}"), "رمز \u{200e}7G3K9QW2X Shop");
    assert_eq!(subject("\u{200e}{{ .LogoUrl }}"), "7G3K9QW2X is your Shop code", "marks alone say nothing");
}
