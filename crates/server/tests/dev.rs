//! `vestibule dev`: what a newcomer meets first.

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;

use serde_json::json;
use support::{Server, answer, command, env_file, exchange, refused, run, stderr, until, workspace};

const VARIABLES: [&str; 8] = [
    "VESTIBULE_API_PRIVATE_KEY",
    "VESTIBULE_API_PUBLIC_KEY",
    "VESTIBULE_AUTH_PROXY_CONFIG_ID",
    "VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY",
    "VESTIBULE_ORGANIZATION_ID",
    "VESTIBULE_SESSION_SIGNER_PUBLIC_KEY",
    "VESTIBULE_URL",
    "VESTIBULE_USER_ID",
];

#[test]
fn the_first_start_tells_clients_what_they_need() {
    let directory = workspace();
    let server = Server::dev(directory.path());
    let path = directory.path().join("vestibule-data/dev.env");
    let env = env_file(&path);
    let mut names: Vec<&str> = env.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, VARIABLES);
    assert_eq!(env["VESTIBULE_URL"], server.url);
    for name in ["VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY", "VESTIBULE_SESSION_SIGNER_PUBLIC_KEY"] {
        assert!(env[name].len() == 130 && env[name].starts_with("04"), "{name} {}", env[name]);
    }
    for file in ["dev.env", "keys.json", "admin.sock"] {
        let mode = fs::metadata(directory.path().join("vestibule-data").join(file)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let published = server.get("/.well-known/vestibule/keys").to_string();
    assert!(published.contains(&env["VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY"]));

    let whoami = support::json(directory.path(), &["request", "--path", "/public/v1/query/whoami"]);
    assert_eq!(whoami["organizationId"], env["VESTIBULE_ORGANIZATION_ID"]);
    assert_eq!(whoami["userId"], env["VESTIBULE_USER_ID"]);

    let header = format!("X-Auth-Proxy-Config-Id: {}\r\n", env["VESTIBULE_AUTH_PROXY_CONFIG_ID"]);
    let settings = server.post("/v1/wallet_kit_config", &header, "{}");
    assert_eq!(settings["enabledProviders"], json!(["email", "sms"]));
    assert_eq!(settings["sessionExpirationSeconds"], "900");
    assert_eq!(settings["otpLength"], "9");
    server.stop();
}

#[test]
fn the_next_start_finds_everything_again() {
    let directory = workspace();
    let path = directory.path().join("vestibule-data/dev.env");
    let server = Server::dev(directory.path());
    let first = env_file(&path);
    let moved = server.post("/dev/clock", "", r#"{"advanceSeconds":86400}"#);
    assert_eq!(moved["offsetSeconds"], 86400);
    let address = server.address();
    server.stop();
    // The keys are in the database; the file is written anew when somebody removed it.
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();

    let server =
        Server::start(directory.path(), command(directory.path()).args(["dev", "--listen", &address]));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(env_file(&path), first);
    let clock = server.post("/dev/clock", "", r#"{"advanceSeconds":0}"#);
    assert_eq!(clock["offsetSeconds"], 86400, "the clock stays where it was moved");
    let whoami = support::json(directory.path(), &["request", "--path", "/public/v1/query/whoami"]);
    assert_eq!(whoami["userId"], first["VESTIBULE_USER_ID"]);
    let organizations = support::json(directory.path(), &["org", "list"]);
    assert_eq!(organizations.as_array().unwrap().len(), 1);
    server.stop();
}

#[test]
fn data_in_use_is_refused_to_a_second_server() {
    let directory = workspace();
    let server = Server::dev(directory.path());
    let said = refused(directory.path(), &["dev", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("vestibule-data is in use by another process"), "{said}");
    server.stop();
}

#[test]
fn other_machines_are_kept_out_unless_allowed_twice() {
    let directory = workspace();
    // An address for documentation: no machine has it, so nothing is ever opened.
    let listen = ["dev", "--listen", "192.0.2.1:7007"];
    for more in [&[][..], &["--allow-remote"], &["--expose-codes"]] {
        let said = refused(directory.path(), &[&listen, more].concat());
        assert!(said.contains("--allow-remote --expose-codes"), "{more:?} {said}");
        assert!(!directory.path().join("vestibule-data").exists());
    }
    let said = refused(directory.path(), &[&listen[..], &["--allow-remote", "--expose-codes"]].concat());
    assert!(said.contains("cannot listen on 192.0.2.1:7007"), "{said}");
}

#[test]
fn a_port_in_use_is_told_with_the_way_out() {
    let directory = workspace();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(directory.path(), &["dev", "--listen", &address]);
    assert!(said.contains(&address) && said.contains("--listen 127.0.0.1:0"), "{said}");
}

#[test]
fn a_server_told_to_stop_answers_what_it_has_begun() {
    let directory = workspace();
    let mut server = Server::dev(directory.path());
    let address = server.address();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "POST /public/v1/query/whoami HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{")
        .unwrap();
    // The server is in the middle of this request once it counts another connection's request after it.
    assert_eq!(exchange(&address, "GET", "/healthz", "", "").0, 200);
    server.signal("TERM");
    until(|| server.log(), || TcpStream::connect(&address).is_err().then_some(()));
    write!(stream, "}}").unwrap();
    let (status, body) = answer(&mut stream);
    assert_eq!(status, 401, "{body}");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(!directory.path().join("vestibule-data/admin.sock").exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let directory = workspace();
    let mut server = Server::dev(directory.path());
    let address = server.address();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "POST /public/v1/query/whoami HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\n\r\n{{")
        .unwrap();
    assert_eq!(exchange(&address, "GET", "/healthz", "", "").0, 200);
    server.signal("INT");
    until(|| server.log(), || server.log().contains("stopping").then_some(()));
    // A signal that follows hard on the first is taken for its echo.
    let status = until(
        || "the server runs on".to_owned(),
        || {
            server.signal("INT");
            server.ended()
        },
    );
    assert_eq!(status.code(), Some(130), "{}", server.log());
}

#[test]
fn a_killed_server_leaves_nothing_in_the_way_of_the_next() {
    let directory = workspace();
    let mut server = Server::dev(directory.path());
    server.signal("KILL");
    server.wait();
    assert!(directory.path().join("vestibule-data/admin.sock").exists());
    let server = Server::dev(directory.path());
    assert_eq!(support::json(directory.path(), &["org", "list"]).as_array().unwrap().len(), 1);
    server.stop();
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let directory = workspace();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = command(directory.path());
    let server = Server::start(
        directory.path(),
        command.args(["dev", "--listen", "127.0.0.1:0", "--metrics-listen", &free]),
    );
    assert_eq!(server.http("GET", "/healthz", "", "").0, 200);
    assert_ne!(server.http("GET", "/metrics", "", "").0, 200);
    let (status, text) = exchange(&free, "GET", "/metrics", "", "");
    assert_eq!(status, 200);
    assert!(
        text.contains("vestibule_http_requests_total{")
            && text.contains("vestibule_http_request_seconds_bucket")
    );
    server.stop();
}

#[test]
fn a_bad_log_filter_is_named() {
    let directory = workspace();
    let output = command(directory.path()).arg("dev").env("VESTIBULE_LOG", "info,=!").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("VESTIBULE_LOG is not a log filter"), "{}", stderr(&output));
    assert!(run(directory.path(), &["--version"]).status.success());
}
