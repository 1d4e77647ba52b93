//! `vestibule db`: moving an installation from one store to another.

use anyhow::{Context, Result};
use vestibule_store::contents::TableContents;
use vestibule_store::copy::{self, Place};

use crate::cli::{Db, Ends};
use crate::clock::SystemClock;
use crate::config;
use crate::output::say;

/// Runs the command.
pub async fn run(command: Db) -> Result<()> {
    match command {
        Db::Copy { ends } => {
            let (from, to) = places(&ends)?;
            let tables = copy::copy(&from, &to, &SystemClock::default())
                .await
                .with_context(|| format!("{to} is left as it was"))?;
            say!("Copied {from} to {to}, and read it back.");
            print(&tables);
            say!(
                "The sealing key is not in a database: take the key file along. Start servers on the copy only; what is \
                 written to the old place from now on stays there."
            );
        }
        Db::Compare { ends } => {
            let (from, to) = places(&ends)?;
            let (source, target) = (copy::contents(&from).await?, copy::contents(&to).await?);
            copy::compare(&source, &target).with_context(|| format!("{from} and {to} are not the same"))?;
            say!("{from} and {to} hold the same.");
            print(&source);
        }
    }
    Ok(())
}

fn places(ends: &Ends) -> Result<(Place, Place)> {
    let place = |flag: &str, text: &str| {
        let place =
            Place::parse(text).with_context(|| format!("{flag} names neither sqlite:DIR nor a database"))?;
        Ok::<_, anyhow::Error>(match place {
            Place::Postgres(mut options) if !options.has_password() => {
                if let Some(password) = config::database_password()? {
                    options.set_password(password.expose());
                }
                Place::Postgres(options)
            }
            other => other,
        })
    };
    Ok((place("--from", &ends.from)?, place("--to", &ends.to)?))
}

/// Prints the rows and the checksum of each table.
pub fn print(tables: &[TableContents]) {
    for TableContents { name, rows, checksum } in tables {
        say!("{rows:>12} rows  {checksum}  {name}");
    }
    say!("{} tables, {} rows", tables.len(), tables.iter().map(|table| table.rows).sum::<u64>());
}
