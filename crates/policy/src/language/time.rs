//! Moments and recurring spans of time.
//!
//! A span is the half-open stretch that begins whenever a cron schedule fires in its zone and lasts so much elapsed time.
//! A schedule that fires at a local time which the clocks skip fires as much later as they skip; at one that the clocks
//! repeat it fires the first time only.

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// The longest span: whoever asks looks no further back than this.
pub const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Longer than any jump of any zone's clocks since there are policies.
const LONGEST_JUMP: SignedDuration = SignedDuration::from_hours(26);

/// A literal `Timestamp`. Equal where written the same.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    text: String,
    timestamp: Timestamp,
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Moment {
    /// RFC 3339 with a zero offset: `2026-01-31T09:00:00Z`, with or without a fraction, or with `+00:00`.
    pub(super) fn parse(text: String) -> Result<Self, String> {
        let timestamp = if has_rfc3339_shape(&text) { text.parse().ok() } else { None };
        match timestamp {
            Some(timestamp) => Ok(Self { text, timestamp }),
            None => Err("expected a time like '2026-01-31T09:00:00Z'".to_owned()),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

/// The library also reads other notations of ISO 8601, which the language does not have.
fn has_rfc3339_shape(text: &str) -> bool {
    let Some(local) = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")) else { return false };
    let fits = |(byte, place): (u8, u8)| if place == b'0' { byte.is_ascii_digit() } else { byte == place };
    let (seconds, fraction) = local.split_at_checked(19).unwrap_or(("", ""));
    seconds.len() == 19
        && seconds.bytes().zip(*b"0000-00-00T00:00:00").all(fits)
        && (fraction.is_empty()
            || fraction.strip_prefix('.').is_some_and(|digits| {
                (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
            }))
}

/// A literal `CronSpan`. Equal where written the same.
#[derive(Debug, Clone)]
pub(crate) struct CronSpan {
    texts: [String; 3],
    schedule: Schedule,
    length: SignedDuration,
    zone: TimeZone,
}

impl PartialEq for CronSpan {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl CronSpan {
    /// The error names the argument that is at fault, from zero.
    pub(super) fn parse(cron: String, length: String, zone: String) -> Result<Self, (usize, String)> {
        let schedule = Schedule::parse(&cron).map_err(|error| (0, error))?;
        let longest = LONGEST_SPAN.as_hours();
        let duration = length
            .parse::<SignedDuration>()
            .ok()
            .filter(|length| (SignedDuration::from_mins(1)..=LONGEST_SPAN).contains(length));
        let Some(duration) = duration else {
            return Err((1, format!("expected a duration like '8h' or '1h 30m', from '1m' to '{longest}h'")));
        };
        match TimeZoneDatabase::bundled().get(&zone) {
            Ok(tz) => Ok(Self { texts: [cron, length, zone], schedule, length: duration, zone: tz }),
            Err(_) => Err((2, "expected the IANA name of a time zone, like 'Europe/Berlin'".to_owned())),
        }
    }

    pub(super) fn texts(&self) -> &[String; 3] {
        &self.texts
    }

    /// Whether the schedule fired in the stretch of this length that ends now. `spend` is told of every day and every
    /// firing looked at; its error ends the search.
    pub(super) fn covers<E>(
        &self,
        now: Timestamp,
        mut spend: impl FnMut() -> Result<(), E>,
    ) -> Result<bool, E> {
        let back = |from: Timestamp, by: SignedDuration| from.checked_sub(by).unwrap_or(Timestamp::MIN);
        let ahead = |from: Timestamp, by: SignedDuration| from.checked_add(by).unwrap_or(Timestamp::MAX);
        let began = back(now, self.length);
        // Local times run backwards where the clocks do: near such a moment, later local times may be earlier moments.
        let offset = |at: Timestamp| self.zone.to_offset(at);
        let steady =
            offset(now) == offset(back(now, LONGEST_JUMP)) && offset(now) == offset(ahead(now, LONGEST_JUMP));
        let last = self.zone.to_datetime(if steady { now } else { ahead(now, LONGEST_JUMP) });
        let first = back(began, LONGEST_JUMP);
        let first_day = self.zone.to_datetime(first).date();
        let mut day = last.date();
        while day >= first_day {
            spend()?;
            if self.schedule.fires_on(day) {
                for local in self.schedule.times_of(day).filter(|local| *local <= last) {
                    spend()?;
                    let Ok(fired) = self.zone.to_timestamp(local) else { continue };
                    if began < fired && fired <= now {
                        return Ok(true);
                    }
                    if fired < first {
                        return Ok(false);
                    }
                }
            }
            match day.yesterday() {
                Ok(yesterday) => day = yesterday,
                Err(_) => break,
            }
        }
        Ok(false)
    }
}

/// The five fields of a crontab line, each a set of bits.
#[derive(Debug, Clone)]
struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is bit 0.
    weekdays: u64,
    /// Whether a day must fit both `days` and `weekdays`, and not just either: where either field begins with `*`.
    both: bool,
}

struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of the values from `first_name` on.
    names: &'static [&'static str],
    first_name: u8,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[], first_name: 0 },
    Field { name: "hour", least: 0, most: 23, names: &[], first_name: 0 },
    Field { name: "day of month", least: 1, most: 31, names: &[], first_name: 0 },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        first_name: 1,
    },
    Field {
        name: "day of week",
        least: 0,
        most: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        first_name: 0,
    },
];

