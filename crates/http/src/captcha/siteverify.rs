//! What providers answer to "siteverify", the question that all three of them share, and what it means.

use serde::Deserialize;
use vestibule_engine::CaptchaProvider;

/// Where a provider is asked.
pub(super) fn url(provider: CaptchaProvider) -> &'static str {
    match provider {
        CaptchaProvider::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        CaptchaProvider::Hcaptcha => "https://api.hcaptcha.com/siteverify",
        CaptchaProvider::Recaptcha => "https://www.google.com/recaptcha/api/siteverify",
    }
}

/// The longest token of a provider, bytes. Turnstile says 2048; the others say nothing, and theirs stay below this.
pub(super) fn max_token(provider: CaptchaProvider) -> usize {
    match provider {
        CaptchaProvider::Turnstile => 2048,
        CaptchaProvider::Hcaptcha | CaptchaProvider::Recaptcha => 8192,
    }
}

/// The members that matter. Providers add others, and leave out what does not apply.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) success: bool,
    #[serde(default, rename = "error-codes")]
    error_codes: Option<Vec<String>>,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    score: Option<f64>,
}

/// What an operator expects of a token beside that it is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) hostnames: &'a [String],
    pub(super) action: Option<&'a str>,
    pub(super) min_score: Option<f64>,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The token is good.
    Human,
    /// It is not.
    Refused(&'static str),
    /// The provider cannot be reached, or is overloaded. Nothing that a caller sends makes it so.
    Away(&'static str),
    /// The provider answered, and did not say whether the token is good: it does not know this server, or had troubles of its own.
    Unclear(&'static str),
}

/// Error codes by which a provider says that the secret is wrong.
const OF_SECRET: &[&str] = &[
    "missing-input-secret",
    "invalid-input-secret",
    "invalid-or-missing-secret",
    "sitekey-secret-mismatch",
    "invalid-keys",
];

/// Error codes by which a provider says that it could not do its work. `bad-request` is none of them: a caller may be able to
/// bring it about.
const OF_PROVIDER: &[&str] = &["internal-error"];

/// What an answer means. Whatever is not plainly a confirmation is none.
pub(super) fn judge(answer: &Answer, expected: &Expected<'_>) -> Verdict {
    let codes = answer.error_codes.as_deref().unwrap_or_default();
    let named = |known: &[&'static str]| known.iter().copied().find(|code| codes.iter().any(|c| c == code));
    if !answer.success {
        if let Some(code) = named(OF_SECRET).or_else(|| named(OF_PROVIDER)) {
            return Verdict::Unclear(code);
        }
        let used = ["timeout-or-duplicate", "already-seen-response", "expired-input-response"];
        return Verdict::Refused(named(&used).unwrap_or("not confirmed"));
    }
    let hostname = answer.hostname.as_deref().map(str::to_ascii_lowercase).unwrap_or_default();
    if !expected.hostnames.is_empty() && !expected.hostnames.contains(&hostname) {
        return Verdict::Refused("of another site");
    }
    if expected.action.is_some_and(|action| answer.action.as_deref() != Some(action)) {
        return Verdict::Refused("for another action");
    }
    if expected.min_score.is_some_and(|least| answer.score.is_none_or(|score| score < least)) {
        return Verdict::Refused("of too low a score");
    }
    Verdict::Human
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Expected<'static> = Expected { hostnames: &[], action: None, min_score: None };

    fn judged(json: &str, expected: &Expected<'_>) -> Verdict {
        judge(&serde_json::from_str(json).unwrap(), expected)
    }

    /// As each provider documents its answers.
    #[test]
    fn confirmations_of_every_provider_are_understood() {
        for json in [
            r#"{"success":true,"challenge_ts":"2026-01-02T03:04:05.678Z","hostname":"app.example.com","error-codes":[],"action":"login","cdata":"s"}"#,
            r#"{"success":true,"challenge_ts":"2026-01-02T03:04:05Z","hostname":"app.example.com","credit":false}"#,
            r#"{"success":true,"challenge_ts":"2026-01-02T03:04:05Z","hostname":"app.example.com"}"#,
            r#"{"success":true,"score":0.9,"action":"login","challenge_ts":"2026-01-02T03:04:05Z","hostname":"app.example.com","error-codes":null}"#,
        ] {
            assert_eq!(judged(json, &ANY), Verdict::Human, "{json}");
        }
    }

    #[test]
    fn refusals_are_told_from_troubles_of_the_provider_and_of_the_operator() {
        for (code, verdict) in [
            ("invalid-input-response", Verdict::Refused("not confirmed")),
            ("missing-input-response", Verdict::Refused("not confirmed")),
            ("bad-request", Verdict::Refused("not confirmed")),
            ("something-new", Verdict::Refused("not confirmed")),
            ("timeout-or-duplicate", Verdict::Refused("timeout-or-duplicate")),
            ("already-seen-response", Verdict::Refused("already-seen-response")),
            ("internal-error", Verdict::Unclear("internal-error")),
            ("invalid-input-secret", Verdict::Unclear("invalid-input-secret")),
            ("missing-input-secret", Verdict::Unclear("missing-input-secret")),
            ("sitekey-secret-mismatch", Verdict::Unclear("sitekey-secret-mismatch")),
        ] {
            assert_eq!(judged(&format!(r#"{{"success":false,"error-codes":["{code}"]}}"#), &ANY), verdict);
        }
        assert_eq!(judged(r#"{"success":false}"#, &ANY), Verdict::Refused("not confirmed"));
        for json in [r#"{"ok":true}"#, r#"{"success":"true"}"#, r#"{"success":1}"#, "[]", "true"] {
            assert!(serde_json::from_str::<Answer>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_the_operator_expects_must_be_there() {
        let hostnames = ["app.example.com".to_owned()];
        let site = Expected { hostnames: &hostnames, ..ANY };
        assert_eq!(judged(r#"{"success":true,"hostname":"APP.example.com"}"#, &site), Verdict::Human);
        for json in [r#"{"success":true,"hostname":"evil.example"}"#, r#"{"success":true}"#] {
            assert_eq!(judged(json, &site), Verdict::Refused("of another site"), "{json}");
        }
        let action = Expected { action: Some("login"), ..ANY };
        assert_eq!(judged(r#"{"success":true,"action":"login"}"#, &action), Verdict::Human);
        for json in [r#"{"success":true,"action":"buy"}"#, r#"{"success":true}"#] {
            assert_eq!(judged(json, &action), Verdict::Refused("for another action"), "{json}");
        }
        let score = Expected { min_score: Some(0.5), ..ANY };
        assert_eq!(judged(r#"{"success":true,"score":0.5}"#, &score), Verdict::Human);
        for json in [r#"{"success":true,"score":0.4}"#, r#"{"success":true}"#] {
            assert_eq!(judged(json, &score), Verdict::Refused("of too low a score"), "{json}");
        }
    }
}
