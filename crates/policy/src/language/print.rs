//! The tree as text: one spelling for one meaning, with no more parentheses than needed.

use std::fmt::{self, Display, Formatter};

use super::ast::{Expr, Node};

/// How tightly a node holds together; an operand that holds less tightly than its place asks for gets parentheses.
fn strength(node: &Node) -> u8 {
    match node {
        Node::Or(_) => 1,
        Node::And(_) => 2,
        Node::Compare(..) => 3,
        Node::Not(_) => 4,
        _ => 5,
    }
}

struct Operand<'a>(&'a Expr, u8);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(expr, least) = self;
        if strength(&expr.node) < *least { write!(f, "({expr})") } else { write!(f, "{expr}") }
    }
}

/// A string literal.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for c in self.0.chars() {
            match c {
                '\'' | '\\' => write!(f, "\\{c}")?,
                _ => write!(f, "{c}")?,
            }
        }
        f.write_str("'")
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Expr], separator: &str, least: u8) -> fmt::Result {
    for (nth, part) in parts.iter().enumerate() {
        if nth > 0 {
            f.write_str(separator)?;
        }
        Operand(part, least).fmt(f)?;
    }
    Ok(())
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Bool(value) => value.fmt(f),
            Node::Integer(value) => value.fmt(f),
            Node::Text(text) => Quoted(text).fmt(f),
            Node::List(parts) => {
                f.write_str("[")?;
                joined(f, parts, ", ", 0)?;
                f.write_str("]")
            }
            Node::Timestamp(moment) => write!(f, "Timestamp({})", Quoted(moment.text())),
            Node::CronSpan(span) => {
                let [cron, length, zone] = span.texts();
                write!(f, "CronSpan({}, {}, {})", Quoted(cron), Quoted(length), Quoted(zone))
            }
            Node::Name(name) => f.write_str(name),
            Node::Field(of, name) => write!(f, "{}.{name}", Operand(of, 5)),
            Node::Index(of, index) => write!(f, "{}[{index}]", Operand(of, 5)),
            Node::Slice(of, from, to) => write!(f, "{}[{from}..{to}]", Operand(of, 5)),
            Node::Each { method, list, variable, body } => {
                write!(f, "{}.{}({variable}, {body})", Operand(list, 5), method.name())
            }
            Node::Contains(list, element) => write!(f, "{}.contains({element})", Operand(list, 5)),
            Node::Count(list) => write!(f, "{}.count()", Operand(list, 5)),
            Node::Not(of) => write!(f, "!{}", Operand(of, 4)),
            Node::Compare(comparison, left, right) => {
                write!(f, "{} {} {}", Operand(left, 4), comparison.sign(), Operand(right, 4))
            }
            Node::And(parts) => joined(f, parts, " && ", 3),
            Node::Or(parts) => joined(f, parts, " || ", 2),
        }
    }
}
