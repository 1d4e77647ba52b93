//! How many messages are under way at a provider, and how long others wait for their turn.
//!
//! Promise: the places of all providers together are no more than the worker has, so that one that hangs takes none of another;
//! whoever waits does so only while the provider gets on with those before it, where there is somebody else to ask.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// A provider whose places are all taken, and where none changed hands for so long, does not get on.
pub(super) const STALLED: Duration = Duration::from_secs(1);

/// Divides `all` places among providers, each of which can use so many, or any number. What one cannot use is the others'.
/// Each has one at least.
pub(super) fn divide(all: u32, wishes: &[Option<u32>]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    let wish = |index: usize| wishes[index].unwrap_or(u32::MAX);
    order.sort_by_key(|index| wish(*index));
    let mut shares = vec![1; wishes.len()];
    let (mut left, mut without) = (all, u32::try_from(wishes.len()).unwrap_or(u32::MAX));
    for index in order {
        let share = wish(index).min(left / without).max(1);
        shares[index] = share;
        left = left.saturating_sub(share);
        without -= 1;
    }
    shares
}

/// The places of one provider.
pub(crate) struct Places {
    free: Semaphore,
    /// When one was taken or given back last.
    changed: Mutex<Instant>,
}

/// The right to have a message under way.
pub(crate) struct Place<'a> {
    places: &'a Places,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.change();
    }
}

impl Places {
    pub(super) fn new(count: u32) -> Self {
        Self { free: Semaphore::new(count as usize), changed: Mutex::new(Instant::now()) }
    }

    /// A place, where one is free.
    pub(crate) fn try_take(&self) -> Option<Place<'_>> {
        self.free.try_acquire().ok().map(|permit| self.taken(permit))
    }

    /// Waits for a place, first come, first served: until then, and, where there is somebody else to ask, not after a moment in
    /// which nobody before it was served.
    pub(crate) async fn take(&self, until: Instant, others: bool) -> Option<Place<'_>> {
        let turn = self.free.acquire();
        tokio::pin!(turn);
        loop {
            let patience = if others { until.min(self.changed() + STALLED) } else { until };
            if let Ok(turn) = timeout_at(patience, &mut turn).await {
                return turn.ok().map(|permit| self.taken(permit));
            }
            let moved = self.changed() + STALLED > Instant::now();
            if !(others && moved && Instant::now() < until) {
                return None;
            }
        }
    }

    fn taken<'a>(&'a self, permit: SemaphorePermit<'a>) -> Place<'a> {
        self.change();
        Place { places: self, _permit: permit }
    }

    fn changed(&self) -> Instant {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_provider_cannot_use_is_divided_among_the_others() {
        for (all, wishes, shares) in [
            (32, &[None][..], &[32][..]),
            (32, &[Some(4)], &[4]),
            (32, &[Some(4), Some(4), None], &[4, 4, 24]),
            (32, &[None, Some(40), Some(4), None], &[9, 9, 4, 10]),
            (5, &[None, None], &[2, 3]),
            (2, &[None, Some(4), None], &[1, 1, 1]),
            (32, &[], &[]),
        ] {
            let mut found = divide(all, wishes);
            let mut expected = shares.to_vec();
            assert!(found.iter().zip(wishes).all(|(share, wish)| wish.is_none_or(|wish| *share <= wish)));
            // Who of equals has the odd one does not matter.
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{all} among {wishes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_goes_on_when_nobody_before_it_is_served() {
        let places = Places::new(1);
        let began = Instant::now();
        let held = places.try_take().unwrap();
        assert!(places.try_take().is_none());
        let hour = began + Duration::from_secs(3600);
        assert!(places.take(hour, true).await.is_none());
        assert_eq!(began.elapsed(), STALLED);
        assert!(places.take(hour, true).await.is_none());
        assert_eq!(began.elapsed(), STALLED, "the next one does not wait at all");
        assert!(places.take(began + Duration::from_secs(5), false).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(5), "where there is nobody else, it may get on yet");
        drop(held);
        assert!(places.take(hour, true).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_stays_while_those_before_it_are_served() {
        let places = Places::new(1);
        let began = Instant::now();
        let serve = async |seconds| {
            let place = places.take(began + Duration::from_secs(60), true).await;
            tokio::time::sleep(Duration::from_millis(seconds)).await;
            place.is_some()
        };
        let served = tokio::join!(serve(900), serve(900), serve(900), serve(900));
        assert_eq!((served, began.elapsed().as_millis()), ((true, true, true, true), 3600));
    }
}
