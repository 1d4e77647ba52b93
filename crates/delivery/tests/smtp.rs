//! The SMTP channel against a server that speaks real SMTP on loopback.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

#[path = "support/smtp_server.rs"]
mod smtp_server;
mod support;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use smtp_server::{Received, Script, SmtpServer};
use support::{CODE, delivery, pass, payload};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use vestibule_crypto::secret::Secret;
use vestibule_delivery::channel::{
    Channel, Delivery, DkimSettings, Fault, Retry, SendError, SmtpChannel, SmtpConfigError, SmtpCredentials,
    SmtpSecurity, SmtpSettings,
};
use vestibule_delivery::render::{Rendered, RenderedEmail, Sender};
use vestibule_engine::destinations::Resolver;
use vestibule_engine::model::MessagePayload;
use vestibule_wire::OtpType;

fn settings(server: &SmtpServer, security: SmtpSecurity) -> SmtpSettings {
    SmtpSettings {
        port: Some(server.address.port()),
        security,
        trusted_pem: Some(server.pem.clone()),
        hello_name: Some("vestibule.example".to_owned()),
        ..SmtpSettings::new("localhost")
    }
}

async fn plain(script: Script) -> (SmtpServer, SmtpChannel) {
    let server = SmtpServer::start(script).await;
    let channel = SmtpChannel::new(&settings(&server, SmtpSecurity::None)).unwrap();
    (server, channel)
}

fn email() -> Delivery {
    delivery(OtpType::Email, &payload("Ann@Example.com"))
}

fn received(server: &SmtpServer) -> Vec<Received> {
    server.log.lock().unwrap().messages.clone()
}

/// Header lines, unfolded.
fn headers(data: &str) -> Vec<String> {
    let head = data.split("\r\n\r\n").next().unwrap();
    head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect()
}

fn header<'a>(headers: &'a [String], name: &str) -> Vec<&'a str> {
    headers.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[tokio::test]
async fn a_message_arrives_with_both_bodies_and_the_headers_it_needs() {
    let (server, channel) = plain(Script::default()).await;
    channel.send(&email()).await.unwrap();
    let messages = received(&server);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].from, "MAIL FROM:<no-reply@mail.example>");
    assert_eq!(messages[0].to, ["RCPT TO:<Ann@example.com>"]);
    let lines = headers(&messages[0].data);
    assert_eq!(header(&lines, "From"), ["Notifications <no-reply@mail.example>"]);
    assert_eq!(header(&lines, "To"), ["Ann@example.com"]);
    assert_eq!(header(&lines, "Subject"), [format!("{CODE} is your Shop code")]);
    assert_eq!(header(&lines, "Date"), ["Wed, 01 Jul 2026 14:27:31 +0000"]);
    assert_eq!(header(&lines, "Message-ID"), ["<01980000-0000-7000-8000-000000000001@mail.example>"]);
    assert_eq!(header(&lines, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(&lines, "Reply-To"), Vec::<&str>::new());
    let body = &messages[0].data;
    assert!(body.contains("multipart/alternative"));
    let (text, html) = (body.find("text/plain").unwrap(), body.find("text/html").unwrap());
    assert!(text < html, "the last alternative is the preferred one");
    assert!(body.contains(&format!("Your Shop code is {CODE}")));
}

#[tokio::test]
async fn a_message_is_signed_for_the_domain_it_comes_from() {
    let server = SmtpServer::start(Script::default()).await;
    let key = DkimSettings {
        domain: "mail.example".to_owned(),
        selector: "login2026".to_owned(),
        key_pem: Secret::new(include_str!("../../crypto/tests/mail_key/ed25519.pem").to_owned()),
    };
    let settings = SmtpSettings { dkim: vec![key], ..settings(&server, SmtpSecurity::None) };
    let channel = SmtpChannel::new(&settings).unwrap();
    channel.send(&email()).await.unwrap();
    let elsewhere =
        MessagePayload { send_from: Some("hello@shop.example".to_owned()), ..payload("ann@example.com") };
    channel.send(&delivery(OtpType::Email, &elsewhere)).await.unwrap();
    let messages = received(&server);
    let signature = header(&headers(&messages[0].data), "DKIM-Signature").join("");
    for tag in ["v=1;", "a=ed25519-sha256;", "d=mail.example;", "s=login2026;", "t=1782916051;"] {
        assert!(signature.contains(tag), "{tag} in {signature}");
    }
    assert_eq!(header(&headers(&messages[1].data), "DKIM-Signature"), Vec::<&str>::new());
}

