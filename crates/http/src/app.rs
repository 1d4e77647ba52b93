//! The edge: what happens to every request before and after its surface answers it.
//!
//! Promise: every answer but those of the pages is JSON with an exact content type, carries a request id, and
//! is counted and logged under a route of our own table, never under text that a client chose.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use tokio::time::Instant;
use tracing::Instrument;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::store::Store;
use vestibule_engine::{Engine, Entropy};
use vestibule_wire::Refusal;

use crate::captcha::{Caller, Captcha};
use crate::cors::Cors;
use crate::dev::{Dev, DevSurface};
use crate::limits::{AddressBook, RequestLimits};
use crate::receipts::ReceiptSurface;
use crate::request_id::{self, RequestIds};
use crate::routes::{self, Route, Surface};
use crate::visitor::Visitor;
use crate::{auth_proxy, body, docs, limits, public_api, refusal, well_known};

/// Label of paths outside the table.
const OTHER: &str = "other";

/// What the surfaces work with.
pub struct AppState {
    /// Decides everything.
    pub engine: Arc<Engine>,
    /// Published at `/.well-known/vestibule/keys`.
    pub keys: Arc<KeyRing>,
    /// Asked by `/readyz`.
    pub store: Arc<dyn Store>,
    /// Makes request ids differ between processes.
    pub entropy: Arc<dyn Entropy>,
    /// What a request may cost.
    pub limits: RequestLimits,
    /// Where providers send receipts; `None` where none does.
    pub receipts: Option<ReceiptSurface>,
    /// Checks the captchas that auth proxies ask for; `None` where there is no provider.
    pub captcha: Option<Captcha>,
    /// The inbox, clock and page of `vestibule dev`; `None` in production.
    pub dev: Option<DevSurface>,
}

/// The whole HTTP surface. Cheap to clone; a `tower` service, too, for tests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    keys: Arc<KeyRing>,
    store: Arc<dyn Store>,
    limits: RequestLimits,
    receipts: Option<ReceiptSurface>,
    addresses: Option<AddressBook>,
    captcha: Option<Captcha>,
    ids: RequestIds,
    dev: Option<Dev>,
}

impl App {
    /// Puts the surface together.
    pub fn new(state: AppState) -> Self {
        let AppState { engine, keys, store, entropy, limits, receipts, captcha, dev } = state;
        metrics::describe_counter!("vestibule_http_requests_total", "Requests answered, by route and status");
        metrics::describe_histogram!(
            "vestibule_http_request_seconds",
            metrics::Unit::Seconds,
            "Time from a request's head to the head of its answer, by route"
        );
        Self(Arc::new(Inner {
            engine,
            keys,
            store,
            addresses: AddressBook::new(&limits.addresses),
            limits,
            receipts,
            captcha,
            ids: RequestIds::new(&*entropy),
            dev: dev.map(Dev::new),
        }))
    }

    /// Ends the streams that would otherwise stay open for as long as their readers wish.
    pub fn close_streams(&self) {
        if let Some(dev) = &self.0.dev {
            dev.close_streams();
        }
    }

    /// Answers one request from `peer`. Never fails: whatever goes wrong is an answer.
    pub async fn handle<B>(&self, peer: Option<IpAddr>, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let started = Instant::now();
        let app = &*self.0;
        let (head, body) = request.into_parts();
        let id = app.ids.of(&head.headers);
        let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
        let work = async {
            let uri = head.uri.clone();
            let path = routes::collapse(uri.path());
            let route = routes::find(path);
            let cors = Cors::of(path);
            let method = head.method.clone();
            let origin = head.headers.get(header::ORIGIN).cloned();
            let dispatched = app.dispatch(peer, path, route, cors, head, body);
            let answered = match tokio::time::timeout(app.limits.request_timeout, dispatched).await {
                Ok(answered) => answered,
                Err(_) => {
                    tracing::error!("the request took too long");
                    Err(Refusal::Unavailable)
                }
            };
            let mut response = finish(answered, cors, route, origin.as_ref());
            response.headers_mut().insert(request_id::NAME, id.clone());
            observe(&method, route, response.status(), started);
            response
        };
        work.instrument(span).await
    }
}

