//! When a delivery that failed is tried again (G-HOOK-1).

use vestibule_engine::model::Millis;

/// The pause behind each try: 5 s, 30 s, 2 min, 10 min, 1 h. There is none behind the sixth.
const PAUSES_MS: [Millis; 5] = [5_000, 30_000, 120_000, 600_000, 3_600_000];

/// How long to wait after try number `attempt`, which counts from 1; `None` after the last.
pub(super) fn pause_after(attempt: i64) -> Option<Millis> {
    let place = usize::try_from(attempt.max(1) - 1).ok()?;
    PAUSES_MS.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_tries_take_seventy_three_minutes_and_end() {
        let pauses: Vec<Millis> = (1..).map_while(pause_after).collect();
        assert_eq!(pauses, PAUSES_MS);
        assert_eq!(pauses.iter().sum::<Millis>(), 4_355_000);
        assert!(pauses.iter().sum::<Millis>() < vestibule_engine::model::DELIVERY_LIFETIME_MS);
        assert_eq!((pause_after(0), pause_after(7), pause_after(i64::MAX)), (Some(5_000), None, None));
    }
}
