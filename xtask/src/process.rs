//! Other programs: started from a stated directory, never waiting for input, printed before they run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command in `directory` that gets no standard input.
pub fn command(program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Prints the command, runs it with its output passed through, and fails unless it exits with 0.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("could not start {}", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs the command and returns its standard output; its standard error passes through.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start {}", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no UTF-8", shown(command)))
}

/// The first of `names` that is a file in a directory of PATH.
pub fn find_on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
    })
}

/// Puts an executable shell script at `directory/name`. Another program writes it: a file this process holds open for
/// writing could not be started from a test that runs beside.
#[cfg(test)]
pub fn script(directory: &Path, name: &str, body: &str) -> PathBuf {
    let text = directory.join(format!("{name}.text"));
    std::fs::write(&text, format!("#!/bin/sh\n{body}\n")).unwrap();
    run(command("install", directory).args(["-m", "755"]).arg(text).arg(name)).unwrap();
    directory.join(name)
}

fn shown(command: &Command) -> String {
    // The program by its last name: where it lies is the machine's affair.
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_an_error_that_names_it() {
        let error = run(&mut command("false", Path::new("."))).unwrap_err();
        assert!(error.to_string().contains("`false` ended with"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_that_names_it() {
        let error = output(&mut command("no-such-program-here", Path::new("."))).unwrap_err();
        assert!(error.to_string().contains("could not start no-such-program-here"), "{error}");
    }
}
