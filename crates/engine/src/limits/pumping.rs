//! The guard against SMS pumping: where text messages may go, what they may cost, and how many of their codes must be used.
//!
//! Whoever earns by text messages that are sent to numbers of his own has no use for their codes. So blocks of numbers,
//! countries and client addresses whose codes are not used are closed, except for contacts that were verified before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vestibule_wire::{Contact, Country, OrganizationId, OtpType};

use super::{Action, CounterWindow, Tally};
use crate::model::Millis;

/// Which part of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The list of countries.
    Countries,
    /// Codes used, of those sent to one prefix.
    PrefixRatio,
    /// Codes used, of those sent to one country.
    CountryRatio,
    /// Codes used, of those that one client address asked for.
    AddressRatio,
    /// What an organization may spend in a day.
    SpendPerDay,
    /// What it may spend in a month.
    SpendPerMonth,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Countries,
        Self::PrefixRatio,
        Self::CountryRatio,
        Self::AddressRatio,
        Self::SpendPerDay,
        Self::SpendPerMonth,
    ];

    /// Its name in the configuration, in metrics and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Countries => "countries",
            Self::PrefixRatio => "prefix_ratio",
            Self::CountryRatio => "country_ratio",
            Self::AddressRatio => "address_ratio",
            Self::SpendPerDay => "spend_per_day",
            Self::SpendPerMonth => "spend_per_month",
        }
    }

    /// What it does, for those who read a report.
    pub fn why(self) -> &'static str {
        match self {
            Self::Countries => "text messages to countries that are not listed",
            Self::PrefixRatio => "text messages to a phone prefix of whose codes too few were used",
            Self::CountryRatio => "text messages to a country of whose codes too few were used",
            Self::AddressRatio => {
                "text messages asked for by a client address of whose codes too few were used"
            }
            Self::SpendPerDay => {
                "text messages beyond what the organization may spend in a day, or beyond the part of it that is for contacts never verified before"
            }
            Self::SpendPerMonth => {
                "text messages beyond what the organization may spend in a month, or beyond the part of it that is for contacts never verified before"
            }
        }
    }
}

/// How many codes must be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// So many unused codes are nobody's fault: below that nothing is closed.
    pub unverified: u32,
    /// The least share of codes that must be used, percent.
    pub floor_percent: u32,
    /// In which they are counted, together with the window before, seconds.
    pub window_seconds: u32,
    /// What becomes of sends while the share is lower.
    pub action: Action,
}

impl Ratio {
    pub(super) fn is_on(&self) -> bool {
        self.action != Action::Off
    }

    /// The window that now lies in.
    pub fn window(&self, now: Millis) -> CounterWindow {
        CounterWindow::from_first(i64::from(self.window_seconds) * 1000, now)
    }

    /// Whether too few codes were used.
    pub fn is_closed(&self, tally: &Tally) -> bool {
        tally.amount >= self.closes_at(tally)
    }

    /// `amount` of the window from which on it is closed, with as many codes verified as now.
    pub fn closes_at(&self, tally: &Tally) -> i64 {
        let verified = tally.verified + tally.previous_verified;
        // Closed are s sends of which v are verified where s - v >= unverified and 100 v < floor s.
        let by_count = verified + i64::from(self.unverified);
        let by_share = verified * 100 / i64::from(self.floor_percent.max(1)) + 1;
        by_count.max(by_share) - tally.previous_amount
    }

    /// Whether codes were used, and enough of them: what speaks for a prefix of a country that is closed.
    pub(super) fn speaks_for(&self, tally: &Tally) -> bool {
        tally.verified + tally.previous_verified > 0 && !self.is_closed_by_share(tally)
    }

    fn is_closed_by_share(&self, tally: &Tally) -> bool {
        let sent = tally.amount + tally.previous_amount;
        (tally.verified + tally.previous_verified) * 100 < i64::from(self.floor_percent) * sent
    }
}

/// What differs for one parent organization; absent members are as for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrganizationPumping {
    /// Where its text messages may go.
    pub countries: Option<Vec<String>>,
    /// What it may spend in a day, micro-units.
    pub spend_per_day: Option<i64>,
    /// What it may spend in a month, micro-units.
    pub spend_per_month: Option<i64>,
}

