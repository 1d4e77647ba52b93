//! How the program is told to stop.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a shell reports for a program that was interrupted.
const EXIT_INTERRUPTED: i32 = 130;

/// Programs such as `timeout` tell a process and then its group, which is the same process again.
const ECHO: Duration = Duration::from_millis(500);

/// Resolves once somebody wants the program to stop. Clones resolve together.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Tells everybody who waits on its [`Shutdown`] to stop, at the latest when it is dropped.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// A pair that belongs together.
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    /// Asks to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until a stop is asked for.
    pub fn requested(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut receiver = self.0.clone();
        async move {
            // An error means that the stopper is gone: nothing runs on without it.
            let _ = receiver.wait_for(|stopping| *stopping).await;
        }
    }
}

/// Resolves with the first SIGTERM or SIGINT; the second one ends the process at once.
pub fn on_signal() -> Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let (stopper, shutdown) = Stopper::new();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        let first = Instant::now();
        tracing::info!(
            "stopping: requests and messages under way are finished; a second signal ends it at once"
        );
        stopper.stop();
        loop {
            next().await;
            if first.elapsed() > ECHO {
                break;
            }
        }
        tracing::warn!("stopped at once by a second signal");
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(shutdown)
}
