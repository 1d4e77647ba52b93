//! Three server processes on one database are one server: limits, failure budgets, idempotency and single use hold
//! across them, whichever node a request happens to reach.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod site;
mod support;

use std::collections::HashMap;
use std::sync::Arc;

use client::{Attempt, Client, DEADLINE, Reply, Request, Source, WRONG};
use futures_util::future::join_all;
use serde_json::{Value, json};
use site::{Setup, Site};
use support::Server;
use tokio::time::timeout;
use vestibule_cluster::{Database, fresh_database};
use vestibule_wire::ActivityType;

const NUMBER: &str = "+14155550100";
/// `turnkeyErrorCode` of a send that a limit refused.
const TOO_MANY: &str = "MAX_OTP_INITIATED";

/// Nodes on one fresh database, and a backend of one organization at each of them.
struct Nodes {
    site: Site,
    names: Vec<String>,
    servers: Vec<Server>,
    clients: Vec<Client>,
    proxy: String,
    source: Arc<Source>,
    _database: Database,
}

impl Nodes {
    async fn start(count: usize, seed: u64) -> Self {
        let database = fresh_database();
        let site = Site::new().await;
        let names: Vec<String> = (0..count).map(|n| format!("node-{n}")).collect();
        let setups: Vec<Setup> = names
            .iter()
            .map(|name| Setup { send_timeout_s: 8, lease_s: 26, ..Setup::new(name, &database.url()) })
            .collect();
        let servers: Vec<Server> = setups.iter().map(|setup| site.start(setup)).collect();
        let source = Source::new(seed);
        let tenant = site.tenant(&setups[0], &servers[0], &source);
        let clients = servers.iter().map(|server| tenant.client.at(server)).collect();
        Self { site, names, servers, clients, proxy: tenant.proxy, source, _database: database }
    }

    async fn three(seed: u64) -> Self {
        Self::start(3, seed).await
    }

    /// Any one of them.
    fn any(&self) -> &Client {
        &self.clients[0]
    }

    /// Sends all of them at once, each on a task of its own, to one node after the other.
    async fn at_once(&self, requests: Vec<Request>) -> Vec<Reply> {
        let send = |(n, request): (usize, Request)| {
            let client = self.clients[n % self.clients.len()].clone();
            tokio::spawn(async move { client.ask(&request).await })
        };
        let tasks: Vec<_> = requests.into_iter().enumerate().map(send).collect();
        join_all(tasks).await.into_iter().map(|reply| reply.unwrap()).collect()
    }

    /// Asks one node, and reads the code that comes.
    async fn code(&self, node: usize) -> (Attempt, String) {
        let attempt = self.clients[node].initiate(NUMBER).await;
        let code = self.clients[node].code(&attempt).await.unwrap();
        (attempt, code)
    }

    /// Ends a code with so many wrong guesses at once; all are refused.
    async fn fail(&self, attempt: &Attempt, times: usize) {
        let key = self.source.key();
        let wrong = (0..times).map(|_| self.any().guess(attempt, &self.source.wrong_code(), &key));
        for reply in self.at_once(wrong.collect()).await {
            assert_eq!(reply.refusal(), WRONG);
        }
    }
}

