//! Splits a template into text and actions.

use super::Variable;

const ACTIONS: &str = "expected .OtpCode, .AppName, .LogoUrl, .MagicLink, .ExpirationMinutes, .ExpirationSeconds or index .TemplateVariables \"name\"";

/// Text between actions, or one action.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Literal(&'a str),
    Action {
        /// Byte offset of the `{{`.
        offset: usize,
        /// Byte offset behind the `}}`.
        end: usize,
        variable: Variable,
    },
}

/// Where parsing stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParseError {
    /// Byte offset, on a character boundary.
    pub(super) offset: usize,
    pub(super) expected: &'static str,
}

/// The tokens of `source`; nothing follows the first error.
pub(super) fn tokens(source: &str) -> impl Iterator<Item = Result<Token<'_>, ParseError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = source.get(at..).filter(|rest| !rest.is_empty())?;
        let token = match rest.find("{{") {
            Some(0) => {
                let mut cursor = Cursor { source, at: at + 2 };
                let variable = cursor.action();
                let offset = std::mem::replace(&mut at, cursor.at);
                let end = cursor.at;
                variable.map(|variable| Token::Action { offset, end, variable })
            }
            found => {
                let length = found.unwrap_or(rest.len());
                at += length;
                Ok(Token::Literal(&rest[..length]))
            }
        };
        if token.is_err() {
            at = source.len();
        }
        Some(token)
    })
}

struct Cursor<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, ParseError> {
        Err(ParseError { offset: self.at, expected })
    }

    /// Skips blanks (Go allows spaces, tabs and line breaks); tells whether there were any.
    fn blanks(&mut self) -> bool {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - trimmed.len();
        trimmed.len() < rest.len()
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn action(&mut self) -> Result<Variable, ParseError> {
        self.blanks();
        let start = self.at;
        let variable = if self.eat(".") {
            match self.word() {
                "OtpCode" => Variable::OtpCode,
                "AppName" => Variable::AppName,
                "LogoUrl" => Variable::LogoUrl,
                "MagicLink" => Variable::MagicLink,
                "ExpirationMinutes" => Variable::ExpirationMinutes,
                "ExpirationSeconds" => Variable::ExpirationSeconds,
                _ => {
                    self.at = start;
                    return self.fail(ACTIONS);
                }
            }
        } else if self.word() == "index" {
            if !(self.blanks() && self.eat(".") && self.word() == "TemplateVariables" && self.blanks()) {
                return self.fail("expected .TemplateVariables and the name of a variable in double quotes");
            }
            Variable::Custom(self.string()?)
        } else {
            self.at = start;
            return self.fail(ACTIONS);
        };
        self.blanks();
        if !self.eat("}}") {
            return self.fail("expected }}");
        }
        Ok(variable)
    }

    fn string(&mut self) -> Result<String, ParseError> {
        const CLOSED: &str = "expected a name in double quotes that ends on the same line";
        if self.eat("`") {
            let Some(end) = self.rest().find('`') else { return self.fail("expected a closing backquote") };
            let name = self.rest()[..end].to_owned();
            self.at += end + 1;
            return Ok(name);
        }
        if !self.eat("\"") {
            return self.fail(CLOSED);
        }
        let mut name = String::new();
        let mut escaped = false;
        for (offset, c) in self.rest().char_indices() {
            match (escaped, c) {
                (_, '\n' | '\r') => break,
                (true, '"' | '\\') => {
                    name.push(c);
                    escaped = false;
                }
                (true, _) => {
                    self.at += offset;
                    return self.fail("expected \\\" or \\\\ after a backslash");
                }
                (false, '\\') => escaped = true,
                (false, '"') => {
                    self.at += offset + 1;
                    return Ok(name);
                }
                (false, _) => name.push(c),
            }
        }
        self.fail(CLOSED)
    }
}
