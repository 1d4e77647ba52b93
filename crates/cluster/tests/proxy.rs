//! The proxy: each fault as its two sides see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use vestibule_cluster::{Direction, FaultProxy, When, fresh_database};

/// Only reached by a failure.
const LIMIT: Duration = Duration::from_secs(30);

fn bounded(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A proxy, the listener behind it, and one connection through both: client's end, server's end.
struct Pair {
    proxy: FaultProxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap()).unwrap();
        let client = bounded(TcpStream::connect(proxy.address()).unwrap());
        let server = bounded(listener.accept().unwrap().0);
        Self { proxy, listener, client, server }
    }

    fn another(&self) -> (TcpStream, TcpStream) {
        let client = bounded(TcpStream::connect(self.proxy.address()).unwrap());
        (client, bounded(self.listener.accept().unwrap().0))
    }

    fn assert_passes(&mut self, text: &[u8]) {
        self.client.write_all(text).unwrap();
        assert_eq!(received(&mut self.server, text.len()), text);
    }
}

fn received(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Everything that comes, and how it ended: in order, or with this error.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    (bytes, end.err().map(|error| error.kind()))
}

const RESET: Option<ErrorKind> = Some(ErrorKind::ConnectionReset);

#[test]
fn bytes_pass_both_ways_and_are_counted() {
    let mut pair = Pair::new();
    pair.assert_passes(b"hello");
    pair.server.write_all(b"good day").unwrap();
    assert_eq!(received(&mut pair.client, 8), b"good day");
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    thread::scope(|scope| {
        scope.spawn(|| pair.client.write_all(&large).unwrap());
        assert!(received(&mut pair.server, large.len()) == large);
    });
    // One side's end arrives, and the other may still answer.
    pair.client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut pair.server), (vec![], None));
    pair.server.write_all(b"bye").unwrap();
    drop(pair.server);
    assert_eq!(rest(&mut pair.client), (b"bye".to_vec(), None));
    drop(pair.client);
    let deadline = Instant::now() + LIMIT;
    while pair.proxy.counters().open > 0 {
        assert!(Instant::now() < deadline, "the connection stays open");
        thread::yield_now();
    }
    let counters = pair.proxy.counters();
    assert_eq!((counters.accepted, counters.refused, counters.cut), (1, 0, 0));
    assert_eq!((counters.bytes_to_server, counters.bytes_to_client), (3_000_005, 11));
}

#[test]
fn a_cut_resets_both_sides_of_every_connection_and_later_ones_live() {
    let mut pair = Pair::new();
    let (mut second_client, mut second_server) = pair.another();
    pair.assert_passes(b"x");
    pair.proxy.cut();
    assert_eq!(pair.proxy.counters().open, 0);
    for stream in [&mut pair.client, &mut pair.server, &mut second_client, &mut second_server] {
        assert_eq!(rest(stream), (vec![], RESET));
    }
    (pair.client, pair.server) = pair.another();
    pair.assert_passes(b"again");
}

#[test]
fn a_cut_takes_a_connection_whose_receiver_reads_nothing() {
    let mut pair = Pair::new();
    pair.client.set_nonblocking(true).unwrap();
    // Until every buffer on the way is full.
    let mut idle_since = Instant::now();
    while idle_since.elapsed() < Duration::from_millis(300) {
        match pair.client.write(&[0; 65536]).map_err(|error| error.kind()) {
            Ok(count) => {
                assert!(count > 0);
                idle_since = Instant::now();
            }
            Err(kind) => assert_eq!(kind, ErrorKind::WouldBlock),
        }
    }
    pair.proxy.cut();
    assert_eq!(pair.proxy.counters().open, 0);
}

#[test]
fn a_refusing_proxy_closes_new_connections_and_keeps_old_ones() {
    let mut pair = Pair::new();
    pair.proxy.refuse(true);
    let mut refused = bounded(TcpStream::connect(pair.proxy.address()).unwrap());
    assert!(refused.read(&mut [0]).map_or(true, |count| count == 0));
    pair.assert_passes(b"still here");
    assert_eq!(pair.proxy.counters().refused, 1);
    pair.proxy.refuse(false);
    (pair.client, pair.server) = pair.another();
    pair.assert_passes(b"back");
}

#[test]
fn a_target_that_is_gone_closes_the_connection() {
    let Pair { proxy, listener, .. } = Pair::new();
    drop(listener);
    let mut client = bounded(TcpStream::connect(proxy.address()).unwrap());
    assert!(client.read(&mut [0]).map_or(true, |count| count == 0));
}

#[test]
fn later_connections_go_to_another_target() {
    let pair = Pair::new();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    pair.proxy.set_target(other.local_addr().unwrap());
    let mut client = TcpStream::connect(pair.proxy.address()).unwrap();
    client.write_all(b"moved").unwrap();
    assert_eq!(received(&mut bounded(other.accept().unwrap().0), 5), b"moved");
}

