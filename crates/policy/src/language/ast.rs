//! The tree of an expression.

use super::error::At;
use super::time::{CronSpan, Moment};
use super::value::Integer;

/// A node and where it came from. Equality does not look at the place.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    pub(crate) at: At,
    /// One more than the highest operand's.
    pub(super) height: usize,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl Expr {
    /// The parts that `&&` joins, at the top and below; the expression itself where there is no `&&`.
    pub(super) fn clauses(&self) -> Vec<&Expr> {
        match &self.node {
            Node::And(parts) => parts.iter().flat_map(Expr::clauses).collect(),
            _ => vec![self],
        }
    }

    /// The parts that `&&` and `||` join, at the top and below.
    pub(super) fn atoms(&self) -> Vec<&Expr> {
        match &self.node {
            Node::And(parts) | Node::Or(parts) => parts.iter().flat_map(Expr::atoms).collect(),
            _ => vec![self],
        }
    }

    /// Whether a root of this name, which no variable can have, occurs anywhere.
    pub(super) fn names(&self, root: &str) -> bool {
        match &self.node {
            Node::Bool(_) | Node::Integer(_) | Node::Text(_) | Node::Timestamp(_) | Node::CronSpan(_) => {
                false
            }
            Node::Name(name) => name == root,
            Node::Field(of, _) | Node::Count(of) | Node::Not(of) => of.names(root),
            Node::Index(a, b) | Node::Contains(a, b) | Node::Compare(_, a, b) => {
                a.names(root) || b.names(root)
            }
            Node::Slice(a, b, c) => a.names(root) || b.names(root) || c.names(root),
            Node::Each { list, body, .. } => list.names(root) || body.names(root),
            Node::List(parts) | Node::And(parts) | Node::Or(parts) => {
                parts.iter().any(|part| part.names(root))
            }
        }
    }
}

/// `==` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    In,
}

impl Comparison {
    pub(super) const ALL: [Self; 7] = [
        Self::Equal,
        Self::NotEqual,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::Less,
        Self::Greater,
        Self::In,
    ];

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

/// The methods that bind a variable to each element in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Each {
    All,
    Any,
    Filter,
}

impl Each {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::Filter => "filter",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Bool(bool),
    Integer(Integer),
    Text(String),
    List(Vec<Expr>),
    Timestamp(Moment),
    CronSpan(Box<CronSpan>),
    /// A root or a variable.
    Name(String),
    Field(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    /// From the first, up to and without the second.
    Slice(Box<Expr>, Box<Expr>, Box<Expr>),
    Each {
        method: Each,
        list: Box<Expr>,
        variable: String,
        body: Box<Expr>,
    },
    Contains(Box<Expr>, Box<Expr>),
    Count(Box<Expr>),
    Not(Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// Two or more.
    And(Vec<Expr>),
    /// Two or more.
    Or(Vec<Expr>),
}
