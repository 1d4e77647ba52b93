//! Types, before any evaluation: what passes here is refused for its types by no evaluation.

use std::fmt;

use super::ast::{Comparison, Each, Expr, Node};
use super::error::{At, PolicyError};

/// Which roots an expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Roots {
    Condition,
    Consensus,
    Time,
}

#[derive(Debug, Clone, PartialEq)]
enum Type {
    Bool,
    Integer,
    Text,
    Time,
    Span,
    List(Box<Type>),
    Activity,
    Params,
    User,
    Credential,
    Clock,
}

impl Type {
    fn list(of: Type) -> Self {
        Self::List(Box::new(of))
    }

    fn plural(&self) -> String {
        match self {
            Self::Bool => "booleans".to_owned(),
            Self::Integer => "integers".to_owned(),
            Self::Text => "strings".to_owned(),
            Self::Time => "timestamps".to_owned(),
            Self::Span => "cron spans".to_owned(),
            Self::List(of) => format!("lists of {}", of.plural()),
            Self::Activity => "activities".to_owned(),
            Self::Params => "parameters".to_owned(),
            Self::User => "users".to_owned(),
            Self::Credential => "credentials".to_owned(),
            Self::Clock => "clocks".to_owned(),
        }
    }

    /// Types whose values `==` compares.
    fn is_comparable(&self) -> bool {
        matches!(self, Self::Integer | Self::Text | Self::Time)
    }

