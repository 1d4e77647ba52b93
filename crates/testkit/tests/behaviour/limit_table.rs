//! The table of limits: what is configured is what is enforced, row by row and action by action, through the front door.

use std::net::IpAddr;

use serde_json::{Value, json};
use vestibule_engine::limits::{Action, Limit, LimitName, LimitTable, Pumping, Subject};
use vestibule_engine::{AbuseFilter, Settings};
use vestibule_testkit::{Reply, TestServer};
use vestibule_wire::{ActivityType, OtpType};

const TOO_MANY: (u16, &str, &str) =
    (400, "MAX_OTP_INITIATED", "Max number of OTPs have been initiated please wait and try again");
const ORGANIZATION: (u16, &str, &str) = (
    429,
    "RATE_LIMIT_EXCEEDED",
    "this organization cannot execute activities because it has been rate limited.",
);
const ADDRESS: (u16, &str, &str) =
    (429, "RATE_LIMIT_EXCEEDED", "too many requests from this address, please wait and try again");

const WINDOW_S: u32 = 20;
/// How long a row that is refilled steadily takes for one of two.
const REFILL_MS: i64 = 10_000;
/// Of a code; longer than twice the window, so that a delayed one comes when its limit allows it.
const LIFE_S: i64 = 60;

/// A table in which no row but this one is met.
fn only(name: LimitName, limit: Limit) -> Settings {
    let mut limits = LimitTable::default();
    for row in LimitName::ALL {
        let open = match row {
            // These have no off.
            LimitName::ContactSends | LimitName::IdentifierSends | LimitName::ContactPauses => {
                Limit { action: Action::Record, ..Limit::refuse(3, 1) }
            }
            LimitName::ContactLiveCodes | LimitName::ContactFailures => limits.get(*row),
            _ => Limit::OFF,
        };
        *limits.get_mut(*row) = open;
    }
    *limits.get_mut(name) = limit;
    assert_eq!(limits.problems(), Vec::<String>::new());
    Settings { limits, pumping: unguarded(), ..Settings::default() }
}

/// No guard against pumping.
fn unguarded() -> Pumping {
    let mut pumping = Pumping { spend_per_day: 0, ..Pumping::default() };
    pumping.prefix_ratio.action = Action::Off;
    pumping.country_ratio.action = Action::Off;
    pumping.address_ratio.action = Action::Off;
    pumping
}

/// A server with one row set tight, and what happens under it.
struct Trial {
    server: TestServer,
    name: LimitName,
    sent: Vec<(OtpType, String)>,
}

impl Trial {
    /// The contact of the `n`th step: one for rows of a contact, and else one that shares just what the row counts by.
    fn contact(&self, n: u32) -> (OtpType, String) {
        match self.name.subject() {
            Subject::Contact => (OtpType::Email, "user@acme.example".to_owned()),
            Subject::Mailbox => (OtpType::Email, format!("ada.lovelace+{n}@gmail.com")),
            Subject::Prefix => (OtpType::Sms, format!("+1415555{n:04}")),
            Subject::Country => (OtpType::Sms, format!("+4930{n:03}1234")),
            Subject::Identifier | Subject::Organization | Subject::Address => {
                (OtpType::Email, format!("user{n}@acme.example"))
            }
        }
    }

