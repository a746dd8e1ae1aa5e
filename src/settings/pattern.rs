//! `pattern` as Go reads it: RE2's grammar, by the `regex` crate (rule MC-7).
//!
//! The two grammars are near but not the same: Go's `\d`, `\w`, `\s` and `\b` are ASCII, `[` inside a class is
//! itself, `{` without a count is itself, `\Q…\E` quotes. Every piece is read by Go's grammar and written out in
//! the crate's. What Go refuses is refused here, too, since the module itself could not use it.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

/// Bytes that one compiled pattern may take. Go bounds its own programs in the same order of magnitude.
const SIZE_LIMIT: usize = 2 << 20;
/// The largest count in `x{n}` that RE2 accepts.
const MAX_REPEAT: u32 = 1000;
/// Groups within groups; Go stops at 1,000, far beyond what anybody writes.
const MAX_NESTING: u32 = 100;

/// The classes that stand in `[[:…:]]`.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Compiles an RE2 pattern, or says why it cannot be used.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_LIMIT)
        .nest_limit(MAX_NESTING * 2)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes when compiled"),
            _ => "it is no pattern of RE2".to_owned(),
        })
}

/// RE2 in, the crate's grammar out.
fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
    };
    reader.alternation()?;
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The whole pattern; parentheses are balanced by the crate.
    fn alternation(&mut self) -> Result<(), String> {
        // Perl forbids a repetition of a repetition, and so does Go.
        let mut repeatable = false;
        while let Some(c) = self.next() {
            match c {
                '(' => {
                    self.group()?;
                    repeatable = false;
                }
                ')' => {
                    self.out.push(')');
                    repeatable = true;
                }
                '|' => {
                    self.out.push('|');
                    repeatable = false;
                }
                '*' | '+' | '?' => {
                    if !repeatable {
                        return Err(format!("nothing to repeat before \"{c}\""));
                    }
                    self.out.push(c);
                    self.lazy();
                    repeatable = false;
                }
                '{' => {
                    if let Some(count) = self.count()? {
                        if !repeatable {
                            return Err("nothing to repeat before \"{\"".to_owned());
                        }
                        self.out.push_str(&count);
                        self.lazy();
                        repeatable = false;
                    } else {
                        self.out.push_str("\\{");
                        repeatable = true;
                    }
                }
                '[' => {
                    self.class()?;
                    repeatable = true;
                }
                '\\' => {
                    repeatable = self.escape()?;
                }
                '.' | '^' | '$' => {
                    self.out.push(c);
                    repeatable = true;
                }
                other => {
                    literal(&mut self.out, other);
                    repeatable = true;
                }
            }
        }
        Ok(())
    }

    fn lazy(&mut self) {
        if self.eat("?") {
            self.out.push('?');
        }
    }

    /// After `(`: a plain group, a named one or flags.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.eat("?") {
            return Ok(());
        }
        self.out.push('?');
        for named in ["P<", "<"] {
            if self.rest.starts_with("<=") || self.rest.starts_with("<!") {
                return Err("RE2 has no look-behind".to_owned());
            }
            if self.eat(named) {
                let end = self.rest.find('>').ok_or("a group's name has no end")?;
                let name = &self.rest[..end];
                if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                    return Err(format!("\"{name}\" cannot name a group"));
                }
                // Go takes names that start with a digit; nobody reads the names here, so one of our own will do.
                let _ = write!(self.out, "P<_{name}>");
                self.rest = &self.rest[end + 1..];
                return Ok(());
            }
        }
        loop {
            match self.next() {
                Some(c @ ('i' | 'm' | 's' | 'U' | '-')) => self.out.push(c),
                Some(c @ (':' | ')')) => {
                    self.out.push(c);
                    return Ok(());
                }
                Some('=' | '!') => return Err("RE2 has no look-ahead".to_owned()),
                Some(other) => return Err(format!("RE2 has no group \"(?{other}\"")),
                None => return Err("a group has no end".to_owned()),
            }
        }
    }

    /// After `{`: a count, or nothing when the brace stands for itself.
    fn count(&mut self) -> Result<Option<String>, String> {
        let Some(end) = self.rest.find('}') else {
            return Ok(None);
        };
        let inside = &self.rest[..end];
        let (low, high) = match inside.split_once(',') {
            Some((low, high)) => (low, Some(high)),
            None => (inside, None),
        };
        let number = |text: &str| -> bool { !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) };
        if !number(low) || !high.is_none_or(|high| high.is_empty() || number(high)) {
            return Ok(None);
        }
        for bound in [Some(low), high]
            .into_iter()
            .flatten()
            .filter(|bound| !bound.is_empty())
        {
            if bound.parse::<u32>().map_or(true, |n| n > MAX_REPEAT) {
                return Err(format!("RE2 repeats at most {MAX_REPEAT} times, not {bound}"));
            }
        }
        let count = format!("{{{inside}}}");
        self.rest = &self.rest[end + 1..];
        Ok(Some(count))
    }

    /// After `\` outside a class. Answers whether a repetition may follow.
    fn escape(&mut self) -> Result<bool, String> {
        if self.eat("Q") {
            let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            for c in quoted.chars() {
                literal(&mut self.out, c);
            }
            self.rest = rest;
            return Ok(!quoted.is_empty());
        }
        match self.peek() {
            Some('A') => self.out.push_str("\\A"),
            Some('z') => self.out.push_str("\\z"),
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => self.out.push_str("(?-u:\\B)"),
            _ => {
                let item = self.class_escape()?;
                match item {
                    Item::Char(c) => literal(&mut self.out, c),
                    Item::Set(set) => self.out.push_str(&set),
                }
                return Ok(true);
            }
        }
        self.next();
        Ok(true)
    }

    /// After `[`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.eat("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if !first && self.eat("]") {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if self.rest.starts_with("[:") {
                let end = self.rest.find(":]").ok_or("a class has no end")?;
                let name = &self.rest[2..end];
                if !POSIX.contains(&name.trim_start_matches('^')) {
                    return Err(format!("RE2 has no class \"[:{name}:]\""));
                }
                let _ = write!(self.out, "[:{name}:]");
                self.rest = &self.rest[end + 2..];
                continue;
            }
            match self.class_item()? {
                Item::Set(set) => self.out.push_str(&set),
                Item::Char(low) => {
                    literal(&mut self.out, low);
                    // A dash before the closing bracket is itself.
                    if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                        self.next();
                        let Item::Char(high) = self.class_item()? else {
                            return Err("a class is no end of a range".to_owned());
                        };
                        if high < low {
                            return Err(format!("the range \"{low}-{high}\" runs backwards"));
                        }
                        self.out.push('-');
                        literal(&mut self.out, high);
                    }
                }
            }
        }
    }

    fn class_item(&mut self) -> Result<Item, String> {
        match self.next() {
            None => Err("a class has no end".to_owned()),
            Some('\\') => self.class_escape(),
            Some(c) => Ok(Item::Char(c)),
        }
    }

    /// After `\`: what may stand in a class and outside alike.
    fn class_escape(&mut self) -> Result<Item, String> {
        let Some(c) = self.next() else {
            return Err("a backslash ends it".to_owned());
        };
        Ok(match c {
            'd' => Item::set("[0-9]"),
            'D' => Item::set("[^0-9]"),
            'w' => Item::set("[0-9A-Za-z_]"),
            'W' => Item::set("[^0-9A-Za-z_]"),
            's' => Item::set("[\\t\\n\\x0C\\r ]"),
            'S' => Item::set("[^\\t\\n\\x0C\\r ]"),
            'p' | 'P' => Item::Set(self.unicode_class(c)?),
            'a' => Item::Char('\u{7}'),
            'f' => Item::Char('\u{c}'),
            't' => Item::Char('\t'),
            'n' => Item::Char('\n'),
            'r' => Item::Char('\r'),
            'v' => Item::Char('\u{b}'),
            'x' => Item::Char(self.hexadecimal()?),
            '0'..='7' => self.octal(c)?,
            c if c.is_ascii_punctuation() => Item::Char(c),
            other => return Err(format!("RE2 has no escape \"\\{other}\"")),
        })
    }

    fn unicode_class(&mut self, letter: char) -> Result<String, String> {
        let mut negated = letter == 'P';
        let name = if self.eat("{") {
            let end = self.rest.find('}').ok_or("a class has no end")?;
            let mut name = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            if let Some(positive) = name.strip_prefix('^') {
                negated = !negated;
                name = positive;
            }
            name
        } else {
            let length = self.peek().map_or(0, char::len_utf8);
            let (name, rest) = self.rest.split_at(length);
            self.rest = rest;
            name
        };
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphabetic()) {
            return Err(format!("RE2 has no class \"\\{letter}{{{name}}}\""));
        }
        // "Any" is Go's own word.
        if name == "Any" {
            return Ok(if negated {
                "[^\\x{0}-\\x{10FFFF}]"
            } else {
                "[\\x{0}-\\x{10FFFF}]"
            }
            .to_owned());
        }
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let digits = if self.eat("{") {
            let end = self.rest.find('}').ok_or("\"\\x{\" has no end")?;
            let digits = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            digits
        } else {
            let digits = self.rest.get(..2).ok_or("\"\\x\" needs two digits")?;
            self.rest = &self.rest[2..];
            digits
        };
        u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| format!("\"\\x{digits}\" is no character"))
    }

    /// Go: a lone digit other than 0 would be a back-reference, which RE2 does not have.
    fn octal(&mut self, first: char) -> Result<Item, String> {
        if first != '0' && !matches!(self.peek(), Some('0'..='7')) {
            return Err("RE2 has no back-references".to_owned());
        }
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
            self.next();
        }
        char::from_u32(code)
            .map(Item::Char)
            .ok_or_else(|| "an octal escape is no character".to_owned())
    }
}

enum Item {
    Char(char),
    Set(String),
}

impl Item {
    fn set(text: &str) -> Self {
        Self::Set(text.to_owned())
    }
}

/// Writes a character that stands for itself, inside a class as well as outside.
fn literal(out: &mut String, c: char) {
    if c.is_alphanumeric() || c == ' ' {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
    }
}

#[cfg(test)]
mod tests;
