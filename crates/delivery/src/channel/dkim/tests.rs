use super::*;

const RSA: &str = include_str!("../../../../crypto/tests/mail_key/rsa.pem");
const ED25519: &str = include_str!("../../../../crypto/tests/mail_key/ed25519.pem");

/// RFC 8463, appendix A: the private key of A.2 in the form OpenSSL writes, the message and its signature of A.3.
const RFC_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const RFC_FIELD: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
     d=football.example.com; i=@football.example.com;\r\n \
     q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
     subject : date : message-id : from : subject : date;\r\n \
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
const RFC_SIGNATURE: &str =
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
const RFC_MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
     To: Suzie Q <suzie@shopping.example.net>\r\n\
     Subject: Is dinner ready?\r\n\
     Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
     Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
     \r\n\
     Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

const MESSAGE: &str = "From: Shop <no-reply@mail.example>\r\nTo: ann@example.com\r\nSubject: a\r\n b\r\n\
     MIME-Version: 1.0\r\nContent-Type: text/plain\r\nX-Other: x\r\n\r\nHello\r\n";

fn key(domain: &str, selector: &str, pem: &str) -> DkimSettings {
    DkimSettings {
        domain: domain.to_owned(),
        selector: selector.to_owned(),
        key_pem: Secret::new(pem.to_owned()),
    }
}

fn signed(keys: &[DkimSettings], message: &str, from: &str) -> String {
    let dkim = Dkim::new(keys).unwrap();
    String::from_utf8(dkim.sign(message.into(), from, 1_782_916_051_261)).unwrap()
}

/// The value of a tag in the first signature, without blanks.
fn tag(message: &str, name: &str) -> String {
    let field = message.strip_prefix("DKIM-Signature:").unwrap().split("\r\nFrom:").next().unwrap();
    let tags = field.split(';').map(|tag| tag.split_whitespace().collect::<String>());
    let found: Vec<_> =
        tags.filter_map(|tag| Some(tag.strip_prefix(name)?.strip_prefix('=')?.to_owned())).collect();
    assert_eq!(found.len(), 1, "{name} in {field}");
    found[0].clone()
}

