//! Numbers: medians, percentiles, and the place in a document where a report stands.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

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

/// Puts `report` between the markers of `command`, such as `cargo xtask bench login`, in the document at `path`.
pub fn replace(path: &Path, command: &str, report: &str) -> Result<()> {
    let place = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let (begin, end) = markers(command);
    let Some(text) = replaced(&text, &begin, &end, report) else {
        bail!("{place} lacks the lines `{begin}` and `{end}`");
    };
    std::fs::write(path, text).with_context(|| format!("cannot write {place}"))
}

fn markers(command: &str) -> (String, String) {
    (format!("<!-- begin: {command} -->"), format!("<!-- end: {command} -->"))
}

fn replaced(text: &str, begin: &str, end: &str, report: &str) -> Option<String> {
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", report.trim()))
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
    fn a_report_takes_the_place_of_the_one_before_and_leaves_others_alone() {
        let (begin, end) = markers("bench login");
        let other = "<!-- begin: bench login --store postgres -->";
        let text = format!("# Speed\n{other}\n{begin}\nold\n{end}\nmore\n");
        let new = replaced(&text, &begin, &end, "new").unwrap();
        assert_eq!(new, format!("# Speed\n{other}\n{begin}\n\nnew\n\n{end}\nmore\n"));
        assert_eq!(replaced(&new, &begin, &end, "new").unwrap(), new);
        assert!(replaced("# Speed\n", &begin, &end, "new").is_none());
    }
}
