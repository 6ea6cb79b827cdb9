//! The `Link` header (RFC 8288): where the next page is. A next page on another server is refused, since
//! the token would travel there.

use http::HeaderMap;
use reqwest::Url;

/// Why the next page cannot be asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLink {
    #[error("the next page is on another server ({0})")]
    OtherServer(String),
    #[error("the link to the next page cannot be read")]
    Unreadable,
}

/// The address of the next page, resolved against the one just read; None on the last page.
pub(super) fn next(headers: &HeaderMap, current: &Url) -> Result<Option<Url>, BadLink> {
    for value in headers.get_all(http::header::LINK) {
        let text = value.to_str().map_err(|_| BadLink::Unreadable)?;
        if let Some(target) = target(text, "next") {
            return same_server(current, target).map(Some);
        }
    }
    Ok(None)
}

/// `target` resolved against `current`, if it stays on the same scheme, host and port.
pub(super) fn same_server(current: &Url, target: &str) -> Result<Url, BadLink> {
    let url = current.join(target).map_err(|_| BadLink::Unreadable)?;
    if url.origin() != current.origin() {
        return Err(BadLink::OtherServer(url.origin().ascii_serialization()));
    }
    Ok(url)
}

/// The target with this relation in one header's list of links. Targets may hold commas and
/// semicolons, so the angle brackets lead.
fn target<'a>(mut text: &'a str, relation: &str) -> Option<&'a str> {
    loop {
        let (_, rest) = text.split_once('<')?;
        let (target, rest) = rest.split_once('>')?;
        let end = end_of_parameters(rest);
        let parameters = rest.get(..end).unwrap_or_default();
        if parameters.split(';').any(|parameter| is_relation(parameter, relation)) {
            return Some(target);
        }
        text = rest.get(end..).unwrap_or_default();
    }
}

/// The comma that ends a link, outside of quotes.
fn end_of_parameters(text: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_relation(parameter: &str, relation: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("rel")
        && value.trim().trim_matches('"').split_whitespace().any(|word| word.eq_ignore_ascii_case(relation))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn next_of(link: &'static str) -> Result<Option<String>, BadLink> {
        let headers = HeaderMap::from_iter([(http::header::LINK, HeaderValue::from_static(link))]);
        let current = Url::parse("https://api.github.com/agents/tasks?page=1").unwrap();
        next(&headers, &current).map(|url| url.map(String::from))
    }

    #[test]
    fn the_next_page_is_found_wherever_it_stands() {
        let expected = Ok(Some("https://api.github.com/agents/tasks?page=2&state=a,b".to_owned()));
        for link in [
            r#"<https://api.github.com/agents/tasks?page=2&state=a,b>; rel="next""#,
            r#"<https://api.github.com/x>; rel="first", <https://api.github.com/agents/tasks?page=2&state=a,b>; rel="next""#,
            r#"<https://api.github.com/x>; title="a, <b>"; rel="first",</agents/tasks?page=2&state=a,b>;rel=next"#,
            r#"<?page=2&state=a,b>; type="x"; REL="last NEXT""#,
        ] {
            assert_eq!(next_of(link), expected, "{link}");
        }
    }

    #[test]
    fn the_last_page_has_no_next() {
        for link in [r#"<https://api.github.com/x>; rel="last""#, "", "<broken", r#"next; rel="next""#] {
            assert_eq!(next_of(link), Ok(None), "{link}");
        }
    }

    #[test]
    fn a_next_page_elsewhere_is_refused() {
        for link in [
            r#"<https://evil.example/agents/tasks?page=2>; rel="next""#,
            r#"<http://api.github.com/agents/tasks?page=2>; rel="next""#,
            r#"<https://api.github.com:8443/agents/tasks?page=2>; rel="next""#,
            r#"<//evil.example/agents/tasks>; rel="next""#,
            r#"<https://api.github.com@evil.example/>; rel="next""#,
        ] {
            assert!(matches!(next_of(link), Err(BadLink::OtherServer(_))), "{link}");
        }
    }
}
