//! E-mail: senders, subject, and the two bodies.

use vestibule_engine::model::{MessagePayload, Template};

use super::languages::Texts;
use super::words::Words;
use super::{
    MAX_PART_BYTES, Rendered, RenderedEmail, Rendering, Sender, html, logo_url, magic_link, texts, values,
};
use crate::settings::MessageSettings;
use crate::template::{ParsedPart, Part, TemplateError, Values, clean_line, settled_line};

/// Bytes of a subject with its values.
const MAX_SUBJECT: usize = 4096;

pub(super) fn render(
    payload: &MessagePayload,
    template: Option<&Template>,
    settings: &MessageSettings,
) -> Rendering {
    let (from, reply_to) = sender(payload, settings);
    let app_name = clean_line(&payload.app_name);
    let logo = logo_url(payload).unwrap_or_default();
    let link = magic_link(payload).unwrap_or_default();
    // A template in a language has what it does not say itself in that language.
    let texts: Texts = texts(payload, template);
    let values = values(payload, &app_name, &logo, &link, texts);
    let template = template.filter(|template| template.offer().email);
    let (bodies, fault) = match template.map(|template| stored(template, &values)) {
        None => (built_in(&values), None),
        Some(Ok(bodies)) => (bodies, None),
        Some(Err(fault)) => (built_in(&values), Some(fault)),
    };
    let Bodies { subject, html, text } = bodies;
    Rendering {
        message: Rendered::Email(RenderedEmail {
            from,
            reply_to,
            to: payload.to.clone(),
            subject,
            html,
            text,
        }),
        fault,
    }
}

struct Bodies {
    subject: String,
    html: String,
    text: String,
}

/// 02, section 2: a sender outside the allowed domains is ignored together with its name and Reply-To; a Reply-To
/// outside them is ignored alone.
fn sender(payload: &MessagePayload, settings: &MessageSettings) -> (Sender, Option<String>) {
    match payload.send_from.as_deref().map(str::trim).filter(|address| settings.allows(address)) {
        Some(address) => {
            let name = payload.sender_name.as_deref().map(clean_line).filter(|name| !name.is_empty());
            let reply_to =
                payload.reply_to.as_deref().map(str::trim).filter(|address| settings.allows(address));
            let name = name.unwrap_or_else(|| settings.from_name.clone());
            (Sender { name, address: address.to_owned() }, reply_to.map(str::to_owned))
        }
        None => {
            let sender = Sender { name: settings.from_name.clone(), address: settings.from_address.clone() };
            (sender, settings.reply_to.clone())
        }
    }
}

fn stored(template: &Template, values: &Values<'_>) -> Result<Bodies, String> {
    let parse = |part, source| ParsedPart::parse(part, source).map_err(|e: TemplateError| e.to_string());
    let subject = parse(Part::Subject, &template.subject)?.render(values, MAX_SUBJECT)?;
    let html = parse(Part::Html, &template.html)?.render(values, MAX_PART_BYTES)?;
    let text = match &template.text {
        Some(text) => parse(Part::Text, text)?.render(values, MAX_PART_BYTES)?,
        None => Words::of(values).text(values),
    };
    // Marks alone are nothing to be read.
    let is_empty = clean_line(&subject).is_empty();
    let subject = if is_empty { Words::of(values).subject } else { settled_line(&subject) };
    Ok(Bodies { subject, html, text })
}

fn built_in(values: &Values<'_>) -> Bodies {
    let words = Words::of(values);
    Bodies { html: html::built_in(values, &words), text: words.text(values), subject: words.subject }
}

#[cfg(test)]
mod tests;
