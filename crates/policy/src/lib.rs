//! Who may do what, as a pure function.
//!
//! Promise: a [`Permit`] exists only where a rule of this crate allowed it, and the engine commits nothing without one.
//! The order is that of protocol 00 section 5.2: root quorum, then policies, then implicit rights, then refusal.
//! Policies and consensus take their place between the first and the second step.

pub mod facts;
pub mod judgement;
pub mod language;

pub use judgement::Permit;
use vestibule_wire::view::Quorum;
use vestibule_wire::{ActivityType, PolicyOutcome, UserId};

/// What the decision may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is asked.
    pub activity: ActivityType,
    /// Who asks.
    pub caller: UserId,
    /// Root quorum of the organization the caller lives in.
    pub quorum: &'a Quorum,
    /// Whether the caller lives in the organization acted on.
    pub at_home: bool,
    /// Whether the activity concerns only the caller's own credentials or sessions.
    pub on_self: bool,
    /// Whether a valid auth proxy configuration, not a stamp, made the caller.
    pub by_proxy: bool,
}

/// The answer.
#[derive(Debug)]
pub enum Verdict {
    /// It may be done.
    Allow(Permit),
    /// It may not; the outcomes of the policies considered.
    Deny(Vec<PolicyOutcome>),
}

/// Decides one request.
pub fn judge(request: &Request<'_>) -> Verdict {
    let quorum_met = request.quorum.threshold == 1 && request.quorum.user_ids.contains(&request.caller);
    if quorum_met || proxy_right(request) || implicit_right(request) {
        Verdict::Allow(Permit::new(Vec::new()))
    } else {
        Verdict::Deny(Vec::new())
    }
}

/// The auth proxy does what its endpoints do, and nothing else (protocol 04, section 3).
fn proxy_right(request: &Request<'_>) -> bool {
    request.by_proxy
        && matches!(
            request.activity.kind(),
            "INIT_OTP" | "VERIFY_OTP" | "OTP_LOGIN" | "CREATE_SUB_ORGANIZATION"
        )
}

/// Users manage their own credentials and sessions (protocol 00 section 5.2, G-LOGIN-2).
fn implicit_right(request: &Request<'_>) -> bool {
    request.on_self
        && request.at_home
        && matches!(request.activity.kind(), "STAMP_LOGIN" | "CREATE_API_KEYS" | "DELETE_API_KEYS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u128) -> UserId {
        UserId(vestibule_wire::OrganizationId::from_bytes(n.to_be_bytes()).0)
    }

    fn allowed(
        activity: ActivityType,
        caller: UserId,
        quorum: &Quorum,
        on_self: bool,
        by_proxy: bool,
    ) -> bool {
        matches!(
            judge(&Request { activity, caller, quorum, at_home: true, on_self, by_proxy }),
            Verdict::Allow(_)
        )
    }

    #[test]
    fn a_root_user_alone_meets_a_threshold_of_one() {
        let quorum = Quorum { threshold: 1, user_ids: vec![user(1), user(2)] };
        for &activity in ActivityType::ALL {
            assert!(allowed(activity, user(1), &quorum, false, false));
        }
    }

    #[test]
    fn a_root_user_alone_does_not_meet_a_threshold_of_two() {
        let quorum = Quorum { threshold: 2, user_ids: vec![user(1), user(2)] };
        assert!(!allowed(ActivityType::InitOtpV3, user(1), &quorum, false, false));
        assert!(allowed(ActivityType::StampLogin, user(1), &quorum, true, false));
    }

    #[test]
    fn other_users_manage_only_themselves() {
        let quorum = Quorum { threshold: 1, user_ids: vec![user(1)] };
        for &activity in ActivityType::ALL {
            let own = matches!(activity.kind(), "STAMP_LOGIN" | "CREATE_API_KEYS" | "DELETE_API_KEYS");
            assert_eq!(allowed(activity, user(2), &quorum, true, false), own, "{}", activity.name());
            assert!(!allowed(activity, user(2), &quorum, false, false), "{}", activity.name());
        }
    }

    #[test]
    fn the_proxy_does_what_its_endpoints_do() {
        let quorum = Quorum { threshold: 1, user_ids: vec![user(1)] };
        assert!(allowed(ActivityType::CreateSubOrganizationV8, user(2), &quorum, false, true));
        assert!(!allowed(ActivityType::SetOrganizationFeature, user(2), &quorum, false, true));
        assert!(!allowed(ActivityType::CreateApiKeysV2, user(2), &quorum, false, true));
    }
}
