//! What the built-in e-mails say, by what a message is for.

use vestibule_engine::model::MessagePurpose;

use super::languages::{Said, Texts};
use crate::template::Values;

/// Characters of an app name in the subject; mail readers show about this much.
const NAME_IN_SUBJECT: usize = 60;

/// Every text of an e-mail; values against a text's direction stand in isolates.
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) heading: String,
    /// The first line of the plain text.
    pub(super) first_line: String,
    /// What stands before a link.
    pub(super) open: String,
    pub(super) button: String,
    /// What stands before a bundle that is to be copied.
    pub(super) copy: String,
    pub(super) expiry: String,
    pub(super) warning: String,
}

impl Words {
    pub(super) fn of(values: &Values<'_>) -> Self {
        let texts: Texts = values.texts;
        let lifetime = texts.lifetime(values.lifetime_s);
        let said = Said { app: values.app_name, code: values.code, lifetime: &lifetime };
        let short: String = values.app_name.chars().take(NAME_IN_SUBJECT).collect();
        let short = Said { app: short.trim_end(), ..said };
        let (named, say) = (|id| texts.named(id, said), |id| texts.say(id, said));
        match values.purpose {
            MessagePurpose::Code => Self {
                // Where the language allows it the code comes first: it is readable in a notification.
                subject: texts.named("code-subject", short),
                heading: named("code-heading"),
                first_line: named("code-text"),
                open: say("code-link"),
                button: say("code-button"),
                copy: String::new(),
                expiry: say("code-expiry"),
                warning: say("code-warning"),
            },
            MessagePurpose::SignInBundle => Self {
                subject: texts.named("login-subject", short),
                heading: named("login-subject"),
                first_line: named("login-subject"),
                open: say("login-link"),
                button: say("login-button"),
                copy: say("login-copy"),
                expiry: say("bundle-expiry"),
                warning: say("login-warning"),
            },
            MessagePurpose::RecoveryBundle => Self {
                subject: texts.named("recovery-subject", short),
                heading: named("recovery-subject"),
                first_line: named("recovery-subject"),
                open: say("recovery-link"),
                button: say("recovery-button"),
                copy: say("recovery-copy"),
                expiry: say("bundle-expiry"),
                warning: say("recovery-warning"),
            },
        }
    }

    /// The plain text.
    pub(super) fn text(&self, values: &Values<'_>) -> String {
        let Self { first_line, open, copy, expiry, warning, subject: _, heading: _, button: _ } = self;
        let link = values.magic_link;
        match values.purpose {
            MessagePurpose::Code if link.is_empty() => format!("{first_line}\n\n{expiry}\n\n{warning}\n"),
            MessagePurpose::Code => format!("{first_line}\n\n{expiry}\n\n{open}\n{link}\n\n{warning}\n"),
            MessagePurpose::SignInBundle | MessagePurpose::RecoveryBundle => {
                let (what, value) = if link.is_empty() { (copy, values.code) } else { (open, link) };
                format!("{first_line}\n\n{what}\n\n{value}\n\n{expiry}\n\n{warning}\n")
            }
        }
    }
}