#[tokio::test]
async fn messages_share_a_connection() {
    let (server, channel) = plain(Script::default()).await;
    for _ in 0..3 {
        channel.send(&email()).await.unwrap();
    }
    assert_eq!(received(&server).len(), 3);
    assert_eq!(server.log.lock().unwrap().connections, 1);
    channel.shutdown().await;
    let refused = channel.send(&email()).await.unwrap_err();
    assert_eq!(refused, SendError::later("the channel is shut down"));
}

#[tokio::test]
async fn sender_name_and_reply_to_are_encoded_as_the_mail_rules_want() {
    let (server, channel) = plain(Script::default()).await;
    let asked = MessagePayload {
        send_from: Some("hello@shop.example".to_owned()),
        sender_name: Some("Müller, \"Söhne\" & Co".to_owned()),
        reply_to: Some("help@shop.example".to_owned()),
        app_name: "Żubr ☕".to_owned(),
        ..payload("ann@bücher.example")
    };
    channel.send(&delivery(OtpType::Email, &asked)).await.unwrap();
    let message = &received(&server)[0];
    assert_eq!(message.from, "MAIL FROM:<hello@shop.example>");
    assert_eq!(message.to, ["RCPT TO:<ann@xn--bcher-kva.example>"], "servers without SMTPUTF8 understand it");
    let lines = headers(&message.data);
    assert_eq!(header(&lines, "Reply-To"), ["help@shop.example"]);
    assert!(header(&lines, "From")[0].ends_with("<hello@shop.example>"));
    assert!(lines.iter().all(|line| line.is_ascii()));
    assert!(header(&lines, "Subject")[0].starts_with(&format!("{CODE} is your =?utf-8?")));
}

#[tokio::test]
async fn no_field_of_a_message_can_add_a_header_or_a_recipient() {
    let attack = "x\r\nBcc: evil@evil.example\r\n\r\nbody\n.\r\nMAIL FROM:<a@b.example>";
    let clean = RenderedEmail {
        from: Sender { name: "Shop".to_owned(), address: "no-reply@mail.example".to_owned() },
        reply_to: Some("help@mail.example".to_owned()),
        to: "ann@example.com".to_owned(),
        subject: "s".to_owned(),
        html: "<p>h</p>".to_owned(),
        text: "t".to_owned(),
    };
    let from = |name: &str, address: &str| Sender { name: name.to_owned(), address: address.to_owned() };
    let attacks = [
        RenderedEmail { from: from(attack, "no-reply@mail.example"), ..clean.clone() },
        RenderedEmail { from: from("Shop", &format!("a@mail.example{attack}")), ..clean.clone() },
        RenderedEmail {
            from: from("a\" <evil@evil.example>, \"b", "no-reply@mail.example"),
            ..clean.clone()
        },
        RenderedEmail { reply_to: Some(format!("help@mail.example{attack}")), ..clean.clone() },
        RenderedEmail { reply_to: Some("a@b.example, evil@evil.example".to_owned()), ..clean.clone() },
        RenderedEmail { to: format!("ann@example.com{attack}"), ..clean.clone() },
        RenderedEmail { to: "ann@example.com>\r\nRCPT TO:<evil@evil.example".to_owned(), ..clean.clone() },
        RenderedEmail { to: "<ann@example.com>, evil@evil.example".to_owned(), ..clean.clone() },
        RenderedEmail { subject: attack.to_owned(), ..clean.clone() },
        RenderedEmail { html: attack.to_owned(), text: attack.to_owned(), ..clean },
    ];
    let (server, channel) = plain(Script::default()).await;
    for (number, attack) in attacks.into_iter().enumerate() {
        let before = received(&server).len();
        let sent = channel.send(&Delivery { message: Rendered::Email(attack), ..email() }).await;
        let messages = received(&server);
        if let Err(error) = sent {
            assert_eq!(error, SendError::never("an address of the message is malformed"), "{number}");
            assert_eq!(messages.len(), before, "{number}");
            continue;
        }
        let message = messages.last().unwrap();
        assert_eq!(messages.len(), before + 1, "{number}");
        assert_eq!(message.from, "MAIL FROM:<no-reply@mail.example>", "{number}");
        assert_eq!(message.to, ["RCPT TO:<ann@example.com>"], "{number}");
        let lines = headers(&message.data);
        let names: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
        for name in [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "Reply-To",
            "MIME-Version",
            "Content-Type",
        ] {
            assert_eq!(names.iter().filter(|n| **n == name).count(), 1, "{number}: {name} in {names:?}");
        }
        assert_eq!(names.len(), 9, "{number}: {names:?}");
        assert!(header(&lines, "From")[0].ends_with(" <no-reply@mail.example>"), "{number}");
    }
}