/// The guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pumping {
    /// Whether it only records what it would do.
    pub record_only: bool,
    /// The countries that text messages may go to, `DE`, or prefixes of their numbers, `+49`; `*`: everywhere. Empty: nowhere.
    pub countries: Vec<String>,
    /// How many digits of a number, the country code included, make its prefix.
    pub prefix_digits: u32,
    /// Of one prefix.
    pub prefix_ratio: Ratio,
    /// Of one country.
    pub country_ratio: Ratio,
    /// Of one client address, on one server.
    pub address_ratio: Ratio,
    /// What each organization may spend in a day (UTC), micro-units; 0: no cap.
    pub spend_per_day: i64,
    /// What each organization may spend in a month (UTC), micro-units; 0: no cap.
    pub spend_per_month: i64,
    /// The share of both that is kept for contacts that were verified before, percent.
    pub reserve_percent: u32,
    /// What a text message costs where no prefix says otherwise, micro-units.
    pub default_price: i64,
    /// What it costs by prefix of the number, micro-units; the longest prefix wins.
    pub prices: BTreeMap<String, i64>,
    /// What differs by parent organization.
    pub organizations: BTreeMap<OrganizationId, OrganizationPumping>,
}

impl Default for Pumping {
    fn default() -> Self {
        let ratio = |unverified| Ratio {
            unverified,
            floor_percent: 20,
            window_seconds: 3600,
            action: Action::Withhold,
        };
        Self {
            record_only: false,
            countries: Vec::new(),
            prefix_digits: 7,
            prefix_ratio: ratio(20),
            country_ratio: ratio(200),
            address_ratio: ratio(20),
            spend_per_day: 100_000_000,
            spend_per_month: 0,
            reserve_percent: 20,
            default_price: 50_000,
            prices: BTreeMap::new(),
            organizations: BTreeMap::new(),
        }
    }
}

/// What may be spent in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which cap.
    pub guard: Guard,
    /// The stretch.
    pub window: CounterWindow,
    /// By anybody, micro-units.
    pub cap: i64,
    /// By contacts that were never verified, micro-units.
    pub for_newcomers: i64,
}

