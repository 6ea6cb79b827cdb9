//! The form of a token: `slg_`, a part that names it, a part that nobody can guess, and a checksum, so that a slip of the pen is
//! told from a token that is not known, and tools that look for leaked secrets know one when they see it.

use crate::policy::request::{hex, sha256};

pub const PREFIX: &str = "slg_";
/// Bytes that name a token.
pub const ID_BYTES: usize = 6;
/// Bytes that nobody can guess.
pub const SECRET_BYTES: usize = 24;

/// In hex digits.
const ID: usize = ID_BYTES * 2;
const BODY: usize = ID + SECRET_BYTES * 2;
const CHECKSUM: usize = 8;

/// A new token: what names it, and its whole text.
pub fn assemble(id: [u8; ID_BYTES], secret: [u8; SECRET_BYTES]) -> (String, String) {
    let (id, secret) = (hex(&id), hex(&secret));
    let body = format!("{id}{secret}");
    let text = format!("{PREFIX}{body}{}", checksum(&body));
    (format!("{PREFIX}{id}"), text)
}

/// What names a token, read off its text; None: it is not written like one of ours, or miswritten.
pub fn id(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(PREFIX)?;
    let plain = rest.len() == BODY + CHECKSUM
        && rest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let (body, sum) = plain.then(|| rest.split_at_checked(BODY))??;
    if sum != checksum(body) {
        return None;
    }
    text.get(..PREFIX.len() + ID)
}

fn checksum(body: &str) -> String {
    sha256(body.as_bytes()).chars().take(CHECKSUM).collect()
}

/// What is kept of a token. It holds so much chance that it needs no salt.
pub fn digest(text: &str) -> String {
    sha256(text.as_bytes())
}

/// True for what says by itself who presents it: a token of ours, or one of an identity provider.
pub fn names_its_bearer(text: &str) -> bool {
    text.starts_with(PREFIX) || is_signed(text)
}

/// Three parts with dots between them, as signed tokens of identity providers have.
pub fn is_signed(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A token without a signature has an empty third part.
    let mut parts = text.splitn(3, '.');
    matches!((parts.next(), parts.next(), parts.next()), (Some(head), Some(body), Some(last))
        if head.starts_with("ey") && part(head) && part(body) && (last.is_empty() || part(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_itself_and_shows_a_slip_of_the_pen() {
        let (name, text) = assemble([1, 2, 3, 4, 5, 0xff], [7; SECRET_BYTES]);
        assert_eq!((name.as_str(), text.len()), ("slg_0102030405ff", 72));
        assert_eq!(id(&text), Some(name.as_str()));
        assert!(digest(&text).len() == 64 && !digest(&text).contains("0707"));
        for at in PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(id(&String::from_utf8(bytes).unwrap()), None, "at {at}");
        }
        for other in ["", "slg_", &text[..71], &format!("{text}0"), &text.to_uppercase(), "slg_ä"] {
            assert_eq!(id(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_that_names_its_bearer_is_told_from_the_local_one() {
        for text in ["slg_0", "eyJh.eyJi.c2ln", "eyJhbGciOiJub25lIn0.e30."] {
            assert!(names_its_bearer(text), "{text}");
        }
        for text in ["0123456789abcdef", "correct-horse-battery-staple", "a.b.c", "eyJ.a", "ey.a.b.c"] {
            assert!(!names_its_bearer(text), "{text}");
        }
    }
}