    fn address() -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, 7]))
    }

    /// Sends a code as the `n`th step.
    async fn send(&mut self, n: u32) -> Reply {
        let (kind, contact) = self.contact(n);
        let reply = match self.name.subject() {
            Subject::Address => {
                let body = json!({ "otpType": kind, "contact": contact });
                self.server.proxy_from(Self::address(), "otp_init", body).await
            }
            subject => {
                let mut parameters = json!({
                    "otpType": kind, "contact": contact, "appName": "Acme", "expirationSeconds": LIFE_S.to_string(),
                });
                if subject == Subject::Identifier {
                    parameters["userIdentifier"] = json!("203.0.113.7");
                }
                self.server.backend(ActivityType::InitOtpV2, parameters).await
            }
        };
        if reply.status == 200 {
            self.sent.push((kind, contact));
        }
        reply
    }

    /// Guesses wrong at the code that was just sent.
    async fn guess(&self, sent: &Reply, n: u32) -> Reply {
        let code = format!("OOOO{n}");
        if self.name.subject() == Subject::Address {
            let otp_id: &Value = &sent.body["otpId"];
            let guess = json!({ "otpId": otp_id, "otpCode": code });
            return self.server.proxy_from(Self::address(), "otp_verify", guess).await;
        }
        let guess = json!({ "otpId": sent.text("otpId"), "otpCode": code });
        self.server.backend(ActivityType::VerifyOtp, guess).await
    }

    /// Codes that are on their way by now, beside those that still wait.
    async fn arrived(&self) -> usize {
        let mut contacts = self.sent.clone();
        contacts.sort_by(|a, b| a.1.cmp(&b.1));
        contacts.dedup();
        let mut count = 0;
        for (kind, contact) in contacts {
            count += self.server.messages(kind, &contact).await.len();
        }
        count
    }

    async fn is_reported(&self, action: Action) -> bool {
        let filter = AbuseFilter { hours: 1, most: 100, ..AbuseFilter::default() };
        let report = self.server.engine.abuse_report(&filter).await.expect("the store answers");
        report.iter().any(|r| r.limit == self.name.name() && r.action == action.name() && r.hits > 0)
    }

    /// One more, after as many as are allowed.
    async fn exceed(&mut self, n: u32) -> Reply {
        match self.name {
            LimitName::AddressRequests => {
                self.server.proxy_from(Self::address(), "wallet_kit_config", json!({})).await
            }
            LimitName::AddressFailures => {
                // The code itself comes from elsewhere.
                let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": format!("user{n}@acme.example") });
                let sent = self.server.proxy("otp_init", body).await;
                self.guess(&sent, n).await
            }
            _ => self.send(n).await,
        }
    }
}

/// What a refusal by the row looks like, and whether it says when to come back.
fn refusal(name: LimitName) -> ((u16, &'static str, &'static str), bool) {
    match name.subject() {
        Subject::Organization => (ORGANIZATION, true),
        Subject::Address => (ADDRESS, true),
        _ => (TOO_MANY, name != LimitName::ContactFailures),
    }
}

/// Whether the row counts wrong guesses, and judges sends by them.
fn judges_sends_by_failures(name: LimitName) -> bool {
    match name {
        LimitName::ContactFailures
        | LimitName::ContactPauses
        | LimitName::IdentifierFailures
        | LimitName::OrganizationFailures
        | LimitName::PrefixFailures
        | LimitName::CountryFailures => true,
        LimitName::ContactSends
        | LimitName::ContactLiveCodes
        | LimitName::MailboxSends
        | LimitName::IdentifierSends
        | LimitName::OrganizationSends
        | LimitName::PrefixSends
        | LimitName::CountrySends
        | LimitName::AddressRequests
        | LimitName::AddressSends
        | LimitName::AddressFailures => false,
    }
}

/// Uses up what a row allows. Returns the number of the next step.
async fn use_up(trial: &mut Trial, count: u32) -> u32 {
    let name = trial.name;
    if name == LimitName::ContactFailures {
        // Three codes of three guesses each, so that none is refused for want of guesses in the budget.
        let sent = [trial.send(0).await, trial.send(1).await, trial.send(2).await];
        for (n, sent) in sent.iter().flat_map(|sent| [sent; 3]).enumerate() {
            let refused = trial.guess(sent, n as u32).await;
            assert_eq!(refused.refusal().2, "Invalid OTP code", "{name:?}");
        }
        trial.server.clock.advance_s(2);
        return 3;
    }
    // The pauses begin one failure after those that cost nothing.
    use_up_from(trial, 0, if name == LimitName::ContactPauses { count + 1 } else { count }).await
}

/// Makes so many events, the `first`th step the first of them. Returns how many.
async fn use_up_from(trial: &mut Trial, first: u32, events: u32) -> u32 {
    let name = trial.name;
    for n in first..first + events {
        if judges_sends_by_failures(name) {
            let sent = trial.send(n).await;
            assert_eq!(sent.status, 200, "{name:?} {n}: {}", sent.body);
            let refused = trial.guess(&sent, n).await;
            assert_eq!(refused.refusal().2, "Invalid OTP code", "{name:?}");
        } else {
            let reply = trial.exceed(n).await;
            let passed = reply.status == 200 || reply.body["message"] == "Invalid OTP code";
            assert!(passed, "{name:?} {n}: {}", reply.body);
        }
    }
    events
}

