//! Messages as they would look, for the page of `dev`.

use std::sync::Arc;

use async_trait::async_trait;
use vestibule_delivery::preview::{APP_NAME, Sample, SampleMessage, Scheme, in_scheme};
use vestibule_delivery::render::{LANGUAGES, Rendered};
use vestibule_delivery::{MessageSettings, gsm7_segments};
use vestibule_engine::Engine;
use vestibule_http::dev::{
    Preview, PreviewLanguage, PreviewList, PreviewMessage, PreviewRequest, PreviewScheme, PreviewTemplate,
    Previews,
};
use vestibule_wire::{OrganizationId, Refusal};

/// Where the logo of a sample would be.
const LOGO: &str = "https://app.example.com/logo.png";
/// Where the link of a sample leads: nowhere.
const LINK: &str = "https://app.example.com/login?token=%s";

/// Renders samples with the settings of this server and the templates of its organization.
pub struct Samples {
    /// Gives the stored templates.
    pub engine: Arc<Engine>,
    /// Whose templates.
    pub organization: OrganizationId,
    /// As messages are sent.
    pub messages: MessageSettings,
}

#[async_trait]
impl Previews for Samples {
    async fn list(&self) -> Result<PreviewList, Refusal> {
        let messages = SampleMessage::ALL
            .iter()
            .map(|message| PreviewMessage { name: message.name(), channel: message.channel() })
            .collect();
        let languages = LANGUAGES
            .iter()
            .map(|language| PreviewLanguage {
                tag: language.tag,
                name: language.name,
                own_name: language.own_name,
                direction: language.direction.attribute(),
                reviewed: language.reviewed,
            })
            .collect();
        let templates = self.engine.list_templates(self.organization).await?;
        let templates = templates
            .into_iter()
            .map(|template| {
                let offer = template.offer();
                PreviewTemplate {
                    id: offer.id,
                    name: template.name,
                    locale: offer.locale,
                    email: offer.email,
                    sms: offer.sms,
                }
            })
            .collect();
        Ok(PreviewList { messages, languages, templates })
    }

    async fn show(&self, request: &PreviewRequest) -> Result<Preview, Refusal> {
        let message = SampleMessage::named(&request.message).ok_or(Refusal::UnknownPath)?;
        let template = match request.template {
            None => None,
            Some(id) => Some(self.engine.show_template(self.organization, id).await?),
        };
        let locales: Vec<_> = request.locale.iter().cloned().collect();
        let sample = Sample {
            message,
            locales: &locales,
            app_name: request.app_name.as_deref().unwrap_or(APP_NAME),
            logo_url: request.logo.then_some(LOGO),
            magic_link_template: request.link.then_some(LINK),
        };
        let rendering = sample.render(template.as_ref(), &self.messages);
        Ok(match rendering.message {
            Rendered::Email(email) => {
                let html = match request.scheme {
                    None => email.html,
                    Some(PreviewScheme::Light) => in_scheme(&email.html, Scheme::Light),
                    Some(PreviewScheme::Dark) => in_scheme(&email.html, Scheme::Dark),
                };
                Preview {
                    subject: Some(email.subject),
                    text: email.text,
                    html: Some(html),
                    segments: None,
                    fault: rendering.fault,
                }
            }
            Rendered::Sms(sms) => Preview {
                subject: None,
                segments: Some(gsm7_segments(&sms.text).segments),
                text: sms.text,
                html: None,
                fault: rendering.fault,
            },
        })
    }
}
