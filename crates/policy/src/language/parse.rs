//! Tokens to a tree, by recursive descent. Every recursion counts towards [`MAX_NESTING`].

use super::ast::{Comparison, Each, Expr, Node};
use super::error::{At, PolicyError};
use super::lex::{Token, tokens};
use super::time::{CronSpan, Moment};
use super::{MAX_NESTING, MAX_NODES, MAX_TEXT};

/// Names with a meaning of their own.
pub(super) const RESERVED: [&str; 9] =
    ["true", "false", "in", "activity", "approvers", "credentials", "time", "Timestamp", "CronSpan"];

/// Parses one whole expression.
pub(super) fn parse(text: &str) -> Result<Expr, PolicyError> {
    let start = At { line: 1, column: 1 };
    if text.len() > MAX_TEXT {
        return Err(PolicyError::expected(
            start,
            format_args!("at most {MAX_TEXT} bytes"),
            format_args!("{} bytes", text.len()),
        ));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, nodes: 0, nesting: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        Token::End => Ok(expr),
        found => Err(PolicyError::expected(parser.at(), "an operator or the end", found)),
    }
}

struct Parser {
    tokens: Vec<(Token, At)>,
    next: usize,
    nodes: usize,
    nesting: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> At {
        self.tokens[self.next].1
    }

    /// Takes the next token; the end stays.
    fn take(&mut self) -> (Token, At) {
        let token = self.tokens[self.next].clone();
        if token.0 != Token::End {
            self.next += 1;
        }
        token
    }

    fn eat(&mut self, sign: &'static str) -> bool {
        let there = *self.peek() == Token::Sign(sign);
        if there {
            self.next += 1;
        }
        there
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), PolicyError> {
        if self.eat(sign) {
            Ok(())
        } else {
            Err(PolicyError::expected(self.at(), format_args!("`{sign}`"), self.peek()))
        }
    }