impl Field {
    fn set(&self, text: &str) -> Result<u64, String> {
        let mut set = 0;
        for item in text.split(',') {
            set |= self.item(item).ok_or_else(|| {
                format!(
                    "expected values from {} to {} for the {} of a schedule, found `{item}`",
                    self.least, self.most, self.name
                )
            })?;
        }
        Ok(set)
    }

    /// `*`, `a`, `a-b`, each with or without `/step`.
    fn item(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| (1..=self.most).contains(step))?)),
            None => (text, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None if range == "*" => (self.least, self.most),
            // `5/10` means from 5 on.
            None => (self.value(range)?, if step.is_some() { self.most } else { self.value(range)? }),
        };
        if from > to {
            return None;
        }
        Some((from..=to).step_by(step.unwrap_or(1).into()).fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Option<u8> {
        let named =
            self.names.iter().zip(self.first_name..).find(|(name, _)| text.eq_ignore_ascii_case(name));
        let value = named.map(|(_, value)| value).or_else(|| number(text))?;
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<u8> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| set >> value & 1 == 1)
}

impl Schedule {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let Ok([minutes, hours, days, months, weekdays]) = <[&str; 5]>::try_from(fields) else {
            return Err("expected a schedule of five fields, like '0 9 * * 1-5'".to_owned());
        };
        let mut schedule = Self {
            minutes: FIELDS[0].set(minutes)?,
            hours: FIELDS[1].set(hours)?,
            days: FIELDS[2].set(days)?,
            months: FIELDS[3].set(months)?,
            weekdays: FIELDS[4].set(weekdays)?,
            both: days.starts_with('*') || weekdays.starts_with('*'),
        };
        schedule.weekdays |= schedule.weekdays >> 7 & 1;
        // A leap year has every day there is.
        let ever = (1..=12).any(|month| {
            has(schedule.months, month)
                && (1..=Date::constant(2000, month, 1).days_in_month()).any(|day| has(schedule.days, day))
        });
        if schedule.both && !ever {
            return Err("expected a day that some month has".to_owned());
        }
        Ok(schedule)
    }

    fn fires_on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month()) && if self.both { day && weekday } else { day || weekday }
    }

    /// The local times at which it fires on a day, latest first.
    fn times_of(&self, date: Date) -> impl Iterator<Item = DateTime> {
        let hours = (0..24).rev().filter(|hour| has(self.hours, *hour));
        hours.flat_map(move |hour| {
            let minutes = (0..60).rev().filter(|minute| has(self.minutes, *minute));
            minutes.map(move |minute| date.at(hour, minute, 0, 0))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn span(cron: &str, length: &str, zone: &str) -> CronSpan {
        CronSpan::parse(cron.to_owned(), length.to_owned(), zone.to_owned()).unwrap()
    }

    fn covers(span: &CronSpan, now: &str) -> bool {
        match span.covers::<Infallible>(now.parse().unwrap(), || Ok(())) {
            Ok(covers) => covers,
        }
    }

    #[test]
    fn a_span_begins_with_its_schedule_and_ends_before_its_length_is_over() {
        let hours = span("0 9 * * 1-5", "8h", "America/New_York");
        // 2026-07-01 is a Wednesday; New York is four hours behind.
        for (now, inside) in [
            ("2026-07-01T12:59:59.999Z", false),
            ("2026-07-01T13:00:00Z", true),
            ("2026-07-01T20:59:59.999Z", true),
            ("2026-07-01T21:00:00Z", false),
            ("2026-07-04T14:00:00Z", false),
        ] {
            assert_eq!(covers(&hours, now), inside, "{now}");
        }
    }

    #[test]
    fn a_span_may_reach_past_midnight_and_past_the_month() {
        let nights = span("30 22 * * *", "10h", "Europe/Berlin");
        assert!(covers(&nights, "2026-02-01T07:29:59Z"));
        assert!(!covers(&nights, "2026-02-01T07:30:00Z"));
        let closing = span("0 0 31 1 *", "72h", "UTC");
        assert!(covers(&closing, "2026-02-02T23:59:59Z"));
        assert!(!covers(&closing, "2026-02-03T00:00:00Z"));
        assert!(!covers(&closing, "2025-12-31T12:00:00Z"));
    }

    #[test]
    fn business_hours_follow_the_clocks_when_they_change() {
        let hours = span("0 9 * * *", "1h", "Europe/Berlin");
        // Berlin moved to summer time on 2026-03-29 and back on 2026-10-25, both Sundays at 01:00 UTC.
        for (inside, outside) in [
            ("2026-03-28T08:30:00Z", "2026-03-28T07:30:00Z"),
            ("2026-03-29T07:30:00Z", "2026-03-29T08:30:00Z"),
            ("2026-10-24T07:30:00Z", "2026-10-24T08:30:00Z"),
            ("2026-10-25T08:30:00Z", "2026-10-25T07:30:00Z"),
        ] {
            assert!(covers(&hours, inside), "{inside}");
            assert!(!covers(&hours, outside), "{outside}");
        }
    }

    #[test]
    fn a_skipped_local_time_fires_as_much_later_as_the_clocks_skip() {
        // 02:30 did not exist: the clocks went from 02:00 to 03:00 at 01:00 UTC.
        let skipped = span("30 2 * * *", "10m", "Europe/Berlin");
        assert!(!covers(&skipped, "2026-03-29T01:05:00Z"));
        assert!(covers(&skipped, "2026-03-29T01:35:00Z"));
        assert!(!covers(&skipped, "2026-03-29T01:40:00Z"));
        // 03:00 is an earlier moment than the skipped 02:59.
        let both = span("0,59 2-3 * * *", "5m", "Europe/Berlin");
        assert!(covers(&both, "2026-03-29T01:01:00Z"));
        assert!(covers(&both, "2026-03-29T02:00:00Z"));
    }

    #[test]
    fn a_repeated_local_time_fires_once() {
        // 02:30 came twice, at 00:30 and at 01:30 UTC.
        let repeated = span("30 2 * * *", "10m", "Europe/Berlin");
        assert!(covers(&repeated, "2026-10-25T00:35:00Z"));
        assert!(!covers(&repeated, "2026-10-25T01:35:00Z"));
        // At 01:05 UTC it is 02:05 again, and 02:50 has been.
        assert!(covers(&span("50 2 * * *", "30m", "Europe/Berlin"), "2026-10-25T01:05:00Z"));
    }

    #[test]
    fn a_day_that_a_zone_skipped_is_no_obstacle() {
        // Samoa had no 2011-12-30: after 10:00 UTC, the 29th became the 31st.
        let noon = span("0 12 * * *", "1h", "Pacific/Apia");
        assert!(covers(&noon, "2011-12-29T22:30:00Z"));
        assert!(covers(&noon, "2011-12-30T22:30:00Z"));
        assert!(!covers(&noon, "2011-12-30T12:00:00Z"));
    }

    #[test]
    fn every_usual_notation_of_a_field_is_read() {
        let fires = |cron: &str, now: &str| covers(&span(cron, "1m", "UTC"), now);
        assert!(fires("*/15 * * * *", "2026-01-01T10:45:00Z"));
        assert!(!fires("*/15 * * * *", "2026-01-01T10:46:00Z"));
        assert!(fires("5/20 * * * *", "2026-01-01T10:45:00Z"));
        assert!(fires("0 8-18/5,3 * * *", "2026-01-01T13:00:00Z"));
        assert!(fires("0 8-18/5,3 * * *", "2026-01-01T03:00:00Z"));
        assert!(fires("0 0 * FEB-apr Mon,fri", "2026-02-02T00:00:00Z"));
        assert!(!fires("0 0 * FEB-apr Mon,fri", "2026-02-03T00:00:00Z"));
        // 2026-02-01 is a Sunday, which is 0 as well as 7.
        assert!(fires("0 0 * * 0", "2026-02-01T00:00:00Z"));
        assert!(fires("0 0 * * 5-7", "2026-02-01T00:00:00Z"));
        // Both restricted: either suffices.
        assert!(fires("0 0 13 * 5", "2026-02-06T00:00:00Z"));
        assert!(fires("0 0 13 * 5", "2026-01-13T00:00:00Z"));
        assert!(!fires("0 0 */13 * 5", "2026-02-06T00:00:00Z"));
        assert!(fires("0 0 29 2 *", "2028-02-29T00:00:00Z"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (cron, length, zone, part) in [
            ("0 9 * *", "8h", "UTC", 0),
            ("60 9 * * *", "8h", "UTC", 0),
            ("0 9 0 * *", "8h", "UTC", 0),
            ("0 9 * * fri-mon", "8h", "UTC", 0),
            ("0 9 * * */0", "8h", "UTC", 0),
            ("0 9 +1 * *", "8h", "UTC", 0),
            ("0 0 31 2,4 *", "8h", "UTC", 0),
            ("0 9 * * *", "30s", "UTC", 1),
            ("0 9 * * *", "-8h", "UTC", 1),
            ("0 9 * * *", "745h", "UTC", 1),
            ("0 9 * * *", "soon", "UTC", 1),
            ("0 9 * * *", "8h", "Europe/Nowhere", 2),
            ("0 9 * * *", "8h", "", 2),
        ] {
            let error = CronSpan::parse(cron.to_owned(), length.to_owned(), zone.to_owned());
            assert_eq!(error.map_err(|(part, _)| part), Err(part), "{cron} {length} {zone}");
        }
    }

    #[test]
    fn a_timestamp_has_a_zero_offset() {
        for right in ["2026-01-31T09:00:00Z", "2026-01-31T09:00:00.123Z", "2026-01-31T09:00:00+00:00"] {
            assert!(Moment::parse(right.to_owned()).is_ok(), "{right}");
        }
        for wrong in [
            "2026-01-31T09:00:00+01:00",
            "2026-01-31T09:00:00",
            "2026-01-31 09:00:00Z",
            "2026-01-31",
            "2026-02-30T09:00:00Z",
            "2026-01-31T09:00:00.Z",
            "2026-01-31T09:00:00[UTC]",
            "20260131T090000Z",
            "Z",
            "ä",
            "",
        ] {
            assert!(Moment::parse(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
