//! The writer's queue, and how long it waits for company.
//!
//! A commit costs a sync and the pages that every change set touches, so several change sets share one. When it is
//! worth waiting for more is learned from what arrives, not from configuration: a lone client never waits, because
//! nothing ever arrives while its own change set is under way.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// At most so many change sets share a commit.
pub(super) const LARGEST_BATCH: usize = 256;

/// At most so long does a change set wait for company.
const LONGEST_WAIT: Duration = Duration::from_micros(2000);

/// Jobs in order of arrival. The sender wakes the writer only when as many wait as it asked for.
#[derive(Debug)]
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    ready: Condvar,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    /// The writer sleeps until so many wait; 0 while it works.
    wanted: usize,
    closed: bool,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State { jobs: VecDeque::new(), wanted: 0, closed: false }),
            ready: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job; gives it back when the queue is closed.
    pub(super) fn push(&self, job: J) -> Result<(), J> {
        let mut state = self.lock();
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        if state.wanted > 0 && state.jobs.len() >= state.wanted {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Refuses further jobs; those that wait are still served.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// Refuses further jobs and gives up those that wait.
    pub(super) fn abandon(&self) -> Vec<J> {
        let mut state = self.lock();
        state.closed = true;
        state.jobs.drain(..).collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Waits for a job, then for as many as the pacer hopes for; `None` once closed and empty.
    pub(super) fn next_batch(&self, pacer: &mut Pacer) -> Option<Vec<J>> {
        let mut state = self.lock();
        state.wanted = 1;
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let hoped = pacer.hoped();
        if state.jobs.len() < hoped && !state.closed {
            let deadline = Instant::now() + LONGEST_WAIT;
            state.wanted = hoped;
            while state.jobs.len() < hoped && !state.closed {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.wanted = 0;
        let size = state.jobs.len().min(LARGEST_BATCH);
        Some(state.jobs.drain(..size).collect())
    }
}

/// Estimates how many change sets can be under way at once.
///
/// `crowd` follows what was seen pending together: it grows at once, and shrinks slowly when hopes are disappointed.
/// Below [`Pacer::MANY`] nobody waits, save for a rare probe, made only when something arrived during a commit: many
/// clients on few cores show up one at a time, and only waiting shows how many they are.
#[derive(Debug)]
pub(super) struct Pacer {
    crowd: usize,
    probe: bool,
    until_next_probe: u32,
}

impl Pacer {
    /// From so many on, waiting pays.
    const MANY: usize = 4;

    /// So many batches pass between fruitless probes.
    const PROBE_EVERY: u32 = 64;

    pub(super) fn new() -> Self {
        Self { crowd: 1, probe: false, until_next_probe: 0 }
    }

    /// How many jobs to wait for before a commit.
    pub(super) fn hoped(&self) -> usize {
        match self {
            Self { crowd, .. } if *crowd >= Self::MANY => (*crowd).min(LARGEST_BATCH),
            Self { probe: true, .. } => Self::MANY,
            Self { .. } => 1,
        }
    }

    /// Learns from a commit: the size of its batch, and how many arrived meanwhile.
    pub(super) fn committed(&mut self, size: usize, arrived: usize) {
        let seen = size + arrived;
        let disappointed = size < self.hoped();
        if seen >= self.crowd {
            self.crowd = seen;
        } else if disappointed {
            // Down by an eighth, at least by one, never below what was seen.
            self.crowd = (self.crowd - self.crowd.div_ceil(8)).max(seen);
        }
        if self.probe {
            self.probe = false;
            self.until_next_probe = Self::PROBE_EVERY;
        } else {
            self.until_next_probe = self.until_next_probe.saturating_sub(1);
            self.probe = self.crowd < Self::MANY && seen > 1 && self.until_next_probe == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_client_never_waits() {
        let mut pacer = Pacer::new();
        for _ in 0..1000 {
            assert_eq!(pacer.hoped(), 1);
            pacer.committed(1, 0);
        }
    }

    #[test]
    fn a_crowd_is_found_and_waited_for() {
        let mut pacer = Pacer::new();
        pacer.committed(1, 1);
        assert_eq!(pacer.hoped(), Pacer::MANY, "a probe");
        pacer.committed(4, 3);
        assert_eq!(pacer.hoped(), 7);
        pacer.committed(7, 5);
        assert_eq!(pacer.hoped(), 12);
    }

    #[test]
    fn two_clients_are_rarely_made_to_wait() {
        let mut pacer = Pacer::new();
        let mut probes = 0;
        for _ in 0..640 {
            probes += usize::from(pacer.hoped() > 1);
            pacer.committed(1, 1);
        }
        assert!(probes <= 10, "{probes}");
    }

    #[test]
    fn a_crowd_that_left_is_forgotten() {
        let mut pacer = Pacer::new();
        pacer.committed(64, 0);
        let mut waited = 0;
        while pacer.hoped() > 1 {
            pacer.committed(1, 0);
            waited += 1;
        }
        assert!(waited < 40, "{waited}");
    }

    #[test]
    fn jobs_come_in_order_and_in_one_batch() {
        let queue = Queue::new();
        let mut pacer = Pacer::new();
        for job in 0..300 {
            queue.push(job).unwrap();
        }
        assert_eq!(queue.next_batch(&mut pacer), Some((0..256).collect()));
        queue.close();
        assert_eq!(queue.push(300), Err(300));
        assert_eq!(queue.next_batch(&mut pacer), Some((256..300).collect()));
        assert_eq!(queue.next_batch(&mut pacer), None);
    }
}
