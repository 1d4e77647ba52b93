//! The command line. One definition feeds the parser and every help text.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vestibule_crypto::keyset::KeyRole;

mod delivery;
mod templates;

pub use delivery::{Contact, NamedContact, Route, RouteName, Webhook};
pub use templates::{Given, PreviewedMessage, Template, TemplateParts};

/// Where `dev` keeps its data, and where the other commands look for it.
pub const DEV_DATA_DIR: &str = "vestibule-data";

/// A self-hosted server that logs users in with one-time codes, compatible with Turnkey's public API and auth proxy.
///
/// Start with `vestibule dev`: it needs no configuration, shows the codes it sends in a web page and is meant for one machine. For
/// production, `vestibule init` writes a configuration and says what comes next.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Dev(Dev),
    Serve(Serve),
    Init(Init),
    /// Make, show, replace and re-wrap the server's own keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Work with the configuration file.
    #[command(subcommand)]
    Config(Config),
    Migrate(Migrate),
    Request(Request),
    Backup(Backup),
    Restore(Restore),
    /// Move an installation from one store to another.
    #[command(subcommand)]
    Db(Db),
    /// Manage parent organizations: the tenants of this server.
    #[command(subcommand)]
    Org(Org),
    /// Manage the message templates of an organization.
    #[command(subcommand)]
    Template(Box<Template>),
    /// Help somebody who can no longer be sent codes.
    #[command(subcommand)]
    Contact(Contact),
    /// Choose the providers by which an organization's messages leave.
    #[command(subcommand)]
    Route(Route),
    /// Look after webhook endpoints.
    #[command(subcommand)]
    Webhook(Webhook),
    /// Work with policies.
    #[command(subcommand)]
    Policy(Policy),
    /// See what limits and the guard against SMS pumping did.
    #[command(subcommand)]
    Abuse(Abuse),
}

/// Run a server for development, ready to use.
///
/// On its first start it makes an organization with one API user, an auth proxy configuration that accepts every origin, and keys; it
/// writes what a client needs to DIR/dev.env. Codes are not sent: they appear in the web page at the server's URL and
/// at /dev/messages. Prints a line that starts with `ready` and the URL once it accepts connections.
#[derive(Debug, Args)]
pub struct Dev {
    /// Where the database, the keys and dev.env are kept; made when absent.
    #[arg(long, value_name = "DIR", default_value = DEV_DATA_DIR)]
    pub data_dir: PathBuf,

    /// Use this PostgreSQL database, postgres://USER@HOST/DATABASE, instead of the embedded store.
    #[arg(long, value_name = "URL", env = "VESTIBULE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7007")]
    pub listen: SocketAddr,

    /// Serve Prometheus metrics at http://ADDR/metrics.
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,

    /// Allow an address that other machines can reach. Needs --expose-codes as well.
    #[arg(long)]
    pub allow_remote: bool,

    /// Accept that everybody who reaches that address can read every code and log in as anybody.
    #[arg(long)]
    pub expose_codes: bool,
}

/// Run a server for production.
///
/// Everything it needs stands in the configuration file; see docs/configuration.md, or `vestibule init`. It makes no keys and refuses
/// keys that its database does not know. SIGTERM and SIGINT end it gracefully; a second one ends it at once.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    pub config: PathBuf,

    /// Use this PostgreSQL database, postgres://USER@HOST/DATABASE, instead of the embedded store.
    #[arg(long, value_name = "URL", env = "VESTIBULE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Write a commented configuration file and say what comes next.
#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; an existing one is left alone.
    #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
    pub out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a new key set and write it to a file that only its owner can read.
    Generate {
        /// The file to write; an existing one is left alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,

        /// Make a sealing key alone: all that a key file needs for a database that has its other keys already.
        #[arg(long)]
        sealing_only: bool,
    },
    /// Print the public keys and the fingerprint of a key file. `keys list` shows the keys of the database.
    Show {
        #[command(flatten)]
        keys: KeySource,
    },
    /// Let the database know that the key file was changed on purpose.
    ///
    /// Run it with the server stopped, after another sealing key was put first, or a signing or code key was added. It refuses
    /// a file that lacks a sealing key under which something is sealed.
    Accept {
        #[command(flatten)]
        place: Installation,

        /// Accept also the loss of everything that is sealed under keys that are gone.
        #[arg(long)]
        forget_sealed: bool,
    },
    /// List the signing and code keys of the database, and which sealing keys it was used with. Shows no secrets.
    List {
        #[command(flatten)]
        place: Installation,
    },
    /// Make a new key that takes over from those of its role.
    ///
    /// It is published at once and signs after `keys.activation_seconds`, when every server knows it. What the keys before it
    /// signed stays valid until they are retired.
    Rotate {
        #[command(flatten)]
        place: Installation,

        /// What the key is for.
        #[arg(long)]
        role: RotatedRole,

        /// When it begins to sign, for clients and backends that must be given its public half first; never sooner than
        /// `keys.activation_seconds`.
        #[arg(long, value_name = "SECONDS")]
        after_seconds: Option<u32>,
    },
    /// Retire a key: what it signed is not valid any more. Its successor must have begun to sign.
    Retire {
        #[command(flatten)]
        place: Installation,

        /// Its name, as `keys list` shows it.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Seal everything anew under the first sealing key of the key file, so that an older one can leave it.
    ///
    /// Servers may run meanwhile, and it may be run again. Prints how much was moved, and which sealing keys nothing needs any
    /// more.
    Rewrap {
        #[command(flatten)]
        place: Installation,
    },
}

