//! Numbers: medians, percentiles, and the place in a document where a report stands.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const BEGIN: &str = "<!-- begin: cargo xtask bench login -->";
const END: &str = "<!-- end: cargo xtask bench login -->";

/// The middle of some values; of an even number of them, the mean of the middle two. Zero for none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// The value below or at which `share` (0 to 1) of all lie, by nearest rank. Zero for none.
pub fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Puts `report` between the markers in the document at `path`.
pub fn replace(path: &Path, report: &str) -> Result<()> {
    let place = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let Some(text) = replaced(&text, report) else {
        bail!("{place} lacks the lines `{BEGIN}` and `{END}`");
    };
    std::fs::write(path, text).with_context(|| format!("cannot write {place}"))
}

fn replaced(text: &str, report: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", report.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut values, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&mut values, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&mut values[..1], 0.99), Duration::from_millis(1));
        assert_eq!(percentile(&mut [], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_report_takes_the_place_of_the_one_before() {
        let text = format!("# Speed\n{BEGIN}\nold\n{END}\nmore\n");
        let new = replaced(&text, "new").unwrap();
        assert_eq!(new, format!("# Speed\n{BEGIN}\n\nnew\n\n{END}\nmore\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert!(replaced("# Speed\n", "new").is_none());
    }
}
