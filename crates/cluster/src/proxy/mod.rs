//! A TCP proxy that misbehaves on demand: it stands between a client and a server on loopback, and does to their connections
//! what a network and a dying machine do.

mod link;
mod rule;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::link::{Known, Link};
use self::rule::Rule;

/// How long a cut may take to be complete.
const CUT_LIMIT: Duration = Duration::from_secs(10);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// On which side of a pattern a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// What came before the pattern is delivered, the pattern is not.
    Before,
    /// The pattern is delivered, with everything read together with it, and the receiver sees an orderly end behind it; the sender is cut off.
    After,
}

/// What went through a proxy since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted, refused ones included.
    pub accepted: u64,
    /// Connections closed at once, since it refused them or the target was not there.
    pub refused: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections cut by a pattern or a number of bytes.
    pub cut: u64,
    /// Bytes delivered to servers.
    pub bytes_to_server: u64,
    /// Bytes delivered to clients.
    pub bytes_to_client: u64,
}

/// A proxy on a free port of 127.0.0.1. Dropping it cuts its connections and closes the port.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    faults: Mutex<Faults>,
    /// Signalled when faults change, a connection is cut, or one is closed.
    changed: Condvar,
    counts: Counts,
}

#[derive(Debug)]
struct Faults {
    target: SocketAddr,
    refuses: bool,
    stalls: bool,
    latency: Duration,
    rules: Vec<Rule>,
    links: Vec<Known>,
    /// Counts calls of `cut`, for connections that are just being made.
    cuts: u64,
    ending: bool,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    open: AtomicU64,
    cut: AtomicU64,
    bytes_to_server: AtomicU64,
    bytes_to_client: AtomicU64,
}

impl FaultProxy {
    /// Begins to forward connections to `target`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for a proxy")?;
        let address = listener.local_addr().context("no port for a proxy")?;
        let shared = Arc::new(Shared {
            faults: Mutex::new(Faults {
                target,
                refuses: false,
                stalls: false,
                latency: Duration::ZERO,
                rules: Vec::new(),
                links: Vec::new(),
                cuts: 0,
                ending: false,
            }),
            changed: Condvar::new(),
            counts: Counts::default(),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards connections made from now on to another address: a promoted standby.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.change(|faults| faults.target = target);
    }

    /// Cuts every connection there is, abruptly (each side sees a reset), and returns when they are closed.
    pub fn cut(&self) {
        let links: Vec<_> = self.shared.change(|faults| {
            faults.cuts += 1;
            faults.links.drain(..).collect()
        });
        self.shared.cut(&links);
    }

    /// While it refuses, connections are accepted and closed at once.
    pub fn refuse(&self, refuses: bool) {
        self.shared.change(|faults| faults.refuses = refuses);
    }

    /// Delays what is read from now on by this much, each way. Order and rate stay.
    pub fn latency(&self, latency: Duration) {
        self.shared.change(|faults| faults.latency = latency);
    }

    /// While it stalls, bytes are accepted and nothing is delivered, the end of a connection included. Afterwards all of it is.
    pub fn stall(&self, stalls: bool) {
        self.shared.change(|faults| faults.stalls = stalls);
    }

    /// Cuts the next connection on which `pattern` passes, once. For a commit whose answer is lost, cut
    /// [`When::Before`] the server's `COMMIT` goes [`Direction::ToClient`]; for one that never arrived, before the client's goes
    /// [`Direction::ToServer`].
    ///
    /// The pattern is also found when it arrives in pieces; its first pieces may have been delivered then.
    pub fn cut_on(&self, pattern: &[u8], direction: Direction, when: When) {
        let rule = Rule::on(pattern, direction, when);
        self.shared.change(|faults| faults.rules.push(rule));
    }

    /// Cuts, once, the connection over which the `count`th byte from now goes, right behind that byte.
    pub fn cut_after_bytes(&self, count: u64, direction: Direction) {
        let rule = Rule::after_bytes(count, direction);
        self.shared.change(|faults| faults.rules.push(rule));
    }

    /// Forgets every pattern and number of bytes that has not passed yet.
    pub fn disarm(&self) {
        self.shared.change(|faults| faults.rules.clear());
    }

    /// Waits until this many connections have been cut by a pattern or a number of bytes; false when that takes longer than `limit`.
    pub fn wait_for_cuts(&self, count: u64, limit: Duration) -> bool {
        self.shared.wait(limit, |_| self.shared.counts.cut.load(Ordering::SeqCst) >= count)
    }

    /// What went through so far.
    pub fn counters(&self) -> Counters {
        let counts = &self.shared.counts;
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Counters {
            accepted: of(&counts.accepted),
            refused: of(&counts.refused),
            open: of(&counts.open),
            cut: of(&counts.cut),
            bytes_to_server: of(&counts.bytes_to_server),
            bytes_to_client: of(&counts.bytes_to_client),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.change(|faults| faults.ending = true);
        // Wakes the acceptor, which then ends; should that fail it has ended.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    fn wait(&self, limit: Duration, mut is_true: impl FnMut(&mut Faults) -> bool) -> bool {
        let (_faults, result) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |faults| !is_true(faults))
            .unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    fn cut(&self, links: &[Known]) {
        for link in links.iter().filter_map(Known::link) {
            link.cut(link::Ending::Abrupt);
        }
        self.wait(CUT_LIMIT, |_| links.iter().all(Known::is_closed));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let (ending, refuses, target, cuts) = {
            let faults = shared.lock();
            (faults.ending, faults.refuses, faults.target, faults.cuts)
        };
        if ending {
            return;
        }
        // A client that is gone before it was accepted.
        let Ok(client) = client else { continue };
        shared.counts.accepted.fetch_add(1, Ordering::SeqCst);
        if refuses {
            shared.counts.refused.fetch_add(1, Ordering::SeqCst);
            link::reset(client);
            continue;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || forward(&shared, client, target, cuts));
    }
}

fn forward(shared: &Arc<Shared>, client: TcpStream, target: SocketAddr, cuts: u64) {
    let Ok(server) = TcpStream::connect_timeout(&target, CUT_LIMIT) else {
        shared.counts.refused.fetch_add(1, Ordering::SeqCst);
        link::reset(client);
        return;
    };
    let Ok(link) = Link::new(Arc::clone(shared), client, server) else { return };
    let was_cut = shared.change(|faults| {
        faults.links.retain(|link| !link.is_closed());
        faults.links.push(Link::known(&link));
        faults.cuts != cuts || faults.ending
    });
    if was_cut {
        link.cut(link::Ending::Abrupt);
    }
    link::start(&link);
}

/// A moment from now.
fn due(latency: Duration) -> Instant {
    Instant::now() + latency
}
