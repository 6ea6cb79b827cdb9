//! Files of a repository: only CODEOWNERS has any text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Context;
use crate::simulator::draw::Draw;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::RepositoryKey;

const CODEOWNERS: &str = ".github/CODEOWNERS";

/// `GET …/contents/{path}`.
pub(super) fn get(context: &Context<'_>, repository: RepositoryKey, path: &str) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let text = &home.traits.codeowners;
    if path != CODEOWNERS || text.is_empty() {
        return Err(Reply::not_found());
    }
    let sha = Draw::new(0, text, 0).sha();
    let url = format!("{}/repos/{}/contents/{path}", context.base, home.full_name);
    let html = format!("{}/{}/blob/{}/{path}", context.base, home.full_name, home.traits.default_branch);
    let git = format!("{}/repos/{}/git/blobs/{sha}", context.base, home.full_name);
    // GitHub breaks the text every 60 characters.
    let encoded = STANDARD.encode(text.as_bytes());
    let mut content = String::with_capacity(encoded.len() + encoded.len() / 60 + 1);
    for (at, letter) in encoded.chars().enumerate() {
        if at > 0 && at % 60 == 0 {
            content.push('\n');
        }
        content.push(letter);
    }
    content.push('\n');
    let body = json!({
        "type": "file", "encoding": "base64", "size": text.len(), "name": "CODEOWNERS", "path": path, "sha": sha,
        "content": content, "url": url, "git_url": git, "html_url": html, "download_url": null,
        "_links": {"self": url, "git": git, "html": html},
    });
    Ok(Reply::json(200, &body))
}
