//! Commands about whom messages go to and by which providers.

use clap::{Args, Subcommand, ValueEnum};
use vestibule_wire::OtpType;

use super::Installation;

#[derive(Debug, Subcommand)]
pub enum Contact {
    /// Forget the wrong guesses counted against a contact, so that it is sent codes again.
    Reset {
        #[command(flatten)]
        contact: NamedContact,
    },
    /// Say whether a contact is left alone, why and until when, and what is counted against it.
    Show {
        #[command(flatten)]
        contact: NamedContact,
    },
    /// Send messages again to a contact that is left alone because one came back or was called spam.
    Lift {
        #[command(flatten)]
        contact: NamedContact,
    },
}

/// A contact of an organization.
#[derive(Debug, Args)]
pub struct NamedContact {
    #[command(flatten)]
    pub place: Installation,

    /// The parent organization.
    #[arg(long, value_name = "ID")]
    pub organization: String,

    /// What kind of contact it is.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: ContactKind,

    /// The e-mail address or phone number.
    pub contact: String,
}

#[derive(Debug, Subcommand)]
pub enum Route {
    /// Set the providers of an organization's messages, in the order in which they are asked. Prints all its routes.
    Set {
        #[command(flatten)]
        place: Installation,

        #[command(flatten)]
        which: RouteName,

        /// The providers' names, as the configuration has them.
        #[arg(required = true, value_name = "PROVIDER")]
        providers: Vec<String>,
    },
    /// List the routes of an organization. What they do not say, the configuration says.
    List {
        #[command(flatten)]
        place: Installation,

        /// The parent organization.
        #[arg(long, value_name = "ID")]
        organization: String,
    },
    /// Remove a route of an organization: what the configuration says counts again. Prints the routes that are left.
    Clear {
        #[command(flatten)]
        place: Installation,

        #[command(flatten)]
        which: RouteName,
    },
}

/// A route of an organization.
#[derive(Debug, Args)]
pub struct RouteName {
    /// The parent organization.
    #[arg(long, value_name = "ID")]
    pub organization: String,

    /// Which messages.
    #[arg(long, value_name = "CHANNEL")]
    pub channel: ContactKind,

    /// Only SMS to numbers that begin so, for example +49. The longest prefix wins.
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ContactKind {
    Email,
    Sms,
}

impl From<ContactKind> for OtpType {
    fn from(kind: ContactKind) -> Self {
        match kind {
            ContactKind::Email => Self::Email,
            ContactKind::Sms => Self::Sms,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Webhook {
    /// List the webhook endpoints of an organization, with what became of their last deliveries.
    ///
    /// Deliveries are forgotten two hours after their event. The legacy webhook of FEATURE_NAME_WEBHOOK stands last, under the id of
    /// the organization.
    List {
        #[command(flatten)]
        place: Installation,

        /// The organization; a sub-organization has endpoints of its own.
        #[arg(long, value_name = "ID")]
        organization: String,
    },
    /// Send an endpoint an event that says nothing; `list` shows whether it answered.
    Ping {
        #[command(flatten)]
        place: Installation,

        /// The organization.
        #[arg(long, value_name = "ID")]
        organization: String,

        /// Its endpoint, as `list` shows it.
        endpoint_id: String,
    },
}