fn split(replies: Vec<Reply>) -> (Vec<Reply>, Vec<Reply>) {
    replies.into_iter().partition(|reply| reply.status == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_wrong_guesses_over_three_nodes_spend_three_tries_and_the_code_is_locked() {
    let nodes = Nodes::three(1).await;
    let (attempt, code) = nodes.code(0).await;
    nodes.fail(&attempt, 200).await;
    for client in &nodes.clients {
        let right = client.ask(&client.guess(&attempt, &code, &nodes.source.key())).await;
        assert_eq!(right.refusal(), WRONG, "the right code comes too late on every node");
    }
    // The tries were counted as failures of the contact, each once: three of five that cost no delay.
    let (next, code) = nodes.code(1).await;
    let client = &nodes.clients[2];
    client.ask(&client.guess(&next, &code, &nodes.source.key())).await.text("verificationToken");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_right_answers_over_three_nodes_one_succeeds() {
    let nodes = Nodes::three(2).await;
    let (attempt, code) = nodes.code(0).await;
    let key = nodes.source.key();
    let guesses = (0..50).map(|_| nodes.any().guess(&attempt, &code, &key)).collect();
    let (won, lost) = split(nodes.at_once(guesses).await);
    assert_eq!(won.len(), 1);
    won[0].text("verificationToken");
    for reply in lost {
        assert_eq!(reply.refusal(), WRONG);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_identical_bodies_over_three_nodes_are_one_activity_and_one_message() {
    let nodes = Nodes::three(3).await;
    let request = nodes.any().init(ActivityType::InitOtpV3, NUMBER);
    let replies = nodes.at_once(vec![request; 50]).await;
    let id = replies[0].activity()["id"].clone();
    for reply in &replies {
        assert_eq!(*reply, replies[0]);
    }
    let list = json!({
        "organizationId": nodes.any().organization,
        "filterByType": ["ACTIVITY_TYPE_INIT_OTP_V3"],
        "paginationOptions": { "limit": "100" },
    });
    for client in &nodes.clients {
        let stored = client.query("list_activities", &list).await;
        let listed = stored.body["activities"].as_array().unwrap();
        assert_eq!(listed.iter().map(|activity| &activity["id"]).collect::<Vec<_>>(), [&id]);
    }

    // Had it been sent twice, or counted twice, the contact would not be allowed two more.
    let mut wanted = vec![replies[0].text("otpId")];
    nodes.any().code(&Attempt::of(NUMBER, &replies[0])).await.unwrap();
    for node in [1, 2] {
        wanted.push(nodes.code(node).await.0.otp_id);
    }
    for client in &nodes.clients {
        let fourth = client.ask(&client.init(ActivityType::InitOtpV3, NUMBER)).await;
        assert_eq!(fourth.refusal().1, TOO_MANY, "{}", fourth.body);
    }
    let sent: Vec<String> = nodes.site.provider.texts(NUMBER).into_iter().map(|text| text.otp_id).collect();
    assert_eq!(sent, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_sends_to_one_contact_over_three_nodes_three_are_allowed() {
    let nodes = Nodes::three(4).await;
    let sends = (0..60).map(|_| nodes.any().init(ActivityType::InitOtpV3, NUMBER)).collect();
    let (sent, refused) = split(nodes.at_once(sends).await);
    assert_eq!(sent.len(), 3);
    for reply in refused {
        assert_eq!(reply.refusal().1, TOO_MANY, "{}", reply.body);
    }
    for reply in sent {
        nodes.any().code(&Attempt::of(NUMBER, &reply)).await.unwrap();
    }
    assert_eq!(nodes.site.provider.texts(NUMBER).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_sends_for_one_identifier_over_three_nodes_three_are_allowed() {
    let nodes = Nodes::three(5).await;
    let send = |n: usize| {
        let parameters = json!({
            "otpType": "OTP_TYPE_SMS", "contact": format!("+1415555{n:04}"), "appName": "Acme",
            "userIdentifier": "203.0.113.7",
        });
        nodes.any().activity(ActivityType::InitOtpV3, &parameters)
    };
    let (sent, refused) = split(nodes.at_once((0..60).map(send).collect()).await);
    assert_eq!(sent.len(), 3);
    for reply in refused {
        assert_eq!(reply.refusal().1, TOO_MANY, "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_on_every_node_are_one_budget_and_a_success_on_one_clears_it() {
    let nodes = Nodes::three(6).await;
    let (first, _) = nodes.code(0).await;
    nodes.fail(&first, 30).await;
    let (second, code) = nodes.code(1).await;
    nodes.fail(&second, 2).await;
    // Five failures cost no delay, and are forgotten with the right code.
    let client = &nodes.clients[2];
    client.ask(&client.guess(&second, &code, &nodes.source.key())).await.text("verificationToken");
    let (third, _) = nodes.code(0).await;
    nodes.fail(&third, 3).await;

    // Six do, on a contact that was sent two codes of three.
    let other = "+14155550199";
    for node in [0, 1] {
        let attempt = nodes.clients[node].initiate(other).await;
        nodes.fail(&attempt, 30).await;
    }
    for client in &nodes.clients {
        let delayed = client.ask(&client.init(ActivityType::InitOtpV3, other)).await;
        assert_eq!(delayed.refusal().1, TOO_MANY, "{}", delayed.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_sign_ups_over_three_nodes_for_one_contact_one_makes_an_account() {
    let nodes = Nodes::three(7).await;
    let mut proved = Vec::new();
    for node in [0, 1] {
        let (attempt, code) = nodes.code(node).await;
        let key = nodes.source.key();
        let client = &nodes.clients[node];
        let token = client.ask(&client.guess(&attempt, &code, &key)).await.text("verificationToken");
        proved.push((token, key));
    }
    let sign_ups = (0..50).map(|n| {
        let (token, key) = &proved[n % 2];
        let client = nodes.clients[n % 3].clone();
        let body = client.sign_up(NUMBER, token, key, &format!("attempt {n}"));
        let proxy = nodes.proxy.clone();
        tokio::spawn(async move { client.call_proxy(&proxy, "signup_v2", &body).await })
    });
    let replies = join_all(sign_ups).await.into_iter().map(|reply| reply.unwrap()).collect();
    let (made, refused) = split(replies);
    assert_eq!(made.len(), 1);
    for reply in refused {
        let known = [
            "an account with this contact already exists",
            "verification token has already been used to sign up",
        ];
        assert!(reply.status == 400 && known.contains(&reply.refusal().2), "{}", reply.body);
    }
    for client in &nodes.clients {
        let all = client.query("list_suborgs", &json!({ "organizationId": client.organization })).await;
        assert_eq!(all.body["organizationIds"], json!([made[0].body["organizationId"]]));
    }
}

/// Messages of the test of the outbox, and how many of them are under way at a node when it is killed.
const MESSAGES: usize = 1000;
const HELD: usize = 8;
/// Messages that a node has under way at most (`delivery.concurrency`).
const CONCURRENCY: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_messages_only_those_under_way_at_a_killed_node_go_out_twice() {
    let Nodes { site, names, mut servers, clients, _database, .. } = Nodes::start(4, 8).await;
    let doomed = &names[1];
    let provider = &site.provider;
    let mut requests: Vec<Request> =
        (0..MESSAGES).map(|n| clients[0].init(ActivityType::InitOtpV3, &format!("+1415{n:07}"))).collect();
    let later = requests.split_off(MESSAGES / 2);
    let mut acknowledged = send_in_turns(&clients, requests).await;

    // The provider takes what comes and answers nobody, until it holds some messages of the node that is to die: the kill
    // comes between what it took and what was recorded.
    names.iter().for_each(|name| provider.mute(name));
    let (more, ()) = tokio::join!(send_in_turns(&clients, later), async {
        let held = provider.until(|_| (provider.held(doomed) >= HELD).then_some(()));
        timeout(DEADLINE, held).await.expect("the node has messages to send");
        servers[1].signal("KILL");
        servers[1].wait();
        names.iter().filter(|name| *name != doomed).for_each(|name| provider.unmute(name));
    });
    acknowledged.extend(more);
    let held = provider.held(doomed);

    let all_sent = provider.until(|texts| {
        let mut sent: HashMap<&str, usize> = HashMap::new();
        texts.iter().for_each(|text| *sent.entry(&text.otp_id).or_default() += 1);
        acknowledged.iter().all(|otp_id| sent.contains_key(otp_id.as_str())).then_some(())
    });
    timeout(DEADLINE, all_sent).await.expect("no message is lost");
    // What was under way at the dead node is sent again by others when its lease has ended.
    let taken_over = provider.until(|texts| (texts.len() >= MESSAGES + held).then_some(()));
    timeout(DEADLINE, taken_over).await.expect("the leases of the dead node are taken over");

    let mut sendings: HashMap<String, Vec<String>> = HashMap::new();
    for text in provider.all() {
        sendings.entry(text.otp_id).or_default().push(text.via);
    }
    let twice: Vec<&Vec<String>> = sendings.values().filter(|via| via.len() > 1).collect();
    println!(
        "{} messages, {} sendings: {held} were under way at the killed node, {} went out twice",
        sendings.len(),
        sendings.values().map(Vec::len).sum::<usize>(),
        twice.len()
    );
    assert_eq!(sendings.len(), MESSAGES, "one code for each request");
    for via in &twice {
        assert!(via.len() == 2 && via[0] == *doomed && via[1] != *doomed, "sent twice without need: {via:?}");
    }
    assert!(held <= twice.len() && twice.len() <= CONCURRENCY, "{} of {held} went out twice", twice.len());
}

/// Sends them over all nodes, some at a time, and again to the next node where one does not answer; the attempts they
/// made.
async fn send_in_turns(clients: &[Client], requests: Vec<Request>) -> Vec<String> {
    let send = async |first: usize, request: &Request| {
        for client in clients.iter().cycle().skip(first).take(clients.len()) {
            if let Some(reply) = client.send(request).await {
                return reply.text("otpId");
            }
        }
        panic!("no node answers");
    };
    let mut made = Vec::new();
    for (n, some) in requests.chunks(20 * clients.len()).enumerate() {
        made.extend(
            join_all(some.iter().enumerate().map(|(m, request)| send((n + m) % clients.len(), request)))
                .await,
        );
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_that_start_at_once_on_an_empty_database_agree() {
    let database = fresh_database();
    let site = Arc::new(Site::new().await);
    let starts = (0..10).map(|n| {
        let (site, setup) = (Arc::clone(&site), Setup::new(&format!("node-{n}"), &database.url()));
        tokio::task::spawn_blocking(move || (site.start(&setup), setup))
    });
    let nodes: Vec<(Server, Setup)> =
        join_all(starts).await.into_iter().map(|started| started.unwrap()).collect();
    let source = Source::new(9);
    let client = site.tenant(&nodes[0].1, &nodes[0].0, &source).client;
    let request = client.init(ActivityType::InitOtpV3, NUMBER);
    let asked = nodes.iter().map(|(node, _)| {
        let (client, request) = (client.at(node), request.clone());
        async move { client.ask(&request).await.activity()["id"].clone() }
    });
    let ids: Vec<Value> = join_all(asked).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
