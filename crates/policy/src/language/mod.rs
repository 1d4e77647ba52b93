//! The language of policies: conditions, consensuses and time rules (protocol 02, section 3).
//!
//! Promise: what compiles is well typed, so that an evaluation fails only for the facts it meets (a parameter the activity
//! does not have, an index past the end) or for taking too long. Compiling and evaluating are total and bounded; neither
//! reads a clock, a file or anything else.

mod ast;
mod check;
mod error;
mod eval;
mod lex;
mod parse;
mod print;
mod time;
mod value;

use std::fmt;

use jiff::Timestamp;

pub use error::{At, EvalCause, EvalError, PolicyError};
pub use time::LONGEST_SPAN;

use crate::facts::{ActivityFacts, Approvals};
use ast::Expr;
use check::Roots;
use eval::{Environment, evaluate};

/// Bytes of an expression's text.
pub const MAX_TEXT: usize = 8 * 1024;
/// Levels of nesting, of parentheses as of the tree.
pub const MAX_NESTING: usize = 64;
/// Nodes of the tree.
pub const MAX_NODES: usize = 2048;
/// Steps of one evaluation. A node is a step each time it is evaluated; so is every element of a list that is read or
/// searched, every byte of a string that is cut, and every day and firing of a schedule that is looked at.
pub const EVALUATION_STEPS: u64 = 20_000;

macro_rules! expression {
    ($(#[$doc:meta])* $name:ident over $roots:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name(Expr);

        impl $name {
            /// Parses and checks the text.
            pub fn compile(text: &str) -> Result<Self, PolicyError> {
                let expr = parse::parse(text)?;
                check::check(&expr, Roots::$roots)?;
                Ok(Self(expr))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = PolicyError;

            fn from_str(text: &str) -> Result<Self, PolicyError> {
                Self::compile(text)
            }
        }
    };
}

expression! {
    /// An expression about `activity`. Also the scope of a session profile and the condition of an MFA policy.
    Condition over Condition
}
expression! {
    /// An expression about `approvers` and `credentials`.
    Consensus over Consensus
}
expression! {
    /// An expression about `time.now`.
    TimeRule over Time
}

impl Condition {
    /// Whether it holds for this activity.
    pub fn eval(&self, activity: &ActivityFacts) -> Result<bool, EvalError> {
        let mut fuel = EVALUATION_STEPS;
        evaluate(&self.0, Environment::Condition(activity), &mut fuel)
    }

    /// The first of the parts joined by `&&` that does not hold, as text.
    pub fn failing(&self, activity: &ActivityFacts) -> Option<String> {
        failing(&self.0, Environment::Condition(activity))
    }
}

impl Consensus {
    /// Whether these approvals suffice.
    pub fn eval(&self, approvals: &Approvals<'_>) -> Result<bool, EvalError> {
        let mut fuel = EVALUATION_STEPS;
        self.eval_within(approvals, &mut fuel)
    }

    /// The same, out of a budget that more than one evaluation shares.
    pub(crate) fn eval_within(&self, approvals: &Approvals<'_>, fuel: &mut u64) -> Result<bool, EvalError> {
        evaluate(&self.0, Environment::Consensus(approvals), fuel)
    }

    /// The values of the parts that `&&` and `||` join; a part without a value is `None`.
    pub(crate) fn parts_within(&self, approvals: &Approvals<'_>, fuel: &mut u64) -> Vec<Option<bool>> {
        let environment = Environment::Consensus(approvals);
        self.0.atoms().into_iter().map(|part| evaluate(part, environment, fuel).ok()).collect()
    }

    /// Whether it depends on what approvals are made with, and not only on who makes them.
    pub(crate) fn reads_credentials(&self) -> bool {
        self.0.names("credentials")
    }

    /// The first of the parts joined by `&&` that does not hold, as text.
    pub fn failing(&self, approvals: &Approvals<'_>) -> Option<String> {
        failing(&self.0, Environment::Consensus(approvals))
    }
}

impl TimeRule {
    /// Whether it holds at a moment, in milliseconds since 1970.
    pub fn eval(&self, now_ms: i64) -> Result<bool, EvalError> {
        let now = Timestamp::from_millisecond(now_ms)
            .map_err(|_| EvalError { at: self.0.at, cause: EvalCause::NoSuchTime })?;
        let mut fuel = EVALUATION_STEPS;
        evaluate(&self.0, Environment::Time(now), &mut fuel)
    }
}

fn failing(expr: &Expr, environment: Environment<'_>) -> Option<String> {
    let mut fuel = EVALUATION_STEPS;
    let part = expr.clauses().into_iter().find(|part| evaluate(part, environment, &mut fuel) == Ok(false))?;
    Some(part.to_string())
}
