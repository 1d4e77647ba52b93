//! `vestibule template ...`: storing, checking and showing message templates.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use vestibule_delivery::preview::{self, APP_NAME, Sample, SampleMessage};
use vestibule_delivery::render::Rendered;
use vestibule_delivery::template::{self, Draft, Finding, Part, Severity};
use vestibule_delivery::{MessageSettings, SmsEncoding, gsm7_segments};
use vestibule_engine::model;
use vestibule_http::admin::{AdminAnswer, AdminCommand};
use vestibule_wire::{Locale, TemplateId, preferences};

use crate::admin::{self, organization};
use crate::cli::{Given, PreviewedMessage, Template, TemplateParts};
use crate::output::say;

/// Whose messages a sample seems to be.
const SENDER: &str = "no-reply@example.com";

/// Runs the command; the status to end with.
pub async fn run(command: Template) -> Result<u8> {
    match command {
        Template::Add { place, organization: id, name, locale, parts, given } => {
            let sources = Sources::read(parts)?;
            let draft = sources.draft(locale.as_ref());
            template::check(&draft).context("the template is not valid")?;
            let findings =
                template::lint(&draft, known(&given).as_ref(), &settings(given.sms_origin.as_deref())?);
            for finding in &findings {
                eprintln!("{}", line(&finding.part.to_string(), finding));
            }
            for (severity, message) in of_logo(given.logo_url.as_deref()) {
                eprintln!("{severity}: {message}");
            }
            if findings.iter().any(|finding| finding.severity == Severity::Error) {
                bail!("the template was not stored");
            }
            let Sources { subject, html, text, sms } = sources;
            let command = AdminCommand::TemplateAdd {
                organization: organization(&id)?,
                name,
                locale,
                subject: subject.unwrap_or_default(),
                html: html.unwrap_or_default(),
                text,
                sms,
            };
            admin::run(&place, command).await?;
        }
        Template::List { place, organization: id } => {
            let command = AdminCommand::TemplateList { organization: organization(&id)? };
            admin::run(&place, command).await?;
        }
        Template::Show { place, organization: id, template_id } => {
            let (organization, template) = (organization(&id)?, template_of(&template_id)?);
            admin::run(&place, AdminCommand::TemplateShow { organization, template }).await?;
        }
        Template::Remove { place, organization: id, template_id } => {
            let (organization, template) = (organization(&id)?, template_of(&template_id)?);
            admin::run(&place, AdminCommand::TemplateRemove { organization, template }).await?;
        }
        Template::Lint { files, locale, given, deny_warnings } => {
            let gravest = lint(&files, locale.as_ref(), &given)?;
            let limit = if deny_warnings { Severity::Warning } else { Severity::Error };
            return Ok(u8::from(gravest.is_some_and(|severity| severity >= limit)));
        }
        Template::Preview {
            place,
            organization: id,
            template_id,
            parts,
            message,
            locale,
            app_name,
            logo_url,
            magic_link_template,
            sms_origin,
            html_out,
        } => {
            let stored = match (id, template_id) {
                (Some(id), Some(template_id)) => {
                    let (organization, template) = (organization(&id)?, template_of(&template_id)?);
                    let show = AdminCommand::TemplateShow { organization, template };
                    let AdminAnswer::Templates { templates } = admin::send(&place, show).await? else {
                        bail!("the server answered something else")
                    };
                    templates.into_iter().next()
                }
                _ => Sources::read(parts)?.template()?,
            };
            for (severity, message) in of_logo(logo_url.as_deref()) {
                eprintln!("{severity}: {message}");
            }
            for finding in stored.iter().flat_map(|stored| template::lint_pictures(&stored.html)) {
                eprintln!("{}", line(&finding.part.to_string(), &finding));
            }
            let locales = locale.as_deref().map(preferences).unwrap_or_default();
            let sample = Sample {
                message: sampled(message),
                locales: &locales,
                app_name: app_name.as_deref().unwrap_or(APP_NAME),
                logo_url: logo_url.as_deref(),
                magic_link_template: magic_link_template.as_deref(),
            };
            show(&sample, stored.as_ref(), &settings(sms_origin.as_deref())?, html_out.as_deref())?;
        }
    }
    Ok(0)
}

/// The parts of a template as texts.
#[derive(Default)]
struct Sources {
    subject: Option<String>,
    html: Option<String>,
    text: Option<String>,
    sms: Option<String>,
}

impl Sources {
    fn read(parts: TemplateParts) -> Result<Self> {
        let TemplateParts { subject, html, text, sms } = parts;
        let read = |path: Option<PathBuf>| path.as_deref().map(read).transpose();
        Ok(Self { subject, html: read(html)?, text: read(text)?, sms: read(sms)?.map(unterminated) })
    }

    fn draft<'a>(&'a self, locale: Option<&'a Locale>) -> Draft<'a> {
        Draft {
            locale,
            subject: self.subject.as_deref(),
            html: self.html.as_deref(),
            text: self.text.as_deref(),
            sms: self.sms.as_deref(),
        }
    }

    /// A template that is not stored; `None` without any part.
    fn template(&self) -> Result<Option<model::Template>> {
        let draft = self.draft(None);
        if [draft.subject, draft.html, draft.text, draft.sms].iter().all(Option::is_none) {
            return Ok(None);
        }
        template::check(&draft).context("the template is not valid")?;
        Ok(Some(preview::draft(&draft)))
    }
}

