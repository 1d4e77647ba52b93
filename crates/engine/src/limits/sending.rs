//! Whether a message may be sent, and what is counted when it is: every limit and the guard, in one place.

use std::collections::BTreeSet;

use vestibule_crypto::fingerprint::sha256;
use vestibule_wire::{AliasRules, Contact, OrganizationId, OtpType, Refusal};

use super::bucket::Bucket;
use super::contact::{self, Allowance, Wait};
use super::counters::{Counter, CounterWindow};
use super::pumping::{Guard, Pumping, Ratio};
use super::{Action, Limit, LimitName, LimitTable, Limited, Subject, masked, phone, seconds_up};
use crate::model::{IdentifierKey, Organization, Otp};
use crate::settings::Settings;
use crate::store::{Facts, Write};

/// What is known of whom a call of the auth proxy comes from, beside the call itself.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// Too few of the codes that its client address asked for were used: what comes of text messages it asks for.
    pub closed: Option<Action>,
    /// That address, as reports show it.
    pub client: Option<String>,
    /// How much later the messages it asks for are sent, milliseconds.
    pub hold_ms: i64,
}

/// A message that may be sent, or is to be withheld.
pub(crate) struct Sending {
    /// How it takes its place among those of its contact; a message without a code takes no slot.
    pub(crate) allowance: Allowance,
    /// What the identifier's window demands of the send, milliseconds; `None` where it is not counted.
    pub(crate) identifier_window_ms: Option<i64>,
    /// What is counted.
    pub(crate) counts: Vec<Write>,
    /// How much later it is sent, milliseconds.
    pub(crate) hold_ms: i64,
    /// Whether it is answered as if it were sent, and is not.
    pub(crate) withheld: bool,
    /// Limits that were met and let it pass.
    pub(crate) limited: Vec<Limited>,
}

/// A message that must not be sent.
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) limited: Limited,
}

/// What is asked.
pub(crate) struct Question<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) facts: &'a Facts,
    pub(crate) organization: &'a Organization,
    pub(crate) contact: &'a Contact,
    pub(crate) identifier: Option<IdentifierKey>,
    pub(crate) trusted: bool,
    pub(crate) visit: &'a Visit,
}

/// The names of counters.
struct Names<'a> {
    table: &'a LimitTable,
    pumping: &'a Pumping,
    aliases: &'a AliasRules,
    contact: Option<&'a Contact>,
    identifier: Option<IdentifierKey>,
}

impl<'a> Names<'a> {
    fn of(settings: &'a Settings, contact: Option<&'a Contact>, identifier: Option<IdentifierKey>) -> Self {
        let Settings { limits: table, pumping, alias_rules: aliases, .. } = settings;
        Self { table, pumping, aliases, contact, identifier }
    }

    fn prefix(&self) -> Option<&'a str> {
        phone::prefix(self.contact?, self.pumping.prefix_digits)
    }

    fn country(&self) -> Option<String> {
        phone::country(self.contact?)
    }

    fn is_sms(&self) -> bool {
        self.contact.is_some_and(|contact| contact.kind() == OtpType::Sms)
    }

    /// Whose events a row of the table counts here, as reports show it; `None` where it has none to count.
    fn subject(&self, name: LimitName) -> Option<String> {
        Some(match name.subject() {
            Subject::Contact => masked(self.contact?),
            Subject::Mailbox => {
                // Where a domain has no rule, the limits of the contact say it all.
                self.contact.filter(|contact| self.aliases.rules(contact)).map(masked)?
            }
            Subject::Identifier => {
                self.identifier.map(|key| format!("sha256:{}", hex::encode(&key.0[..8])))?
            }
            Subject::Organization => String::new(),
            Subject::Prefix => self.prefix()?.to_owned(),
            Subject::Country => self.country()?,
            Subject::Address => return None,
        })
    }

    /// The counter of a row that is on.
    fn counter(&self, name: LimitName) -> Option<String> {
        if !self.table.get(name).is_on() {
            return None;
        }
        let subject = match name.subject() {
            // The whole hash: two identifiers that share its beginning are still two.
            Subject::Identifier => hex::encode(self.identifier?.0),
            Subject::Mailbox => {
                let form =
                    self.contact.filter(|contact| self.aliases.rules(contact))?.limit_form(self.aliases);
                hex::encode(sha256(form.as_bytes()))
            }
            _ => self.subject(name)?,
        };
        Some(format!("{} {subject}", name.name()))
    }

    /// The counter of a ratio that is on.
    fn ratio(&self, guard: Guard) -> Option<(Ratio, String, String)> {
        let ratio = match guard {
            Guard::PrefixRatio => self.pumping.prefix_ratio,
            Guard::CountryRatio => self.pumping.country_ratio,
            Guard::Countries | Guard::AddressRatio | Guard::SpendPerDay | Guard::SpendPerMonth => {
                return None;
            }
        };
        if !ratio.is_on() {
            return None;
        }
        let subject = if guard == Guard::PrefixRatio { self.prefix()?.to_owned() } else { self.country()? };
        Some((ratio, format!("{} {subject}", guard.name()), subject))
    }
}

