//! An installation moves from the embedded store to PostgreSQL and back, with everything that is under way.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod load;
mod support;

use std::path::Path;
use std::process::Output;

use client::{Attempt, Client, Source, WRONG};
use load::User;
use serde_json::json;
use support::{Server, command, refused, run, stderr, stdout, workspace};
use vestibule_crypto::p256::SigningKey;

const SEED: u64 = 22;

/// What was there before the first copy.
struct Past {
    user: User,
    session: SigningKey,
    spent: (Attempt, String),
}

impl Past {
    async fn holds(&self, client: &Client) {
        let members = json!({ "organizationId": self.user.organization });
        let whoami = client.query_by(&self.session, "whoami", &members).await;
        assert_eq!((whoami.status, &whoami.body["userId"]), (200, &json!(self.user.id)), "{}", whoami.body);
        let (attempt, code) = &self.spent;
        let again = client.ask(&client.guess(attempt, code, &client.source.key())).await;
        assert_eq!(again.refusal(), WRONG);
    }
}

fn on(directory: &Path, url: &str) -> Server {
    Server::start(
        directory,
        command(directory).args(["dev", "--listen", "127.0.0.1:0", "--database-url", url]),
    )
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_codes_of_before_a_copy_hold_on_the_copy_and_on_its_way_back() {
    let directory = workspace();
    let directory = directory.path();
    let source = Source::new(SEED);
    let database = tokio::task::spawn_blocking(vestibule_cluster::fresh_database).await.unwrap();
    let url = database.url();

    let server = Server::dev(directory);
    let client = Client::of_dev(&server, directory, &source);
    let (user, session) = load::log_in(&client, "ann@acme.example").await;
    let attempt = client.initiate("bob@acme.example").await;
    let code = client.code(&attempt).await.unwrap();
    client.ask(&client.guess(&attempt, &code, &source.key())).await.text("verificationToken");
    let past = Past { user, session, spent: (attempt, code) };
    let live = client.initiate("eve@acme.example").await;
    let live_code = client.code(&live).await.unwrap();

    let there = ["db", "copy", "--from", "sqlite:vestibule-data", "--to", &url];
    let said = refused(directory, &there);
    assert!(said.contains("stop the server first"), "{said}");
    server.stop();
    let said = succeeded(&run(directory, &there));
    assert!(
        said.contains("Copied sqlite:vestibule-data to postgres://") && said.contains("  users\n"),
        "{said}"
    );
    let compare = ["db", "compare", "--from", "sqlite:vestibule-data", "--to", &url];
    assert!(succeeded(&run(directory, &compare)).contains("hold the same"));
    let said = refused(directory, &there);
    assert!(said.contains("has rows in"), "{said}");

    let server = on(directory, &url);
    let client = Client::of_dev(&server, directory, &source);
    past.holds(&client).await;
    // A copy is no restore: nothing was lost, so what is under way goes on.
    client.ask(&client.guess(&live, &live_code, &source.key())).await.text("verificationToken");
    let later = load::log_in(&client, "later@acme.example").await;
    server.stop();
    let said = refused(directory, &compare);
    assert!(said.contains("are not the same") && said.contains("differs"), "{said}");

    let elsewhere = directory.join("elsewhere");
    succeeded(&run(directory, &["db", "copy", "--from", &url, "--to", "sqlite:elsewhere/vestibule-data"]));
    for name in ["keys.json", "dev.env"] {
        let file = Path::new("vestibule-data").join(name);
        std::fs::copy(directory.join(&file), elsewhere.join(&file)).unwrap();
    }
    let server = Server::dev(&elsewhere);
    let client = Client::of_dev(&server, &elsewhere, &source);
    past.holds(&client).await;
    let again = client.ask(&client.guess(&live, &live_code, &source.key())).await;
    assert_eq!(again.refusal(), WRONG, "a code that was spent on the copy works again");
    let (user, session) = later;
    Past { user, session, ..past }.holds(&client).await;
    server.stop();
}

#[test]
fn places_that_are_none_are_refused_without_showing_a_password() {
    let directory = workspace();
    let directory = directory.path();
    let said = refused(directory, &["db", "copy", "--from", "vestibule-data", "--to", "sqlite:other"]);
    assert!(said.contains("--from") && said.contains("sqlite:DIR"), "{said}");
    let said = refused(directory, &["db", "copy", "--from", "sqlite:vestibule-data", "--to", "sqlite:other"]);
    assert!(said.contains("there is no database in vestibule-data"), "{said}");
    let server = Server::dev(directory);
    server.stop();
    let away = "postgres://me:correct-horse@127.0.0.1:9/vestibule";
    let said = refused(directory, &["db", "copy", "--from", "sqlite:vestibule-data", "--to", away]);
    assert!(said.contains("127.0.0.1:9") && !said.contains("correct-horse"), "{said}");
}