    fn make(&mut self, node: Node, at: At) -> Result<Expr, PolicyError> {
        let height = 1 + match &node {
            Node::Bool(_)
            | Node::Integer(_)
            | Node::Text(_)
            | Node::Timestamp(_)
            | Node::CronSpan(_)
            | Node::Name(_) => 0,
            Node::List(parts) | Node::And(parts) | Node::Or(parts) => {
                parts.iter().map(|part| part.height).max().unwrap_or(0)
            }
            Node::Field(of, _) | Node::Count(of) | Node::Not(of) => of.height,
            Node::Index(a, b) | Node::Contains(a, b) | Node::Compare(_, a, b) => a.height.max(b.height),
            Node::Slice(a, b, c) => a.height.max(b.height).max(c.height),
            Node::Each { list, body, .. } => list.height.max(body.height),
        };
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(PolicyError::new(at, format!("expected at most {MAX_NODES} parts")));
        }
        if height > MAX_NESTING {
            return Err(too_deep(at));
        }
        Ok(Expr { node, at, height })
    }

    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, PolicyError>,
    ) -> Result<T, PolicyError> {
        if self.nesting == MAX_NESTING {
            return Err(too_deep(self.at()));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    fn or(&mut self) -> Result<Expr, PolicyError> {
        self.joined("||", Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<Expr, PolicyError> {
        self.joined("&&", Self::comparison, Node::And)
    }

    fn joined(
        &mut self,
        sign: &'static str,
        part: fn(&mut Self) -> Result<Expr, PolicyError>,
        node: fn(Vec<Expr>) -> Node,
    ) -> Result<Expr, PolicyError> {
        let first = part(self)?;
        let at = first.at;
        if *self.peek() != Token::Sign(sign) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.eat(sign) {
            parts.push(part(self)?);
        }
        self.make(node(parts), at)
    }

    fn comparison_sign(&mut self) -> Option<Comparison> {
        let found = Comparison::ALL.into_iter().find(|comparison| match self.peek() {
            Token::Sign(sign) => *sign == comparison.sign(),
            Token::Name(name) => name == "in" && *comparison == Comparison::In,
            _ => false,
        })?;
        self.next += 1;
        Some(found)
    }

    fn comparison(&mut self) -> Result<Expr, PolicyError> {
        let left = self.unary()?;
        let Some(comparison) = self.comparison_sign() else { return Ok(left) };
        let at = left.at;
        let right = self.unary()?;
        let after = self.at();
        if let Some(second) = self.comparison_sign() {
            let found = format!("`{}`", second.sign());
            return Err(PolicyError::expected(
                after,
                "`&&`, `||` or the end after a comparison; comparisons do not chain",
                found,
            ));
        }
        self.make(Node::Compare(comparison, Box::new(left), Box::new(right)), at)
    }

    fn unary(&mut self) -> Result<Expr, PolicyError> {
        let at = self.at();
        if self.eat("!") {
            let of = self.nested(Self::unary)?;
            return self.make(Node::Not(Box::new(of)), at);
        }
        let mut expr = self.primary()?;
        loop {
            let at = self.at();
            if self.eat(".") {
                expr = self.member(expr)?;
            } else if self.eat("[") {
                expr = self.index(expr, at)?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn index(&mut self, of: Expr, at: At) -> Result<Expr, PolicyError> {
        let from = self.nested(Self::or)?;
        let node = if self.eat("..") {
            let to = self.nested(Self::or)?;
            Node::Slice(Box::new(of), Box::new(from), Box::new(to))
        } else {
            Node::Index(Box::new(of), Box::new(from))
        };
        match self.peek() {
            Token::Sign("]") => self.next += 1,
            found => return Err(PolicyError::expected(self.at(), "`]` or `..`", found)),
        }
        self.make(node, at)
    }

    fn member(&mut self, of: Expr) -> Result<Expr, PolicyError> {
        let (token, at) = self.take();
        let Token::Name(name) = token else {
            return Err(PolicyError::expected(at, "a field or a method after `.`", token));
        };
        if !self.eat("(") {
            return self.make(Node::Field(Box::new(of), name), at);
        }
        let each = [Each::All, Each::Any, Each::Filter].into_iter().find(|method| method.name() == name);
        let node = match (each, name.as_str()) {
            (Some(method), _) => {
                let variable = self.variable()?;
                self.expect(",")?;
                let body = self.nested(Self::or)?;
                Node::Each { method, list: Box::new(of), variable, body: Box::new(body) }
            }
            (None, "contains") => Node::Contains(Box::new(of), Box::new(self.nested(Self::or)?)),
            (None, "count") => Node::Count(Box::new(of)),
            (None, _) => {
                return Err(PolicyError::expected(
                    at,
                    "`all`, `any`, `filter`, `contains` or `count`",
                    format_args!("`{name}`"),
                ));
            }
        };
        self.expect(")")?;
        self.make(node, at)
    }

    fn variable(&mut self) -> Result<String, PolicyError> {
        match self.take() {
            (Token::Name(name), at) if RESERVED.contains(&name.as_str()) => Err(PolicyError::expected(
                at,
                "a name of your own for the variable",
                format_args!("`{name}`"),
            )),
            (Token::Name(name), _) => Ok(name),
            (found, at) => Err(PolicyError::expected(at, "the name of a variable", found)),
        }
    }

    fn primary(&mut self) -> Result<Expr, PolicyError> {
        let (token, at) = self.take();
        let node = match token {
            Token::Integer(integer) => Node::Integer(integer),
            Token::Text(text) => Node::Text(text),
            Token::Sign("(") => {
                let inner = self.nested(Self::or)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => self.list()?,
            Token::Name(name) => match name.as_str() {
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "Timestamp" => {
                    let [(text, at)] = self.texts()?;
                    Node::Timestamp(Moment::parse(text).map_err(|error| PolicyError::new(at, error))?)
                }
                "CronSpan" => {
                    let [(cron, cron_at), (length, length_at), (zone, zone_at)] = self.texts()?;
                    let span = CronSpan::parse(cron, length, zone).map_err(|(part, error)| {
                        PolicyError::new([cron_at, length_at, zone_at][part], error)
                    })?;
                    Node::CronSpan(Box::new(span))
                }
                "in" => return Err(PolicyError::expected(at, "an expression", "`in`")),
                _ => Node::Name(name),
            },
            found => return Err(PolicyError::expected(at, "an expression", found)),
        };
        self.make(node, at)
    }

    fn list(&mut self) -> Result<Node, PolicyError> {
        let mut parts = vec![self.nested(Self::or)?];
        while self.eat(",") {
            parts.push(self.nested(Self::or)?);
        }
        match self.peek() {
            Token::Sign("]") => self.next += 1,
            found => return Err(PolicyError::expected(self.at(), "`,` or `]`", found)),
        }
        Ok(Node::List(parts))
    }

    /// The arguments of a constructor: so many literal strings.
    fn texts<const N: usize>(&mut self) -> Result<[(String, At); N], PolicyError> {
        self.expect("(")?;
        let mut texts: [(String, At); N] = std::array::from_fn(|_| (String::new(), At::default()));
        for (nth, place) in texts.iter_mut().enumerate() {
            if nth > 0 {
                self.expect(",")?;
            }
            *place = match self.take() {
                (Token::Text(text), at) => (text, at),
                (found, at) => return Err(PolicyError::expected(at, "a string in single quotes", found)),
            };
        }
        self.expect(")")?;
        Ok(texts)
    }
}

fn too_deep(at: At) -> PolicyError {
    PolicyError::new(at, format!("expected at most {MAX_NESTING} levels of nesting"))
}