/// Rows whose events are counted when a message is sent.
const OF_SENDS: [LimitName; 4] =
    [LimitName::MailboxSends, LimitName::OrganizationSends, LimitName::PrefixSends, LimitName::CountrySends];

/// Rows whose events are counted when a guess is wrong. A send asks for them, too.
const OF_FAILURES: [LimitName; 4] = [
    LimitName::IdentifierFailures,
    LimitName::OrganizationFailures,
    LimitName::PrefixFailures,
    LimitName::CountryFailures,
];

const RATIOS: [Guard; 2] = [Guard::PrefixRatio, Guard::CountryRatio];

/// The counters that decide whether a message may be sent; none where nothing that needs one is configured.
pub(crate) fn scopes(
    settings: &Settings,
    contact: &Contact,
    identifier: Option<IdentifierKey>,
) -> BTreeSet<String> {
    let names = Names::of(settings, Some(contact), identifier);
    let rows = OF_SENDS.into_iter().chain(OF_FAILURES).filter_map(|name| names.counter(name));
    let ratios = RATIOS.into_iter().filter_map(|guard| Some(names.ratio(guard)?.1));
    let caps = [Guard::SpendPerDay, Guard::SpendPerMonth]
        .into_iter()
        .filter(|guard| names.is_sms() && settings.pumping.has_cap(*guard))
        .map(|guard| guard.name().to_owned());
    rows.chain(ratios).chain(caps).collect()
}

/// What a wrong guess counts, beside the contact's own failures.
pub(crate) fn wrong_guess(settings: &Settings, otp: &Otp) -> Vec<Write> {
    let contact = Contact::stored(otp.otp_type, &otp.contact).ok();
    let names = Names::of(settings, contact.as_ref(), otp.identifier_key);
    let count = |name: LimitName| {
        let bucket = Bucket::of(settings.limits.get(name));
        let scope = names.counter(name)?;
        // It happened already: it counts in a bucket that is full, too.
        Some(Write::Fill { tenant: otp.tenant_id, scope, bucket, drops: 1, guarded: false })
    };
    in_order(OF_FAILURES.into_iter().filter_map(count).collect())
}

/// What a right guess tells of the number that the code was sent to.
pub(crate) fn settled(settings: &Settings, otp: &Otp) -> Vec<Write> {
    let contact = Contact::stored(otp.otp_type, &otp.contact).ok();
    let names = Names::of(settings, contact.as_ref(), None);
    let credit = |guard| Some(Write::CreditVerified { tenant: otp.tenant_id, scope: names.ratio(guard)?.1 });
    in_order(RATIOS.into_iter().filter_map(credit).collect())
}

/// Two change sets that count the same wait for each other in one direction only.
fn in_order(mut writes: Vec<Write>) -> Vec<Write> {
    writes.sort_by(|one, other| scope_of(one).cmp(scope_of(other)));
    writes
}

fn scope_of(write: &Write) -> &str {
    match write {
        Write::Count { scope, .. } | Write::Fill { scope, .. } | Write::CreditVerified { scope, .. } => scope,
        _ => "",
    }
}

/// Whether a code may be sent.
pub(crate) fn sending(question: &Question<'_>) -> Result<Sending, Refused> {
    let Question { settings, facts, contact, identifier, trusted, .. } = *question;
    let mut case = Case::new(question);
    case.countries()?;
    let allowance = contact::send(&settings.limits, &facts.contact_limits, facts.now, trusted)
        .map_err(|Wait { limit, ms }| case.refusal(limit, ms))?;
    case.hold_ms = case.hold_ms.max(allowance.delay_ms);
    for name in &allowance.met {
        case.met(*name);
    }
    // The reserve is for those whom a flood shuts out, and floods can carry their identifier.
    let counted = identifier.filter(|_| !allowance.reserved);
    let mut identifier_window_ms = None;
    if counted.is_some() {
        let wait = contact::identifier_wait(&settings.limits, &facts.identifier_limits, facts.now);
        identifier_window_ms = Some(case.row(LimitName::IdentifierSends, wait)?);
    }
    case.counters()?;
    case.guards(contact)?;
    Ok(case.finish(allowance, identifier_window_ms))
}

