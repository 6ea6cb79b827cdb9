//! Tokens of the HTTP interface, as people see them: giving them out, listing them, taking them back.

use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{
    job::time::Timestamp,
    ledger::{By, Command, LedgerError, OURSELVES, TokenChange, rows::TokenRow},
    pipeline::{
        context::Context,
        operate::{OperateError, done},
    },
    policy::{
        Code, Problem,
        access::{Grant, bearer},
        text,
    },
};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct TokenOrder {
    /// Under which its acts are recorded.
    pub name: String,
    pub grant: Grant,
    /// None: it does not end by itself.
    pub expires_at: Option<Timestamp>,
    /// Though another one of the same name is valid: to change over.
    pub beside: bool,
}

/// A token as it is shown: never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenView {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub grant: Grant,
    /// `valid`, `expired` or `revoked`.
    pub standing: String,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// To the hour.
    pub used_at: Option<Timestamp>,
}

/// Why no token was made or taken back.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token cannot be made")]
    Invalid(Vec<Problem>),
    #[error(transparent)]
    Operate(#[from] OperateError),
}

/// What a token is checked by.
#[derive(Clone, Debug)]
pub struct KnownToken {
    pub id: String,
    pub name: String,
    pub digest: String,
    pub grant: Grant,
    pub expires_at: Option<Timestamp>,
    pub revoked: bool,
    pub used_at: Option<Timestamp>,
}

impl TokenOrder {
    fn problems(&self, now: Timestamp) -> Vec<Problem> {
        let wrong =
            |at: &str, what: String, hint: &str| Problem::new(Code::BadAccess, what).at(at).hint(hint);
        let mut problems = Vec::new();
        let small = self.name == self.name.to_ascii_lowercase();
        if !text::is_login(&self.name) || !small || self.name.starts_with(bearer::PREFIX) {
            let what = format!("`{}` cannot be the name of a token", text::shorten(&self.name, 80));
            let hint = "write the login of the person or the name of the system that acts by it: lower-case letters, \
                digits, `-` and `_`, at most 39";
            problems.push(wrong("name", what, hint));
        } else if self.name == OURSELVES {
            let what = format!("{OURSELVES} is the name of what this program does by itself");
            problems.push(wrong("name", what, "choose another one"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            problems.push(wrong("expires_at", "this time has passed".to_owned(), "write a time to come"));
        }
        problems.extend(self.grant.problems(""));
        problems
    }
}

impl Context {
    /// Makes a token. It is told here and never again.
    pub async fn create_token(
        &self,
        order: TokenOrder,
        by: By,
    ) -> Result<(TokenView, SecretString), TokenError> {
        let problems = order.problems(self.now());
        if !problems.is_empty() {
            return Err(TokenError::Invalid(problems));
        }
        let (mut id, mut secret) = ([0; bearer::ID_BYTES], [0; bearer::SECRET_BYTES]);
        // The numbers that ids are drawn from could be worked out from the ids, so that they are no secret.
        let drawn = SystemRandom::new().fill(&mut id).and_then(|()| SystemRandom::new().fill(&mut secret));
        drawn.map_err(|_| OperateError::Conflict("the system gives no random numbers".to_owned()))?;
        let (id, token) = bearer::assemble(id, secret);
        let row = TokenRow {
            id,
            name: order.name,
            digest: bearer::digest(&token),
            grant_json: serde_json::to_string(&order.grant).unwrap_or_default(),
            created_at: self.now(),
            created_by: by.actor.clone(),
            expires_at: order.expires_at,
            revoked_at: None,
            used_at: None,
        };
        let view = self.token_view(row.clone());
        let change = TokenChange::Create { row: Box::new(row), beside: order.beside };
        let reply = self.ledger.write(Command::Token { change, by }).await.map_err(OperateError::from)?;
        done(reply)?;
        Ok((view, token.into()))
    }

    /// Takes back one token by its id, or all of a name.
    pub async fn revoke_token(&self, which: &str, by: By) -> Result<(), OperateError> {
        done(
            self.ledger
                .write(Command::Token { change: TokenChange::Revoke { which: which.to_owned() }, by })
                .await?,
        )
    }

    /// `all`: also those that are no longer valid.
    pub async fn list_tokens(&self, all: bool) -> Result<Vec<TokenView>, LedgerError> {
        let now = self.now();
        let rows = self.ledger.access_tokens().await?;
        let shown = rows.into_iter().filter(|row| all || row.is_valid(now));
        Ok(shown.map(|row| self.token_view(row)).collect())
    }

    fn token_view(&self, row: TokenRow) -> TokenView {
        let standing = match row.revoked_at {
            Some(_) => "revoked",
            None if row.is_valid(self.now()) => "valid",
            None => "expired",
        };
        TokenView {
            grant: grant(&row),
            id: row.id,
            name: row.name,
            standing: standing.to_owned(),
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            used_at: row.used_at,
        }
    }

    /// What presented tokens are compared with.
    pub async fn known_tokens(&self) -> Result<Vec<KnownToken>, LedgerError> {
        let known = |row: TokenRow| KnownToken {
            grant: grant(&row),
            id: row.id,
            name: row.name,
            digest: row.digest,
            expires_at: row.expires_at,
            revoked: row.revoked_at.is_some(),
            used_at: row.used_at,
        };
        Ok(self.ledger.access_tokens().await?.into_iter().map(known).collect())
    }

    /// Notes that a token was used.
    pub async fn token_used(&self, id: &str) -> Result<(), LedgerError> {
        self.ledger.write(Command::TokenUsed { id: id.to_owned(), at: self.now() }).await.map(drop)
    }
}

/// What cannot be read grants nothing.
fn grant(row: &TokenRow) -> Grant {
    serde_json::from_str(&row.grant_json).unwrap_or_default()
}
