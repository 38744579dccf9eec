//! Manifests, what they name, and who may read them.

use gwas::wire::Did;
use gwas::wire::status::{KeyContribution, Listed};
use he_core::Digest;
use he_core::codec::Kind;
use sqlx::SqliteConnection;

use super::objects::charge;
use super::sqlite::{digest, kind, party, signed, unsigned};
use super::{Added, IndexError, ManifestRow, NewManifest, Orphans, Outcome, SqliteIndex};
use crate::store::Class;

impl SqliteIndex {
    pub(super) async fn add_manifest_(&self, new: &NewManifest, quota: u64) -> Outcome<Added> {
        let mut tx = self.write().await?;
        let owner = new.owner.to_string();
        let added = sqlx::query(
            "INSERT OR IGNORE INTO manifests (id, kind, owner, name, bytes, total, received, expires)
             VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
        )
        .bind(&new.id.0[..])
        .bind(new.kind as i64)
        .bind(&owner)
        .bind(&new.name)
        .bind(signed(new.bytes))
        .bind(signed(new.received))
        .bind(new.expires.map(signed))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if added == 0 {
            return Ok(Added::Already);
        }
        super::once::take(&mut tx, new).await?;
        charge(&mut tx, &new.owner, new.bytes, quota).await?;
        for object in &new.objects {
            let named = sqlx::query(
                "INSERT OR IGNORE INTO refs (manifest, object)
                 SELECT ?1, o.digest FROM objects o WHERE o.digest = ?2",
            )
            .bind(&new.id.0[..])
            .bind(&object.0[..])
            .execute(&mut *tx)
            .await?
            .rows_affected();
            // Nothing inserted: either named twice, which is fine, or gone since it was checked.
            if named == 0 && !is_named(&mut tx, &new.id, object).await? {
                return Err(IndexError::Missing { what: "object", digest: *object });
            }
        }
        for link in &new.links {
            sqlx::query("INSERT OR IGNORE INTO links (manifest, target) VALUES (?, ?)")
                .bind(&new.id.0[..])
                .bind(&link.0[..])
                .execute(&mut *tx)
                .await?;
        }
        for (manifest, reader) in &new.readers {
            sqlx::query(
                "INSERT OR IGNORE INTO readers (manifest, party, because) VALUES (?, ?, ?)",
            )
            .bind(&manifest.0[..])
            .bind(reader.to_string())
            .bind(&new.id.0[..])
            .execute(&mut *tx)
            .await?;
        }
        for (manifest, reader, because) in &new.lent {
            // Where the reason has gone meanwhile there is nothing to lend.
            sqlx::query(
                "INSERT OR IGNORE INTO readers (manifest, party, because)
                 SELECT ?1, ?2, m.id FROM manifests m WHERE m.id = ?3",
            )
            .bind(&manifest.0[..])
            .bind(reader.to_string())
            .bind(&because.0[..])
            .execute(&mut *tx)
            .await?;
        }
        for (manifest, viewer, because) in &new.shown {
            sqlx::query(
                "INSERT OR IGNORE INTO viewers (manifest, party, because)
                 SELECT m.id, ?2, b.id FROM manifests m, manifests b WHERE m.id = ?1 AND b.id = ?3",
            )
            .bind(&manifest.0[..])
            .bind(viewer.to_string())
            .bind(&because.0[..])
            .execute(&mut *tx)
            .await?;
        }
        if let Some((study, total)) = &new.job {
            sqlx::query(
                "INSERT INTO jobs (id, place, study, state, total)
                 VALUES (?, (SELECT coalesce(max(place), 0) + 1 FROM jobs), ?, 'authorized', ?)",
            )
            .bind(&new.id.0[..])
            .bind(&study.0[..])
            .bind(signed(*total))
            .execute(&mut *tx)
            .await?;
        }
        retotal(&mut tx, &new.id).await?;
        tx.commit().await?;
        gwas::walk::durable(|| format!("manifest {}", new.id));
        Ok(Added::New)
    }

    pub(super) async fn manifest_(&self, id: &Digest) -> Outcome<Option<ManifestRow>> {
        let row: Option<(i64, String, String, i64, i64)> =
            sqlx::query_as("SELECT kind, owner, name, bytes, received FROM manifests WHERE id = ?")
                .bind(&id.0[..])
                .fetch_optional(&self.reader)
                .await?;
        row.map(|(code, owner, name, bytes, received)| {
            Ok(ManifestRow {
                id: *id,
                kind: kind(code)?,
                owner: party(&owner)?,
                name,
                bytes: unsigned(bytes),
                received: unsigned(received),
            })
        })
        .transpose()
    }

