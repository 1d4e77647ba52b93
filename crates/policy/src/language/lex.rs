//! Text to tokens.

use super::error::{At, PolicyError};
use super::value::Integer;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Integer(Integer),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Integer(integer) => write!(f, "`{integer}`"),
            Self::Text(_) => f.write_str("a string"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Longer signs before their beginnings.
const SIGNS: [&str; 16] =
    ["&&", "||", "==", "!=", "<=", ">=", "..", "<", ">", "!", "(", ")", "[", "]", ".", ","];

/// Tokens with their places; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, At)>, PolicyError> {
    let mut lexer = Lexer { rest: text, at: At { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        lexer.skip(char::is_whitespace);
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, at));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: At,
}

impl<'a> Lexer<'a> {
    fn bump(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        if next == '\n' {
            self.at = At { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    /// Takes the characters that fit.
    fn skip(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let before = self.rest;
        while self.rest.starts_with(&fits) {
            self.bump();
        }
        &before[..before.len() - self.rest.len()]
    }

    fn token(&mut self) -> Result<Token, PolicyError> {
        let at = self.at;
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
            self.bump();
            if sign.len() == 2 {
                self.bump();
            }
            return Ok(Token::Sign(sign));
        }
        match self.rest.chars().next() {
            None => Ok(Token::End),
            Some('\'') => self.text(at),
            Some(c) if c.is_ascii_digit() => self.integer(at, false),
            Some('-') => {
                self.bump();
                if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
                    self.integer(at, true)
                } else {
                    Err(PolicyError::new(at, "expected a digit after `-`"))
                }
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                Ok(Token::Name(self.skip(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()))
            }
            Some('&') => Err(PolicyError::expected(at, "`&&`", "`&`")),
            Some('|') => Err(PolicyError::expected(at, "`||`", "`|`")),
            Some('=') => Err(PolicyError::expected(at, "`==`", "`=`")),
            Some('"') => Err(PolicyError::expected(at, "a string in single quotes", "`\"`")),
            Some(c) => {
                Err(PolicyError::expected(at, "a name, a literal or an operator", format_args!("{c:?}")))
            }
        }
    }

    fn integer(&mut self, at: At, negative: bool) -> Result<Token, PolicyError> {
        let digits = self.skip(|c| c.is_ascii_digit());
        Integer::parse(negative, digits).map(Token::Integer).ok_or_else(|| {
            PolicyError::new(at, "expected an integer of at most 256 bits, or 128 bits if negative")
        })
    }

    fn text(&mut self, at: At) -> Result<Token, PolicyError> {
        self.bump();
        let mut text = String::new();
        loop {
            let here = self.at;
            match self.bump() {
                None => return Err(PolicyError::expected(at, "a string that ends in `'`", "the end")),
                Some('\'') => return Ok(Token::Text(text)),
                Some('\\') => match self.bump() {
                    Some(c @ ('\'' | '\\')) => text.push(c),
                    _ => return Err(PolicyError::new(here, "expected `\\'` or `\\\\`")),
                },
                Some(c) => text.push(c),
            }
        }
    }
}