impl Inner {
    async fn dispatch<B>(
        &self,
        peer: Option<IpAddr>,
        path: &str,
        route: Option<&'static Route>,
        cors: Cors,
        head: Parts,
        body: B,
    ) -> Result<Response, Refusal>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if head.method == Method::OPTIONS
            && let Some(preflight) = cors.preflight()
        {
            return Ok(preflight);
        }
        let Some(route) = route else {
            return match &self.dev {
                Some(dev) => dev.answer(path, head, Body::new(body)).await,
                None => Err(Refusal::UnknownPath),
            };
        };
        if !route.surface.takes(&head.method) {
            return Err(Refusal::MethodNotAllowed);
        }
        match route.surface {
            Surface::Submit | Surface::Query | Surface::Token => {
                self.public(peer, route, &head.headers, body).await
            }
            Surface::Proxy => {
                let visitor = self.visitor(peer, &head.headers);
                visitor.as_ref().map_or(Ok(()), Visitor::requests)?;
                let body = body::read(&head.headers, body, self.limits.body_timeout).await?;
                let caller = Caller {
                    captcha: self.captcha.as_ref(),
                    headers: &head.headers,
                    address: limits::origin(peer, &head.headers, &self.limits.addresses.trusted_proxies),
                };
                auth_proxy::call(&self.engine, &caller, visitor.as_ref(), route.name, &head.headers, &body)
                    .await
            }
            Surface::Receipts => self.receipt(peer, path, &head, body).await,
            Surface::Keys => well_known::keys(&self.keys.current()),
            Surface::Docs => docs::answer(route.name, &head.headers),
            Surface::Jwks => well_known::jwks(&self.keys.current()),
            Surface::WebhookJwks => well_known::webhook_jwks(&self.engine),
            Surface::Health => well_known::health(),
            Surface::Ready => well_known::ready(&*self.store).await,
        }
    }

    /// Only requests whose authentication fails are counted against an address: a backend may stamp as often as it likes.
    async fn public<B>(
        &self,
        peer: Option<IpAddr>,
        route: &Route,
        headers: &HeaderMap,
        body: B,
    ) -> Result<Response, Refusal>
    where
        B: HttpBody<Data = Bytes>,
    {
        let visitor = self.visitor(peer, headers);
        visitor.as_ref().map_or(Ok(()), Visitor::may_request)?;
        let body = body::read(headers, body, self.limits.body_timeout).await?;
        let answered = match route.surface {
            Surface::Submit => public_api::submit(&self.engine, route.name, headers, &body).await,
            Surface::Query => public_api::query(&self.engine, route.name, headers, &body).await,
            Surface::Token => public_api::token(&self.engine, headers, &body).await,
            Surface::Proxy
            | Surface::Receipts
            | Surface::Keys
            | Surface::Jwks
            | Surface::WebhookJwks
            | Surface::Docs
            | Surface::Health
            | Surface::Ready => Err(Refusal::UnknownPath),
        };
        if let (Err(refused), Some(visitor)) = (&answered, visitor)
            && refusal::mapping(refused).status == StatusCode::UNAUTHORIZED
        {
            // Whether anything is left is asked before the next request.
            let _ = visitor.requests();
        }
        answered
    }

    /// Only requests that the provider did not sign are counted against an address: it may tell as much as it has, and what it
    /// tells badly must not keep out what it tells well.
    async fn receipt<B>(
        &self,
        peer: Option<IpAddr>,
        path: &str,
        head: &Parts,
        body: B,
    ) -> Result<Response, Refusal>
    where
        B: HttpBody<Data = Bytes>,
    {
        let visitor = self.visitor(peer, &head.headers);
        visitor.as_ref().map_or(Ok(()), Visitor::may_request)?;
        let body = body::read(&head.headers, body, self.limits.body_timeout).await?;
        let answered = match &self.receipts {
            Some(receipts) => {
                let client = limits::origin(peer, &head.headers, &self.limits.addresses.trusted_proxies);
                receipts.answer(head, path, &body, client).await
            }
            None => Err(Refusal::ReceiptRefused),
        };
        if let (Err(Refusal::ReceiptRefused), Some(visitor)) = (&answered, visitor) {
            let _ = visitor.requests();
        }
        answered
    }

    fn visitor(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Visitor<'_>> {
        Visitor::of(self.addresses.as_ref()?, &self.engine, peer, headers)
    }
}

/// Turns a refusal into its answer and opens the answer to the origins that may read it.
fn finish(
    answered: Result<Response, Refusal>,
    cors: Cors,
    route: Option<&Route>,
    origin: Option<&HeaderValue>,
) -> Response {
    let refused = answered.as_ref().err().cloned();
    let mut response = answered.unwrap_or_else(|refused| refusal::response(&refused));
    let headers = response.headers_mut();
    match refused {
        Some(Refusal::OriginNotAllowed) => cors.shut(headers),
        _ => cors.open(origin, headers),
    }
    if let (Some(Refusal::MethodNotAllowed), Some(route)) = (refused, route) {
        headers.insert(header::ALLOW, HeaderValue::from_static(route.surface.allow()));
    }
    response
}

fn observe(method: &Method, route: Option<&'static Route>, status: StatusCode, started: Instant) {
    let route: &'static str = route.map_or(OTHER, |route| &route.path);
    let elapsed = started.elapsed();
    metrics::counter!("vestibule_http_requests_total", "route" => route, "status" => status.as_str().to_owned())
        .increment(1);
    metrics::histogram!("vestibule_http_request_seconds", "route" => route).record(elapsed.as_secs_f64());
    let milliseconds = elapsed.as_micros() as f64 / 1000.0;
    tracing::info!(target: "vestibule::access", %method, route, status = status.as_u16(), milliseconds);
}

impl<B> tower::Service<Request<B>> for App
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// The peer's address is not known here; see [`App::handle`].
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move { Ok(app.handle(None, request).await) })
    }
}