    pub(super) async fn may_read_(&self, party: &Did, id: &Digest) -> Outcome<bool> {
        let row: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM readers WHERE manifest = ?1 AND party = ?2
             UNION ALL SELECT 1 FROM viewers WHERE manifest = ?1 AND party = ?2 LIMIT 1",
        )
        .bind(&id.0[..])
        .bind(party.to_string())
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.is_some())
    }

    pub(super) async fn list_(&self, reader: &Did, kind: Kind) -> Outcome<Vec<Listed>> {
        let rows: Vec<(Vec<u8>, String, String, i64, i64)> = sqlx::query_as(
            "SELECT m.id, m.owner, m.name, m.received, m.total + m.bytes FROM manifests m
             WHERE m.kind = ?1 AND m.id IN (SELECT manifest FROM readers WHERE party = ?2
                                            UNION SELECT manifest FROM viewers WHERE party = ?2)
             ORDER BY m.received, m.id",
        )
        .bind(kind as i64)
        .bind(reader.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|(id, owner, name, received, bytes)| {
                Ok(Listed {
                    id: digest(&id)?,
                    owner: party(&owner)?,
                    name,
                    created: crate::clock::rfc3339(unsigned(received)),
                    bytes: unsigned(bytes),
                })
            })
            .collect()
    }

    pub(super) async fn all_(&self, kind: Kind) -> Outcome<Vec<Digest>> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT id FROM manifests WHERE kind = ? ORDER BY received, id")
                .bind(kind as i64)
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(|id| digest(id)).collect()
    }

    pub(super) async fn linked_(&self, target: &Digest, kind: Kind) -> Outcome<Vec<Digest>> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT m.id FROM links l JOIN manifests m ON m.id = l.manifest
             WHERE l.target = ? AND m.kind = ? ORDER BY m.received, m.id",
        )
        .bind(&target.0[..])
        .bind(kind as i64)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|id| digest(id)).collect()
    }

    pub(super) async fn erase_(&self, id: &Digest) -> Outcome<Orphans> {
        let mut tx = self.write().await?;
        let row: Option<(String, i64)> =
            sqlx::query_as("SELECT owner, bytes FROM manifests WHERE id = ?")
                .bind(&id.0[..])
                .fetch_optional(&mut *tx)
                .await?;
        let Some((owner, bytes)) = row else {
            return Ok(Orphans::default());
        };
        let objects = named_objects(&mut tx, id).await?;
        sqlx::query("DELETE FROM manifests WHERE id = ?").bind(&id.0[..]).execute(&mut *tx).await?;
        discharge(&mut tx, &owner, bytes).await?;
        let mut orphans = release(&mut tx, &owner, &objects).await?;
        remember(&mut tx, Class::Manifest, id).await?;
        orphans.objects.push((Class::Manifest, *id));
        orphans.bytes += unsigned(bytes);
        tx.commit().await?;
        Ok(orphans)
    }

    pub(super) async fn erasing_(&self) -> Outcome<Vec<(Class, Digest)>> {
        let rows: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT class, digest FROM erasing").fetch_all(&self.reader).await?;
        rows.into_iter()
            .map(|(class, name)| {
                let class = Class::from_code(class)
                    .ok_or_else(|| IndexError::Failed("a stored class is unknown".into()))?;
                Ok((class, digest(&name)?))
            })
            .collect()
    }

    pub(super) async fn erased_(&self, class: Class, digest: &Digest) -> Outcome<()> {
        sqlx::query("DELETE FROM erasing WHERE class = ? AND digest = ?")
            .bind(class.code())
            .bind(&digest.0[..])
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    pub(super) async fn add_key_(&self, study: &Digest, key: &KeyContribution) -> Outcome<Added> {
        let mut tx = self.write().await?;
        let added =
            sqlx::query("INSERT OR IGNORE INTO keys (study, party, object) VALUES (?, ?, ?)")
                .bind(&study.0[..])
                .bind(key.party.to_string())
                .bind(&key.chunk.0[..])
                .execute(&mut *tx)
                .await?
                .rows_affected();
        if added == 0 {
            return Ok(Added::Already);
        }
        sqlx::query("INSERT OR IGNORE INTO refs (manifest, object) VALUES (?, ?)")
            .bind(&study.0[..])
            .bind(&key.chunk.0[..])
            .execute(&mut *tx)
            .await?;
        retotal(&mut tx, study).await?;
        tx.commit().await?;
        Ok(Added::New)
    }

    pub(super) async fn keys_(&self, study: &Digest) -> Outcome<Vec<KeyContribution>> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT party, object FROM keys WHERE study = ? ORDER BY party")
                .bind(&study.0[..])
                .fetch_all(&self.reader)
                .await?;
        rows.into_iter()
            .map(|(holder, object)| {
                Ok(KeyContribution { party: party(&holder)?, chunk: digest(&object)? })
            })
            .collect()
    }
}