async fn drive(name: LimitName, action: Action) {
    let count = match name {
        LimitName::ContactFailures => 9,
        // So that a third code still finds a place.
        LimitName::ContactPauses => 1,
        _ => 2,
    };
    let window_seconds = if name.has_window() { WINDOW_S } else { 0 };
    let server = TestServer::with(only(name, Limit { count, window_seconds, burst: None, action })).await;
    let mut trial = Trial { server, name, sent: Vec::new() };
    let mut n = use_up(&mut trial, count).await;
    let is_send = !matches!(name, LimitName::AddressRequests | LimitName::AddressFailures);
    let before = trial.arrived().await;

    let met = trial.exceed(n).await;
    n += 1;
    match action {
        Action::Refuse => {
            let (expected, waits) = refusal(name);
            assert_eq!(met.refusal(), expected, "{name:?}");
            let after = met.headers.get("retry-after").and_then(|v| v.to_str().ok()?.parse::<i64>().ok());
            assert_eq!(after.is_some(), waits, "{name:?}");
            assert!(after.is_none_or(|seconds| (1..=LIFE_S).contains(&seconds)), "{name:?} {after:?}");
            assert_eq!(trial.arrived().await, before, "{name:?}");
        }
        Action::Delay => {
            assert_eq!(met.status, 200, "{name:?}: {}", met.body);
            assert_eq!(trial.arrived().await, before, "{name:?}: it waits");
        }
        Action::Record => {
            let passed = met.status == 200 || met.body["message"] == "Invalid OTP code";
            assert!(passed, "{name:?}: {}", met.body);
            assert_eq!(trial.arrived().await, before + usize::from(is_send), "{name:?}");
        }
        Action::Withhold | Action::Off => unreachable!("no row may do that"),
    }
    assert!(trial.is_reported(action).await, "{name:?} {action:?} is not in the report");

    // Time passes. Rows without one wait for their codes to end, or for an operator.
    match name {
        LimitName::ContactLiveCodes => trial.server.clock.advance_s(LIFE_S),
        LimitName::ContactFailures => {
            trial.server.clock.advance_s(30 * 24 * 3600);
            assert_eq!(trial.exceed(n).await.refusal(), TOO_MANY, "waiting does not help");
            let organization = trial.server.tenant.organization_id;
            let reset = trial.server.engine.reset_contact(organization, OtpType::Email, "user@acme.example");
            reset.await.expect("the operator resets it");
        }
        _ => {
            let wait_ms = if name.has_burst() { REFILL_MS } else { i64::from(WINDOW_S) * 1000 };
            trial.server.clock.advance_ms(wait_ms - 1);
            if action == Action::Refuse {
                assert_eq!(trial.exceed(n).await.refusal(), refusal(name).0, "{name:?}: too early");
            }
            if action == Action::Delay {
                assert_eq!(trial.arrived().await, before, "{name:?}: too early");
            }
            trial.server.clock.advance_ms(1);
        }
    }
    if action == Action::Delay {
        assert_eq!(trial.arrived().await, before + 1, "{name:?}: now it is sent");
    }
    if action != Action::Refuse {
        // What passed has made the window anew, and its code may hold a place.
        trial.server.clock.advance_s(LIFE_S.max(i64::from(WINDOW_S)) * 8);
    }
    let before = trial.arrived().await;
    let passed = trial.exceed(n + 1).await;
    assert!(
        passed.status == 200 || passed.body["message"] == "Invalid OTP code",
        "{name:?} {action:?} after the window: {}",
        passed.body
    );
    assert_eq!(trial.arrived().await, before + usize::from(is_send), "{name:?} {action:?}: and at once");
}

#[tokio::test]
async fn every_row_is_enforced_as_configured() {
    let mut driven = 0;
    for name in LimitName::ALL {
        for action in name.actions() {
            if *action != Action::Off {
                drive(*name, *action).await;
                driven += 1;
            }
        }
    }
    assert_eq!(LimitName::ALL.len(), 16);
    assert!(driven >= 35, "{driven}");
}