    /// The fields of a struct; empty for everything else.
    fn fields(&self) -> &'static [(&'static str, FieldType)] {
        use FieldType::{Integer, Params, Text, Texts, Time};
        match self {
            Self::Activity => {
                &[("type", Text), ("kind", Text), ("resource", Text), ("action", Text), ("params", Params)]
            }
            Self::Params => &[
                ("user_ids", Texts),
                ("user_id", Text),
                ("api_key_ids", Texts),
                ("otp_length", Integer),
                ("session_profile_id", Text),
                ("endpoint_id", Text),
            ],
            Self::User => &[("id", Text), ("tags", Texts), ("email", Text), ("alias", Text)],
            Self::Credential => &[
                ("id", Text),
                ("user_id", Text),
                ("type", Text),
                ("credential_id", Text),
                ("public_key", Text),
            ],
            Self::Clock => &[("now", Time)],
            _ => &[],
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum FieldType {
    Text,
    Texts,
    Integer,
    Time,
    Params,
}

impl From<FieldType> for Type {
    fn from(field: FieldType) -> Self {
        match field {
            FieldType::Text => Self::Text,
            FieldType::Texts => Self::list(Self::Text),
            FieldType::Integer => Self::Integer,
            FieldType::Time => Self::Time,
            FieldType::Params => Self::Params,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "a boolean",
            Self::Integer => "an integer",
            Self::Text => "a string",
            Self::Time => "a timestamp",
            Self::Span => "a cron span",
            Self::Activity => "the activity",
            Self::Params => "the parameters",
            Self::User => "a user",
            Self::Credential => "a credential",
            Self::Clock => "the clock",
            Self::List(of) => return write!(f, "a list of {}", of.plural()),
        })
    }
}

/// Refuses an expression that is not a boolean over these roots.
pub(super) fn check(expr: &Expr, roots: Roots) -> Result<(), PolicyError> {
    Checker { roots, variables: Vec::new() }.expect(expr, &Type::Bool)
}

struct Checker {
    roots: Roots,
    variables: Vec<(String, Type)>,
}

impl Checker {
    fn expect(&mut self, expr: &Expr, wanted: &Type) -> Result<(), PolicyError> {
        let found = self.type_of(expr)?;
        if found == *wanted { Ok(()) } else { Err(PolicyError::expected(expr.at, wanted, found)) }
    }

    /// The type of a list's elements.
    fn elements(&mut self, list: &Expr) -> Result<Type, PolicyError> {
        match self.type_of(list)? {
            Type::List(of) => Ok(*of),
            found => Err(PolicyError::expected(list.at, "a list", found)),
        }
    }

    fn type_of(&mut self, expr: &Expr) -> Result<Type, PolicyError> {
        let at = expr.at;
        match &expr.node {
            Node::Bool(_) => Ok(Type::Bool),
            Node::Integer(_) => Ok(Type::Integer),
            Node::Text(_) => Ok(Type::Text),
            Node::List(parts) => self.list(parts, at),
            Node::Timestamp(_) | Node::CronSpan(_) if self.roots != Roots::Time => Err(PolicyError::new(
                at,
                "expected no time: `Timestamp` and `CronSpan` are for the time rule of a policy",
            )),
            Node::Timestamp(_) => Ok(Type::Time),
            Node::CronSpan(_) => Ok(Type::Span),
            Node::Name(name) => self.name(name, at),
            Node::Field(of, name) => self.field(of, name, at),
            Node::Index(of, index) => {
                let element = match self.type_of(of)? {
                    Type::List(of) => *of,
                    Type::Text => Type::Text,
                    found => return Err(PolicyError::expected(of.at, "a list or a string", found)),
                };
                self.expect(index, &Type::Integer)?;
                Ok(element)
            }
            Node::Slice(of, from, to) => {
                let whole = self.type_of(of)?;
                if !matches!(whole, Type::List(_) | Type::Text) {
                    return Err(PolicyError::expected(of.at, "a list or a string", whole));
                }
                self.expect(from, &Type::Integer)?;
                self.expect(to, &Type::Integer)?;
                Ok(whole)
            }
            Node::Each { method, list, variable, body } => {
                let element = self.elements(list)?;
                if self.variables.iter().any(|(name, _)| name == variable) {
                    return Err(PolicyError::expected(
                        at,
                        "a variable with a name of its own",
                        format_args!("`{variable}` again"),
                    ));
                }
                self.variables.push((variable.clone(), element.clone()));
                let checked = self.expect(body, &Type::Bool);
                self.variables.pop();
                checked?;
                Ok(if *method == Each::Filter { Type::list(element) } else { Type::Bool })
            }
            Node::Contains(list, element) => {
                let of = self.elements(list)?;
                self.comparable(&of, list.at)?;
                self.expect(element, &of)?;
                Ok(Type::Bool)
            }
            Node::Count(list) => self.elements(list).map(|_| Type::Integer),
            Node::Not(of) => self.expect(of, &Type::Bool).map(|()| Type::Bool),
            Node::Compare(comparison, left, right) => {
                self.comparison(*comparison, left, right).map(|()| Type::Bool)
            }
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().try_for_each(|part| self.expect(part, &Type::Bool)).map(|()| Type::Bool)
            }
        }
    }

    fn list(&mut self, parts: &[Expr], at: At) -> Result<Type, PolicyError> {
        let Some((first, rest)) = parts.split_first() else {
            return Err(PolicyError::expected(at, "an element", "an empty list"));
        };
        let element = self.type_of(first)?;
        rest.iter().try_for_each(|part| self.expect(part, &element))?;
        Ok(Type::list(element))
    }

    fn name(&self, name: &str, at: At) -> Result<Type, PolicyError> {
        if let Some((_, of)) = self.variables.iter().rev().find(|(variable, _)| variable == name) {
            return Ok(of.clone());
        }
        match (self.roots, name) {
            (Roots::Condition, "activity") => Ok(Type::Activity),
            (Roots::Consensus, "approvers") => Ok(Type::list(Type::User)),
            (Roots::Consensus, "credentials") => Ok(Type::list(Type::Credential)),
            (Roots::Time, "time") => Ok(Type::Clock),
            (roots, _) => {
                let known = match roots {
                    Roots::Condition => "`activity`",
                    Roots::Consensus => "`approvers` or `credentials`",
                    Roots::Time => "`time`",
                };
                Err(PolicyError::expected(at, known, format_args!("`{name}`")))
            }
        }
    }

    fn field(&mut self, of: &Expr, name: &str, at: At) -> Result<Type, PolicyError> {
        let whole = self.type_of(of)?;
        let fields = whole.fields();
        if let Some((_, field)) = fields.iter().find(|(field, _)| *field == name) {
            return Ok(Type::from(*field));
        }
        let known: Vec<String> = fields.iter().map(|(field, _)| format!("`{field}`")).collect();
        let known = match (&whole, known.split_last()) {
            (_, Some((last, []))) => last.clone(),
            (_, Some((last, rest))) => format!("{} or {last}", rest.join(", ")),
            (Type::List(_), None) => "`all()`, `any()`, `filter()`, `contains()` or `count()`".to_owned(),
            (_, None) => format!("no field of {whole}"),
        };
        Err(PolicyError::expected(at, known, format_args!("`{name}`")))
    }

    fn comparable(&self, of: &Type, at: At) -> Result<(), PolicyError> {
        if of.is_comparable() {
            return Ok(());
        }
        let wanted = if self.roots == Roots::Time { "timestamps" } else { "integers or strings" };
        Err(PolicyError::expected(at, wanted, of.plural()))
    }

    fn comparison(&mut self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<(), PolicyError> {
        let one = self.type_of(left)?;
        match comparison {
            Comparison::In => match self.type_of(right)? {
                Type::Span if one == Type::Time => Ok(()),
                Type::Span => Err(PolicyError::expected(left.at, Type::Time, one)),
                Type::List(of) if *of == one => self.comparable(&one, left.at),
                found => Err(PolicyError::expected(right.at, Type::list(one), found)),
            },
            Comparison::Equal | Comparison::NotEqual => {
                self.comparable(&one, left.at)?;
                self.expect(right, &one)
            }
            Comparison::Less | Comparison::Greater | Comparison::LessOrEqual | Comparison::GreaterOrEqual => {
                if !matches!(one, Type::Integer | Type::Time) {
                    return Err(PolicyError::expected(left.at, Type::Integer, one));
                }
                self.expect(right, &one)
            }
        }
    }
}
