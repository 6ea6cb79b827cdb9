//! Reading the tokens of the HTTP interface.

use crate::ledger::{Ledger, LedgerError, rows::TokenRow, table};

impl Ledger {
    /// Every token that was ever given out, by name, the newest of a name first.
    pub async fn access_tokens(&self) -> Result<Vec<TokenRow>, LedgerError> {
        self.db.rows(&table::TOKENS, "ORDER BY t.name, t.created_at DESC, t.id", &[]).await
    }
}
