//! What a text may contain that comes from outside and goes into a prompt.

use crate::{
    job::marker::MARKER_LABEL,
    policy::problem::{Code, Problem},
};

/// Refuses control characters other than line break and tab, characters that hide or reorder text, and the
/// line that names our attempts. `at` names the field.
pub fn check(text: &str, at: &str) -> Result<(), Problem> {
    if let Some((index, found)) = text.chars().enumerate().find(|(_, c)| is_hidden(*c)) {
        let what = format!(
            "character U+{:04X} at position {} cannot be seen and is not allowed",
            u32::from(found),
            index.saturating_add(1)
        );
        let hint = match found {
            '\r' => "end lines with a line feed alone",
            _ => "remove it; of the control characters only line feed and tab are allowed",
        };
        return Err(Problem::new(Code::ControlCharacter, what).at(at).hint(hint));
    }
    if contains_marker(text) {
        let what = format!("contains `{MARKER_LABEL}`, the line by which our own tasks are found again");
        return Err(Problem::new(Code::MarkerInInput, what).at(at).hint("remove it"));
    }
    Ok(())
}

/// True if the label stands anywhere in the text, in any case, or something that a reader would take for it: with another
/// hyphen or colon, with blanks before the colon, or with characters of no width inside.
pub fn contains_marker(text: &str) -> bool {
    // Nearly every text is told by this alone.
    if text.is_ascii() && !text.to_ascii_lowercase().contains("sluicegate") {
        return false;
    }
    plain(text).contains(&plain(MARKER_LABEL))
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {}
            '_' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                plain.push('-');
            }
            ':' | '\u{2236}' | '\u{a789}' | '\u{fe13}' | '\u{fe55}' | '\u{ff1a}' => {
                plain.truncate(plain.trim_end_matches([' ', '\t', '\u{a0}']).len());
                plain.push(':');
            }
            c => plain.push(c.to_ascii_lowercase()),
        }
    }
    plain
}

/// What kind of credential a text seems to hold. Only forms that nothing else has: a false alarm stops honest work.
pub fn secret_in(text: &str) -> Option<&'static str> {
    let starts = [
        ("github_pat_", 22, "a token of GitHub"),
        ("ghp_", 36, "a token of GitHub"),
        ("gho_", 36, "a token of GitHub"),
        ("ghu_", 36, "a token of GitHub"),
        ("ghs_", 36, "a token of GitHub"),
        ("ghr_", 36, "a token of GitHub"),
        ("AKIA", 16, "an access key of AWS"),
        ("xoxb-", 20, "a token of Slack"),
        ("xoxp-", 20, "a token of Slack"),
        ("whsec_", 24, "a secret of a webhook"),
        ("slg_", 68, "a token of this program"),
    ];
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let found = starts.into_iter().find(|(start, least, _)| {
        text.match_indices(start).any(|(at, _)| {
            let rest = text.get(at.saturating_add(start.len())..).unwrap_or_default();
            rest.chars().take_while(|c| word(*c)).take(*least).count() == *least
        })
    });
    let key = text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----");
    found.map(|(_, _, kind)| kind).or_else(|| key.then_some("a private key"))
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Line and paragraph separators, which some readers take for the end of a line, and directional
        // overrides; directional isolates; tag characters, which spell text that nobody sees.
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

/// A login on GitHub: letters, digits, `-`, `_`, at most 39 (an app's ends in `[bot]`).
pub fn is_login(text: &str) -> bool {
    let plain = text.strip_suffix("[bot]").unwrap_or(text);
    (1..=39).contains(&plain.len())
        && plain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A name in our own files (template, team, pool, identity): lower-case letters, digits and `-`, at most 64,
/// starting with a letter or digit.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// At most `most` characters, with a sign that something was left out.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_and_our_marker_are_refused() {
        for text in ["a\u{0}b", "a\rb", "\u{1b}[31m", "a\u{202e}b", "\u{e0041}", "\u{85}", "\u{2028}"] {
            assert_eq!(check(text, "x").unwrap_err().code, Code::ControlCharacter, "{text:?}");
        }
        for text in ["Sluicegate-Job: x", "a\nSLUICEGATE-JOB:", "xsluicegate-job:"] {
            assert_eq!(check(text, "x").unwrap_err().code, Code::MarkerInInput, "{text:?}");
        }
        for text in ["Sluicegate-Job : x", "sluicegate\u{2011}job\u{ff1a}", "Sluice\u{200b}gate_Job:"] {
            assert_eq!(check(text, "x").unwrap_err().code, Code::MarkerInInput, "{text:?}");
        }
        assert_eq!(check("plain\n\ttext, Grüße, 日本語, Sluicegate-Job", "x"), Ok(()));
    }

    #[test]
    fn credentials_are_known_by_their_form_and_other_words_are_left_alone() {
        let token = format!("use ghp_{} please", "a1".repeat(18));
        assert_eq!(secret_in(&token), Some("a token of GitHub"));
        assert_eq!(secret_in("-----BEGIN RSA PRIVATE KEY-----\nx"), Some("a private key"));
        for text in ["ghp_short", "the ghp_ prefix", "AKIA", "rename gho_st to ghost", "xoxb-1"] {
            assert_eq!(secret_in(text), None, "{text}");
        }
    }

    #[test]
    fn logins_and_names_are_recognised() {
        assert!(is_login("ana-b") && is_login("dev_acme") && is_login("renovate[bot]"));
        assert!(!is_login("") && !is_login("a b") && !is_login("a/b") && !is_login(&"a".repeat(40)));
        assert!(is_name("new-service") && is_name("9"));
        assert!(!is_name("-a") && !is_name("A") && !is_name("a/b") && !is_name(""));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!((shorten("äöü", 2).as_str(), shorten("äöü", 3).as_str()), ("äö...", "äöü"));
    }
}
