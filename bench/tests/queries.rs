//! The benchmark of queries runs from end to end. What it measures here is of no worth.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use std::process::Command;

#[test]
fn a_short_run_asks_every_query_and_reports() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_vestibule-bench")).args(["queries", "--quick"]).output().unwrap();
    let (report, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    for query in [
        "list_suborgs",
        "list_verified_suborgs",
        "whoami, the parent's id",
        "account, EMAIL",
        "list_activities",
    ] {
        let row = report.lines().find(|line| line.starts_with(&format!("| {query}")));
        let row = row.unwrap_or_else(|| panic!("no {query:?} in {report}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        // Two numbers of sub-organizations with three times each, and two ratios.
        assert_eq!(cells.len(), 5, "{row}");
        let times = cells[1..3].iter().flat_map(|cell| cell.split(" / "));
        let positive = times.chain(cells[3..].iter().copied()).map(|cell| cell.parse::<f64>().unwrap());
        assert!(positive.clone().count() == 8 && positive.clone().all(|value| value > 0.0), "{row}");
    }
    assert!(report.contains("The floor is a p99 of 5 ms at 1,000"), "{report}");
}
