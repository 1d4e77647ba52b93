//! Logs: structured, on standard error, with a filter that no setting can open for libraries that print what travels.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// Variables that name a filter, the first that is set wins.
const FILTER_VARIABLES: [&str; 2] = ["VESTIBULE_LOG", "RUST_LOG"];

/// Libraries that may print headers, frames or statements below this level. Stamps and bodies pass through them.
const CAPPED: [&str; 9] =
    ["aws_sigv4", "h2", "hyper", "hyper_util", "lettre", "reqwest", "rustls", "tokio_postgres", "tower"];

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Starts logging. `filter` stands where no variable names one.
pub fn start(format: Format, filter: &str) -> Result<()> {
    let (source, text) = FILTER_VARIABLES
        .iter()
        .find_map(|name| Some((*name, std::env::var(name).ok().filter(|text| !text.is_empty())?)))
        .unwrap_or(("log.filter", filter.to_owned()));
    let wanted = parse(source, &text)?;
    let filter = wanted.and(filter_fn(is_allowed));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        Format::Json => lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
    };
    // Not `init`: it would also take in what libraries write through the `log` crate, past the cap.
    tracing::subscriber::set_global_default(Registry::default().with(layer))
        .context("logging was started twice")
}

/// Says what is wrong with the filter of a configuration.
pub fn check(filter: &str) -> Result<()> {
    parse("log.filter", filter).map(|_| ())
}

fn parse(source: &str, text: &str) -> Result<EnvFilter> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    builder.parse(text).with_context(|| {
        format!("{source} is not a log filter; write for example `info` or `info,vestibule_http=debug`")
    })
}

fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || !CAPPED.contains(&library)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_most_open_filter_keeps_libraries_that_print_what_travels_closed() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_filter(EnvFilter::new("trace").and(filter_fn(is_allowed)));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::trace!(target: "h2::codec::framed_read", "x-stamp: secret");
            tracing::debug!(target: "hyper", "secret");
            tracing::warn!(target: "hyper", "a connection failed");
            tracing::trace!(target: "vestibule::crypto", op = "ecdh");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("a connection failed") && text.contains("ecdh"), "{text}");
    }
}
