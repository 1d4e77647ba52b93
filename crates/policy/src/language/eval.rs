//! Evaluation. Nothing is skipped: both sides of `&&` and `||`, and every element of a list, are evaluated, so that
//! whether an expression has a value does not depend on the order of its parts.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use jiff::Timestamp;

use super::ast::{Comparison, Each, Expr, Node};
use super::error::{At, EvalCause, EvalError};
use super::value::{Integer, Value};
use crate::facts::{ActivityFacts, Approvals, Params};

/// What the roots stand for.
#[derive(Clone, Copy)]
pub(super) enum Environment<'a> {
    Condition(&'a ActivityFacts),
    Consensus(&'a Approvals<'a>),
    Time(Timestamp),
}

/// The value of a checked expression. Every step is taken from `fuel`.
pub(super) fn evaluate(expr: &Expr, environment: Environment<'_>, fuel: &mut u64) -> Result<bool, EvalError> {
    let mut machine = Machine { environment, variables: Vec::new(), fuel };
    machine.bool(expr)
}

struct Machine<'a, 'f> {
    environment: Environment<'a>,
    variables: Vec<(&'a str, Value<'a>)>,
    fuel: &'f mut u64,
}

fn failed<T>(at: At, cause: EvalCause) -> Result<T, EvalError> {
    Err(EvalError { at, cause })
}