#[test]
fn latency_delays_each_way() {
    let mut pair = Pair::new();
    let latency = Duration::from_millis(200);
    pair.proxy.latency(latency);
    let sent = Instant::now();
    pair.assert_passes(b"ping");
    assert!(sent.elapsed() >= latency);
    pair.server.write_all(b"pong").unwrap();
    assert_eq!(received(&mut pair.client, 4), b"pong");
    assert!(sent.elapsed() >= 2 * latency);
}

#[test]
fn a_stalled_proxy_accepts_and_delivers_nothing_until_it_goes_on() {
    let mut pair = Pair::new();
    pair.proxy.stall(true);
    pair.client.write_all(b"late").unwrap();
    let (mut client, mut server) = pair.another();
    client.write_all(b"later").unwrap();
    drop(client);
    for stream in [&pair.server, &server] {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let error = { stream }.read(&mut [0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        stream.set_read_timeout(Some(LIMIT)).unwrap();
    }
    assert_eq!(pair.proxy.counters().bytes_to_server, 0);
    pair.proxy.stall(false);
    assert_eq!(received(&mut pair.server, 4), b"late");
    assert_eq!(rest(&mut server), (b"later".to_vec(), None));
}

#[test]
fn a_stalled_connection_can_be_cut() {
    let mut pair = Pair::new();
    pair.proxy.stall(true);
    pair.client.write_all(b"lost").unwrap();
    pair.proxy.cut();
    assert_eq!(rest(&mut pair.server), (vec![], RESET));
}

#[test]
fn before_a_pattern_the_receiver_never_sees_it() {
    let mut pair = Pair::new();
    let (mut other_client, mut other_server) = pair.another();
    pair.proxy.cut_on(b"COMMIT", Direction::ToServer, When::Before);
    pair.assert_passes(b"BEGIN;");
    pair.client.write_all(b"work;COMMIT;").unwrap();
    assert_eq!(rest(&mut pair.server), (b"work;".to_vec(), RESET));
    assert_eq!(rest(&mut pair.client), (vec![], RESET));
    assert!(pair.proxy.wait_for_cuts(1, LIMIT));
    // Once, and only where it passed.
    other_client.write_all(b"COMMIT").unwrap();
    assert_eq!(received(&mut other_server, 6), b"COMMIT");
}

#[test]
fn after_a_pattern_the_receiver_has_it_and_the_sender_learns_nothing() {
    let mut pair = Pair::new();
    pair.proxy.cut_on(b"COMMIT", Direction::ToServer, When::After);
    pair.client.write_all(b"COMMIT;").unwrap();
    assert_eq!(rest(&mut pair.server), (b"COMMIT;".to_vec(), None));
    assert_eq!(rest(&mut pair.client), (vec![], RESET));
}

#[test]
fn a_connection_is_cut_right_behind_a_number_of_bytes() {
    let mut pair = Pair::new();
    pair.proxy.cut_after_bytes(9, Direction::ToClient);
    pair.server.write_all(b"123456").unwrap();
    assert_eq!(received(&mut pair.client, 6), b"123456");
    pair.server.write_all(b"789abc").unwrap();
    assert_eq!(rest(&mut pair.client), (b"789".to_vec(), RESET));
}

#[test]
fn a_pattern_that_is_disarmed_cuts_nothing() {
    let mut pair = Pair::new();
    pair.proxy.cut_on(b"COMMIT", Direction::ToServer, When::Before);
    pair.proxy.disarm();
    pair.assert_passes(b"COMMIT");
    assert!(!pair.proxy.wait_for_cuts(1, Duration::ZERO));
}

#[test]
fn a_proxy_that_is_dropped_leaves_no_port_and_no_connection() {
    let mut pair = Pair::new();
    let address: SocketAddr = pair.proxy.address();
    drop(pair.proxy);
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(rest(&mut pair.client).1, RESET);
}

#[test]
fn a_commit_is_cut_on_either_side_of_the_moment_it_holds() {
    let database = fresh_database();
    database.sql("CREATE TABLE t (id int)").unwrap();
    let proxy = FaultProxy::start(database.endpoint().address()).unwrap();
    let through = database.endpoint().at(proxy.address());
    let insert =
        |id: u32| through.sql(database.name(), &format!("BEGIN;\nINSERT INTO t VALUES ({id});\nCOMMIT;"));
    insert(1).unwrap();
    proxy.cut_on(b"COMMIT", Direction::ToServer, When::Before);
    insert(2).unwrap_err();
    proxy.cut_on(b"COMMIT", Direction::ToClient, When::Before);
    insert(3).unwrap_err();
    assert!(proxy.wait_for_cuts(2, LIMIT));
    assert_eq!(database.sql("SELECT id FROM t ORDER BY id").unwrap(), "1\n3");
    assert_eq!(database.url_at(proxy.address()), through.url(database.name()));
}