#[test]
fn the_example_of_rfc_8463_is_signed_as_printed_there() {
    let (head, body) = split(RFC_MESSAGE.as_bytes());
    assert_eq!(STANDARD.encode(body_hash(body)), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    let names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"];
    let text = Headers::read(head).signed(&names, RFC_FIELD);
    let key = MailKey::from_pem(RFC_KEY).unwrap();
    assert_eq!(STANDARD.encode(key.sign(&text)), RFC_SIGNATURE);
}

#[test]
fn fields_and_bodies_take_the_relaxed_form_of_rfc_6376() {
    // Section 3.4.5, the second example.
    assert_eq!(relaxed_field(b"A: X\r\n"), b"a:X");
    assert_eq!(relaxed_field(b"B : Y\t\r\n\tZ  \r\n"), b"b:Y Z");
    assert_eq!(body_hash(b" C \r\nD \t E\r\n\r\n\r\n"), sha256(b" C\r\nD E\r\n"));
    // Section 3.4.4: an empty body stays empty, and a last line without its end gets one.
    for empty in [&b""[..], b"\r\n", b"\r\n\r\n", b" \t\r\n"] {
        assert_eq!(body_hash(empty), sha256(b""), "{empty:?}");
    }
    assert_eq!(body_hash(b"C"), sha256(b"C\r\n"));
    assert_eq!(body_hash(b"\r\n C"), sha256(b"\r\n C\r\n"));
}

#[test]
fn a_signature_names_what_it_signs_and_leaves_no_room_for_a_second_sender_or_subject() {
    let message = signed(&[key("mail.example", "s1", RSA)], MESSAGE, "no-reply@mail.example");
    assert!(message.ends_with(MESSAGE), "the message itself is not touched");
    for (name, value) in [
        ("v", "1"),
        ("a", "rsa-sha256"),
        ("c", "relaxed/relaxed"),
        ("d", "mail.example"),
        ("s", "s1"),
        ("t", "1782916051"),
        (
            "h",
            "From:From:To:To:Cc:Subject:Subject:Date:Message-ID:Reply-To:MIME-Version:MIME-Version:Content-Type:\
             Content-Type:Content-Transfer-Encoding",
        ),
    ] {
        assert_eq!(tag(&message, name), value);
    }
    assert_eq!(STANDARD.decode(tag(&message, "b")).unwrap().len(), 256);
    let lines = message.split("\r\n").take_while(|line| !line.starts_with("From:"));
    for line in lines {
        assert!(line.len() <= 80 && line.is_ascii(), "{line}");
    }
}

#[test]
fn every_header_field_and_the_body_count() {
    let keys = [key("mail.example", "s1", ED25519)];
    let from = "no-reply@mail.example";
    let original = tag(&signed(&keys, MESSAGE, from), "b");
    for (from_text, to_text, counts) in [
        ("Subject: a\r\n b", "Subject: a c", true),
        ("To: ann", "To: bob", true),
        ("Hello", "Hallo", true),
        ("text/plain", "text/html", true),
        ("From: Shop", "From: Bank", true),
        ("X-Other: x", "X-Other: y", false),
        ("Subject: a\r\n b", "SUBJECT:   a   b", false),
    ] {
        let other = MESSAGE.replace(from_text, to_text);
        assert_ne!(other, MESSAGE);
        assert_eq!(tag(&signed(&keys, &other, from), "b") != original, counts, "{to_text}");
    }
}

#[test]
fn a_message_is_signed_for_the_domain_it_comes_from_or_the_nearest_above() {
    let keys = [
        key("example.com", "top", ED25519),
        key("Mail.Example.COM", "mail", ED25519),
        key("bücher.example", "b", RSA),
    ];
    for (from, domain) in [
        ("a@example.com", Some("example.com")),
        ("a@EXAMPLE.com", Some("example.com")),
        ("a@login.example.com", Some("example.com")),
        ("a@mail.example.com", Some("mail.example.com")),
        ("a@x.mail.example.com", Some("mail.example.com")),
        ("a@bücher.example", Some("xn--bcher-kva.example")),
        ("a@badexample.com", None),
        ("a@com", None),
        ("a@example.com.evil.example", None),
    ] {
        let dkim = Dkim::new(&keys).unwrap();
        assert_eq!(dkim.covers(from), domain.is_some(), "{from}");
        let message = signed(&keys, MESSAGE, from);
        match domain {
            Some(domain) => assert_eq!(tag(&message, "d"), domain),
            None => assert_eq!(message, MESSAGE, "{from}"),
        }
    }
}

#[test]
fn each_key_of_a_domain_signs() {
    let keys = [key("mail.example", "rsa", RSA), key("mail.example", "ed", ED25519)];
    let message = signed(&keys, MESSAGE, "no-reply@mail.example");
    assert_eq!(message.matches("DKIM-Signature:").count(), 2);
    assert!(message.contains("a=rsa-sha256") && message.contains("a=ed25519-sha256"));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |settings: DkimSettings| Dkim::new(&[settings]).unwrap_err();
    for domain in ["", "mail example", "@", "a@b.example", "mail.example\r\nX: y"] {
        assert_eq!(refused(key(domain, "s", RSA)), DkimConfigError::Domain(domain.to_owned()), "{domain}");
    }
    for selector in ["", "a..b", "a b", "a;b", "-a", "s\r\nX: y"] {
        let expected = DkimConfigError::Selector(selector.to_owned());
        assert_eq!(refused(key("mail.example", selector, RSA)), expected);
    }
    assert_eq!(refused(key("mail.example", "s", "secret")), DkimConfigError::Key(MailKeyError::Pem));
    let settings = key("mail.example", "s", RSA);
    assert!(!format!("{settings:?}").contains("BEGIN"));
}