impl<'a> Machine<'a, '_> {
    fn spend(&mut self, steps: usize, at: At) -> Result<(), EvalError> {
        match self.fuel.checked_sub(steps as u64) {
            Some(rest) => *self.fuel = rest,
            None => {
                *self.fuel = 0;
                return failed(at, EvalCause::TooManySteps);
            }
        }
        Ok(())
    }

    fn bool(&mut self, expr: &'a Expr) -> Result<bool, EvalError> {
        match self.value(expr)? {
            Value::Bool(value) => Ok(value),
            _ => failed(expr.at, EvalCause::Types),
        }
    }

    fn list(&mut self, expr: &'a Expr) -> Result<Rc<[Value<'a>]>, EvalError> {
        match self.value(expr)? {
            Value::List(list) => Ok(list),
            _ => failed(expr.at, EvalCause::Types),
        }
    }

    fn integer(&mut self, expr: &'a Expr) -> Result<Integer, EvalError> {
        match self.value(expr)? {
            Value::Integer(value) => Ok(value),
            _ => failed(expr.at, EvalCause::Types),
        }
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Value<'a>, EvalError> {
        let at = expr.at;
        self.spend(1, at)?;
        match &expr.node {
            Node::Bool(value) => Ok(Value::Bool(*value)),
            Node::Integer(value) => Ok(Value::Integer(*value)),
            Node::Text(text) => Ok(Value::text(text)),
            Node::List(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|part| self.value(part)).collect();
                Ok(Value::List(parts?.into()))
            }
            Node::Timestamp(moment) => Ok(Value::Time(moment.timestamp())),
            Node::CronSpan(span) => Ok(Value::Span(span)),
            Node::Name(name) => self.name(name, at),
            Node::Field(of, name) => {
                let whole = self.value(of)?;
                self.field(&whole, name, at)
            }
            Node::Index(of, index) => {
                let whole = self.value(of)?;
                let index = self.integer(index)?;
                self.index(whole, index, at)
            }
            Node::Slice(of, from, to) => {
                let whole = self.value(of)?;
                let (from, to) = (self.integer(from)?, self.integer(to)?);
                self.slice(whole, from, to, at)
            }
            Node::Each { method, list, variable, body } => self.each(*method, list, variable, body),
            Node::Contains(list, element) => {
                let list = self.list(list)?;
                let element = self.value(element)?;
                self.contains(&list, &element, at)
            }
            Node::Count(list) => {
                let count = self.list(list)?.len();
                Ok(Value::Integer(Integer::from(i64::try_from(count).unwrap_or(i64::MAX))))
            }
            Node::Not(of) => Ok(Value::Bool(!self.bool(of)?)),
            Node::Compare(comparison, left, right) => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                self.compare(*comparison, &left, &right, at)
            }
            Node::And(parts) => {
                let mut all = true;
                for part in parts {
                    all &= self.bool(part)?;
                }
                Ok(Value::Bool(all))
            }
            Node::Or(parts) => {
                let mut any = false;
                for part in parts {
                    any |= self.bool(part)?;
                }
                Ok(Value::Bool(any))
            }
        }
    }

    fn name(&mut self, name: &str, at: At) -> Result<Value<'a>, EvalError> {
        if let Some((_, value)) = self.variables.iter().rev().find(|(variable, _)| *variable == name) {
            return Ok(value.clone());
        }
        match (self.environment, name) {
            (Environment::Condition(activity), "activity") => Ok(Value::Activity(activity)),
            (Environment::Consensus(approvals), "approvers") => {
                self.spend(approvals.approvers.len(), at)?;
                Ok(Value::List(approvals.approvers.iter().map(|user| Value::User(user)).collect()))
            }
            (Environment::Consensus(approvals), "credentials") => {
                self.spend(approvals.credentials.len(), at)?;
                Ok(Value::List(approvals.credentials.iter().map(|one| Value::Credential(one)).collect()))
            }
            (Environment::Time(now), "time") => Ok(Value::Clock(now)),
            _ => failed(at, EvalCause::Types),
        }
    }

    fn field(&mut self, of: &Value<'a>, name: &str, at: At) -> Result<Value<'a>, EvalError> {
        match (of, name) {
            (Value::Activity(activity), "type") => Ok(Value::text(activity.activity_type)),
            (Value::Activity(activity), "kind") => Ok(Value::text(activity.kind)),
            (Value::Activity(activity), "resource") => Ok(Value::text(activity.resource)),
            (Value::Activity(activity), "action") => Ok(Value::text(activity.action)),
            (Value::Activity(activity), "params") => Ok(Value::Params(&activity.params)),
            (Value::Params(params), _) => self.parameter(params, name, at),
            (Value::User(user), "id") => Ok(Value::Text(Cow::Owned(user.id.to_string()))),
            (Value::User(user), "tags") => {
                self.spend(user.tags.len(), at)?;
                Ok(Value::texts(&user.tags))
            }
            (Value::User(user), "email") => Ok(Value::text(&user.email)),
            (Value::User(user), "alias") => Ok(Value::text(&user.alias)),
            (Value::Credential(one), "id") => Ok(Value::text(&one.id)),
            (Value::Credential(one), "user_id") => Ok(Value::Text(Cow::Owned(one.user_id.to_string()))),
            (Value::Credential(one), "type") => Ok(Value::text(&one.credential_type)),
            (Value::Credential(one), "credential_id") => Ok(Value::text(&one.credential_id)),
            (Value::Credential(one), "public_key") => Ok(Value::text(&one.public_key)),
            (Value::Clock(now), "now") => Ok(Value::Time(*now)),
            _ => failed(at, EvalCause::Types),
        }
    }

    fn parameter(&mut self, params: &'a Params, name: &str, at: At) -> Result<Value<'a>, EvalError> {
        let texts = |texts: &'a Option<Vec<String>>| texts.as_deref().map(Value::texts);
        let text = |text: &'a Option<String>| text.as_deref().map(Value::text);
        let value = match name {
            "user_ids" => texts(&params.user_ids),
            "user_id" => text(&params.user_id),
            "api_key_ids" => texts(&params.api_key_ids),
            "otp_length" => params.otp_length.map(|length| Value::Integer(Integer::from(length))),
            "session_profile_id" => text(&params.session_profile_id),
            "endpoint_id" => text(&params.endpoint_id),
            _ => return failed(at, EvalCause::Types),
        };
        let Some(value) = value else { return failed(at, EvalCause::NoParameter(name.to_owned())) };
        if let Value::List(list) = &value {
            self.spend(list.len(), at)?;
        }
        Ok(value)
    }

    fn index(&mut self, of: Value<'a>, index: Integer, at: At) -> Result<Value<'a>, EvalError> {
        let place = index.as_index();
        let (found, length) = match of {
            Value::List(list) => (place.and_then(|place| list.get(place).cloned()), list.len()),
            Value::Text(text) => {
                self.spend(text.len(), at)?;
                let found = place.and_then(|place| text.chars().nth(place));
                (found.map(|found| Value::Text(Cow::Owned(found.to_string()))), text.chars().count())
            }
            _ => return failed(at, EvalCause::Types),
        };
        match found {
            Some(found) => Ok(found),
            None => failed(at, EvalCause::OutOfRange { index: index.to_string(), length }),
        }
    }

    fn slice(&mut self, of: Value<'a>, from: Integer, to: Integer, at: At) -> Result<Value<'a>, EvalError> {
        let length = match &of {
            Value::List(list) => list.len(),
            Value::Text(text) => {
                self.spend(text.len(), at)?;
                text.chars().count()
            }
            _ => return failed(at, EvalCause::Types),
        };
        let outside = |index: Integer| EvalError {
            at,
            cause: EvalCause::OutOfRange { index: index.to_string(), length },
        };
        let last = to.as_index().filter(|to| *to <= length).ok_or_else(|| outside(to))?;
        let first = from.as_index().filter(|from| *from <= last).ok_or_else(|| outside(from))?;
        self.spend(last - first, at)?;
        Ok(match of {
            Value::List(list) => Value::List(list[first..last].into()),
            Value::Text(text) => {
                Value::Text(Cow::Owned(text.chars().skip(first).take(last - first).collect()))
            }
            _ => return failed(at, EvalCause::Types),
        })
    }

    fn each(
        &mut self,
        method: Each,
        list: &'a Expr,
        variable: &'a str,
        body: &'a Expr,
    ) -> Result<Value<'a>, EvalError> {
        let list = self.list(list)?;
        let mut held = Vec::new();
        for element in list.iter() {
            self.variables.push((variable, element.clone()));
            let holds = self.bool(body);
            self.variables.pop();
            if holds? {
                held.push(element.clone());
            }
        }
        Ok(match method {
            Each::All => Value::Bool(held.len() == list.len()),
            Each::Any => Value::Bool(!held.is_empty()),
            Each::Filter => Value::List(held.into()),
        })
    }

    fn contains(&mut self, list: &[Value<'a>], element: &Value<'a>, at: At) -> Result<Value<'a>, EvalError> {
        self.spend(list.len(), at)?;
        Ok(Value::Bool(list.iter().any(|other| other.order(element) == Some(Ordering::Equal))))
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Value<'a>,
        right: &Value<'a>,
        at: At,
    ) -> Result<Value<'a>, EvalError> {
        if comparison == Comparison::In {
            return match (left, right) {
                (Value::Time(now), Value::Span(span)) => {
                    span.covers(*now, || self.spend(1, at)).map(Value::Bool)
                }
                (_, Value::List(list)) => self.contains(list, left, at),
                _ => failed(at, EvalCause::Types),
            };
        }
        let Some(order) = left.order(right) else { return failed(at, EvalCause::Types) };
        Ok(Value::Bool(match comparison {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::Greater => order.is_gt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::GreaterOrEqual => order.is_ge(),
            Comparison::In => return failed(at, EvalCause::Types),
        }))
    }
}