async fn is_named(tx: &mut SqliteConnection, manifest: &Digest, object: &Digest) -> Outcome<bool> {
    let row: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM refs WHERE manifest = ? AND object = ?")
            .bind(&manifest.0[..])
            .bind(&object.0[..])
            .fetch_optional(tx)
            .await?;
    Ok(row.is_some())
}

/// Sums up the bytes of what a manifest names.
pub(super) async fn retotal(tx: &mut SqliteConnection, id: &Digest) -> Outcome<()> {
    sqlx::query(
        "UPDATE manifests SET total = (SELECT coalesce(sum(o.bytes), 0) FROM refs r
             JOIN objects o ON o.digest = r.object WHERE r.manifest = ?1) WHERE id = ?1",
    )
    .bind(&id.0[..])
    .execute(tx)
    .await?;
    Ok(())
}

/// Objects that a manifest names.
pub(super) async fn named_objects(tx: &mut SqliteConnection, id: &Digest) -> Outcome<Vec<Vec<u8>>> {
    Ok(sqlx::query_scalar("SELECT object FROM refs WHERE manifest = ?")
        .bind(&id.0[..])
        .fetch_all(tx)
        .await?)
}

async fn discharge(tx: &mut SqliteConnection, owner: &str, bytes: i64) -> Outcome<()> {
    sqlx::query("UPDATE owners SET bytes = max(0, bytes - ?) WHERE did = ?")
        .bind(bytes)
        .bind(owner)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends `owner`'s holding of objects that none of its manifests names any more, and removes those that nobody holds or
/// names.
pub(super) async fn release(
    tx: &mut SqliteConnection,
    owner: &str,
    objects: &[Vec<u8>],
) -> Outcome<Orphans> {
    let mut orphans = Orphans::default();
    for name in objects {
        let still: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM refs r JOIN manifests m ON m.id = r.manifest
             WHERE r.object = ? AND m.owner = ? LIMIT 1",
        )
        .bind(name)
        .bind(owner)
        .fetch_optional(&mut *tx)
        .await?;
        if still.is_some() {
            continue;
        }
        let held = sqlx::query("DELETE FROM holdings WHERE owner = ? AND object = ?")
            .bind(owner)
            .bind(name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        let (class, bytes): (i64, i64) =
            sqlx::query_as("SELECT class, bytes FROM objects WHERE digest = ?")
                .bind(name)
                .fetch_one(&mut *tx)
                .await?;
        if held > 0 {
            discharge(tx, owner, bytes).await?;
        }
        let removed = sqlx::query(
            "DELETE FROM objects WHERE digest = ?1
             AND NOT EXISTS (SELECT 1 FROM holdings WHERE object = ?1)
             AND NOT EXISTS (SELECT 1 FROM refs WHERE object = ?1)",
        )
        .bind(name)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if removed > 0 {
            let class = Class::from_code(class).unwrap_or(Class::Chunk);
            let name = digest(name)?;
            remember(tx, class, &name).await?;
            orphans.objects.push((class, name));
            orphans.bytes += unsigned(bytes);
        }
    }
    Ok(orphans)
}

async fn remember(tx: &mut SqliteConnection, class: Class, name: &Digest) -> Outcome<()> {
    sqlx::query("INSERT OR IGNORE INTO erasing (class, digest) VALUES (?, ?)")
        .bind(class.code())
        .bind(&name.0[..])
        .execute(tx)
        .await?;
    Ok(())
}
