//! The load: on each connection one login after another, as fast as the server answers.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use vestibule_crypto::bundle::seal_otp_bundle;
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::token::SessionJwt;

use super::client::Connection;
use super::users::Site;
use crate::machine;
use crate::report::percentile;

/// How long a message may be under way.
const MAIL_LIMIT: Duration = Duration::from_secs(30);

/// The steps of a login, as they are reported.
pub const STEPS: [&str; 4] = ["init", "mail", "verify", "login"];

/// Durations of [`STEPS`]. `mail` runs from the answer of `init` to the arrival of the message.
type Times = [Duration; STEPS.len()];

/// One measurement.
#[derive(Debug, Clone)]
pub struct Point {
    /// Complete logins.
    pub logins_per_second: f64,
    /// Median of each step, milliseconds.
    pub p50: [f64; STEPS.len()],
    /// 99th percentile of each step, milliseconds.
    pub p99: [f64; STEPS.len()],
    /// How busy the server's processor was with it, 0 to 1.
    pub server_busy: f64,
    /// How busy the load generator's was, 0 to 1.
    pub generator_busy: f64,
}

/// Measures logins on `connections` connections for `time`, and tells how long it took until the last had ended. A login counts when
/// it ends in time; any error ends the run.
pub async fn run(
    site: &Rc<Site>,
    server: u32,
    connections: usize,
    time: Duration,
) -> Result<(Point, Duration)> {
    let opened = try_join_all((0..connections).map(|_| Connection::open(site.address))).await?;
    let (own, before) = (std::process::id(), Instant::now());
    let busy_before = (machine::cpu_time(server)?, machine::cpu_time(own)?);
    let deadline = before + time;
    let workers = opened.into_iter().map(|mut connection| async move {
        let mut done: Vec<Times> = Vec::new();
        while Instant::now() < deadline {
            let times = login(site, &mut connection).await?.0;
            if Instant::now() < deadline {
                done.push(times);
            }
        }
        anyhow::Ok(done)
    });
    let done: Vec<Times> = try_join_all(workers).await.context("a login failed")?.concat();
    let took = before.elapsed();
    let busy = |pid, earlier: Duration| -> Result<f64> {
        Ok(machine::cpu_time(pid)?.saturating_sub(earlier).as_secs_f64() / took.as_secs_f64())
    };
    let step = |index: usize, share| {
        let mut times: Vec<Duration> = done.iter().map(|times| times[index]).collect();
        percentile(&mut times, share).as_secs_f64() * 1000.0
    };
    ensure!(!done.is_empty(), "no login ended within {time:?}");
    let point = Point {
        logins_per_second: done.len() as f64 / time.as_secs_f64(),
        p50: std::array::from_fn(|index| step(index, 0.5)),
        p99: std::array::from_fn(|index| step(index, 0.99)),
        server_busy: busy(server, busy_before.0)?,
        generator_busy: busy(own, busy_before.1)?,
    };
    Ok((point, took))
}

/// A few logins on each of some connections, each checked to the last signature.
pub async fn warm_up(site: &Rc<Site>, connections: usize) -> Result<()> {
    let workers = (0..connections).map(|_| async {
        let mut connection = Connection::open(site.address).await?;
        for _ in 0..4 {
            let (_, session) = login(site, &mut connection).await?;
            let signer = site.keys.session_signer(0).public_key();
            SessionJwt::verify(&session, signer).context("a session's signature does not verify")?;
        }
        anyhow::Ok(())
    });
    try_join_all(workers).await.context("a login failed")?;
    Ok(())
}

/// One login of a new user; how long its steps took, and the session.
async fn login(site: &Site, connection: &mut Connection) -> Result<(Times, String)> {
    let user = site.next_user()?;
    let code = site.mail.expect(&user.email);
    let init = connection.submit(site.backend.init(&user.email)).await?;
    let answered = Instant::now();
    let code = tokio::time::timeout(MAIL_LIMIT, code).await.context("a message did not arrive")??;
    let mail = answered.elapsed();

    let bundle = seal_otp_bundle(
        init.text("otpEncryptionTargetBundle")?,
        site.keys.bundle_signer(0).public_key(),
        &code,
        &user.key.public_key().to_hex(),
        &SystemEntropy,
    )
    .context("a target bundle does not verify")?;
    let verify = connection.submit(site.backend.verify(init.text("otpId")?, &bundle)).await?;

    let token = verify.text("verificationToken")?;
    let login = connection.submit(site.backend.login(&user.organization, token, &user.key)?).await?;
    Ok(([init.took, mail, verify.took, login.took], login.text("session")?.to_owned()))
}
