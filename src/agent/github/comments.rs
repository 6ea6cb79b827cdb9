//! Comments on issues and pull requests.

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

use crate::{
    agent::{
        AgentError, Comment, Comments,
        github::{
            GitHub,
            wire::{text, whole},
        },
    },
    job::{repository::Repository, time::Timestamp},
};

/// Of those changed since a notice was made: more than that is no conversation.
const PAGES_MAX: usize = 30;

#[async_trait]
impl Comments for GitHub {
    async fn find_comment(
        &self,
        identity: &str,
        (repository, number): (&Repository, u64),
        last_line: &str,
        since: Timestamp,
    ) -> Result<Option<Comment>, AgentError> {
        let own = self.user_id(identity).await?;
        let what = format!("looking for a comment on {repository}#{number}");
        let since = Timestamp(since.0.div_euclid(1_000).saturating_mul(1_000)).to_string();
        let query = [("since", since.as_str()), ("per_page", "100")];
        let path = ["issues", &number.to_string(), "comments"];
        let call = self.at("comments", what, repository, &path, &query)?;
        let not_a_list = call.unreadable(identity);
        for page in self.pages(identity, call, PAGES_MAX).await? {
            let items = page.as_array().ok_or_else(|| not_a_list.clone())?;
            let ours =
                items.iter().filter(|item| item.pointer("/user/id").and_then(Value::as_i64) == Some(own));
            let found = ours.filter_map(comment).find(|found| found.body.trim_end().ends_with(last_line));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn add_comment(
        &self,
        identity: &str,
        (repository, number): (&Repository, u64),
        body: &str,
    ) -> Result<Comment, AgentError> {
        let what = format!("commenting on {repository}#{number}");
        let path = ["issues", &number.to_string(), "comments"];
        let mut call = self.at("comments", what, repository, &path, &[])?;
        call.body = Some((Method::POST, json!({ "body": body })));
        let answer = self.write(identity, &call, None).await?;
        answer.json().as_ref().and_then(comment).ok_or_else(|| call.unreadable(identity))
    }

    async fn edit_comment(
        &self,
        identity: &str,
        repository: &Repository,
        id: u64,
        body: &str,
    ) -> Result<(), AgentError> {
        let what = format!("editing comment {id} of {repository}");
        let path = ["issues", "comments", &id.to_string()];
        let mut call = self.at("comment", what, repository, &path, &[])?;
        call.body = Some((Method::PATCH, json!({ "body": body })));
        self.write(identity, &call, None).await.map(drop)
    }
}

/// None: not an object with an id.
fn comment(value: &Value) -> Option<Comment> {
    Some(Comment { id: whole(value.get("id"))?, body: text(value, "body").unwrap_or_default() })
}
