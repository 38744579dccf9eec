//! Jobs and their units.

use gwas::wire::status::{JobState, JobStatus};
use gwas::wire::{ChunkRef, Did};
use he_core::Digest;
use he_core::codec::Header;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::manifests::{release, retotal};
use super::objects::hold;
use super::sqlite::{digest, party, signed, unsigned};
use super::{FinishedUnit, IndexError, Orphans, Outcome, SqliteIndex, StoredObject, state_name};
use crate::store::Class;

/// A status, from the table `jobs` called `j`.
macro_rules! status_sql {
    ($rest:literal) => {
        concat!(
            "SELECT j.id, j.study, j.state, (SELECT count(*) FROM units u WHERE u.job = j.id), j.total, ",
            "j.seconds, j.result, j.error FROM jobs j ",
            $rest
        )
    };
}

const STATES: [JobState; 9] = [
    JobState::Draft,
    JobState::Authorized,
    JobState::Running,
    JobState::Computed,
    JobState::Releasing,
    JobState::Released,
    JobState::Failed,
    JobState::Cancelled,
    JobState::Revoked,
];

fn status(row: &SqliteRow) -> Outcome<JobStatus> {
    let state: &str = row.try_get(2)?;
    let state = STATES.into_iter().find(|s| state_name(*s) == state);
    let result: Option<&[u8]> = row.try_get(6)?;
    Ok(JobStatus {
        job: digest(row.try_get(0)?)?,
        study: digest(row.try_get(1)?)?,
        state: state.ok_or_else(|| IndexError::Failed("a stored state is unknown".into()))?,
        done: unsigned(row.try_get(3)?),
        total: unsigned(row.try_get(4)?),
        seconds: row.try_get(5)?,
        result: result.map(digest).transpose()?,
        error: row.try_get(7)?,
    })
}

impl SqliteIndex {
    pub(super) async fn job_(&self, id: &Digest) -> Outcome<Option<JobStatus>> {
        let row = sqlx::query(status_sql!("WHERE j.id = ?"))
            .bind(&id.0[..])
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(status).transpose()
    }

