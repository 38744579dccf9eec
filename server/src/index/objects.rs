//! Objects and who holds them.

use gwas::wire::Did;
use he_core::Digest;
use he_core::codec::Header;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::sqlite::{digest, signed, unsigned};
use super::{Added, IndexError, Outcome, SqliteIndex, StoredObject};
use crate::store::Class;

/// Columns of an object, from a table called `o`.
const COLUMNS: &str = "o.digest, o.class, o.bytes, o.header, o.variants";

/// Adds to what a party holds, within its quota.
pub(super) async fn charge(
    tx: &mut SqliteConnection,
    owner: &Did,
    bytes: u64,
    quota: u64,
) -> Outcome<()> {
    let total: i64 = sqlx::query_scalar(
        "INSERT INTO owners (did, bytes) VALUES (?1, ?2)
         ON CONFLICT (did) DO UPDATE SET bytes = bytes + ?2 RETURNING bytes",
    )
    .bind(owner.to_string())
    .bind(signed(bytes))
    .fetch_one(tx)
    .await?;
    if unsigned(total) > quota { Err(IndexError::Quota { quota }) } else { Ok(()) }
}

/// Records an object and that `owner` holds it.
pub(super) async fn hold(
    tx: &mut SqliteConnection,
    owner: &Did,
    object: &StoredObject,
    quota: u64,
) -> Outcome<Added> {
    sqlx::query(
        "INSERT INTO objects (digest, class, bytes, header, variants) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (digest) DO UPDATE SET damaged = 0",
    )
    .bind(&object.digest.0[..])
    .bind(object.class.code())
    .bind(signed(object.bytes))
    .bind(object.header.map(|h| h.to_bytes().to_vec()))
    .bind(i64::from(object.variants))
    .execute(&mut *tx)
    .await?;
    let new = sqlx::query("INSERT OR IGNORE INTO holdings (owner, object) VALUES (?, ?)")
        .bind(owner.to_string())
        .bind(&object.digest.0[..])
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if new == 0 {
        return Ok(Added::Already);
    }
    charge(tx, owner, object.bytes, quota).await?;
    Ok(Added::New)
}

fn object(row: &SqliteRow) -> Outcome<StoredObject> {
    let header: Option<Vec<u8>> = row.try_get(3)?;
    let header = header.map(|bytes| Header::parse(&bytes)).transpose();
    Ok(StoredObject {
        digest: digest(row.try_get(0)?)?,
        class: Class::from_code(row.try_get(1)?)
            .ok_or_else(|| IndexError::Failed("a stored class is unknown".into()))?,
        bytes: unsigned(row.try_get(2)?),
        header: header.map_err(|e| IndexError::Failed(e.to_string()))?,
        variants: row.try_get(4)?,
    })
}

impl SqliteIndex {
    pub(super) async fn held_(
        &self,
        owner: &Did,
        digest: &Digest,
    ) -> Outcome<Option<StoredObject>> {
        let sql = const_format(
            COLUMNS,
            "FROM objects o JOIN holdings h ON h.object = o.digest
             WHERE h.owner = ? AND o.digest = ? AND o.damaged = 0",
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(owner.to_string())
            .bind(&digest.0[..])
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(object).transpose()
    }

    pub(super) async fn missing_(&self, owner: &Did, digests: &[Digest]) -> Outcome<Vec<Digest>> {
        let owner = owner.to_string();
        let mut connection = self.reader.acquire().await?;
        let mut missing = Vec::new();
        for digest in digests {
            let found: Option<i64> = sqlx::query_scalar(
                "SELECT 1 FROM holdings h JOIN objects o ON o.digest = h.object
                 WHERE h.owner = ? AND h.object = ? AND o.damaged = 0",
            )
            .bind(&owner)
            .bind(&digest.0[..])
            .fetch_optional(&mut *connection)
            .await?;
            if found.is_none() {
                missing.push(*digest);
            }
        }
        Ok(missing)
    }

    pub(super) async fn readable_(
        &self,
        party: &Did,
        digest: &Digest,
    ) -> Outcome<Option<StoredObject>> {
        let sql = const_format(
            COLUMNS,
            "FROM objects o WHERE o.digest = ?1 AND (
                 EXISTS (SELECT 1 FROM holdings h WHERE h.object = o.digest AND h.owner = ?2)
                 OR EXISTS (SELECT 1 FROM refs r JOIN readers d ON d.manifest = r.manifest
                            WHERE r.object = o.digest AND d.party = ?2))",
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&digest.0[..])
            .bind(party.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(object).transpose()
    }

    pub(super) async fn mark_damaged_(&self, digest: &Digest) -> Outcome<()> {
        sqlx::query("UPDATE objects SET damaged = 1 WHERE digest = ?")
            .bind(&digest.0[..])
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    pub(super) async fn knows_(&self, digest: &Digest) -> Outcome<bool> {
        let row: Option<i64> = sqlx::query_scalar("SELECT 1 FROM objects WHERE digest = ?")
            .bind(&digest.0[..])
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    pub(super) async fn usage_(&self, owner: &Did) -> Outcome<u64> {
        let bytes: Option<i64> = sqlx::query_scalar("SELECT bytes FROM owners WHERE did = ?")
            .bind(owner.to_string())
            .fetch_optional(&self.reader)
            .await?;
        Ok(unsigned(bytes.unwrap_or_default()))
    }

    pub(super) async fn totals_(&self) -> Outcome<(u64, u64)> {
        let (count, bytes): (i64, i64) =
            sqlx::query_as("SELECT count(*), coalesce(sum(bytes), 0) FROM objects")
                .fetch_one(&self.reader)
                .await?;
        Ok((unsigned(count), unsigned(bytes)))
    }
}

/// `SELECT columns rest`, of constants of this file.
fn const_format(columns: &'static str, rest: &'static str) -> String {
    format!("SELECT {columns} {rest}")
}
