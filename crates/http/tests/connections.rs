//! Connections over real sockets: their bounds, and how they end.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use support::{app, uncounted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_http::{ConnectionLimits, MAX_BODY, RequestLimits, serve};
use vestibule_testkit::TestServer;

struct Running {
    server: TestServer,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn running(connections: ConnectionLimits, requests: RequestLimits) -> Running {
    let server = TestServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let app = app(&server, requests, None);
    let serving = tokio::spawn(serve(listener, app, connections, async {
        let _ = stopped.await;
    }));
    Running { server, address, stop, serving }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// One answer with a body of known length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "closed after {:?}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..length]);
        let shown = String::from_utf8_lossy(&text);
        let Some((head, body)) = shown.split_once("\r\n\r\n") else { continue };
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= announced.parse().unwrap() {
            return shown.into_owned();
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_a_doubled_slash() {
    let running = running(ConnectionLimits::default(), uncounted()).await;
    let mut stream = connect(running.address).await;
    let body = json!({ "organizationId": running.server.tenant.organization_id }).to_string();
    let stamp = ApiStamp::make(&running.server.tenant.key, body.as_bytes());
    for path in ["/public/v1/query/whoami", "//public/v1/query/whoami"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-stamp: {stamp}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    }
    // The same bytes in chunks are the same body.
    let (first, second) = body.split_at(10);
    let request = format!(
        "POST /public/v1/query/whoami HTTP/1.1\r\nhost: x\r\nx-stamp: {stamp}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n",
        first.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).as_bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_while_the_client_still_sends() {
    let running = running(ConnectionLimits::default(), uncounted()).await;
    let mut stream = connect(running.address).await;
    let length = 2 * MAX_BODY;
    let head = format!(
        "POST /public/v1/query/whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length]).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stays_away_is_refused() {
    let requests = RequestLimits { body_timeout: Duration::from_millis(50), ..uncounted() };
    let running = running(ConnectionLimits::default(), requests).await;
    let mut stream = connect(running.address).await;
    let head = "POST /public/v1/query/whoami HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("bad request body"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_sends_no_head_is_closed() {
    let limits =
        ConnectionLimits { header_read_timeout: Duration::from_millis(50), ..ConnectionLimits::default() };
    let running = running(limits, uncounted()).await;
    let silent = connect(running.address).await;
    assert_eq!(rest(silent).await, "");
    let mut slow = connect(running.address).await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost:").await.unwrap();
    let answer = rest(slow).await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = running(ConnectionLimits::default(), uncounted()).await;
    let stream = connect(running.address).await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let (mut reading, mut writing) = stream.into_split();
    // The server may close before it has taken everything.
    let _ = writing.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn garbage_is_refused_and_leaves_the_server_at_work() {
    let running = running(ConnectionLimits::default(), uncounted()).await;
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"\r\n\r\n\0\0\0\r\n\r\n"]
    {
        let mut stream = connect(running.address).await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let mut stream = connect(running.address).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn connections_over_the_cap_wait_for_their_turn() {
    let limits = ConnectionLimits { max_connections: 1, ..ConnectionLimits::default() };
    let running = running(limits, uncounted()).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = connect(running.address).await;
    first.write_all(request).await.unwrap();
    answer(&mut first).await;

    let mut second = connect(running.address).await;
    second.write_all(request).await.unwrap();
    let mut waiting = Box::pin(answer(&mut second));
    first.write_all(request).await.unwrap();
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("the second connection was served beside the first"),
        served = answer(&mut first) => assert!(served.starts_with("HTTP/1.1 200 OK")),
    }
    drop(first);
    assert!(waiting.await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_request_under_way_is_finished_after_the_shutdown_signal_and_idle_connections_are_closed() {
    let Running { server, address, stop, serving } = running(ConnectionLimits::default(), uncounted()).await;
    let mut idle = connect(address).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    answer(&mut idle).await;
    let body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    let stamp = ApiStamp::make(&server.tenant.key, body.as_bytes());
    let mut stream = connect(address).await;
    let head = format!(
        "POST /public/v1/query/whoami HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nx-stamp: {stamp}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body, so the request is under way.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");

    stop.send(()).unwrap();
    assert_eq!(rest(idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "no new connections");
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_time_is_cut() {
    let limits = ConnectionLimits { drain_timeout: Duration::from_millis(50), ..ConnectionLimits::default() };
    let Running { address, stop, serving, .. } = running(limits, uncounted()).await;
    let mut stream = connect(address).await;
    let head = "POST /public/v1/query/whoami HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert_eq!(rest(stream).await, "");
}
