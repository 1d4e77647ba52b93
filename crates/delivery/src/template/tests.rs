use super::*;

fn variables() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("k".to_owned(), "<b>\"x\" & 'y'</b>".to_owned()),
        ("a\"b\\".to_owned(), "odd".to_owned()),
    ])
}

fn values(variables: &BTreeMap<String, String>) -> Values<'_> {
    Values {
        texts: Texts::default(),
        purpose: MessagePurpose::Code,
        code: "7G3K9QW2X",
        app_name: "Tom & Jerry",
        logo_url: "https://cdn.example/l.png?a=1&b=2",
        magic_link: "https://app.example/login?code=7G3K9QW2X&x=\"1\"",
        lifetime_s: 300,
        variables,
    }
}

fn render(part: Part, source: &str) -> String {
    let variables = variables();
    ParsedPart::parse(part, source).unwrap().render(&values(&variables), 10_000).unwrap()
}

fn refusal(part: Part, source: &str) -> (usize, usize, String) {
    let error = ParsedPart::parse(part, source).unwrap_err();
    (error.line, error.column, error.expected)
}

#[test]
fn every_action_is_replaced_with_any_blanks_around_its_words() {
    let source = "{{.OtpCode}}|{{ .OtpCode }}|{{\t.OtpCode\n}}|{{ .AppName }}|{{ .LogoUrl }}|{{ .ExpirationMinutes }}|\
                  {{ .ExpirationSeconds }}|{{ index .TemplateVariables \"k\" }}|{{index .TemplateVariables  `k`}}|\
                  {{ index .TemplateVariables \"a\\\"b\\\\\" }}|{{ index .TemplateVariables \"missing\" }}|";
    assert_eq!(
        render(Part::Text, source),
        "7G3K9QW2X|7G3K9QW2X|7G3K9QW2X|Tom & Jerry|https://cdn.example/l.png?a=1&b=2|5|300|<b>\"x\" & 'y'</b>|\
         <b>\"x\" & 'y'</b>|odd||"
    );
}

#[test]
fn text_outside_actions_stands_as_it_is() {
    for source in ["", "a { b } c }} d", "{ {.OtpCode}}", "100% äöü\r\n\ttab"] {
        assert_eq!(render(Part::Text, source), source);
    }
}

#[test]
fn values_in_html_are_escaped_for_where_they_stand() {
    assert_eq!(
        render(Part::Html, "<p>{{ .AppName }}: {{ index .TemplateVariables \"k\" }}</p>"),
        "<p>Tom &amp; Jerry: &lt;b&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/b&gt;</p>"
    );
    assert_eq!(
        render(Part::Html, "<img alt='{{ index .TemplateVariables \"k\" }}' src=\"{{ .LogoUrl }}\">"),
        "<img alt='&lt;b&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/b&gt;' src=\"https://cdn.example/l.png?a=1&amp;b=2\">"
    );
    assert_eq!(
        render(Part::Html, "<a href=\"{{ .MagicLink }}\">x</a><title>{{ .AppName }}</title>"),
        "<a href=\"https://app.example/login?code=7G3K9QW2X&amp;x=&quot;1&quot;\">x</a><title>Tom &amp; Jerry</title>"
    );
    assert_eq!(
        render(Part::Html, "<a href=\"https://x.example/?n={{ .AppName }}&c={{ .OtpCode }}\">x</a>"),
        "<a href=\"https://x.example/?n=Tom%20%26%20Jerry&c=7G3K9QW2X\">x</a>"
    );
}

