//! Files of a repository's default branch, and folders as far as files make them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Context;
use crate::simulator::draw::Draw;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::RepositoryKey;
use crate::simulator::world::repository::Repository;

const CODEOWNERS: &str = ".github/CODEOWNERS";
/// Beyond, GitHub gives no text.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// `GET …/contents/{path}`: a file, or a list of what is in a folder.
pub(super) fn get(context: &Context<'_>, repository: RepositoryKey, path: &str) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let traits = &home.traits;
    let owners = (path == CODEOWNERS && !traits.codeowners.is_empty()).then_some(&*traits.codeowners);
    if let Some(text) = owners.or_else(|| traits.files.get(path).map(String::as_str)) {
        return Ok(Reply::json(200, &file(context, home, path, text)));
    }
    let below = format!("{path}/");
    let mut paths: BTreeSet<&str> = traits.files.keys().map(String::as_str).collect();
    if !traits.codeowners.is_empty() {
        paths.insert(CODEOWNERS);
    }
    let names: BTreeSet<(&str, bool)> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(&below))
        .map(|rest| rest.split_once('/').map_or((rest, true), |(folder, _)| (folder, false)))
        .collect();
    if names.is_empty() {
        return Err(Reply::not_found());
    }
    let items: Vec<Value> = names
        .into_iter()
        .map(|(name, is_file)| {
            let (path, size) = (format!("{path}/{name}"), traits.files.get(&format!("{path}/{name}")));
            let mut entry = entry(context, home, &path, if is_file { "file" } else { "dir" });
            if let Some(fields) = entry.as_object_mut() {
                fields.insert("size".to_owned(), json!(size.map_or(0, String::len)));
            }
            entry
        })
        .collect();
    Ok(Reply::json(200, &items))
}

fn file(context: &Context<'_>, home: &Repository, path: &str, text: &str) -> Value {
    let mut entry = entry(context, home, path, "file");
    let given = text.len() <= TEXT_BYTES_MAX;
    let (encoding, content) = if given { ("base64", wrapped(text)) } else { ("none", String::new()) };
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("encoding".to_owned(), json!(encoding));
        fields.insert("size".to_owned(), json!(text.len()));
        fields.insert("content".to_owned(), json!(content));
        fields.insert("sha".to_owned(), json!(Draw::new(0, text, 0).sha()));
    }
    entry
}

fn entry(context: &Context<'_>, home: &Repository, path: &str, kind: &str) -> Value {
    let sha = Draw::new(0, path, 0).sha();
    let url = format!("{}/repos/{}/contents/{path}", context.base, home.full_name);
    let html = format!("{}/{}/blob/{}/{path}", context.base, home.full_name, home.traits.default_branch);
    let git = format!("{}/repos/{}/git/blobs/{sha}", context.base, home.full_name);
    json!({
        "type": kind, "name": path.rsplit('/').next(), "path": path, "sha": sha,
        "url": url, "git_url": git, "html_url": html, "download_url": null,
        "_links": {"self": url, "git": git, "html": html},
    })
}

/// GitHub breaks the text every 60 characters.
fn wrapped(text: &str) -> String {
    let encoded = STANDARD.encode(text.as_bytes());
    let mut content = String::with_capacity(encoded.len() + encoded.len() / 60 + 1);
    for (at, letter) in encoded.chars().enumerate() {
        if at > 0 && at % 60 == 0 {
            content.push('\n');
        }
        content.push(letter);
    }
    content.push('\n');
    content
}