/// The roles whose keys are in the database.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RotatedRole {
    /// Signs encryption targets and verification tokens.
    BundleSigner,
    /// Signs session JWTs.
    SessionSigner,
    /// Signs tokens of the older activities.
    LegacyTokenSigner,
    /// Hashes codes.
    CodeHmac,
    /// Signs ordinary tokens for backends.
    TokenSigner,
    /// Signs webhook deliveries; begins a day later unless --after-seconds says otherwise.
    WebhookSigner,
}

impl From<RotatedRole> for KeyRole {
    fn from(role: RotatedRole) -> Self {
        match role {
            RotatedRole::BundleSigner => Self::BundleSigner,
            RotatedRole::SessionSigner => Self::SessionSigner,
            RotatedRole::LegacyTokenSigner => Self::LegacyTokenSigner,
            RotatedRole::CodeHmac => Self::CodeHmac,
            RotatedRole::TokenSigner => Self::TokenSigner,
            RotatedRole::WebhookSigner => Self::WebhookSigner,
        }
    }
}

/// Where keys are read from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct KeySource {
    /// A key file.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The keys that this configuration file names.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The keys of this development data directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read a configuration file, its keys and its secrets, and say what is wrong with them. It opens no database and calls nobody.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG")]
        config: PathBuf,
    },
}

/// Bring the schema of a PostgreSQL database up to date.
///
/// Servers do this themselves when they start, however many start at once; this command is for those whose database user may
/// not change the schema, and for looking before a release is rolled out.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    pub place: Installation,
}

/// Which installation a command works on. A running server is asked through DIR/admin.sock; without one, the store
/// is opened directly.
#[derive(Debug, Clone, Args)]
pub struct Installation {
    /// The data directory of a development server.
    #[arg(long, value_name = "DIR", default_value = DEV_DATA_DIR)]
    pub data_dir: PathBuf,

    /// The configuration file of a production server.
    #[arg(long, value_name = "FILE", env = "VESTIBULE_CONFIG", conflicts_with = "data_dir")]
    pub config: Option<PathBuf>,

    /// Use this PostgreSQL database, postgres://USER@HOST/DATABASE, as the server does.
    #[arg(long, value_name = "URL", env = "VESTIBULE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Stamp a request with an API key and send it.
///
/// The answer is printed as JSON; the exit status is 1 when the server refused. For a submit path, members that are absent from the
/// body are filled in: `type` (the newest version), `timestampMs` and `organizationId`. For a query, `organizationId`. Auth
/// proxy paths (/v1/...) get the header X-Auth-Proxy-Config-Id instead of a stamp.
///
/// Settings come from the flags, else from the environment, else from the file of --env-file (vestibule-data/dev.env, when that exists):
/// VESTIBULE_URL, VESTIBULE_ORGANIZATION_ID, VESTIBULE_API_PUBLIC_KEY, VESTIBULE_API_PRIVATE_KEY, VESTIBULE_AUTH_PROXY_CONFIG_ID.
#[derive(Debug, Args)]
#[command(after_help = "Example: vestibule request --path /public/v1/query/whoami")]
pub struct Request {
    /// The server, for example http://127.0.0.1:7007.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The path, for example /public/v1/query/whoami.
    #[arg(long, value_name = "PATH")]
    pub path: String,

    /// JSON, @FILE for a file, or - for standard input.
    #[arg(long, value_name = "BODY", default_value = "{}")]
    pub body: String,