#[tokio::test]
async fn a_refusal_says_who_can_still_send_and_whose_fault_it_is() {
    for (answer, retry, fault, told) in [
        ("450 4.7.1 Ann@Example.com is greylisted", Retry::Later, Fault::Message, "450 4.7.1"),
        ("421 closing", Retry::Later, Fault::Provider, "421"),
        ("550 5.1.1 no such user Ann@Example.com", Retry::Never, Fault::Recipient, "550 5.1.1"),
        ("550 no such user Ann@Example.com", Retry::NextProvider, Fault::Message, "550"),
        ("552 5.2.2 full", Retry::Never, Fault::Message, "552 5.2.2"),
        ("554 5.7.1 Ann@Example.com: relay access denied", Retry::NextProvider, Fault::Message, "554 5.7.1"),
        ("530 5.7.0 log in first", Retry::NextProvider, Fault::Provider, "530 5.7.0"),
    ] {
        let (server, channel) = plain(Script { recipient_answers: vec![answer], ..Script::default() }).await;
        let refused = channel.send(&email()).await.unwrap_err();
        let text = format!("the mail server answered {told}");
        let smtp_code = Some(told[..3].parse().unwrap());
        assert_eq!(refused, SendError { retry, fault, text, smtp_code });
        assert_eq!(received(&server).len(), 0);
        channel.send(&email()).await.unwrap();
        assert_eq!(received(&server).len(), 1, "the channel works on");
    }
}

