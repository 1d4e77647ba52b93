//! The benchmark runs from end to end, so that it works on the day it is needed. What it measures here is of no worth.

use std::path::Path;
use std::process::Command;

#[test]
fn a_short_run_logs_users_in_and_reports() {
    let bench = Path::new(env!("CARGO_BIN_EXE_vestibule-bench"));
    let output = Command::new(bench).args(["login", "--quick"]).env_remove("VESTIBULE_BIN").output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    for line in ["| crypto only |", "| 1 |", "| 4 |", "| sign the session | 1 |", "Resident memory"] {
        assert!(out.contains(line), "no {line:?} in {out}{err}");
    }
    // A count of logins that is not zero, on each number of connections.
    for connections in ["| 1 | ", "| 4 | "] {
        let rest = out.split_once(connections).unwrap().1;
        let logins: f64 = rest.split(" |").next().unwrap().parse().unwrap();
        assert!(logins > 0.0, "{out}");
    }
}
