//! The tools of `vestibule dev`: inbox, clock, settings, and the page that shows them.
//!
//! Promise: no web page but our own reads a code or moves the clock. Nothing here sends CORS headers, and every request
//! must name this server by one of its own addresses (see the module `guard`).

mod guard;
mod page;
mod previews;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tower::ServiceExt;
use vestibule_wire::{OrganizationId, OtpId, ProxyConfigId, Refusal};

pub use previews::{
    Preview, PreviewLanguage, PreviewList, PreviewMessage, PreviewRequest, PreviewScheme, PreviewTemplate,
    Previews,
};

use crate::{answer, body, refusal};

/// The farthest that the clock may be moved at once: ten years.
const MAX_ADVANCE_S: u64 = 10 * 365 * 86_400;

/// How long the body of a tool's request may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a message may load: its own styles, and pictures. It runs nothing and is shown by nobody but our page.
const MESSAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: http://localhost:* http://127.0.0.1:* data:; sandbox; frame-ancestors 'self'",
);

/// A message as the inbox shows it.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxMessage {
    /// Unique within the inbox; safe in a path.
    pub id: String,
    /// `email` or `sms`.
    pub channel: &'static str,
    /// Address as given, or E.164 number.
    pub to: String,
    /// Sender; `None` for text messages.
    pub from: Option<String>,
    /// Subject; `None` for text messages.
    pub subject: Option<String>,
    /// Plain text.
    pub text: String,
    /// HTML; `None` for text messages.
    pub html: Option<String>,
    /// The code it carries.
    pub otp_code: Option<String>,
    /// The bundle it carries.
    pub credential_bundle: Option<String>,
    /// The attempt the code belongs to.
    pub otp_id: Option<OtpId>,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// Codes do not appear in logs, not even in development.
impl std::fmt::Debug for InboxMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxMessage").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Messages as they arrive.
pub type InboxStream = Pin<Box<dyn Stream<Item = InboxMessage> + Send>>;

/// Where `dev` keeps the messages that `serve` would send.
pub trait Inbox: Send + Sync {
    /// Messages, newest first; only those to exactly this contact where one is given.
    fn messages(&self, to: Option<&str>) -> Vec<InboxMessage>;

    /// Messages that arrive from now on.
    fn subscribe(&self) -> InboxStream;
}

/// What the clock says after it was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// Epoch milliseconds by the moved clock.
    pub now_ms: i64,
    /// Seconds by which it is ahead of the wall clock, all moves together.
    pub offset_seconds: i64,
}

/// The clock of `dev`, which can be moved forward and stays so over a restart (D-15).
#[async_trait]
pub trait DevClock: Send + Sync {
    /// Moves the clock by this many seconds, zero included, durably.
    async fn advance(&self, seconds: u64) -> Result<ClockReading, Refusal>;
}

/// What the page and the SDKs need to know; the answer of `GET /dev/config`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DevConfig {
    /// The root organization.
    pub organization_id: OrganizationId,
    /// Its auth proxy.
    pub auth_proxy_config_id: ProxyConfigId,
    /// Uncompressed hex, 130 characters.
    pub bundle_signer_public_key: String,
    /// Uncompressed hex, 130 characters.
    pub session_signer_public_key: String,
    /// Base URL of this server.
    pub url: String,
}

/// What `dev` adds to the surface.
pub struct DevSurface {
    /// The inbox.
    pub inbox: Arc<dyn Inbox>,
    /// The clock.
    pub clock: Arc<dyn DevClock>,
    /// Messages that are shown and not sent.
    pub previews: Arc<dyn Previews>,
    /// Settings to show; asked for each time, because keys change.
    pub config: Box<dyn Fn() -> DevConfig + Send + Sync>,
    /// Where the server listens: what requests must call it.
    pub listen: SocketAddr,
}

/// The surface of `dev`, ready to answer.
pub(crate) struct Dev {
    guard: guard::Guard,
    router: Router,
    closing: watch::Sender<bool>,
}

#[derive(Clone)]
struct Tools(Arc<ToolsInner>);

struct ToolsInner {
    inbox: Arc<dyn Inbox>,
    clock: Arc<dyn DevClock>,
    previews: Arc<dyn Previews>,
    config: Box<dyn Fn() -> DevConfig + Send + Sync>,
    closing: watch::Receiver<bool>,
}

