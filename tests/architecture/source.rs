//! A source file as a row of tokens with lines. Comments and the insides of literals are left out, so
//! that a path in prose is no import. It is not a Rust parser and must not grow into one.

/// One word, number or sign; `::` is one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path from the package root, with `/`.
    pub file: String,
    pub first_line: String,
    pub lines: usize,
    pub tokens: Vec<Token>,
}

impl Source {
    pub fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.replace('\\', "/"),
            first_line: text.lines().next().unwrap_or_default().to_owned(),
            lines: text.lines().count(),
            tokens: tokens(text),
        }
    }
    /// The token's text, or nothing past either end.
    pub fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }
    pub fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |before| self.text(before))
    }
    /// True if these tokens start at `at`.
    pub fn reads(&self, at: usize, expected: &[&str]) -> bool {
        expected.iter().enumerate().all(|(offset, text)| self.text(at + offset) == *text)
    }
}

const fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii()
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, kept) = if let Some(length) = blank(rest) {
            (length, false)
        } else if is_word(first) {
            (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let (token, after) = rest.split_at(length);
        if kept {
            found.push(Token { text: token.to_owned(), line });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    found
}

/// Length of the comment or literal that the text starts with.
fn blank(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix).unwrap_or_default();
        after.starts_with('"') || (prefix.ends_with('r') && raw_hashes(after).is_some())
    });
    if let Some(prefix) = prefix {
        let body = text.get(prefix.len()..)?;
        let length = if prefix.ends_with('r') { raw_string(body) } else { quoted(body, '"') };
        return Some(prefix.len() + length);
    }
    let prefix = usize::from(text.starts_with("b'"));
    character(text.get(prefix..)?).map(|length| prefix + length)
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The number of `#` before the opening quote of a raw string.
fn raw_hashes(text: &str) -> Option<usize> {
    let after = text.trim_start_matches('#');
    after.starts_with('"').then(|| text.len() - after.len())
}

fn raw_string(text: &str) -> usize {
    let hashes = raw_hashes(text).unwrap_or_default();
    let close = format!("\"{}", "#".repeat(hashes));
    let open = hashes + 1;
    text.get(open..).and_then(|body| body.find(&close)).map_or(text.len(), |at| open + at + close.len())
}

/// Length of a literal in quotes, escapes understood.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal; None for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.chars();
    let (first, second) = (chars.next()?, chars.next()?);
    (first == '\\' || second == '\'').then(|| quoted(text, '\''))
}