/// Whether a message that carries no code may be sent.
pub(crate) fn mailing(question: &Question<'_>) -> Result<Sending, Refused> {
    let Question { settings, facts, .. } = *question;
    let mut case = Case::new(question);
    let wait = contact::mail_wait(&settings.limits, &facts.contact_limits, facts.now);
    let window_ms = case.row(LimitName::ContactSends, wait)?;
    case.counters()?;
    Ok(case.finish(Allowance { window_ms, ..Allowance::default() }, None))
}

/// One question on its way through the limits.
struct Case<'a> {
    question: &'a Question<'a>,
    names: Names<'a>,
    counts: Vec<Write>,
    hold_ms: i64,
    withheld: bool,
    limited: Vec<Limited>,
}

impl<'a> Case<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        let Question { settings, contact, identifier, visit, .. } = *question;
        Self {
            question,
            names: Names::of(settings, Some(contact), identifier),
            counts: Vec::new(),
            hold_ms: visit.hold_ms,
            withheld: false,
            limited: Vec::new(),
        }
    }

    fn finish(self, allowance: Allowance, identifier_window_ms: Option<i64>) -> Sending {
        let Self { counts, hold_ms, withheld, limited, .. } = self;
        // A withheld message costs the same work, and counts for nothing.
        let weigh = |write| match write {
            Write::Count { tenant, scope, window, amount: _, ceiling: _ } if withheld => {
                Write::Count { tenant, scope, window, amount: 0, ceiling: i64::MAX }
            }
            Write::Fill { tenant, scope, bucket, drops: _, guarded: _ }
                if withheld && !scope.starts_with(LimitName::OrganizationSends.name()) =>
            {
                Write::Fill { tenant, scope, bucket, drops: 0, guarded: false }
            }
            other => other,
        };
        Sending {
            allowance,
            identifier_window_ms,
            counts: in_order(counts.into_iter().map(weigh).collect()),
            hold_ms,
            withheld,
            limited,
        }
    }

    fn tenant(&self) -> OrganizationId {
        self.question.organization.tenant()
    }

    /// A row refuses. Which one it was the answer does not tell, but for those of a whole organization.
    fn refusal(&self, name: LimitName, ms: Option<i64>) -> Refused {
        let retry_after = ms.map(seconds_up);
        let refusal = match name.subject() {
            Subject::Organization => self.of_organization(retry_after),
            _ => Refusal::MaxOtpInitiated { retry_after },
        };
        let subject = self.names.subject(name).unwrap_or_default();
        Refused { refusal, limited: Limited { limit: name.name(), action: Action::Refuse, subject } }
    }

    fn of_organization(&self, retry_after: Option<u32>) -> Refusal {
        let sub_organization = self.question.organization.parent_id.is_some();
        Refusal::OrganizationRateLimited { sub_organization, retry_after }
    }

    /// A row that was met and does not refuse.
    fn met(&mut self, name: LimitName) {
        let action = self.question.settings.limits.get(name).action;
        let subject = self.names.subject(name).unwrap_or_default();
        self.limited.push(Limited { limit: name.name(), action, subject });
    }

    /// A row that lets the next one pass after `wait` milliseconds: zero or less where that is now. Returns what its guard
    /// demands.
    fn row(&mut self, name: LimitName, wait: i64) -> Result<i64, Refused> {
        let limit = self.question.settings.limits.get(name);
        let window_ms = if limit.action == Action::Refuse { limit.window_ms() } else { 0 };
        if wait > 0 {
            self.exceeded(name, limit, wait)?;
        }
        Ok(window_ms)
    }

    fn exceeded(&mut self, name: LimitName, limit: Limit, wait: i64) -> Result<(), Refused> {
        match limit.action {
            Action::Refuse | Action::Withhold => return Err(self.refusal(name, Some(wait))),
            Action::Delay => self.hold_ms = self.hold_ms.max(wait),
            Action::Record | Action::Off => {}
        }
        self.met(name);
        Ok(())
    }

    /// Rows that are counted in the shared counters.
    fn counters(&mut self) -> Result<(), Refused> {
        let now = self.question.facts.now;
        for name in OF_SENDS.into_iter().chain(OF_FAILURES) {
            let Some(scope) = self.names.counter(name) else { continue };
            if name == LimitName::MailboxSends && self.question.trusted {
                // Floods can spell an address in many ways; its owner gets through by the contact's own limits.
                continue;
            }
            let limit = self.question.settings.limits.get(name);
            let bucket = Bucket::of(limit);
            let wait = bucket.wait_ms(bucket.level_us(&self.counter(&scope), now));
            if wait > 0 {
                self.exceeded(name, limit, wait)?;
            }
            if OF_SENDS.contains(&name) {
                let (tenant, guarded) = (self.tenant(), limit.action == Action::Refuse);
                self.counts.push(Write::Fill { tenant, scope, bucket, drops: 1, guarded });
            }
        }
        Ok(())
    }

    fn counter(&self, scope: &str) -> Counter {
        self.question.facts.counters.get(scope).copied().unwrap_or_default()
    }

    fn count(&mut self, scope: String, window: CounterWindow, amount: i64, ceiling: i64) {
        self.counts.push(Write::Count { tenant: self.tenant(), scope, window, amount, ceiling });
    }

    /// Whether text messages go to that country at all. That is no secret, and waiting does not help.
    fn countries(&mut self) -> Result<(), Refused> {
        let Question { settings, contact, .. } = *self.question;
        if settings.pumping.allows(self.tenant(), contact) {
            return Ok(());
        }
        let action = settings.pumping.effective(Action::Refuse);
        let subject = self.names.country().unwrap_or_default();
        let limited = Limited { limit: Guard::Countries.name(), action, subject };
        if action == Action::Refuse {
            return Err(Refused { refusal: Refusal::InvalidPhone, limited });
        }
        self.limited.push(limited);
        Ok(())
    }

    /// Whether the contact was verified before, or its caller is known to be its owner.
    fn is_proven(&self) -> bool {
        let facts = self.question.facts;
        self.question.trusted
            || facts.contact_limits.proven_at > 0
            || !facts.verified_contact.is_empty()
            || facts.contact_in_target.iter().any(|holder| holder.verified)
    }

    /// The guard against pumping.
    fn guards(&mut self, contact: &Contact) -> Result<(), Refused> {
        if contact.kind() != OtpType::Sms {
            return Ok(());
        }
        let Question { settings, facts, visit, .. } = *self.question;
        let (pumping, now) = (&settings.pumping, facts.now);
        if let Some(action) = visit.closed {
            self.closed(Guard::AddressRatio, action, visit.client.clone().unwrap_or_default())?;
        }
        let mut in_good_standing = false;
        for guard in RATIOS {
            let Some((ratio, scope, subject)) = self.names.ratio(guard) else { continue };
            let window = ratio.window(now);
            let tally = self.counter(&scope).in_window(&window);
            let mut ceiling = ratio.closes_at(&tally);
            let spared = guard == Guard::CountryRatio && in_good_standing;
            if spared || pumping.effective(ratio.action) == Action::Record || self.is_proven() {
                ceiling = i64::MAX;
            }
            if ratio.is_closed(&tally) && !spared {
                self.closed(guard, ratio.action, subject)?;
            }
            in_good_standing = ratio.speaks_for(&tally);
            self.count(scope, window, 1, ceiling);
        }
        self.caps(contact)
    }

    /// What comes of a guard that is closed.
    fn closed(&mut self, guard: Guard, action: Action, subject: String) -> Result<(), Refused> {
        let action = self.question.settings.pumping.effective(action);
        // What is done for proven contacts must not show in the answer, unless the operator asked for a refusal.
        let done = if action != Action::Record && self.is_proven() { Action::Off } else { action };
        let limited = Limited { limit: guard.name(), action: done, subject };
        match done {
            Action::Refuse => {
                let refusal = Refusal::MaxOtpInitiated { retry_after: None };
                return Err(Refused { refusal, limited });
            }
            Action::Withhold | Action::Delay => self.withheld = true,
            Action::Record | Action::Off => {}
        }
        self.limited.push(limited);
        Ok(())
    }

    /// What may be spent.
    fn caps(&mut self, contact: &Contact) -> Result<(), Refused> {
        let Question { settings, facts, .. } = *self.question;
        let pumping = &settings.pumping;
        let price = pumping.price(contact);
        for share in pumping.shares(self.tenant(), facts.now) {
            let scope = share.guard.name().to_owned();
            let spent = self.counter(&scope).in_window(&share.window).amount;
            let proven = self.is_proven();
            let mut ceiling = if proven { share.cap } else { share.for_newcomers };
            if pumping.record_only {
                ceiling = i64::MAX;
            }
            if spent + price > share.cap {
                let action = pumping.effective(Action::Refuse);
                let limited = Limited { limit: share.guard.name(), action, subject: String::new() };
                if action == Action::Refuse {
                    let retry_after = Some(seconds_up(share.window.expires_at - facts.now));
                    return Err(Refused { refusal: self.of_organization(retry_after), limited });
                }
                self.limited.push(limited);
            } else if spent + price > share.for_newcomers {
                self.closed(share.guard, Action::Withhold, String::new())?;
            }
            self.count(scope, share.window, price, ceiling);
        }
        Ok(())
    }
}