/// A refusal as an answer of the router.
struct Refused(Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal::response(&self.0)
    }
}

impl Dev {
    pub(crate) fn new(surface: DevSurface) -> Self {
        let DevSurface { inbox, clock, previews, config, listen } = surface;
        let (closing, watched) = watch::channel(false);
        let tools = Tools(Arc::new(ToolsInner { inbox, clock, previews, config, closing: watched }));
        let router = Router::new()
            .route("/dev/messages", get(messages))
            .route("/dev/messages/{id}/html", get(html))
            .route("/dev/events", get(events))
            .route("/dev/config", get(config_answer))
            .route("/dev/clock", post(advance))
            .route("/dev/previews", get(previews::list))
            .route("/dev/preview", get(previews::show))
            .route("/dev/preview/html", get(previews::html))
            .route("/", get(page::index))
            .route("/previews", get(page::previews))
            .route("/assets/{name}", get(page::asset))
            .fallback(async || Refused(Refusal::UnknownPath))
            .method_not_allowed_fallback(async || Refused(Refusal::MethodNotAllowed))
            .with_state(tools);
        Self { guard: guard::Guard::new(listen), router, closing }
    }

    pub(crate) fn close_streams(&self) {
        self.closing.send_replace(true);
    }

    /// Answers a request whose path, leading slashes made one, is none of the API's.
    pub(crate) async fn answer(&self, path: &str, mut head: Parts, body: Body) -> Result<Response, Refusal> {
        self.guard.check(path, &head.headers)?;
        if path != head.uri.path() {
            let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            head.uri = format!("{path}{query}").parse::<Uri>().map_err(|_| Refusal::UnknownPath)?;
        }
        let request = Request::from_parts(head, body);
        let mut response =
            self.router.clone().oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        );
        Ok(response)
    }
}

#[derive(Deserialize)]
struct MessagesQuery {
    to: Option<String>,
}

async fn messages(State(Tools(tools)): State<Tools>, uri: Uri) -> Result<Response, Refused> {
    let Query(MessagesQuery { to }) = Query::try_from_uri(&uri).map_err(|_| Refusal::BadRequestBody)?;
    Ok(answer::json(&json!({ "messages": tools.inbox.messages(to.as_deref()) }))?)
}

async fn html(State(Tools(tools)): State<Tools>, Path(id): Path<String>) -> Result<Response, Refused> {
    let message = tools.inbox.messages(None).into_iter().find(|message| message.id == id);
    let html = message.and_then(|message| message.html).ok_or(Refusal::UnknownPath)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, MESSAGE_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, html).into_response())
}

async fn events(State(Tools(tools)): State<Tools>) -> Response {
    // The comment makes the browser see the stream open before anything has happened.
    let opened = stream::iter([Ok::<_, axum::Error>(Event::default().comment("open"))]);
    let arriving =
        tools.inbox.subscribe().map(|message| Event::default().event("message").json_data(message));
    let mut closing = tools.closing.clone();
    let closed = async move {
        let _ = closing.wait_for(|closed| *closed).await;
    };
    Sse::new(opened.chain(arriving).take_until(Box::pin(closed)))
        .keep_alive(KeepAlive::default())
        .into_response()
}

async fn config_answer(State(Tools(tools)): State<Tools>) -> Result<Response, Refused> {
    Ok(answer::json(&(tools.config)())?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

async fn advance(State(Tools(tools)): State<Tools>, request: Request<Body>) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let body = body::read(&head.headers, body, BODY_TIMEOUT).await?;
    let Advance { advance_seconds } = serde_json::from_slice(&body)
        .map_err(|_| Refusal::InvalidField("advanceSeconds must be a whole number of seconds, 0 or more"))?;
    if advance_seconds > MAX_ADVANCE_S {
        return Err(Refusal::InvalidField("advanceSeconds must be at most ten years").into());
    }
    let ClockReading { now_ms, offset_seconds } = tools.clock.advance(advance_seconds).await?;
    Ok(answer::json(&json!({ "now": now_ms, "offsetSeconds": offset_seconds }))?)
}