#[tokio::test]
async fn a_dropped_connection_may_be_tried_again_under_the_same_message_id() {
    let (server, channel) =
        plain(Script { drops_at_greeting: 1, drops_after_data: 1, ..Script::default() }).await;
    assert_eq!(channel.send(&email()).await.unwrap_err().retry, Retry::Later);
    assert_eq!(received(&server).len(), 0);
    assert_eq!(channel.send(&email()).await.unwrap_err().retry, Retry::Later);
    channel.send(&email()).await.unwrap();
    let ids: Vec<_> = received(&server)
        .iter()
        .map(|message| header(&headers(&message.data), "Message-ID")[0].to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_or_is_not_there_may_be_tried_again() {
    let server = SmtpServer::start(Script { mutes: 1, ..Script::default() }).await;
    let short = SmtpSettings { timeout: Duration::from_millis(50), ..settings(&server, SmtpSecurity::None) };
    let refused = SmtpChannel::new(&short).unwrap().send(&email()).await.unwrap_err();
    assert_eq!(refused, SendError::unanswered("the mail server did not answer in time"));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = SmtpSettings { port: Some(listener.local_addr().unwrap().port()), ..short };
    drop(listener);
    let refused = SmtpChannel::new(&gone).unwrap().send(&email()).await.unwrap_err();
    assert_eq!(refused, SendError::later("the mail server refused the connection"));
}

#[tokio::test]
async fn a_conversation_that_was_cut_short_is_not_continued_by_the_next_message() {
    let (server, channel) = plain(Script::default()).await;
    channel.send(&email()).await.unwrap();
    server.script.lock().unwrap().mutes = 1;
    let first = email();
    let mut cut = Box::pin(channel.send(&first));
    tokio::select! {
        sent = &mut cut => panic!("the server does not answer RCPT: {sent:?}"),
        () = server.muted.notified() => {}
    }
    drop(cut);
    let other = delivery(OtpType::Email, &payload("bob@example.com"));
    channel.send(&other).await.unwrap();
    let messages = received(&server);
    assert_eq!(messages.last().unwrap().to, ["RCPT TO:<bob@example.com>"]);
    assert_eq!((messages.len(), server.log.lock().unwrap().connections), (2, 2));
}

#[tokio::test]
async fn no_more_connections_are_opened_than_allowed() {
    let server = SmtpServer::start(Script::default()).await;
    let settings = SmtpSettings { pool_size: 2, ..settings(&server, SmtpSecurity::None) };
    let channel = SmtpChannel::new(&settings).unwrap();
    let message = email();
    let sent = futures_util::future::join_all((0..10).map(|_| channel.send(&message))).await;
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(received(&server).len(), 10);
    assert_eq!(server.log.lock().unwrap().connections, 2);
}

#[tokio::test]
async fn a_connection_the_server_closed_is_replaced() {
    let (server, channel) = plain(Script { hangs_up_after_message: true, ..Script::default() }).await;
    for _ in 0..2 {
        channel.send(&email()).await.unwrap();
    }
    assert_eq!((received(&server).len(), server.log.lock().unwrap().connections), (2, 2));
}

fn with_login(settings: SmtpSettings) -> SmtpSettings {
    let password = Secret::new("pass word".to_owned());
    SmtpSettings { credentials: Some(SmtpCredentials { username: "ann".to_owned(), password }), ..settings }
}

#[tokio::test]
async fn starttls_protects_log_in_and_message() {
    let server = SmtpServer::start(Script { starttls: true, ..Script::default() }).await;
    let channel = SmtpChannel::new(&with_login(settings(&server, SmtpSecurity::StartTls))).unwrap();
    channel.send(&email()).await.unwrap();
    let message = &received(&server)[0];
    assert!(message.over_tls);
    assert_eq!(message.auth.as_deref(), Some("AGFubgBwYXNzIHdvcmQ="), "PLAIN: NUL ann NUL pass word");
}

#[tokio::test]
async fn a_server_without_starttls_learns_nothing() {
    let server = SmtpServer::start(Script::default()).await;
    let channel = SmtpChannel::new(&with_login(settings(&server, SmtpSecurity::StartTls))).unwrap();
    let refused = channel.send(&email()).await.unwrap_err();
    assert_eq!(refused.retry, Retry::Later);
    assert!(refused.text.contains("STARTTLS"), "{}", refused.text);
    let log = server.log.lock().unwrap();
    assert!(log.messages.is_empty());
    assert!(log.commands.iter().all(|c| c.starts_with("EHLO") || c == "QUIT"), "{:?}", log.commands);
}

#[tokio::test]
async fn tls_from_the_start_works_with_a_trusted_certificate_alone() {
    let server = SmtpServer::start(Script { implicit_tls: true, ..Script::default() }).await;
    let trusting = settings(&server, SmtpSecurity::Tls);
    SmtpChannel::new(&trusting).unwrap().send(&email()).await.unwrap();
    assert!(received(&server)[0].over_tls);

    let other = SmtpServer::start(Script::default()).await;
    for (settings, cause) in [
        (
            SmtpSettings { trusted_pem: Some(other.pem.clone()), ..trusting.clone() },
            "the mail server's certificate is not trusted; `ca_file` names the CA that signed it",
        ),
        (
            SmtpSettings { host: "127.0.0.1".to_owned(), ..trusting.clone() },
            "the mail server's certificate is for another name",
        ),
        (
            SmtpSettings { port: Some(other.address.port()), ..trusting },
            "the TLS handshake with the mail server failed",
        ),
    ] {
        let refused = SmtpChannel::new(&settings).unwrap().send(&email()).await.unwrap_err();
        assert_eq!(refused, SendError::later(cause));
    }
    assert_eq!(received(&server).len(), 1);
}

#[tokio::test]
async fn starttls_with_a_certificate_that_does_not_hold_is_told_by_its_cause() {
    let server = SmtpServer::start(Script { starttls: true, ..Script::default() }).await;
    let trusting = with_login(settings(&server, SmtpSecurity::StartTls));
    for (settings, cause) in [
        (
            SmtpSettings { trusted_pem: None, ..trusting.clone() },
            "the mail server's certificate is not trusted; `ca_file` names the CA that signed it",
        ),
        (
            SmtpSettings { host: "127.0.0.1".to_owned(), ..trusting },
            "the mail server's certificate is for another name",
        ),
    ] {
        let refused = SmtpChannel::new(&settings).unwrap().send(&email()).await.unwrap_err();
        assert_eq!(refused, SendError::later(cause));
    }
    let log = server.log.lock().unwrap();
    assert!(log.commands.iter().all(|c| c.starts_with("EHLO") || c == "STARTTLS"), "{:?}", log.commands);
}

/// Knows no name.
struct NoNames;

#[async_trait::async_trait]
impl Resolver for NoNames {
    async fn addresses(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_mail_server_whose_name_is_unknown_may_be_tried_again() {
    let channel = SmtpChannel::new(&SmtpSettings::new("mail.example")).unwrap();
    let refused = channel.with_resolver(Arc::new(NoNames)).send(&email()).await.unwrap_err();
    assert_eq!(refused, SendError::later("the name of the mail server does not resolve"));
}

#[tokio::test]
async fn a_refused_log_in_sends_nothing_and_tells_no_password() {
    let script =
        Script { starttls: true, auth_answer: Some("535 wrong password: pass word"), ..Script::default() };
    let server = SmtpServer::start(script).await;
    let settings = with_login(settings(&server, SmtpSecurity::StartTls));
    assert!(!format!("{settings:?}").contains("pass word"));
    let refused = SmtpChannel::new(&settings).unwrap().send(&email()).await.unwrap_err();
    // No recipient is to blame for it, and another provider may be set up better.
    let expected =
        SendError { smtp_code: Some(535), ..SendError::next_provider("the mail server answered 535") };
    assert_eq!(refused, expected);
    assert!(received(&server).is_empty());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_and_plain_text_serves_this_machine_only() {
    for host in ["mail.example", "192.0.2.1", "127.0.0.1.example", "localhost.example"] {
        let settings = SmtpSettings { security: SmtpSecurity::None, ..SmtpSettings::new(host) };
        assert_eq!(SmtpChannel::new(&settings).err(), Some(SmtpConfigError::Unprotected(host.to_owned())));
    }
    for host in ["localhost", "127.0.0.1", "::1"] {
        let settings = SmtpSettings { security: SmtpSecurity::None, ..SmtpSettings::new(host) };
        assert!(SmtpChannel::new(&settings).is_ok(), "{host}");
    }
    let settings =
        SmtpSettings { trusted_pem: Some(b"not PEM".to_vec()), ..SmtpSettings::new("mail.example") };
    assert_eq!(SmtpChannel::new(&settings).err(), Some(SmtpConfigError::Certificates));
    let name = "me\r\nMAIL FROM:<a@b.example>".to_owned();
    let settings = SmtpSettings { hello_name: Some(name.clone()), ..SmtpSettings::new("mail.example") };
    assert_eq!(SmtpChannel::new(&settings).err(), Some(SmtpConfigError::HelloName(name)));
}

#[tokio::test]
async fn an_sms_is_refused() {
    let (_server, channel) = plain(Script::default()).await;
    let sms = delivery(OtpType::Sms, &payload("+15551234567"));
    assert_eq!(channel.send(&sms).await, Err(SendError::never("this channel sends e-mails only")));
}

/// Two addresses of one host: where nobody speaks, and where the server is.
struct TwoAddresses;

#[async_trait::async_trait]
impl Resolver for TwoAddresses {
    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        assert_eq!(host, "localhost");
        vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()]
    }
}

#[tokio::test]
async fn a_host_whose_first_address_hangs_is_reached_by_the_second() {
    let _held = support::hold_clock();
    let server = SmtpServer::start(Script::default()).await;
    let silent = TcpListener::bind(("127.0.0.2", server.address.port())).await.unwrap();
    let settings = SmtpSettings { pool_size: 1, ..settings(&server, SmtpSecurity::None) };
    let channel = SmtpChannel::new(&settings).unwrap().with_resolver(Arc::new(TwoAddresses));
    let message = email();
    let began = Instant::now();
    let (sent, _hung) = tokio::join!(channel.send(&message), async {
        let (hung, _) = silent.accept().await.unwrap();
        // Some of its ten seconds, and not all.
        pass(4).await;
        hung
    });
    sent.unwrap();
    assert_eq!((received(&server).len(), began.elapsed().as_secs()), (1, 4));

    // The next connection goes where the last one got through.
    server.script.lock().unwrap().hangs_up_after_message = true;
    for messages in [2, 3, 4] {
        channel.send(&email()).await.unwrap();
        assert_eq!((received(&server).len(), began.elapsed().as_secs()), (messages, 4));
    }
    assert!(server.log.lock().unwrap().connections >= 3);
}

#[tokio::test]
async fn an_address_that_drops_packets_leaves_time_for_the_next_one_however_little_there_is() {
    let _held = support::hold_clock();
    let server = SmtpServer::start(Script::default()).await;
    // A full queue of connections that nobody takes: the next one gets no answer at all.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let dead = std::net::SocketAddr::from(([127, 0, 0, 2], server.address.port()));
    socket.bind(dead).unwrap();
    let _full = socket.listen(1).unwrap();
    let waiting = [TcpStream::connect(dead).await.unwrap(), TcpStream::connect(dead).await.unwrap()];
    let channel = SmtpChannel::new(&settings(&server, SmtpSecurity::None)).unwrap();
    let channel = channel.with_resolver(Arc::new(TwoAddresses));
    let message = Delivery { time: Duration::from_secs(3), ..email() };
    let began = Instant::now();
    let (sent, ()) = tokio::join!(channel.send(&message), async {
        // Nothing tells that it hangs but that nothing comes of it.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        pass(1).await;
    });
    sent.unwrap();
    assert_eq!((received(&server).len(), began.elapsed().as_secs()), (1, 1));
    drop(waiting);
}

#[tokio::test]
async fn an_idle_connection_that_says_nothing_any_more_takes_little_of_the_time() {
    let _held = support::hold_clock();
    let (server, channel) = plain(Script::default()).await;
    channel.send(&email()).await.unwrap();
    server.script.lock().unwrap().mute_checks = 1;
    let message = email();
    let (sent, ()) = tokio::join!(channel.send(&message), async {
        server.muted.notified().await;
        pass(2).await;
    });
    sent.unwrap();
    assert_eq!((received(&server).len(), server.log.lock().unwrap().connections), (2, 2));
}