    pub(super) async fn jobs_(&self, reader: &Did) -> Outcome<Vec<JobStatus>> {
        let rows = sqlx::query(status_sql!(
            "WHERE j.id IN (SELECT manifest FROM readers WHERE party = ?) ORDER BY j.place"
        ))
        .bind(reader.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(status).collect()
    }

    pub(super) async fn study_jobs_(&self, study: &Digest) -> Outcome<Vec<JobStatus>> {
        let rows = sqlx::query(status_sql!("WHERE j.study = ? ORDER BY j.place"))
            .bind(&study.0[..])
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(status).collect()
    }

    pub(super) async fn next_job_(&self) -> Outcome<Option<Digest>> {
        let row: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE state IN ('authorized', 'running') ORDER BY place LIMIT 1",
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(|id| digest(&id)).transpose()
    }

    pub(super) async fn transition_(
        &self,
        id: &Digest,
        from: &[JobState],
        to: JobState,
        error: Option<&str>,
    ) -> Outcome<bool> {
        let mut tx = self.write().await?;
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM jobs WHERE id = ?")
            .bind(&id.0[..])
            .fetch_optional(&mut *tx)
            .await?;
        if !state.is_some_and(|s| from.iter().any(|f| state_name(*f) == s)) {
            return Ok(false);
        }
        sqlx::query("UPDATE jobs SET state = ?, error = ? WHERE id = ?")
            .bind(state_name(to))
            .bind(error)
            .bind(&id.0[..])
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        gwas::walk::durable(|| format!("job {id} {}", state_name(to)));
        Ok(true)
    }

    pub(super) async fn finish_unit_(
        &self,
        id: &Digest,
        unit: &FinishedUnit,
        header: &Header,
        seconds: f64,
        quota: u64,
    ) -> Outcome<bool> {
        let mut tx = self.write().await?;
        let running: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM jobs WHERE id = ? AND state = 'running'")
                .bind(&id.0[..])
                .fetch_optional(&mut *tx)
                .await?;
        if running.is_none() {
            return Ok(false);
        }
        let object = StoredObject {
            digest: unit.object.digest,
            class: Class::Chunk,
            bytes: unit.object.length,
            header: Some(*header),
            variants: 0,
        };
        attach(&mut tx, id, &object, quota).await?;
        sqlx::query(
            "INSERT OR REPLACE INTO units (job, plane, grp, object, bytes) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&id.0[..])
        .bind(i64::from(unit.plane))
        .bind(i64::from(unit.group))
        .bind(&unit.object.digest.0[..])
        .bind(signed(unit.object.length))
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE jobs SET seconds = seconds + ? WHERE id = ?")
            .bind(seconds)
            .bind(&id.0[..])
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        gwas::walk::durable(|| format!("unit {id} {} {}", unit.plane, unit.group));
        Ok(true)
    }

    pub(super) async fn units_(&self, id: &Digest) -> Outcome<Vec<FinishedUnit>> {
        let rows: Vec<(u8, u32, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT plane, grp, object, bytes FROM units WHERE job = ? ORDER BY plane, grp",
        )
        .bind(&id.0[..])
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|(plane, group, object, bytes)| {
                let object = ChunkRef { digest: digest(&object)?, length: unsigned(bytes) };
                Ok(FinishedUnit { plane, group, object })
            })
            .collect()
    }

    pub(super) async fn finish_job_(
        &self,
        id: &Digest,
        result: &StoredObject,
        quota: u64,
    ) -> Outcome<bool> {
        let mut tx = self.write().await?;
        attach(&mut tx, id, result, quota).await?;
        let done = sqlx::query(
            "UPDATE jobs SET state = 'computed', result = ?, error = NULL
             WHERE id = ? AND state = 'running'",
        )
        .bind(&result.digest.0[..])
        .bind(&id.0[..])
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if done == 0 {
            return Ok(false);
        }
        tx.commit().await?;
        gwas::walk::durable(|| format!("finished {id}"));
        Ok(true)
    }

    pub(super) async fn drop_units_(&self, id: &Digest) -> Outcome<Orphans> {
        let mut tx = self.write().await?;
        let owner: Option<String> = sqlx::query_scalar("SELECT owner FROM manifests WHERE id = ?")
            .bind(&id.0[..])
            .fetch_optional(&mut *tx)
            .await?;
        let Some(owner) = owner else {
            return Ok(Orphans::default());
        };
        let objects: Vec<Vec<u8>> = sqlx::query_scalar("SELECT object FROM units WHERE job = ?")
            .bind(&id.0[..])
            .fetch_all(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM units WHERE job = ?").bind(&id.0[..]).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM refs WHERE manifest = ?")
            .bind(&id.0[..])
            .execute(&mut *tx)
            .await?;
        let orphans = release(&mut tx, &owner, &objects).await?;
        retotal(&mut tx, id).await?;
        tx.commit().await?;
        Ok(orphans)
    }
}

/// Records an object that a job made: its owner holds it, and the job's readers may read it.
async fn attach(
    tx: &mut SqliteConnection,
    job: &Digest,
    object: &StoredObject,
    quota: u64,
) -> Outcome<()> {
    let owner: Option<String> = sqlx::query_scalar("SELECT owner FROM manifests WHERE id = ?")
        .bind(&job.0[..])
        .fetch_optional(&mut *tx)
        .await?;
    let owner = owner.ok_or(IndexError::Missing { what: "job", digest: *job })?;
    hold(tx, &party(&owner)?, object, quota).await?;
    sqlx::query("INSERT OR IGNORE INTO refs (manifest, object) VALUES (?, ?)")
        .bind(&job.0[..])
        .bind(&object.digest.0[..])
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE manifests SET total = total + ? WHERE id = ?")
        .bind(signed(object.bytes))
        .bind(&job.0[..])
        .execute(tx)
        .await?;
    Ok(())
}
