//! Used nonces.

use gwas::wire::Did;

use super::sqlite::signed;
use super::{Outcome, SqliteIndex};

impl SqliteIndex {
    pub(super) async fn use_nonce_(
        &self,
        party: &Did,
        nonce: &str,
        expires: u64,
        now: u64,
    ) -> Outcome<bool> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM nonces WHERE expires < ?")
            .bind(signed(now))
            .execute(&mut *tx)
            .await?;
        let new =
            sqlx::query("INSERT OR IGNORE INTO nonces (party, nonce, expires) VALUES (?, ?, ?)")
                .bind(party.to_string())
                .bind(nonce)
                .bind(signed(expires))
                .execute(&mut *tx)
                .await?
                .rows_affected();
        tx.commit().await?;
        Ok(new == 1)
    }
}
