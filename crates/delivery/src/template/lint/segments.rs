//! How many segments an SMS takes, under a usual name and under the worst of the longest.

use vestibule_engine::model::MessagePayload;
use vestibule_wire::{MAX_LABEL, OtpType};

use super::{Draft, Finding, Severity, found};
use crate::gsm7::{SmsEncoding, SmsSize, gsm7_segments};
use crate::preview::{self, Sample};
use crate::render::{MAX_SEGMENTS, Rendered, render};
use crate::settings::MessageSettings;
use crate::template::{Part, Variable, parse};

/// The longest lifetime of a code, seconds: no other takes more digits.
const LONGEST_LIFETIME_S: u32 = 600;

pub(super) fn lint(source: &str, settings: &MessageSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((at, c)) = source
        .char_indices()
        .find(|(_, c)| gsm7_segments(c.encode_utf8(&mut [0; 4])).encoding == SmsEncoding::Ucs2)
    {
        let message = format!("{c:?} is outside of the GSM alphabet: a segment has 70 characters, not 160");
        findings.push(found(Severity::Note, Part::Sms, source, at, message));
    }
    if let Some(at) = brought_by_requests(source) {
        let message = "how long this is, each request decides; where it makes more than 10 segments the built-in text is sent";
        findings.push(found(Severity::Note, Part::Sms, source, at, message.to_owned()));
    }
    let usual = format!("an app name like {:?}", preview::APP_NAME);
    let mut names = vec![(vec![preview::APP_NAME.to_owned()], usual, "it takes")];
    if names_the_app(source) {
        let longest = format!("the longest app name ({MAX_LABEL} bytes)");
        names.push((worst_names().into(), longest, "it takes up to"));
    }
    for (names, what, takes) in names {
        let (severity, message) = match worst(source, &names, settings) {
            Err(fault) => (Severity::Error, format!("with {what}: {fault}")),
            Ok(SmsSize { segments: 1, .. }) => continue,
            Ok(SmsSize { segments, encoding, .. }) => {
                let alphabet = match encoding {
                    SmsEncoding::Gsm7 => "GSM-7",
                    SmsEncoding::Ucs2 => "UCS-2",
                };
                let message = format!(
                    "with {what} {takes} {segments} segments ({alphabet}), each of which is paid for"
                );
                (Severity::Warning, message)
            }
        };
        findings.push(found(severity, Part::Sms, source, 0, message));
    }
    findings
}

/// Names that no other name of at most 256 bytes takes more segments than. A name either keeps the text in the GSM alphabet, where no byte gives
/// more than the two units of a bracket; or it brings a character from outside, which takes two bytes at least, and then no byte gives more than
/// one unit (of a character of four bytes, with two units that stay together, less comes than of four letters); or the text is not in that alphabet
/// anyway.
fn worst_names() -> [String; 3] {
    let outside = "Ж";
    ["[".repeat(MAX_LABEL), "W".repeat(MAX_LABEL - outside.len()) + outside, "W".repeat(MAX_LABEL)]
}

/// The size of the text with the name that makes it longest; why it is not sent with one of them.
fn worst(source: &str, names: &[String], settings: &MessageSettings) -> Result<SmsSize, String> {
    let template = preview::draft(&Draft { sms: Some(source), ..Draft::default() });
    let mut worst = gsm7_segments("");
    for name in names {
        let sample = Sample { app_name: name, ..Sample::sms() };
        let payload = MessagePayload { lifetime_s: LONGEST_LIFETIME_S, ..sample.payload(Some(&template)) };
        let rendering = render(OtpType::Sms, &payload, Some(&template), settings);
        let Rendered::Sms(sms) = &rendering.message else { continue };
        if let Some(fault) = rendering.fault {
            return Err(fault);
        }
        let mut size = gsm7_segments(&sms.text);
        // The origin line had no room: under a shorter name it has, and takes the last of it.
        if settings.sms_origin.is_some() && !sms.text.lines().last().is_some_and(|line| line.starts_with('@'))
        {
            size.segments = MAX_SEGMENTS;
        }
        if size.segments > worst.segments {
            worst = size;
        }
    }
    Ok(worst)
}

fn actions(source: &str) -> impl Iterator<Item = (usize, Variable)> + '_ {
    parse::tokens(source).filter_map(|token| match token {
        Ok(parse::Token::Action { offset, variable, .. }) => Some((offset, variable)),
        Ok(parse::Token::Literal(_)) | Err(_) => None,
    })
}

fn names_the_app(source: &str) -> bool {
    actions(source).any(|(_, variable)| variable == Variable::AppName)
}