    /// A file of NAME=VALUE lines, such as the dev.env of a development server.
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// Send the body exactly as given.
    #[arg(long)]
    pub raw: bool,
}

/// Write a backup of the embedded database to a file, while the server runs or not.
///
/// The file is one consistent state, checked before it gets its name, and readable by its owner alone. It holds neither the key file
/// nor any key of it in the clear: keep a copy of the key file apart. Prints the rows and a checksum of each table, and the
/// file's SHA-256.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    pub place: Installation,

    /// The file to write; an existing one is left alone.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Make the embedded database from a backup, in a data directory that has none.
///
/// The file is checked before and after it is copied; a damaged one is refused. Messages that waited to be sent at the time of the
/// backup are given up, and codes of that time end: both may have been used since.
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    pub place: Installation,

    /// The backup.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Db {
    /// Copy everything from one store to another that has nothing, and check that it arrived.
    ///
    /// Stop the servers first. The source is read in one consistent state; the target is filled in one transaction, read back, and
    /// compared table by table before that transaction ends. Where anything goes wrong, the target is left as it was.
    ///
    /// The password of a database is read from VESTIBULE_DATABASE_PASSWORD, unless its URL has one, which others on this machine may see.
    Copy {
        #[command(flatten)]
        ends: Ends,
    },
    /// Say whether two stores hold the same, by the rows and a checksum of each table. Stop the servers first.
    Compare {
        #[command(flatten)]
        ends: Ends,
    },
}

/// Two stores.
#[derive(Debug, Args)]
pub struct Ends {
    /// sqlite:DIR, the embedded store in that data directory, or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "STORE")]
    pub from: String,

    /// The same, of the other one.
    #[arg(long, value_name = "STORE")]
    pub to: String,
}

#[derive(Debug, Subcommand)]
pub enum Org {
    /// Make a parent organization with one root API user.
    ///
    /// Prints its ids and, once and never again, the private key of the user, unless --api-public-key names a key made elsewhere.
    Create {
        #[command(flatten)]
        place: Installation,

        /// Its name, as messages show it.
        #[arg(long)]
        name: String,

        /// The root user's P-256 public key, compressed hex (66 characters). Absent: a key pair is made.
        #[arg(long, value_name = "HEX")]
        api_public_key: Option<String>,

        /// Give it an auth proxy with default settings. With a key made elsewhere, submit enable_auth_proxy instead.
        #[arg(long, conflicts_with = "api_public_key")]
        auth_proxy: bool,
    },
    /// List the parent organizations, newest first.
    List {
        #[command(flatten)]
        place: Installation,
    },
    /// Refuse every request that concerns this organization or its sub-organizations.
    Suspend {
        #[command(flatten)]
        place: Installation,

        /// Its id.
        organization_id: String,
    },
    /// Set the language of the messages of an organization and its sub-organizations.
    ///
    /// A message whose request asks for languages is written in the first of these that there is; this one is for all others.
    SetLocale {
        #[command(flatten)]
        place: Installation,

        /// Its id.
        organization_id: String,

        /// A language tag such as de, pt-BR or zh-Hant; - for none, which means English.
        #[arg(value_name = "TAG")]
        locale: String,
    },
    /// Undo `suspend`.
    Resume {
        #[command(flatten)]
        place: Installation,

        /// Its id.
        organization_id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Abuse {
    /// Show who was limited, by the hour, and why.
    ///
    /// Contacts are masked and identifiers hashed; phone prefixes, countries and client addresses are shown whole. A server writes
    /// what it met every few seconds, and when this asks it. docs/abuse.md explains every limit.
    Report {
        #[command(flatten)]
        place: Installation,

        /// Only requests to this parent organization; without it, all of them and client addresses.
        #[arg(long, value_name = "ID")]
        organization: Option<String>,

        /// Only this limit, for example prefix_ratio.
        #[arg(long, value_name = "NAME")]
        limit: Option<String>,

        /// How many hours back.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8784))]
        hours: u32,

        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Policy {
    Test(PolicyTest),
}

/// Judge the cases of a file by its policies, as a server would. Needs no server and changes nothing.
///
/// Prints a line per case, and what every policy said where a case came out differently; the status is then 1. docs/policies.md
/// describes the file, and docs/policies.example.toml is one.
#[derive(Debug, Args)]
pub struct PolicyTest {
    /// The file.
    pub file: PathBuf,

    /// Show what every policy said of every case.
    #[arg(long, short)]
    pub verbose: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together_and_everything_has_a_help_text() {
        let mut root = super::Cli::command();
        root.build();
        let mut commands = vec![root];
        while let Some(command) = commands.pop() {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} of {} has no help",
                    argument.get_id(),
                    command.get_name()
                );
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }
}
