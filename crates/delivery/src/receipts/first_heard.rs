//! When an unknown message was first told of, for providers that do not say when what they tell became so.
//!
//! Promise: what a provider goes on telling grows old, and no crowd of unknown messages takes more than a bounded room.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use vestibule_engine::model::Millis;

/// Messages that are remembered at once.
const ROOM: usize = 1024;
/// How long at least: longer than the pauses in which providers repeat themselves.
const KEPT_MS: Millis = 3_600_000;

/// Unknown messages by provider and its name for them.
#[derive(Default)]
pub(super) struct FirstHeard(Mutex<HashMap<(String, String), Millis>>);

impl FirstHeard {
    /// Since when it has been told of; nothing where there is no room to remember it.
    pub(super) fn since(&self, provider: &str, provider_message_id: &str, now: Millis) -> Option<Millis> {
        let key = (provider.to_owned(), provider_message_id.to_owned());
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = heard.get(&key) {
            return Some(*at);
        }
        if heard.len() >= ROOM {
            heard.retain(|_, at| at.saturating_add(KEPT_MS) > now);
        }
        (heard.len() < ROOM).then(|| *heard.entry(key).or_insert(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_the_time_it_was_first_told_of() {
        let heard = FirstHeard::default();
        assert_eq!(heard.since("ses", "m-1", 5), Some(5));
        assert_eq!(heard.since("ses", "m-1", 5 + KEPT_MS * 2), Some(5));
        assert_eq!(heard.since("ses", "m-2", 6), Some(6));
        assert_eq!(heard.since("sms", "m-1", 7), Some(7), "names are the provider's own");
    }

    #[test]
    fn a_crowd_of_unknown_messages_takes_bounded_room_and_is_forgotten() {
        let heard = FirstHeard::default();
        for n in 0..ROOM {
            assert_eq!(heard.since("sms", &n.to_string(), 0), Some(0));
        }
        assert_eq!(heard.since("sms", "more", KEPT_MS - 1), None, "there is no room");
        assert_eq!(heard.since("sms", "0", KEPT_MS - 1), Some(0), "what is known stays known");
        assert_eq!(heard.since("sms", "more", KEPT_MS), Some(KEPT_MS));
        assert_eq!(heard.0.lock().unwrap().len(), 1);
    }
}
