//! Messages as they would look: every built-in one in every language, and the stored templates.
//!
//! Promise: what is shown runs nothing and reaches nothing of ours. It is HTML that somebody may have written for this server, so it
//! comes with the policy of the inbox's messages, into a frame that may do nothing.

use async_trait::async_trait;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use vestibule_wire::{Locale, OtpType, Refusal, TemplateId};

use super::{MESSAGE_POLICY, Refused, Tools};
use crate::answer;

/// What there is to be shown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewList {
    /// The built-in messages.
    pub messages: Vec<PreviewMessage>,
    /// Their languages, English first.
    pub languages: Vec<PreviewLanguage>,
    /// The stored templates, newest first.
    pub templates: Vec<PreviewTemplate>,
}

/// A built-in message.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewMessage {
    /// `code`, `login`, `recovery`, `sms`
    pub name: &'static str,
    /// How it is sent.
    pub channel: OtpType,
}

/// A language of the built-in messages.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewLanguage {
    /// BCP 47.
    pub tag: &'static str,
    /// In English.
    pub name: &'static str,
    /// In itself.
    pub own_name: &'static str,
    /// `ltr` or `rtl`.
    pub direction: &'static str,
    /// Whether a native speaker has read it.
    pub reviewed: bool,
}

/// A stored template.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewTemplate {
    /// Id.
    pub id: TemplateId,
    /// Label.
    pub name: String,
    /// Its language.
    pub locale: Option<Locale>,
    /// Whether it has an e-mail.
    pub email: bool,
    /// Whether it has an SMS.
    pub sms: bool,
}

/// Which message to show.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewRequest {
    /// `code`, `login`, `recovery`, `sms`
    pub message: String,
    /// In which language; absent: English, or the template's.
    pub locale: Option<Locale>,
    /// A stored template instead of the built-in texts.
    pub template: Option<TemplateId>,
    /// Name of the app; absent: one of an example.
    pub app_name: Option<String>,
    /// Whether it has a logo, which is nowhere.
    #[serde(default)]
    pub logo: bool,
    /// Whether it has a link.
    #[serde(default)]
    pub link: bool,
    /// The colours that its reader prefers; absent: the browser's.
    pub scheme: Option<PreviewScheme>,
}

/// Colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviewScheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A message as it would be sent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Subject; absent in an SMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text body, or the SMS.
    pub text: String,
    /// The HTML body, answered apart; absent in an SMS.
    #[serde(skip)]
    pub html: Option<String>,
    /// Segments that an SMS takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<usize>,
    /// Why the built-in texts stand where a template was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Shows messages that are not sent.
#[async_trait]
pub trait Previews: Send + Sync {
    /// What there is.
    async fn list(&self) -> Result<PreviewList, Refusal>;

    /// One message; `UnknownPath` for one that there is not.
    async fn show(&self, request: &PreviewRequest) -> Result<Preview, Refusal>;
}

/// `GET /dev/previews`
pub(super) async fn list(State(Tools(tools)): State<Tools>) -> Result<Response, Refused> {
    Ok(answer::json(&tools.previews.list().await?)?)
}

fn asked(uri: &Uri) -> Result<PreviewRequest, Refusal> {
    Query::try_from_uri(uri).map(|Query(request)| request).map_err(|_| Refusal::BadRequestBody)
}

/// `GET /dev/preview?message=code&locale=de`
pub(super) async fn show(State(Tools(tools)): State<Tools>, uri: Uri) -> Result<Response, Refused> {
    Ok(answer::json(&tools.previews.show(&asked(&uri)?).await?)?)
}

/// `GET /dev/preview/html?message=code&locale=de&scheme=dark`
pub(super) async fn html(State(Tools(tools)): State<Tools>, uri: Uri) -> Result<Response, Refused> {
    let html = tools.previews.show(&asked(&uri)?).await?.html.ok_or(Refusal::UnknownPath)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, MESSAGE_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, html).into_response())
}
