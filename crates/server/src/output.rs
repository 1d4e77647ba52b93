//! What commands print: an end of the reader, such as of `vestibule ... | head`, ends them quietly.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

/// Prints a line, formatted as by `format!`.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}
pub(crate) use say;

/// Prints a text as it is. Where nobody reads it any more the program ends, with the status of a program that SIGPIPE ended.
pub fn print(text: Arguments<'_>) {
    let mut out = stdout().lock();
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(128 + 13);
    }
    eprintln!("error: the output cannot be written: {error}");
    std::process::exit(1);
}

/// Prints a text where somebody reads it. A server runs on where nobody does.
pub fn announce(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
