//! Commands about what messages say.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use vestibule_wire::Locale;

use super::Installation;

#[derive(Debug, Subcommand)]
pub enum Template {
    /// Store a message template: an e-mail, an SMS, or both.
    ///
    /// Without a template id, messages use the newest one in their language, else the newest one in no language. All parts may use
    /// {{ .OtpCode }}, {{ .AppName }} and {{ index .TemplateVariables "name" }}; values are escaped in HTML. What `lint` finds is printed;
    /// errors are refused.
    Add {
        #[command(flatten)]
        place: Installation,

        /// The parent organization.
        #[arg(long, value_name = "ID")]
        organization: String,

        /// A label.
        #[arg(long)]
        name: String,

        /// Its language, a tag such as de, pt-BR or zh-Hant. Absent: for everybody whose language has no other template.
        #[arg(long, value_name = "TAG")]
        locale: Option<Locale>,

        #[command(flatten)]
        parts: TemplateParts,

        #[command(flatten)]
        given: Given,
    },
    /// Say what is wrong with a template, and what may surprise. Needs no server.
    ///
    /// Files are told by their endings: .html the HTML body, .txt the text body, .sms or .sms.txt the SMS, .subject the subject, .png (or
    /// another picture) the logo. Prints a line per finding with its place; the status is 1 when one is an error.
    Lint {
        /// The files of one template.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// Its language.
        #[arg(long, value_name = "TAG")]
        locale: Option<Locale>,

        #[command(flatten)]
        given: Given,

        /// Fail on warnings as well.
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Show a message as it would be sent: built in, from files, or from a stored template.
    ///
    /// Prints the subject and the text, or the SMS and its segments. The page of `vestibule dev` at /previews shows all of them.
    Preview {
        #[command(flatten)]
        place: Installation,

        /// The parent organization of the stored template.
        #[arg(long, value_name = "ID", requires = "template_id")]
        organization: Option<String>,

        /// The id of a stored template.
        #[arg(requires = "organization")]
        template_id: Option<String>,

        #[command(flatten)]
        parts: TemplateParts,

        /// Which message.
        #[arg(long, value_enum, default_value = "code")]
        message: PreviewedMessage,

        /// Languages, the most wanted first: a tag, or several as in Accept-Language.
        #[arg(long, value_name = "TAGS")]
        locale: Option<String>,

        /// The app's name.
        #[arg(long, value_name = "NAME")]
        app_name: Option<String>,

        /// URL of a logo.
        #[arg(long, value_name = "URL")]
        logo_url: Option<String>,

        /// A link with %s for the code or bundle.
        #[arg(long, value_name = "URL")]
        magic_link_template: Option<String>,

        /// The origin that SMS are bound to.
        #[arg(long, value_name = "DOMAIN")]
        sms_origin: Option<String>,

        /// Write the HTML body to this file.
        #[arg(long, value_name = "FILE")]
        html_out: Option<PathBuf>,
    },
    /// List the templates of an organization, newest first.
    List {
        #[command(flatten)]
        place: Installation,

        /// The parent organization.
        #[arg(long, value_name = "ID")]
        organization: String,
    },
    /// Print a template.
    Show {
        #[command(flatten)]
        place: Installation,

        /// The parent organization.
        #[arg(long, value_name = "ID")]
        organization: String,

        /// Its id.
        template_id: String,
    },
    /// Remove a template.
    Remove {
        #[command(flatten)]
        place: Installation,

        /// The parent organization.
        #[arg(long, value_name = "ID")]
        organization: String,

        /// Its id.
        template_id: String,
    },
}

/// Where the parts of a template are.
#[derive(Debug, Args)]
pub struct TemplateParts {
    /// The subject line; with --html.
    #[arg(long)]
    pub subject: Option<String>,

    /// A file with the HTML body; with --subject.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// A file with the text body.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,

    /// A file with the text of an SMS.
    #[arg(long, value_name = "FILE")]
    pub sms: Option<PathBuf>,
}

/// What a template will meet.
#[derive(Debug, Args)]
pub struct Given {
    /// The name of a variable that requests give in templateVariables; once for each. With any, all others are errors.
    #[arg(long = "variable", value_name = "NAME")]
    pub variables: Vec<String>,

    /// The origin that SMS are bound to, as in the configuration: its line counts for the segments.
    #[arg(long, value_name = "DOMAIN")]
    pub sms_origin: Option<String>,

    /// The logo that requests name.
    #[arg(long, value_name = "URL")]
    pub logo_url: Option<String>,
}

/// A message to be shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PreviewedMessage {
    /// A code by e-mail.
    Code,
    /// A key for a log-in by e-mail.
    Login,
    /// A key for a recovery by e-mail.
    Recovery,
    /// A code by SMS.
    Sms,
}
