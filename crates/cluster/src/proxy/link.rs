//! One connection through the proxy: two sockets, and for each way a thread that reads and one that delivers, so that latency
//! delays bytes without slowing them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::rule::{Verdict, judge};
use super::{Direction, Shared, When, due};

/// Bytes read at once, and how many such pieces may be under way: then the sender has to wait.
const PIECE: usize = 16 * 1024;
const PIECES_UNDER_WAY: usize = 64;

/// How long a receiver that takes nothing keeps a thread from noticing that its connection was cut.
const WRITE_TIMEOUT: Duration = Duration::from_millis(50);

/// How the two sides see the end of a cut connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Both see a reset.
    Abrupt,
    /// The receiver sees an orderly end behind what it got, the sender a reset.
    Orderly { receiver: Direction },
}

/// The sockets are closed when the last of its threads has ended.
#[derive(Debug)]
pub struct Link {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
    // Behind the sockets: fields drop in order, and this one tells that they are closed.
    open: Open,
}

/// A link that others own, and whether it is closed.
#[derive(Debug)]
pub struct Known {
    link: Weak<Link>,
    is_closed: Arc<AtomicBool>,
}

impl Known {
    /// The link, unless it is being closed.
    pub fn link(&self) -> Option<Arc<Link>> {
        self.link.upgrade()
    }

    /// Whether its sockets are closed, and counted as such.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}

/// Tells that the sockets are closed. That nobody owns the link any more does not: it is so before they are.
#[derive(Debug)]
struct Open(Arc<Shared>, Arc<AtomicBool>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counts.open.fetch_sub(1, Ordering::SeqCst);
        self.0.change(|_| self.1.store(true, Ordering::SeqCst));
    }
}

/// What one thread hands the other.
enum Item {
    Bytes {
        due: Instant,
        bytes: Vec<u8>,
    },
    /// The sender closed its side.
    End {
        due: Instant,
    },
    /// The sender is gone.
    Lost,
    Cut {
        due: Instant,
        ending: Ending,
    },
}

impl Link {
    pub fn new(shared: Arc<Shared>, client: TcpStream, server: TcpStream) -> io::Result<Arc<Self>> {
        shared.counts.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(shared, Arc::default());
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        }
        Ok(Arc::new(Self { client, server, is_cut: AtomicBool::new(false), open }))
    }

    /// Remembers it without keeping it open.
    pub fn known(link: &Arc<Self>) -> Known {
        Known { link: Arc::downgrade(link), is_closed: Arc::clone(&link.open.1) }
    }

    /// Has the threads end; the sockets close with the last one.
    pub fn cut(&self, ending: Ending) {
        // Under the lock, so that no thread misses it between looking and waiting.
        self.open.0.change(|_| {
            if self.is_cut.swap(true, Ordering::SeqCst) {
                return;
            }
            for (stream, side) in [(&self.client, Direction::ToClient), (&self.server, Direction::ToServer)] {
                if ending != (Ending::Orderly { receiver: side }) {
                    // With no time to linger, closing sends a reset. A socket that refuses is in no state to send any.
                    let _ = set_socket_linger(stream, Some(Duration::ZERO));
                }
                // Wakes whoever reads from it and sends nothing; fails when the peer is gone.
                let _ = stream.shutdown(Shutdown::Read);
            }
        });
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    /// Where bytes of one direction come from, and where they go.
    fn ends(&self, direction: Direction) -> (&TcpStream, &TcpStream) {
        match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        }
    }

    fn delivered(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.open.0.counts.bytes_to_server,
            Direction::ToClient => &self.open.0.counts.bytes_to_client,
        }
    }
}

/// Closes a connection with a reset.
pub fn reset(stream: TcpStream) {
    // A socket that refuses is in no state to send one.
    let _ = set_socket_linger(&stream, Some(Duration::ZERO));
}

/// Starts the four threads.
pub fn start(link: &Arc<Link>) {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (sender, receiver) = sync_channel(PIECES_UNDER_WAY);
        let (reading, writing) = (Arc::clone(link), Arc::clone(link));
        thread::spawn(move || read(&reading, direction, &sender));
        thread::spawn(move || deliver(&writing, direction, &receiver));
    }
}

/// Reads until the end, and judges what it reads. The other thread being gone is the end as well.
fn read(link: &Link, direction: Direction, sender: &SyncSender<Item>) {
    let (mut from, _) = link.ends(direction);
    let mut buffer = vec![0; PIECE];
    let mut before = Vec::new();
    loop {
        let read = from.read(&mut buffer);
        if link.is_cut() {
            return;
        }
        let (verdict, due) = {
            let mut faults = link.open.0.lock();
            let verdict = match &read {
                Ok(count) => judge(&mut faults.rules, direction, &mut before, &buffer[..*count]),
                Err(_) => Verdict::Pass,
            };
            (verdict, due(faults.latency))
        };
        let (item, last) = match (read, verdict) {
            (Ok(0), _) => (Item::End { due }, true),
            (Ok(count), Verdict::Pass) => (Item::Bytes { due, bytes: buffer[..count].to_vec() }, false),
            (Ok(_), Verdict::Cut { deliver, when }) => {
                let bytes = buffer[..deliver].to_vec();
                if sender.send(Item::Bytes { due, bytes }).is_err() {
                    return;
                }
                let ending = match when {
                    When::Before => Ending::Abrupt,
                    When::After => Ending::Orderly { receiver: direction },
                };
                (Item::Cut { due, ending }, true)
            }
            (Err(error), _) if error.kind() == ErrorKind::Interrupted => continue,
            (Err(_), _) => (Item::Lost, true),
        };
        if sender.send(item).is_err() || last {
            return;
        }
    }
}

/// Delivers what was read when it is due.
fn deliver(link: &Link, direction: Direction, receiver: &Receiver<Item>) {
    let (_, to) = link.ends(direction);
    for item in receiver {
        match item {
            Item::Bytes { due, bytes } => {
                if !is_time(link, due) {
                    return;
                }
                if write(link, to, &bytes).is_err() {
                    return link.cut(Ending::Abrupt);
                }
                link.delivered(direction).fetch_add(bytes.len() as u64, Ordering::SeqCst);
            }
            Item::End { due } => {
                if is_time(link, due) {
                    // Fails when the receiver is gone, which the other direction notices.
                    let _ = to.shutdown(Shutdown::Write);
                }
                return;
            }
            Item::Lost => return link.cut(Ending::Abrupt),
            Item::Cut { due, ending } => {
                if is_time(link, due) {
                    link.cut(ending);
                    link.open.0.change(|_| link.open.0.counts.cut.fetch_add(1, Ordering::SeqCst));
                }
                return;
            }
        }
    }
}

/// Waits until `due`, and while the proxy stalls; false when the connection was cut meanwhile.
fn is_time(link: &Link, due: Instant) -> bool {
    let shared = &link.open.0;
    let mut faults = shared.lock();
    loop {
        if link.is_cut() {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        faults = if faults.stalls {
            shared.changed.wait(faults).unwrap_or_else(PoisonError::into_inner)
        } else if left.is_zero() {
            return true;
        } else {
            shared.changed.wait_timeout(faults, left).unwrap_or_else(PoisonError::into_inner).0
        };
    }
}

fn write(link: &Link, mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                // The receiver is slow, which is no fault of ours, unless the connection was cut.
                ErrorKind::WouldBlock | ErrorKind::TimedOut if !link.is_cut() => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}
