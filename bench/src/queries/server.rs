//! The server: the real HTTP surface, engine and embedded store, on one processor, listening on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::store::Store;
use vestibule_engine::{Clock, Engine, Services, Settings};
use vestibule_http::{AddressLimits, App, AppState, ConnectionLimits, RequestLimits};
use vestibule_store::SqliteStore;

use super::fill::Site;
use crate::client::now_ms;
use crate::machine;

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }
}

/// An engine with the settings of production.
pub fn engine(store: &Arc<dyn Store>, keys: &Arc<KeyRing>) -> Arc<Engine> {
    let services = Services {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        keys: keys.clone(),
    };
    Arc::new(Engine::new(services, Settings::default()))
}

/// A running server. Dropping it ends it.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    store: Arc<dyn Store>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Everything that answers, not yet at work.
struct Parts {
    runtime: Runtime,
    store: Arc<dyn Store>,
    app: App,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Starts it on processor `core`, on the data of `site`.
    pub fn start(site: &Site, core: usize) -> Result<Self> {
        let (directory, file) = (site.directory.clone(), site.key_file()?);
        let (started, starting) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            // The threads of the store run where the one that opened it was bound.
            match machine::pin(&[core]).and_then(|()| Parts::make(&directory, file)) {
                Ok(Parts { runtime, store, app, listener, address }) => {
                    let _ = started.send(Ok((address, store)));
                    let stopped = async { drop(stopped.await) };
                    let limits = ConnectionLimits::default();
                    runtime.block_on(vestibule_http::serve(listener, app, limits, stopped));
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        let started = starting.recv().map_err(|_| anyhow!("the server's thread panicked"))?;
        let (address, store) = started.context("the server cannot be started")?;
        Ok(Self { address, store, stop: Some(stop), thread: Some(thread) })
    }

    /// Changes something, as other requests would: what connections have in their caches is void after that.
    pub async fn commit_something(&self) -> Result<()> {
        let now = now_ms().to_string();
        self.store.put_meta("bench", &now).await.context("the store takes no change")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Parts {
    fn make(directory: &Path, file: KeyFile) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(directory, Arc::new(SystemClock))?);
        let keys = Arc::new(runtime.block_on(KeyRing::open(&*store, file, &SystemEntropy))?);
        // There is one client address, and it asks more than any one address may.
        let addresses = AddressLimits { enabled: false, ..AddressLimits::default() };
        let app = App::new(AppState {
            engine: engine(&store, &keys),
            keys,
            store: store.clone(),
            entropy: Arc::new(SystemEntropy),
            limits: RequestLimits { addresses, ..RequestLimits::default() },
            receipts: None,
            captcha: None,
            dev: None,
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        Ok(Self { runtime, store, app, listener, address })
    }
}
