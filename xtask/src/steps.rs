//! A run made of named steps: each is attempted, whatever became of the others, and the end says how each went.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps of one run so far.
#[derive(Default)]
pub struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Announces a step, runs it, remembers the outcome, and says whether it passed.
    pub fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("\n=== {name}");
        let started = Instant::now();
        let failure = work().err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            println!("--- {name} failed: {failure}");
        }
        let passed = failure.is_none();
        self.done.push(Step { name, took: started.elapsed(), failure });
        passed
    }

    /// Prints the summary, whose last line closes the output, and says how the run went: a run with a failed step, or
    /// without any, has failed.
    pub fn finish(self) -> ExitCode {
        print!("\n{}", self.summary());
        if self.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn passed(&self) -> bool {
        !self.done.is_empty() && self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.done.iter().filter(|step| step.failure.is_some()).count()
    }

    /// One line a step, and last, on a line of its own, the count that CI reads.
    fn summary(&self) -> String {
        let mut text = String::new();
        for step in &self.done {
            let seconds = step.took.as_secs_f64();
            match &step.failure {
                None => text.push_str(&format!("passed {seconds:>8.1} s  {}\n", step.name)),
                Some(failure) => {
                    text.push_str(&format!("FAILED {seconds:>8.1} s  {}: {failure}\n", step.name))
                }
            }
        }
        let failed = self.failed();
        text.push_str(&format!("{} passed, {failed} failed\n", self.done.len() - failed));
        text
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_the_others_still_run() {
        let mut steps = Steps::default();
        let mut ran_after = false;
        assert!(!steps.run("first", || Err(anyhow!("broken"))));
        assert!(steps.run("second", || {
            ran_after = true;
            Ok(())
        }));
        assert!(ran_after);
        let summary = steps.summary();
        assert!(summary.contains("first: broken"), "{summary}");
        assert_eq!(summary.lines().last(), Some("1 passed, 1 failed"));
        assert!(!steps.passed());
    }

    #[test]
    fn a_run_of_passing_steps_passes() {
        let mut steps = Steps::default();
        steps.run("only", || Ok(()));
        assert_eq!(steps.summary().lines().last(), Some("1 passed, 0 failed"));
        assert!(steps.passed());
    }

    #[test]
    fn a_run_without_steps_is_no_pass() {
        assert!(!Steps::default().passed());
    }
}
