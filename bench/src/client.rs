//! One kept-alive connection to a server, and the time.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The time of this machine, epoch milliseconds.
#[expect(clippy::disallowed_methods, reason = "the server judges requests by the time they name")]
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// One connection, one request at a time.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect to the server")?;
        stream.set_nodelay(true).context("cannot set up a connection")?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.context("cannot set up a connection")?;
        tokio::task::spawn_local(async move {
            // Whoever waits for an answer is told as well.
            let _ = connection.await;
        });
        Ok(Self { sender, host: address.to_string() })
    }

    /// Posts JSON, which must be answered with 200: the answer, and how long it took from the first byte sent to the last
    /// byte read.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(Duration, Bytes)> {
        let mut request =
            Request::post(path).header("host", &self.host).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).context("a request cannot be made")?;
        let start = Instant::now();
        let response = self.sender.send_request(request).await.context("the server hung up")?;
        let status = response.status();
        let body = response.into_body().collect().await.context("the server hung up")?.to_bytes();
        let took = start.elapsed();
        if status != StatusCode::OK {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok((took, body))
    }
}
