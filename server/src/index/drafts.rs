//! Drafts and their members.

use gwas::wire::Did;
use gwas::wire::draft::Draft;
use he_core::Digest;

use super::{IndexError, Outcome, SqliteIndex};

impl SqliteIndex {
    pub(super) async fn put_draft_(&self, draft: &Draft) -> Outcome<()> {
        let body = serde_json::to_string(draft).map_err(|e| IndexError::Failed(e.to_string()))?;
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO drafts (id, owner, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET body = ?3",
        )
        .bind(&draft.id.0[..])
        .bind(draft.coordinator.to_string())
        .bind(body)
        .execute(&mut *tx)
        .await?;
        let accepted = draft.acceptances().map(|(_, accepted)| accepted.party);
        for member in accepted.chain([draft.coordinator]) {
            sqlx::query("INSERT OR IGNORE INTO members (draft, party) VALUES (?, ?)")
                .bind(&draft.id.0[..])
                .bind(member.to_string())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        gwas::walk::durable(|| {
            format!("draft {} {}", draft.invitations.len(), draft.acceptances().count())
        });
        Ok(())
    }

    pub(super) async fn draft_(&self, id: &Digest) -> Outcome<Option<Draft>> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM drafts WHERE id = ?")
            .bind(&id.0[..])
            .fetch_optional(&self.reader)
            .await?;
        body.as_deref().map(read).transpose()
    }

    pub(super) async fn drafts_(&self, member: &Did) -> Outcome<Vec<Draft>> {
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT d.body FROM drafts d JOIN members m ON m.draft = d.id
             WHERE m.party = ? ORDER BY d.id",
        )
        .bind(member.to_string())
        .fetch_all(&self.reader)
        .await?;
        bodies.iter().map(|body| read(body)).collect()
    }

    pub(super) async fn is_member_(&self, party: &Did) -> Outcome<bool> {
        let row: Option<i64> = sqlx::query_scalar("SELECT 1 FROM members WHERE party = ? LIMIT 1")
            .bind(party.to_string())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }
}

fn read(body: &str) -> Outcome<Draft> {
    serde_json::from_str(body).map_err(|e| IndexError::Failed(format!("a stored draft: {e}")))
}
