//! Histories as files of JSON lines.

use std::fmt;
use std::io::{self, BufRead, Write};

use crate::event::{History, Line};

/// Why a file is no history.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be read.
    Io(io::Error),
    /// A line, counted from 1, is none of a history.
    Line(usize, serde_json::Error),
    /// The first line is not the header, or a later one is.
    Header,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Line(number, error) => write!(f, "line {number}: {error}"),
            Self::Header => write!(f, "a history has one header, in its first line"),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Line(_, error) => Some(error),
            Self::Header => None,
        }
    }
}

/// Reads a history. Empty lines are skipped.
pub fn read(from: impl BufRead) -> Result<History, FileError> {
    let mut history: Option<History> = None;
    for (index, line) in from.lines().enumerate() {
        let line = line.map_err(FileError::Io)?;
        if line.trim().is_empty() {
            continue;
        }
        let line = serde_json::from_str(&line).map_err(|error| FileError::Line(index + 1, error))?;
        match (line, &mut history) {
            (Line::History(header), None) => history = Some(History { header, ..History::default() }),
            (Line::Event(event), Some(history)) => history.events.push(*event),
            (Line::Delivery(delivery), Some(history)) => history.deliveries.push(delivery),
            (Line::Fault(fault), Some(history)) => history.faults.push(fault),
            (Line::History(_), Some(_)) | (_, None) => return Err(FileError::Header),
        }
    }
    history.ok_or(FileError::Header)
}

/// Writes a history: its header, then everything else in the order of time.
pub fn write(history: &History, mut to: impl Write) -> io::Result<()> {
    let History { header, events, deliveries, faults } = history;
    let mut lines: Vec<(u64, Line)> = Vec::new();
    lines.extend(faults.iter().map(|fault| (fault.at_us, Line::Fault(fault.clone()))));
    lines.extend(deliveries.iter().map(|delivery| (delivery.at_us, Line::Delivery(delivery.clone()))));
    lines.extend(events.iter().map(|event| (event.ended_us, Line::Event(Box::new(event.clone())))));
    lines.sort_by_key(|(at, _)| *at);
    let header = Line::History(header.clone());
    for line in std::iter::once(&header).chain(lines.iter().map(|(_, line)| line)) {
        serde_json::to_writer(&mut to, line)?;
        to.write_all(b"\n")?;
    }
    to.flush()
}
