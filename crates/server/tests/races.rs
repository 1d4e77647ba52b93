//! Many requests at once against the real process, over sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod support;

use client::{Client, Reply, Request, Source, WRONG};
use futures_util::future::join_all;
use serde_json::{Value, json};
use support::{Server, workspace};
use tempfile::TempDir;
use vestibule_wire::ActivityType;

fn start(seed: u64) -> (TempDir, Server, Client) {
    let directory = workspace();
    let server = Server::dev(directory.path());
    let client = Client::of_dev(&server, directory.path(), &Source::new(seed));
    (directory, server, client)
}

/// Sends all of them at once, each on a task of its own.
async fn at_once(client: &Client, requests: Vec<Request>) -> Vec<Reply> {
    let send = |request: Request| {
        let client = client.clone();
        tokio::spawn(async move { client.ask(&request).await })
    };
    let tasks: Vec<_> = requests.into_iter().map(send).collect();
    join_all(tasks).await.into_iter().map(|reply| reply.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_wrong_guesses_at_once_spend_three_tries_and_the_code_is_locked() {
    let (_directory, _server, client) = start(1);
    let attempt = client.initiate("user@acme.example").await;
    let code = client.code(&attempt).await.unwrap();
    let key = client.source.key();
    let guesses = (0..200).map(|_| client.guess(&attempt, &client.source.wrong_code(), &key)).collect();
    for reply in at_once(&client, guesses).await {
        assert_eq!(reply.refusal(), WRONG);
    }
    let right = client.ask(&client.guess(&attempt, &code, &key)).await;
    assert_eq!(right.refusal(), WRONG, "the right code comes too late");

    // The tries were counted as failures of the contact, each once: three of five that cost no delay.
    let next = client.initiate("user@acme.example").await;
    let code = client.code(&next).await.unwrap();
    client.ask(&client.guess(&next, &code, &key)).await.text("verificationToken");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_right_answers_with_different_bodies_one_succeeds() {
    let (_directory, _server, client) = start(2);
    let attempt = client.initiate("user@acme.example").await;
    let code = client.code(&attempt).await.unwrap();
    let key = client.source.key();
    let guesses = (0..50).map(|_| client.guess(&attempt, &code, &key)).collect();
    let (won, lost): (Vec<_>, Vec<_>) =
        at_once(&client, guesses).await.into_iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    won[0].text("verificationToken");
    for reply in lost {
        assert_eq!(reply.refusal(), WRONG);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_identical_bodies_are_one_activity_and_one_message() {
    let (_directory, _server, client) = start(3);
    let email = "user@acme.example";
    let request = client.init(ActivityType::InitOtpV3, email);
    let replies = at_once(&client, vec![request.clone(); 50]).await;
    let id = replies[0].activity()["id"].clone();
    for reply in &replies {
        assert_eq!(*reply, replies[0]);
    }
    let list = json!({
        "organizationId": client.organization,
        "filterByType": ["ACTIVITY_TYPE_INIT_OTP_V3"],
        "paginationOptions": { "limit": "100" },
    });
    let stored = client.query("list_activities", &list).await;
    let ids: Vec<&Value> =
        stored.body["activities"].as_array().unwrap().iter().map(|activity| &activity["id"]).collect();
    assert_eq!(ids, [&id]);

    // Had it been sent twice, or counted twice, the contact would not be allowed two more.
    let mut wanted = vec![replies[0].text("otpId")];
    for _ in 0..2 {
        let attempt = client.initiate(email).await;
        client.code(&attempt).await.unwrap();
        wanted.insert(0, attempt.otp_id);
    }
    let fourth = client.ask(&client.init(ActivityType::InitOtpV3, email)).await;
    assert_eq!(fourth.refusal().1, "MAX_OTP_INITIATED", "{}", fourth.body);
    let messages = client.messages(email).await.unwrap();
    let sent: Vec<&str> = messages.iter().map(|message| message["otpId"].as_str().unwrap()).collect();
    assert_eq!(sent, wanted);
}
