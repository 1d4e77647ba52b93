//! What is wrong with an expression, and where.

use std::fmt;

/// A place in the text of an expression. Both count from one; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// An expression that is refused when it is written: it does not parse, or its types do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// Line, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
    /// What was expected and what was found.
    pub message: String,
}

impl PolicyError {
    pub(super) fn new(at: At, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, message: message.into() }
    }

    pub(super) fn expected(at: At, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(at, format!("expected {expected}, found {found}"))
    }
}

/// An expression that has no value on these facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {cause}")]
pub struct EvalError {
    /// The part of the expression that has no value.
    pub at: At,
    /// Why.
    pub cause: EvalCause,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalCause {
    /// `activity.params` lacks the field.
    #[error("this activity has no parameter `{0}`")]
    NoParameter(String),
    /// An index or a slice reaches past the end of a list or string.
    #[error("index {index} is outside of a length of {length}")]
    OutOfRange {
        /// The index, or an end of the slice.
        index: String,
        /// Elements of the list, or characters of the string.
        length: usize,
    },
    /// More steps than [`EVALUATION_STEPS`](super::EVALUATION_STEPS), or than were left for a search.
    #[error("the evaluation takes too many steps")]
    TooManySteps,
    /// The moment is outside of the years that time rules know (-9999 to 9999).
    #[error("the time is out of range")]
    NoSuchTime,
    /// The checker let something through that it should not have: an error of Vestibule.
    #[error("the types do not fit")]
    Types,
}
