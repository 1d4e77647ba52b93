//! The HTTP surfaces of Vestibule. The only crate that knows status codes.
//!
//! [`App`] answers one request: the edge in `app` names it, finds its route, holds it to its limits, and writes the
//! one kind of answer and refusal there is; the surfaces do no more than hand headers and bytes to the engine.
//! [`serve`] puts an [`App`] on a listener. [`admin`] is the operator's own door, a Unix socket.

pub mod admin;
mod answer;
mod app;
mod auth_proxy;
mod body;
mod captcha;
mod cors;
pub mod dev;
mod docs;
mod limits;
mod public_api;
mod receipts;
pub mod refusal;
mod request_id;
pub mod routes;
mod serve;
mod visitor;
mod well_known;

pub use app::{App, AppState};
pub use body::MAX_BODY;
pub use captcha::{Captcha, CaptchaError, CaptchaSettings};
pub use limits::{AddressLimits, RequestLimits};
pub use receipts::{IncomingReceipt, ReceiptDoor, ReceiptSurface};
pub use serve::{ConnectionLimits, serve};
