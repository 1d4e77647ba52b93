//! The report of who was limited, and the task that writes what it is made of.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestibule_engine::Engine;
use vestibule_engine::limits;
use vestibule_engine::model::AbuseRecord;

use crate::lifecycle::Shutdown;

/// How often the server writes what limits were met, and so how late an alert may be. A crash loses no more than that.
pub const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Writes what limits were met until told to stop, and then once more.
pub async fn write(engine: Arc<Engine>, every: Duration, shutdown: Shutdown) {
    let stopped = shutdown.requested();
    tokio::pin!(stopped);
    loop {
        let ends = tokio::select! {
            () = &mut stopped => true,
            () = tokio::time::sleep(every) => false,
        };
        if let Err(error) = engine.write_abuse().await {
            tracing::warn!(%error, "could not write who was limited; trying again later");
        }
        if ends {
            return;
        }
    }
}

/// The records as a table of text, and what each limit in it means.
pub fn table(records: &[AbuseRecord]) -> String {
    if records.is_empty() {
        return "No limit was met.\n".to_owned();
    }
    let head = ["hour", "organization", "limit", "action", "whose", "requests", "last"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(records.iter().map(row)).collect();
    let widths: Vec<usize> =
        (0..7).map(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    let mut named: Vec<&str> = records.iter().map(|record| record.limit.as_str()).collect();
    named.sort_unstable();
    named.dedup();
    for limit in named {
        let _ = writeln!(text, "{limit}: {}", limits::why(limit).unwrap_or("a limit of another release"));
    }
    text
}

fn row(record: &AbuseRecord) -> [String; 7] {
    let AbuseRecord { tenant_id, hour, limit, action, subject, hits, first_at: _, last_at } = record;
    let time = |ms: i64| Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string());
    let short = |ms: i64| time(ms).chars().take(16).collect::<String>();
    let organization = match *tenant_id == AbuseRecord::SERVER {
        true => "(this server)".to_owned(),
        false => tenant_id.to_string(),
    };
    let whose = if subject.is_empty() { "(all)" } else { subject };
    [
        format!("{}Z", short(*hour)),
        organization,
        limit.clone(),
        action.clone(),
        whose.to_owned(),
        hits.to_string(),
        format!("{}Z", short(*last_at)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_record_and_says_why() {
        let record = AbuseRecord {
            tenant_id: AbuseRecord::SERVER,
            hour: 1_800_000_000_000,
            limit: "address_sends".to_owned(),
            action: "refuse".to_owned(),
            subject: "192.0.2.1".to_owned(),
            hits: 12,
            first_at: 1_800_000_000_000,
            last_at: 1_800_000_060_000,
        };
        let text = table(&[record]);
        assert!(
            text.contains("2027-01-15T08:00Z  (this server)  address_sends  refuse  192.0.2.1  12"),
            "{text}"
        );
        assert!(text.contains("address_sends: ") && text.contains("through the auth proxy"), "{text}");
        assert_eq!(table(&[]), "No limit was met.\n");
    }
}