#[test]
fn a_value_cannot_make_a_link_run_something() {
    let source = "<a href=\"{{ index .TemplateVariables \"u\" }}\">x</a>";
    let parsed = ParsedPart::parse(Part::Html, source).unwrap();
    for (url, expected) in [
        ("https://app.example/a b", "https://app.example/ab"),
        ("myapp://open?x='1'", "myapp://open?x=&#39;1&#39;"),
        ("javascript:alert(1)", "#"),
        (" JaVa\nScript:alert(1)", "#"),
        ("java\tscript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        ("//evil.example", "#"),
        ("javascript", "#"),
        ("1x:y", "#"),
        ("", ""),
    ] {
        let variables = BTreeMap::from([("u".to_owned(), url.to_owned())]);
        let html = parsed.render(&values(&variables), 1000).unwrap();
        assert_eq!(html, format!("<a href=\"{expected}\">x</a>"), "{url:?}");
    }
}

#[test]
fn a_value_is_refused_where_no_escaping_makes_it_safe() {
    for source in [
        "<a href={{ .MagicLink }}>",
        "<a {{ .AppName }}>",
        "<{{ .AppName }}>",
        "<a href= {{ .MagicLink }}>",
        "<a onclick=\"f('{{ .OtpCode }}')\">",
        "<p STYLE='color:{{ .OtpCode }}'>",
        "<script>var c = '{{ .OtpCode }}'</script>",
        "<style>/* {{ .OtpCode }} */</style>",
        "<!-- {{ .OtpCode }} -->",
        "<!--[if mso]>{{ .OtpCode }}<![endif]-->",
        "<!doctype {{ .OtpCode }}>",
        "<a href='JavaScript:{{ .OtpCode }}'>",
        "<a title='x' href = x{{ .OtpCode }}>",
        "<script></scripty>{{ .OtpCode }}",
        "</{{ .OtpCode }}>",
    ] {
        let (_, _, expected) = refusal(Part::Html, source);
        assert!(expected.starts_with("expected"), "{source}: {expected}");
    }
}

#[test]
fn after_comments_scripts_and_odd_tags_text_is_text_again() {
    for before in [
        "<!-- a > b -->",
        "<!-->",
        "<!doctype html>",
        "<script>if (a < b) '<p>'</SCRIPT >",
        "<style>a > b {}</style>",
        "a < b & c > d ",
        "<br/>",
        "<img src=x.png>",
        "<a title=\"a > b\">",
        "<a title = 'it is \"quoted\"' >",
    ] {
        let html = render(Part::Html, &format!("{before}{{{{ .AppName }}}}"));
        assert_eq!(html, format!("{before}Tom &amp; Jerry"));
    }
}

#[test]
fn a_refusal_names_line_column_and_what_was_expected() {
    let (line, column, expected) = refusal(Part::Html, "<p>\n  ä {{ .Otp }}</p>");
    assert_eq!((line, column), (2, 8));
    assert!(expected.starts_with("expected .OtpCode, .AppName"), "{expected}");
    assert_eq!(refusal(Part::Text, "{{ .OtpCode "), (1, 13, "expected }}".to_owned()));
    assert_eq!(refusal(Part::Text, "{{ .OtpCode | html }}"), (1, 13, "expected }}".to_owned()));
    for source in [
        "{{",
        "{{}}",
        "{{ OtpCode }}",
        "{{ if .OtpCode }}",
        "{{- .OtpCode -}}",
        "{{ .OtpCodes }}",
        "{{ . OtpCode }}",
    ] {
        assert!(refusal(Part::Text, source).2.starts_with("expected .OtpCode"), "{source}");
    }
    for source in [
        "{{ index .TemplateVariables k }}",
        "{{ index .TemplateVariables \"k }}",
        "{{ index .TemplateVariables \"k\n\" }}",
        "{{ index .TemplateVariables \"\\n\" }}",
        "{{ index .TemplateVariables `k }}",
        "{{ index .Other \"k\" }}",
        "{{ index.TemplateVariables \"k\" }}",
        "{{ index .TemplateVariables }}",
    ] {
        assert!(ParsedPart::parse(Part::Text, source).is_err(), "{source}");
    }
    assert_eq!(
        checked("s", "<p>{{ .OtpCode }}</p>", Some("\n{{ nope }}")).unwrap_err().to_string(),
        "text, line 2, column 4: expected .OtpCode, .AppName, .LogoUrl, .MagicLink, .ExpirationMinutes, \
         .ExpirationSeconds or index .TemplateVariables \"name\""
    );
}

fn checked(subject: &str, html: &str, text: Option<&str>) -> Result<(), TemplateError> {
    check(&Draft { subject: Some(subject), html: Some(html), text, ..Draft::default() })
}

#[test]
fn a_template_is_an_e_mail_an_sms_or_both() {
    let code = Some("{{ .OtpCode }}");
    let (subject, html, text, sms) = (Some("s"), code, code, code);
    let draft = Draft::default();
    for good in [
        Draft { subject, html, ..draft },
        Draft { subject, html, text, sms, ..draft },
        Draft { sms, ..draft },
    ] {
        assert_eq!(check(&good), Ok(()), "{good:?}");
    }
    for (bad, part) in [
        (draft, Part::Subject),
        (Draft { subject, ..draft }, Part::Html),
        (Draft { html, ..draft }, Part::Subject),
        (Draft { text, sms, ..draft }, Part::Subject),
        (Draft { sms: Some("no code"), ..draft }, Part::Sms),
        (Draft { sms: Some("{{ .OtpCode }}{{ .Nope }}"), ..draft }, Part::Sms),
    ] {
        assert_eq!(check(&bad).unwrap_err().part, part, "{bad:?}");
    }
}

#[test]
fn a_template_that_would_not_tell_the_code_is_refused() {
    assert_eq!(checked("{{ .AppName }}", "<p>{{ .OtpCode }}</p>", None), Ok(()));
    assert_eq!(checked("Hi", "<a href=\"{{ .MagicLink }}\">log in</a>", Some("{{ .OtpCode }}")), Ok(()));
    for (subject, html, text, part) in [
        ("{{ .OtpCode }}", "<p>hello</p>", None, Part::Html),
        ("s", "<p title='{{ .OtpCode }}'></p>", None, Part::Html),
        ("s", "<p>{{ .OtpCode }}</p>", Some("hello"), Part::Text),
        ("", "<p>{{ .OtpCode }}</p>", None, Part::Subject),
        ("a\nBcc: x@y.example", "<p>{{ .OtpCode }}</p>", None, Part::Subject),
    ] {
        assert_eq!(checked(subject, html, text).unwrap_err().part, part, "{subject} {html}");
    }
}

#[test]
fn a_subject_stays_one_line_whatever_its_values() {
    let variables = BTreeMap::from([("k".to_owned(), "a\r\nBcc: b@c.example\u{2028}\u{202e}x\0".to_owned())]);
    let parsed = ParsedPart::parse(Part::Subject, "{{ index .TemplateVariables \"k\" }}").unwrap();
    assert_eq!(parsed.render(&values(&variables), 1000).unwrap(), "a Bcc: b@c.examplex");
}

#[test]
fn size_is_bounded_before_and_after_rendering() {
    let (_, _, expected) = refusal(Part::Text, &"x".repeat(MAX_TEXT_BYTES + 1));
    assert_eq!(expected, format!("expected at most {MAX_TEXT_BYTES} bytes, got {}", MAX_TEXT_BYTES + 1));
    let variables = BTreeMap::from([("k".to_owned(), "x".repeat(600))]);
    let parsed = ParsedPart::parse(Part::Text, &"{{ index .TemplateVariables \"k\" }}".repeat(2)).unwrap();
    assert_eq!(parsed.render(&values(&variables), 1000), Err(TooLong));
    assert!(parsed.render(&values(&variables), 1200).is_ok());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Text rich in what the parser and the tokenizer look at.
    fn source() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("{{ .OtpCode }}".to_owned()),
            Just("{{ .AppName }}".to_owned()),
            Just("{{ index .TemplateVariables \"k\" }}".to_owned()),
            prop::sample::select(vec![
                "{{",
                "}}",
                "{",
                "<",
                ">",
                "\"",
                "'",
                "`",
                "\\",
                "=",
                " ",
                "/",
                "<a href=",
                "<!--",
                "-->",
                "<script>",
                "</script>",
                "<p ",
                "style=",
                "title='",
                "\n",
                "ä",
                ".",
                "index",
                "javascript:",
            ])
            .prop_map(str::to_owned),
            "\\PC{0,6}",
        ];
        prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn parsing_and_rendering_never_panic(source in source(), value in ".{0,64}") {
            let variables = BTreeMap::from([("k".to_owned(), value)]);
            for part in [Part::Subject, Part::Html, Part::Text] {
                if let Ok(parsed) = ParsedPart::parse(part, &source) {
                    prop_assert!(parsed.render(&values(&variables), 100_000).is_ok());
                }
            }
        }

        /// Replacing a value by a harmless word must not change how the rest of the document is read: the positions and
        /// kinds of the tags stay the same.
        #[test]
        fn a_value_never_changes_the_structure_of_the_document(source in source(), value in "[<>\"'`&=/! a-z:\\-]{0,40}") {
            let Ok(parsed) = ParsedPart::parse(Part::Html, &source) else { return Ok(()) };
            let hostile = BTreeMap::from([("k".to_owned(), value)]);
            let harmless = BTreeMap::from([("k".to_owned(), "x".to_owned())]);
            let plain = Values { app_name: "App", ..values(&harmless) };
            let markup = |text: &str| text.chars().filter(|c| "<>\"'`".contains(*c)).collect::<String>();
            prop_assert_eq!(
                markup(&parsed.render(&Values { variables: &hostile, ..plain }, 100_000).unwrap()),
                markup(&parsed.render(&plain, 100_000).unwrap())
            );
        }

        #[test]
        fn a_subject_has_no_control_characters(value in any::<String>()) {
            let variables = BTreeMap::from([("k".to_owned(), value)]);
            let parsed = ParsedPart::parse(Part::Subject, "a {{ index .TemplateVariables \"k\" }} b").unwrap();
            let subject = parsed.render(&values(&variables), 1_000_000).unwrap();
            prop_assert!(!subject.chars().any(char::is_control));
        }
    }
}
