//! The tables.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

/// One step for each released version of the schema; a step is never changed once released.
const STEPS: &[(&str, &str)] = &[
    ("first", include_str!("schema/1.sql")),
    ("consortium", include_str!("schema/2.sql")),
    ("viewers", include_str!("schema/3.sql")),
];

/// The steps, for sqlx to apply.
pub(super) fn migrator() -> Migrator {
    let steps = (1..).zip(STEPS).map(|(version, (name, sql))| {
        let sql = AssertSqlSafe(*sql).into_sql_str();
        Migration::new(version, (*name).into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(steps.collect())
}
