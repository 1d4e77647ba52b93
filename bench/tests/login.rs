//! The benchmark runs from end to end, so that it works on the day it is needed. What it measures here is of no worth.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use std::path::Path;
use std::process::Command;

fn report(arguments: &[&str]) -> String {
    let bench = Path::new(env!("CARGO_BIN_EXE_vestibule-bench"));
    let output = Command::new(bench)
        .args(["login", "--quick"])
        .args(arguments)
        .env_remove("VESTIBULE_BIN")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    out
}

/// The cells of the first row that begins so.
fn row(report: &str, begin: &str) -> Vec<String> {
    let line = report.lines().find(|line| line.starts_with(begin));
    let line = line.unwrap_or_else(|| panic!("no {begin:?} in {report}"));
    line.split('|').map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
}

fn assert_positive(cell: &str, report: &str) {
    assert!(cell.parse::<f64>().is_ok_and(|value| value > 0.0), "{cell:?} in {report}");
}

#[test]
fn a_short_run_logs_users_in_and_reports() {
    let report = report(&[]);
    for line in ["| crypto only |", "| sign the session | 1 |", "Resident memory"] {
        assert!(report.contains(line), "no {line:?} in {report}");
    }
    for connections in ["| 1 | ", "| 4 | "] {
        assert_positive(&row(&report, connections)[1], &report);
    }
}

#[test]
fn two_stores_are_measured_side_by_side() {
    let report = report(&["--store", "postgres"]);
    for connections in ["| 1 | ", "| 4 | "] {
        // Embedded, PostgreSQL, and one as a share of the other.
        for cell in &row(&report, connections)[1..4] {
            assert_positive(cell, &report);
        }
    }
    let (_, costs) = report.split_once("What a login costs PostgreSQL").unwrap();
    for cell in &row(costs, "| 4 | ")[1..] {
        assert_positive(cell, &report);
    }
    assert!(report.contains("the floor of 0.65 is"), "{report}");
}

#[test]
fn a_slower_disk_is_measured_beside_the_disk_as_it_is_on_both_stores() {
    let report = report(&["--store", "postgres", "--fsync-delay", "1"]);
    for line in ["| 4 | embedded |", "| 4 | PostgreSQL |"] {
        // Two rates, one as a share of the other, and logins per sync, which only the delaying library can count.
        for cell in &row(&report, line)[2..] {
            assert_positive(cell, &report);
        }
    }
    assert!(report.contains("the floor of 0.85 is"), "{report}");
}