/// In the list of countries.
pub const EVERYWHERE: &str = "*";

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Pumping {
    /// What an action comes to.
    pub fn effective(&self, action: Action) -> Action {
        match action {
            Action::Off => Action::Off,
            _ if self.record_only => Action::Record,
            other => other,
        }
    }

    /// Whether text messages may go to a number at all.
    pub fn allows(&self, tenant: OrganizationId, contact: &Contact) -> bool {
        let own = self.organizations.get(&tenant).and_then(|own| own.countries.as_ref());
        let list = own.unwrap_or(&self.countries);
        if contact.kind() != OtpType::Sms {
            return true;
        }
        let country = contact.country();
        let is_in = |entry: &String| match &country {
            _ if entry == EVERYWHERE => true,
            _ if entry.starts_with('+') => contact.normalised().starts_with(entry.as_str()),
            country => country.as_ref().is_some_and(|country| country.as_str() == entry),
        };
        list.iter().any(is_in)
    }

    /// Whether any text message may be sent.
    pub fn allows_any(&self) -> bool {
        let own = self.organizations.values().filter_map(|own| own.countries.as_ref());
        own.chain([&self.countries]).any(|list| !list.is_empty())
    }

    /// What a message to a number costs, micro-units; nothing for an e-mail.
    pub fn price(&self, contact: &Contact) -> i64 {
        if contact.kind() != OtpType::Sms {
            return 0;
        }
        let number = contact.normalised();
        let longest = (2..=number.len()).rev().find_map(|end| self.prices.get(&number[..end]));
        longest.copied().unwrap_or(self.default_price)
    }

    /// Whether any organization has this cap.
    pub(super) fn has_cap(&self, guard: Guard) -> bool {
        let own = |own: &OrganizationPumping| match guard {
            Guard::SpendPerDay => own.spend_per_day,
            _ => own.spend_per_month,
        };
        let all = match guard {
            Guard::SpendPerDay => self.spend_per_day,
            _ => self.spend_per_month,
        };
        all > 0 || self.organizations.values().filter_map(own).any(|cap| cap > 0)
    }

    /// The caps of an organization.
    pub fn shares(&self, tenant: OrganizationId, now: Millis) -> Vec<Share> {
        let own = self.organizations.get(&tenant);
        let day = own.and_then(|own| own.spend_per_day).unwrap_or(self.spend_per_day);
        let month = own.and_then(|own| own.spend_per_month).unwrap_or(self.spend_per_month);
        let share = |guard, cap: i64, (start, end)| Share {
            guard,
            window: CounterWindow::calendar(start, end),
            cap,
            for_newcomers: cap - cap * i64::from(self.reserve_percent) / 100,
        };
        let today = now.div_euclid(DAY_MS) * DAY_MS;
        let all = [
            share(Guard::SpendPerDay, day, (today, today + DAY_MS)),
            share(Guard::SpendPerMonth, month, month_of(now)),
        ];
        all.into_iter().filter(|share| share.cap > 0).collect()
    }

    /// What is wrong with it, each setting by its name and with what to do.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let ratios = [
            ("prefix_ratio", self.prefix_ratio),
            ("country_ratio", self.country_ratio),
            ("address_ratio", self.address_ratio),
        ];
        for (name, ratio) in ratios {
            if !matches!(ratio.action, Action::Withhold | Action::Refuse | Action::Record | Action::Off) {
                problems.push(format!(
                    "`pumping.{name}`: the action must be one of withhold, refuse, record, off"
                ));
            }
            if ratio.unverified == 0
                || !(1..=100).contains(&ratio.floor_percent)
                || !(1..=31 * 24 * 3600).contains(&ratio.window_seconds)
            {
                problems.push(format!(
                    "`pumping.{name}`: `unverified` must be at least 1, `floor_percent` 1 to 100, `window_seconds` 1 to 31 days"
                ));
            }
        }
        if !(4..=11).contains(&self.prefix_digits) {
            problems.push("`pumping.prefix_digits` must be 4 to 11".into());
        }
        if self.reserve_percent > 90 {
            problems.push("`pumping.reserve_percent` must be at most 90".into());
        }
        let is_prefix = |text: &str| {
            text.strip_prefix('+').is_some_and(|digits| {
                (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let lists = self.organizations.values().filter_map(|own| own.countries.as_ref());
        let is_country =
            |text: &str| text == EVERYWHERE || is_prefix(text) || text.parse::<Country>().is_ok();
        for text in lists.chain([&self.countries]).flatten().filter(|text| !is_country(text)) {
            problems.push(format!(
                "`pumping.countries`: {text:?} is no country such as \"DE\", no prefix of numbers such as \"+49\", and not \"*\" for everywhere"
            ));
        }
        for text in self.prices.keys().filter(|text| !is_prefix(text)) {
            problems.push(format!("`pumping.prices`: {text:?} is no prefix of numbers such as \"+49\""));
        }
        let own = self.organizations.values();
        let amounts = own.flat_map(|own| [own.spend_per_day, own.spend_per_month]).flatten();
        let amounts = amounts.chain(self.prices.values().copied());
        let own = [self.spend_per_day, self.spend_per_month, self.default_price];
        if amounts.chain(own).any(|amount| !(0..=MOST).contains(&amount)) {
            problems.push(format!("`pumping`: prices and caps must be 0 to {MOST} micro-units"));
        }
        problems
    }
}

/// No sum of prices comes near the end of the numbers.
const MOST: i64 = 1_000_000_000_000_000;

/// First and last millisecond of a month, the latter excluded (UTC).
fn month_of(now: Millis) -> (Millis, Millis) {
    let (year, month) = year_and_month(now.div_euclid(DAY_MS));
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (first_day(year, month) * DAY_MS, first_day(next.0, next.1) * DAY_MS)
}

/// Days from 1970-01-01 to the first of a month.
fn first_day(year: i64, month: i64) -> i64 {
    // Years begin in March, so that a leap day is a year's last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 - 719_468
}

fn year_and_month(day: i64) -> (i64, i64) {
    // The guess is at most a year too late or early.
    let mut year = 1970 + day.div_euclid(365);
    while first_day(year, 1) > day {
        year -= 1;
    }
    let month = (1..=12).rev().find(|month| first_day(year, *month) <= day).unwrap_or(1);
    (year, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(text: &str) -> Contact {
        Contact::phone(text).expect("a number")
    }

    #[test]
    fn the_longest_prefix_sets_the_price() {
        let prices = [("+1", 8), ("+1876", 200), ("+49", 70)];
        let pumping = Pumping {
            prices: prices.into_iter().map(|(prefix, price)| (prefix.to_owned(), price)).collect(),
            default_price: 50,
            ..Pumping::default()
        };
        for (number, price) in
            [("+14155552671", 8), ("+18765551234", 200), ("+49301234567", 70), ("+33123456789", 50)]
        {
            assert_eq!(pumping.price(&phone(number)), price);
        }
        assert_eq!(pumping.price(&Contact::email("a@b.example").expect("an address")), 0);
    }

    #[test]
    fn text_messages_go_nowhere_until_countries_are_listed() {
        let tenant = OrganizationId::from_bytes([1; 16]);
        let mut pumping = Pumping::default();
        assert!(!pumping.allows_any());
        assert!(!pumping.allows(tenant, &phone("+14155552671")));
        assert!(pumping.allows(tenant, &Contact::email("a@b.example").expect("an address")));
        pumping.countries = vec!["*".to_owned()];
        assert!(pumping.allows_any());
        assert!(pumping.allows(tenant, &phone("+14155552671")));
        pumping.countries = vec!["DE".to_owned(), "+1876".to_owned()];
        assert!(pumping.allows(tenant, &phone("+18765551234")));
        assert!(!pumping.allows(tenant, &phone("+14155552671")));
        assert!(pumping.allows(tenant, &phone("+49301234567")));
        assert!(pumping.allows(tenant, &Contact::email("a@b.example").expect("an address")));
        let own = OrganizationPumping { countries: Some(vec!["+1".to_owned()]), ..Default::default() };
        pumping.organizations.insert(tenant, own);
        assert!(pumping.allows(tenant, &phone("+14155552671")));
        assert!(!pumping.allows(tenant, &phone("+49301234567")));
        pumping
            .organizations
            .insert(tenant, OrganizationPumping { countries: Some(Vec::new()), ..Default::default() });
        assert!(!pumping.allows(tenant, &phone("+14155552671")), "an organization may have none of its own");
    }

    #[test]
    fn too_few_used_codes_close_a_prefix_and_more_of_them_open_it() {
        let ratio = Ratio { unverified: 20, floor_percent: 20, window_seconds: 60, action: Action::Withhold };
        let tally = |amount, verified| Tally { amount, verified, ..Tally::default() };
        assert!(!ratio.is_closed(&tally(19, 0)));
        assert!(ratio.is_closed(&tally(20, 0)));
        assert!(!ratio.is_closed(&tally(25, 5)), "a fifth is enough");
        assert!(ratio.is_closed(&tally(26, 5)));
        assert!(!ratio.is_closed(&tally(1000, 200)));
        let carried = Tally { amount: 10, previous_amount: 10, ..Tally::default() };
        assert!(ratio.is_closed(&carried), "the window before counts");
        for amount in 0..400 {
            for verified in 0..=amount {
                let sent = tally(amount, verified);
                let expected = amount - verified >= 20 && verified * 100 < 20 * amount;
                assert_eq!(ratio.is_closed(&sent), expected, "{amount} {verified}");
            }
        }
    }

    #[test]
    fn months_begin_on_their_first_day() {
        let ms = |days: i64| days * DAY_MS;
        assert_eq!(month_of(0), (0, ms(31)));
        // 2024-02-29, 2027-01-15 and 1999-12-31.
        assert_eq!(month_of(ms(19_782) + 5), (ms(19_754), ms(19_783)));
        assert_eq!(month_of(1_800_000_000_000), (1_798_761_600_000, 1_801_440_000_000));
        assert_eq!(month_of(ms(10_956)), (ms(10_926), ms(10_957)));
    }

    #[test]
    fn a_part_of_the_caps_is_kept_for_contacts_that_were_verified() {
        let tenant = OrganizationId::from_bytes([1; 16]);
        let mut pumping = Pumping { spend_per_day: 1000, spend_per_month: 0, ..Pumping::default() };
        let caps = |pumping: &Pumping| -> Vec<_> {
            let shares = pumping.shares(tenant, 1_800_000_000_000).into_iter();
            shares.map(|share| (share.guard.name(), share.cap, share.for_newcomers)).collect()
        };
        assert_eq!(caps(&pumping), [("spend_per_day", 1000, 800)]);
        let own = OrganizationPumping { spend_per_month: Some(5000), ..Default::default() };
        pumping.organizations.insert(tenant, own);
        assert_eq!(caps(&pumping), [("spend_per_day", 1000, 800), ("spend_per_month", 5000, 4000)]);
    }

    #[test]
    fn the_defaults_have_no_problems_and_nonsense_has() {
        assert_eq!(Pumping::default().problems(), Vec::<String>::new());
        let mut bad =
            Pumping { countries: vec!["Germany".to_owned()], prefix_digits: 2, ..Pumping::default() };
        bad.prices.insert("1".to_owned(), 5);
        bad.prefix_ratio.action = Action::Delay;
        bad.spend_per_day = -1;
        let problems = bad.problems().join("; ");
        for part in ["Germany", "prefix_digits", "`pumping.prices`", "`pumping.prefix_ratio`", "micro-units"]
        {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    #[test]
    fn the_prefix_of_a_closed_country_is_open_where_codes_are_used() {
        let ratio = Pumping::default().country_ratio;
        assert!(!ratio.speaks_for(&Tally::default()));
        assert!(ratio.speaks_for(&Tally { amount: 5, verified: 1, ..Tally::default() }));
        assert!(!ratio.speaks_for(&Tally { amount: 6, verified: 1, ..Tally::default() }));
        assert_eq!(crate::limits::country(&phone("+49301234567")), Some("DE".to_owned()));
    }
}
