//! Who logs in: every login is that of another user, in a sub-organization of its own.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::p256::SigningKey;

use super::client::{Backend, Connection};
use super::mail::MailServer;
use super::server::Server;
use crate::client::now_ms;

/// Connections on which users are made.
const MAKERS: usize = 32;

/// What the clients know of the server, and the users that have not yet logged in.
pub struct Site {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Who asks for codes and logs users in.
    pub backend: Backend,
    /// The keys of the server's file; clients use the public ones.
    pub keys: KeySet,
    /// Where codes arrive.
    pub mail: MailServer,
    waiting: RefCell<Vec<User>>,
    made: Cell<usize>,
}

/// A user who has not logged in yet.
pub struct User {
    /// The sub-organization.
    pub organization: String,
    /// The address.
    pub email: String,
    /// The key for proof and session, made beforehand: a client has a machine of its own.
    pub key: SigningKey,
}

impl Site {
    /// The clients' side of a server.
    pub fn new(server: &Server, mail: MailServer) -> Result<Self> {
        Ok(Self {
            address: server.address,
            backend: Backend {
                key: SigningKey::from_hex(&server.tenant.api_private_key)
                    .context("the backend has no key")?,
                parent: server.tenant.organization_id.clone(),
                now: now_ms,
            },
            keys: KeySet::from_json(&server.keys_document()?).context("the server's keys cannot be read")?,
            mail,
            waiting: RefCell::default(),
            made: Cell::default(),
        })
    }

    /// Somebody who has not logged in yet.
    pub fn next_user(&self) -> Result<User> {
        self.waiting.borrow_mut().pop().context("there are no more users who could log in")
    }

    /// How many users there are, whether they have logged in or not.
    pub fn users_made(&self) -> usize {
        self.made.get()
    }

    /// How many of them have not logged in yet.
    pub fn users_waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    fn missing(&self, wanted: usize) -> usize {
        wanted.saturating_sub(self.users_waiting())
    }
}

/// Makes users until `wanted` have not logged in yet.
pub async fn top_up(site: &Rc<Site>, wanted: usize) -> Result<()> {
    let missing = site.missing(wanted);
    let share = missing.div_ceil(MAKERS);
    let makers = (0..missing.min(MAKERS)).map(|_| async {
        let mut connection = Connection::open(site.address).await?;
        for _ in 0..share {
            let user = make(site, &mut connection).await?;
            site.waiting.borrow_mut().push(user);
        }
        anyhow::Ok(())
    });
    try_join_all(makers).await.context("a user could not be made")?;
    Ok(())
}

async fn make(site: &Site, connection: &mut Connection) -> Result<User> {
    let number = site.made.get();
    site.made.set(number + 1);
    let email = format!("user-{number}@mail.example");
    let made = connection.submit(site.backend.create(&email)).await?;
    let organization = made.text("subOrganizationId")?.to_owned();
    Ok(User { organization, email, key: SigningKey::generate(&SystemEntropy) })
}