#[tokio::test]
async fn no_more_than_the_burst_comes_at_once_and_the_rest_at_the_rate_of_the_window() {
    let rows: Vec<LimitName> = LimitName::ALL.iter().copied().filter(|name| name.has_burst()).collect();
    for name in &rows {
        let limit = Limit { burst: Some(2), ..Limit::refuse(4, WINDOW_S) };
        let server = TestServer::with(only(*name, limit)).await;
        let mut trial = Trial { server, name: *name, sent: Vec::new() };
        let n = use_up(&mut trial, 2).await;
        let refused = refusal(*name).0;
        assert_eq!(trial.exceed(n).await.refusal(), refused, "{name:?}");
        trial.server.clock.advance_ms(REFILL_MS / 2 - 1);
        assert_eq!(trial.exceed(n + 1).await.refusal(), refused, "{name:?}");
        trial.server.clock.advance_ms(1);
        let passed = trial.exceed(n + 2).await;
        assert!(
            passed.status == 200 || passed.body["message"] == "Invalid OTP code",
            "{name:?} {}",
            passed.body
        );
        if !judges_sends_by_failures(*name) {
            assert_eq!(trial.exceed(n + 3).await.refusal(), refused, "{name:?}");
        }
        // However long the pause, no more than the burst comes at once after it.
        trial.server.clock.advance_s(i64::from(WINDOW_S) * 20);
        let n = n + 4 + use_up_from(&mut trial, n + 4, 2).await;
        assert_eq!(trial.exceed(n).await.refusal(), refused, "{name:?}");
    }
    assert_eq!(rows.len(), 11);
}

#[tokio::test]
async fn a_row_that_is_off_counts_nothing() {
    for name in LimitName::ALL.iter().filter(|name| name.actions().contains(&Action::Off)) {
        let server = TestServer::with(only(*name, Limit::OFF)).await;
        let mut trial = Trial { server, name: *name, sent: Vec::new() };
        let n = use_up(&mut trial, 6).await;
        let reply = trial.exceed(n).await;
        assert!(reply.status == 200 || reply.body["message"] == "Invalid OTP code", "{name:?}");
        assert!(!trial.is_reported(Action::Record).await);
    }
}

#[tokio::test]
async fn a_limit_of_the_parent_holds_for_its_sub_organizations_and_says_so() {
    let server = TestServer::with(only(LimitName::OrganizationSends, Limit::refuse(2, WINDOW_S))).await;
    let account = server.create_user("user@acme.example").await;
    for n in 0..2 {
        let parameters = server.init_email(&format!("other{n}@acme.example"));
        assert_eq!(server.backend(ActivityType::InitOtpV3, parameters).await.status, 200);
    }
    let parameters = server.init_email("user@acme.example");
    let refused =
        server.submit(&server.tenant.key, ActivityType::InitOtpV3, account.organization_id, parameters).await;
    let message = "this sub-organization cannot execute activities because its parent has been rate limited.";
    assert_eq!(refused.refusal(), (429, "RATE_LIMIT_EXCEEDED", message));
    assert_eq!(refused.headers.get("retry-after").map(|v| v.as_bytes()), Some(b"10".as_slice()));
    let other = server.another_tenant().await;
    let parameters = server.init_email("user@acme.example");
    let served = server.submit(&other.key, ActivityType::InitOtpV3, other.organization_id, parameters).await;
    assert_eq!(served.status, 200, "{}", served.body);
}

#[tokio::test]
async fn fifty_sends_at_once_to_one_prefix_are_as_many_as_allowed() {
    let server = TestServer::with(only(LimitName::PrefixSends, Limit::refuse(7, WINDOW_S))).await;
    let sends = (0..50).map(|n| {
        let parameters =
            json!({ "otpType": "OTP_TYPE_SMS", "contact": format!("+1415555{n:04}"), "appName": "Acme" });
        server.backend(ActivityType::InitOtpV2, parameters)
    });
    let replies = futures_util::future::join_all(sends).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 7);
    assert!(replies.iter().filter(|reply| reply.status != 200).all(|reply| reply.refusal() == TOO_MANY));
}

#[tokio::test]
async fn a_delayed_code_leaves_half_of_its_life_to_be_typed() {
    let limit = Limit { action: Action::Delay, ..Limit::refuse(1, 3600) };
    let server = TestServer::with(only(LimitName::PrefixSends, limit)).await;
    let init = async |contact: &str| {
        let parameters = json!({ "otpType": "OTP_TYPE_SMS", "contact": contact, "appName": "Acme" });
        server.backend(ActivityType::InitOtpV2, parameters).await
    };
    assert_eq!(init("+14155550001").await.status, 200);
    let delayed = init("+14155550002").await;
    server.clock.advance_s(149);
    assert!(server.messages(OtpType::Sms, "+14155550002").await.is_empty());
    server.clock.advance_s(1);
    let sent = server.messages(OtpType::Sms, "+14155550002").await;
    let guess = json!({ "otpId": delayed.text("otpId"), "otpCode": sent[0].code });
    assert_eq!(server.backend(ActivityType::VerifyOtp, guess).await.status, 200);
}