/// Where the first value stands that may be as long as a request likes.
fn brought_by_requests(source: &str) -> Option<usize> {
    let unbounded = |variable: &Variable| match variable {
        Variable::Custom(_) | Variable::LogoUrl | Variable::MagicLink => true,
        Variable::OtpCode | Variable::AppName | Variable::ExpirationMinutes | Variable::ExpirationSeconds => {
            false
        }
    };
    actions(source).find(|(_, variable)| unbounded(variable)).map(|(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::lines;
    use super::*;

    fn sms(source: &str) -> Vec<String> {
        lines(Draft { sms: Some(source), ..Draft::default() }, None)
    }

    fn bound() -> MessageSettings {
        MessageSettings::new("a@b.example").unwrap().with_sms_origin("app.example.com").unwrap()
    }

    /// What is sent of a template under a name.
    fn sent(source: &str, name: &str) -> Result<usize, String> {
        worst(source, &[name.to_owned()], &bound()).map(|size| size.segments)
    }

    #[test]
    fn segments_are_counted_with_a_usual_and_with_the_longest_name() {
        assert_eq!(
            sms("{{ .AppName }}: {{ .OtpCode }}"),
            [
                "sms:1:1: warning: with the longest app name (256 bytes) it takes up to 5 segments (UCS-2), each of which is paid for"
            ]
        );
        assert_eq!(
            sms("Twój kod do naszego sklepu internetowego: {{ .OtpCode }}"),
            [
                "sms:1:1: warning: with an app name like \"Example Shop\" it takes 2 segments (UCS-2), each of which is paid for",
                "sms:1:3: note: 'ó' is outside of the GSM alphabet: a segment has 70 characters, not 160",
            ]
        );
        let long = format!("{{{{ .OtpCode }}}}{}", "ж".repeat(490));
        assert_eq!(
            sms(&long).last().unwrap(),
            "sms:1:15: note: 'ж' is outside of the GSM alphabet: a segment has 70 characters, not 160"
        );
        assert!(sms(&long)[0].contains("it takes 8 segments (UCS-2)"), "{:?}", sms(&long));
        assert_eq!(
            sms("{{ .OtpCode }} is not for \".AppName\""),
            Vec::<String>::new(),
            "no name, no longest"
        );
    }

    #[test]
    fn a_text_that_a_long_name_in_any_alphabet_makes_too_long_is_an_error() {
        let long = format!("{}{{{{ .AppName }}}} {{{{ .OtpCode }}}}", "x".repeat(900));
        assert_eq!(
            sms(&long),
            [
                "sms:1:1: warning: with an app name like \"Example Shop\" it takes 7 segments (GSM-7), each of which is paid for",
                "sms:1:1: error: with the longest app name (256 bytes): the SMS template gives more than 10 segments",
            ]
        );
        let longest = ["W".repeat(256), "Ж".repeat(128), "店".repeat(85), "🏪".repeat(64)];
        let faults = longest.iter().filter(|name| sent(&long, name).is_err()).count();
        assert_eq!(faults, 3, "all but the one in the GSM alphabet");
    }

    #[test]
    fn what_a_request_makes_as_long_as_it_likes_is_noted() {
        for value in ["index .TemplateVariables \"k\"", ".MagicLink", ".LogoUrl"] {
            let found = sms(&format!("{{{{ .OtpCode }}}} {{{{ {value} }}}}"));
            assert!(
                found.iter().any(|line| line.starts_with("sms:1:16: note: how long this is")),
                "{found:?}"
            );
        }
        assert_eq!(
            sms("{{ .OtpCode }} {{ .ExpirationMinutes }} {{ .ExpirationSeconds }}"),
            Vec::<String>::new()
        );
    }

    fn name() -> impl Strategy<Value = String> {
        let chars =
            ["\\PC{0,256}", "[\\[\\]€W]{0,256}", "[W\\[Ж🏪店]{0,256}", "🏪{0,64}W{0,3}", "W{250,256}Ж?"];
        let cut = |name: String| {
            let end = (0..=MAX_LABEL.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
            name[..end.unwrap_or(0)].to_owned()
        };
        prop_oneof![chars[0], chars[1], chars[2], chars[3], chars[4]].prop_map(cut)
    }

    proptest! {
        #[test]
        fn a_template_without_an_error_is_sent_under_any_name_and_takes_no_more_than_is_said(
            source in "(\\{\\{ \\.(AppName|OtpCode|ExpirationSeconds) \\}\\}|[a-z ]{1,40}|[жя]{1,9}|😀{1,20}|[€\\[]{1,30}){1,14}",
            name in name(),
        ) {
            let source = format!("{source}{{{{ .OtpCode }}}}");
            prop_assume!(crate::template::check(&Draft { sms: Some(&source), ..Draft::default() }).is_ok());
            let bounds = [vec![preview::APP_NAME.to_owned()], worst_names().into()];
            let said = bounds.iter().map(|names| worst(&source, names, &bound())).collect::<Result<Vec<_>, _>>();
            if let Ok(said) = said {
                let most = said.iter().map(|size| size.segments).max().unwrap_or_default();
                let sent = sent(&source, &name);
                prop_assert!(sent.as_ref().is_ok_and(|segments| *segments <= most), "{sent:?} where {most} is said");
            }
        }
    }
}
