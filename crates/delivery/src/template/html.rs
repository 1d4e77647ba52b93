//! Where in an HTML document a value stands: enough of the tokenizer (HTML, section 13.2.5) to tell text from a quoted
//! attribute, and to refuse every other place.

use super::escape::{Escape, forbidden_scheme, scheme};

/// Attributes whose value is a URL.
const URL_ATTRIBUTES: &[&str] = &[
    "href",
    "src",
    "action",
    "formaction",
    "background",
    "cite",
    "poster",
    "longdesc",
    "xlink:href",
    "usemap",
    "manifest",
    "codebase",
    "classid",
    "profile",
    "icon",
    "lowsrc",
    "dynsrc",
];

/// Attributes in which no escaping makes a value safe.
const CLOSED_ATTRIBUTES: &[&str] =
    &["style", "srcdoc", "srcset", "imagesrcset", "ping", "archive", "data", "content"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Just after `<`.
    TagOpen,
    TagName,
    /// Between attributes.
    InTag,
    AttributeName,
    /// After a name, before `=` or the next name.
    AfterName,
    BeforeValue,
    Quoted(char),
    Unquoted,
    /// `<!...` or `<?...` up to `>`.
    Declaration,
    Comment,
    /// Inside an element whose content is no markup; its end tag closes it.
    Raw,
}

/// Follows the literal text of a template.
#[derive(Debug)]
pub(super) struct HtmlContext {
    state: State,
    tag: String,
    attribute: String,
    /// Text of the current attribute value before the value asked about.
    prefix: String,
    /// Whether a value was already put into the current attribute.
    filled: bool,
    /// The last characters of a declaration, comment or raw element, to find its end.
    tail: String,
}

impl Default for HtmlContext {
    fn default() -> Self {
        Self {
            state: State::Text,
            tag: String::new(),
            attribute: String::new(),
            prefix: String::new(),
            filled: false,
            tail: String::new(),
        }
    }
}

impl HtmlContext {
    /// Takes the next literal text.
    pub(super) fn feed(&mut self, text: &str) {
        for c in text.chars() {
            self.step(c);
        }
    }

    /// How a value here is escaped, or why none may stand here.
    pub(super) fn value(&mut self) -> Result<Escape, &'static str> {
        match self.state {
            State::Text => Ok(Escape::Html),
            State::Raw if matches!(self.tag.as_str(), "title" | "textarea") => Ok(Escape::Html),
            State::Raw => {
                Err("expected no value inside this element; put it into text or a quoted attribute")
            }
            State::Comment | State::Declaration => Err("expected no value inside a comment or declaration"),
            State::Quoted(_) => self.attribute_value(),
            State::TagOpen => Err("expected no value right after '<'; write &lt; for the character itself"),
            _ => Err("expected the value inside quotes: attribute=\"{{ ... }}\""),
        }
    }

    fn attribute_value(&mut self) -> Result<Escape, &'static str> {
        let name = self.attribute.as_str();
        if name.starts_with("on") || CLOSED_ATTRIBUTES.contains(&name) {
            return Err("expected no value inside this attribute; no escaping makes it safe there");
        }
        if !URL_ATTRIBUTES.contains(&name) {
            return Ok(Escape::Attribute);
        }
        if scheme(&self.prefix).is_some_and(|scheme| forbidden_scheme(&scheme)) {
            return Err("expected a link that starts with https:, mailto: or an application's scheme");
        }
        let first = self.prefix.trim().is_empty() && !self.filled;
        self.filled = true;
        Ok(if first { Escape::Url } else { Escape::UrlPart })
    }

    fn step(&mut self, c: char) {
        let space = c.is_ascii_whitespace();
        match self.state {
            State::Text => {
                if c == '<' {
                    self.state = State::TagOpen;
                    self.tag.clear();
                    self.tail.clear();
                }
            }
            State::TagOpen => match c {
                '!' | '?' => self.state = State::Declaration,
                '/' if self.tag.is_empty() => self.tag.push('/'),
                _ if c.is_ascii_alphabetic() => {
                    self.tag.push(c.to_ascii_lowercase());
                    self.state = State::TagName;
                }
                '<' => self.tag.clear(),
                // After "</" anything but a letter starts a bogus comment; after "<" it is text.
                _ if self.tag == "/" && c != '>' => self.state = State::Declaration,
                _ => self.state = State::Text,
            },
            State::TagName => match c {
                '>' => self.close_tag(),
                '/' => self.state = State::InTag,
                _ if space => self.state = State::InTag,
                _ => self.tag.push(c.to_ascii_lowercase()),
            },
            State::InTag | State::AfterName => match c {
                '>' => self.close_tag(),
                '/' => self.state = State::InTag,
                '=' if self.state == State::AfterName => self.state = State::BeforeValue,
                _ if space => {}
                _ => {
                    self.attribute = c.to_ascii_lowercase().to_string();
                    self.state = State::AttributeName;
                }
            },
            State::AttributeName => match c {
                '>' => self.close_tag(),
                '/' => self.state = State::InTag,
                '=' => self.state = State::BeforeValue,
                _ if space => self.state = State::AfterName,
                _ => self.attribute.push(c.to_ascii_lowercase()),
            },
            State::BeforeValue => match c {
                '>' => self.close_tag(),
                '"' | '\'' => {
                    self.prefix.clear();
                    self.filled = false;
                    self.state = State::Quoted(c);
                }
                _ if space => {}
                _ => self.state = State::Unquoted,
            },
            State::Quoted(quote) => {
                if c == quote {
                    self.state = State::InTag;
                } else {
                    self.prefix.push(c);
                }
            }
            State::Unquoted => match c {
                '>' => self.close_tag(),
                _ if space => self.state = State::InTag,
                _ => {}
            },
            State::Declaration => {
                if c == '>' {
                    self.state = State::Text;
                } else if self.tail.len() < 2 {
                    self.tail.push(c);
                    if self.tail == "--" {
                        self.state = State::Comment;
                    }
                }
            }
            State::Comment => {
                // "<!-->" and "<!--->" are whole comments: the dashes of the start count for the end too.
                if c == '>' && (self.tail.ends_with("--") || self.tail.ends_with("--!")) {
                    self.state = State::Text;
                }
                self.remember(c, 3);
            }
            State::Raw => {
                let end = format!("</{}", self.tag);
                if (space || c == '>' || c == '/') && self.tail.ends_with(&end) {
                    self.tag = format!("/{}", self.tag);
                    self.state = State::InTag;
                    if c == '>' {
                        self.close_tag();
                    }
                } else {
                    self.remember(c.to_ascii_lowercase(), end.len());
                }
            }
        }
    }

    fn remember(&mut self, c: char, keep: usize) {
        self.tail.push(c);
        while self.tail.chars().count() > keep {
            self.tail.remove(0);
        }
    }

    fn close_tag(&mut self) {
        let raw = [
            "script",
            "style",
            "title",
            "textarea",
            "xmp",
            "iframe",
            "noembed",
            "noframes",
            "plaintext",
            "noscript",
        ];
        self.state = if raw.contains(&self.tag.as_str()) { State::Raw } else { State::Text };
        self.tail.clear();
    }
}
