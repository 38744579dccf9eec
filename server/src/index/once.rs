//! What parties say once, and what ends.

use gwas::wire::Did;
use he_core::Digest;
use sqlx::SqliteConnection;

use super::sqlite::{digest, party, signed};
use super::{IndexError, NewManifest, Outcome, Slot, SqliteIndex};

/// Takes the manifest's slot for its owner.
pub(super) async fn take(tx: &mut SqliteConnection, new: &NewManifest) -> Outcome<()> {
    let Some((subject, slot)) = &new.once else { return Ok(()) };
    let taken = sqlx::query(
        "INSERT OR IGNORE INTO once (subject, slot, party, manifest) VALUES (?, ?, ?, ?)",
    )
    .bind(&subject.0[..])
    .bind(slot.name())
    .bind(new.owner.to_string())
    .bind(&new.id.0[..])
    .execute(tx)
    .await?
    .rows_affected();
    if taken == 1 { Ok(()) } else { Err(IndexError::Taken) }
}

impl SqliteIndex {
    pub(super) async fn once_(&self, subject: &Digest, slot: Slot) -> Outcome<Vec<(Did, Digest)>> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT party, manifest FROM once WHERE subject = ? AND slot = ? ORDER BY party",
        )
        .bind(&subject.0[..])
        .bind(slot.name())
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(|(who, name)| Ok((party(&who)?, digest(&name)?))).collect()
    }

    pub(super) async fn expired_(&self, now: u64) -> Outcome<Vec<Digest>> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT id FROM manifests WHERE expires <= ? ORDER BY expires, id")
                .bind(signed(now))
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(|id| digest(id)).collect()
    }

    pub(super) async fn resized_(&self, id: &Digest, bytes: u64) -> Outcome<()> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE owners SET bytes = bytes + ?1 - (SELECT bytes FROM manifests WHERE id = ?2)
             WHERE did = (SELECT owner FROM manifests WHERE id = ?2)",
        )
        .bind(signed(bytes))
        .bind(&id.0[..])
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE manifests SET bytes = ? WHERE id = ?")
            .bind(signed(bytes))
            .bind(&id.0[..])
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