/// A file's last line break is no part of an SMS or a subject.
fn unterminated(text: String) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn template_of(text: &str) -> Result<TemplateId> {
    text.parse().map_err(|_| anyhow!("{text:?} is no template id; `vestibule template list` shows the ids"))
}

fn known(given: &Given) -> Option<BTreeSet<String>> {
    (!given.variables.is_empty()).then(|| given.variables.iter().cloned().collect())
}

fn settings(sms_origin: Option<&str>) -> Result<MessageSettings> {
    let settings = MessageSettings::new(SENDER)?;
    Ok(match sms_origin {
        Some(origin) => settings.with_sms_origin(origin)?,
        None => settings,
    })
}

fn of_logo(url: Option<&str>) -> Vec<(Severity, String)> {
    url.map(template::lint_logo_url).unwrap_or_default()
}

fn line(file: &str, finding: &Finding) -> String {
    let Finding { severity, part: _, line, column, message } = finding;
    format!("{file}:{line}:{column}: {severity}: {message}")
}

/// What a file is by its ending, else by its bytes.
enum Kind {
    Part(Part),
    Logo,
}

const PICTURES: &[&str] = &[
    ".png", ".apng", ".svg", ".svgz", ".jpg", ".jpeg", ".jfif", ".gif", ".webp", ".avif", ".bmp", ".ico",
    ".tif", ".tiff", ".heic", ".heif", ".jxl",
];

fn kind(path: &Path) -> Result<Kind> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    Ok(if ends(&[".html", ".htm"]) {
        Kind::Part(Part::Html)
    } else if ends(&[".sms", ".sms.txt"]) {
        Kind::Part(Part::Sms)
    } else if ends(&[".subject", ".subject.txt"]) {
        Kind::Part(Part::Subject)
    } else if ends(&[".txt"]) {
        Kind::Part(Part::Text)
    } else if ends(PICTURES) || fs::read(path).is_ok_and(|bytes| template::is_picture(&bytes)) {
        Kind::Logo
    } else {
        bail!("{}: what it is cannot be told; name it .html, .txt, .sms, .subject or .png", path.display())
    })
}

/// Prints every finding; the gravest.
fn lint(files: &[PathBuf], locale: Option<&Locale>, given: &Given) -> Result<Option<Severity>> {
    let mut sources = Sources::default();
    let mut names: Vec<(Part, String)> = Vec::new();
    let mut gravest = None;
    for path in files {
        let shown = path.display().to_string();
        match kind(path)? {
            Kind::Logo => {
                let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
                for (severity, message) in template::lint_logo(&bytes) {
                    say!("{shown}: {severity}: {message}");
                    gravest = gravest.max(Some(severity));
                }
            }
            Kind::Part(part) => {
                let text = read(path)?;
                let place = match part {
                    Part::Subject => &mut sources.subject,
                    Part::Html => &mut sources.html,
                    Part::Text => &mut sources.text,
                    Part::Sms => &mut sources.sms,
                };
                if place.is_some() {
                    bail!("{shown}: a template has one {part} part");
                }
                *place =
                    Some(if matches!(part, Part::Subject | Part::Sms) { unterminated(text) } else { text });
                names.push((part, shown));
            }
        }
    }
    for (severity, message) in of_logo(given.logo_url.as_deref()) {
        say!("{severity}: {message}");
        gravest = gravest.max(Some(severity));
    }
    let settings = settings(given.sms_origin.as_deref())?;
    for finding in template::lint(&sources.draft(locale), known(given).as_ref(), &settings) {
        let name = names.iter().find(|(part, _)| *part == finding.part).map(|(_, name)| name.as_str());
        say!("{}", line(name.unwrap_or("template"), &finding));
        gravest = gravest.max(Some(finding.severity));
    }
    Ok(gravest)
}

fn sampled(message: PreviewedMessage) -> SampleMessage {
    match message {
        PreviewedMessage::Code => SampleMessage::CodeEmail,
        PreviewedMessage::Login => SampleMessage::LoginEmail,
        PreviewedMessage::Recovery => SampleMessage::RecoveryEmail,
        PreviewedMessage::Sms => SampleMessage::CodeSms,
    }
}

fn show(
    sample: &Sample<'_>,
    template: Option<&model::Template>,
    settings: &MessageSettings,
    html_out: Option<&Path>,
) -> Result<()> {
    let rendering = sample.render(template, settings);
    if let Some(fault) = &rendering.fault {
        eprintln!("the template cannot be used, this is the built-in text: {fault}");
    }
    match rendering.message {
        Rendered::Email(email) => {
            say!("Subject: {}\n\n{}", email.subject, email.text);
            if let Some(path) = html_out {
                fs::write(path, email.html).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Rendered::Sms(sms) => {
            if html_out.is_some() {
                bail!("an SMS has no HTML");
            }
            let size = gsm7_segments(&sms.text);
            let alphabet = match size.encoding {
                SmsEncoding::Gsm7 => "GSM-7",
                SmsEncoding::Ucs2 => "UCS-2",
            };
            say!("{}", sms.text);
            eprintln!("{} segments, {} units of {alphabet}", size.segments, size.units);
        }
    }
    Ok(())
}
