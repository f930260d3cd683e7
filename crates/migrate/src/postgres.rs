//! Roles, schemas and tables.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::role::OWNER;
use crate::{Role, RolePasswords};

static AUTH: Migrator = sqlx::migrate!("../auth/migrations");
static EXTRACTOR: Migrator = sqlx::migrate!("../extractor/migrations");
static MAPPER: Migrator = sqlx::migrate!("../mapper/migrations");
static CUSTOMERS: Migrator = sqlx::migrate!("../customer-writer/migrations");

/// Only one migration runs in a database at a time.
const ONE_AT_A_TIME: i64 = 0x6c61_6e65_7379_6e63;
/// Roles belong to the whole cluster, where no lock of ours reaches: collisions are tried again so often.
const ATTEMPTS: u32 = 30;

/// Why Postgres is not in shape.
#[derive(Debug, thiserror::Error)]
pub enum MigratePostgresError {
    /// No connection as the administrator.
    #[error("connecting to Postgres")]
    Connect(#[source] sqlx::Error),
    /// The roles could not be made.
    #[error("creating the role {role}")]
    Role {
        /// Which one.
        role: &'static str,
        /// What Postgres said.
        #[source]
        source: sqlx::Error,
    },
    /// A schema could not be made.
    #[error("preparing the schema {schema}")]
    Schema {
        /// Which one.
        schema: &'static str,
        /// What Postgres said.
        #[source]
        source: sqlx::Error,
    },
    /// A migration failed, or one that ran before has been edited since.
    #[error("migrating the schema {schema}")]
    Migration {
        /// Which one.
        schema: &'static str,
        /// What went wrong.
        #[source]
        source: MigrateError,
    },
}

/// Brings the database at `admin_url` into shape: roles with `passwords`, schemas, every service's tables.
///
/// # Errors
/// Postgres refused a step. The steps before it stay; running again goes on from there.
pub async fn postgres(admin_url: &str, passwords: &RolePasswords) -> Result<(), MigratePostgresError> {
    let mut conn = PgConnection::connect(admin_url).await.map_err(MigratePostgresError::Connect)?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(ONE_AT_A_TIME)
        .execute(&mut conn)
        .await
        .map_err(MigratePostgresError::Connect)?;

    ensure_role(&mut conn, OWNER, "nologin", None).await?;
    for role in Role::ALL {
        ensure_role(&mut conn, role.name(), "login", passwords.of(role)).await?;
    }
    close_the_database(&mut conn).await?;
    for role in Role::ALL {
        migrate_schema(&mut conn, role).await?;
    }
    // The lock goes with the connection.
    conn.close().await.map_err(MigratePostgresError::Connect)
}

/// Changes whenever a migration is added: two binaries with the same one make the same tables.
#[must_use]
pub fn fingerprint() -> u64 {
    // FNV-1a: stable over releases of the standard library, unlike its hasher.
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    Role::ALL
        .into_iter()
        .flat_map(|role| migrations_of(role).iter())
        .flat_map(|migration| migration.checksum.iter())
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

const fn migrations_of(role: Role) -> &'static Migrator {
    match role {
        Role::Auth => &AUTH,
        Role::Extractor => &EXTRACTOR,
        Role::Mapper => &MAPPER,
        Role::Writer => &CUSTOMERS,
    }
}

/// Makes the role if the cluster lacks it, takes every right away that it should not have, and sets its
/// password.
async fn ensure_role(
    conn: &mut PgConnection,
    role: &'static str,
    login: &str,
    password: Option<&str>,
) -> Result<(), MigratePostgresError> {
    let failed = |source| MigratePostgresError::Role { role, source };
    let create = format!(
        "do $$ begin
             create role {role} {login} nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
         exception when duplicate_object or unique_violation then null;
         end $$"
    );
    retrying(conn, &create).await.map_err(failed)?;
    let Some(password) = password else {
        return Ok(());
    };
    let alter: String = sqlx::query_scalar("select format('alter role %I password %L', $1, $2)")
        .bind(role)
        .bind(password)
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    retrying(conn, &alter).await.map_err(failed)
}

/// Runs a statement about roles; one that ran into another migration of the same cluster is repeated.
async fn retrying(conn: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    let mut attempt = 1;
    loop {
        let result = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut *conn).await;
        match result {
            Ok(_) => return Ok(()),
            Err(error) if attempt < ATTEMPTS && is_collision(&error) => {
                tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 5)).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_collision(error: &sqlx::Error) -> bool {
    // Catalogue rows are not locked: who comes second is told by this text alone, under a general code.
    error.as_database_error().is_some_and(|refusal| refusal.message().contains("tuple concurrently"))
}

/// Lets only our roles into the database, and nobody into the schema that everybody may use by default.
async fn close_the_database(conn: &mut PgConnection) -> Result<(), MigratePostgresError> {
    let failed = |source| MigratePostgresError::Schema { schema: "public", source };
    let roles = Role::ALL.map(Role::name).join(", ");
    // Postgres is not asked to repeat what holds already: a grant rewrites the row of the database, which
    // collides with every other statement about it.
    let close = format!(
        "do $$ begin
             if not has_database_privilege('{OWNER}', current_database(), 'create') then
                 execute format('revoke all on database %I from public', current_database());
                 execute format('grant connect on database %I to {roles}', current_database());
                 execute format('grant create on database %I to {OWNER}', current_database());
             end if;
             revoke all on schema public from public;
             if not pg_has_role(current_user, '{OWNER}', 'usage') then
                 execute format('grant {OWNER} to %I', current_user);
             end if;
         end $$"
    );
    retrying(conn, &close).await.map_err(failed)
}

async fn migrate_schema(conn: &mut PgConnection, role: Role) -> Result<(), MigratePostgresError> {
    let schema = role.schema();
    let failed = |source| MigratePostgresError::Schema { schema, source };
    let role_name = role.name();
    let prepare = format!(
        "create schema if not exists {schema} authorization {OWNER};
         set role {OWNER};
         grant usage on schema {schema} to {role_name};
         set search_path to {schema}"
    );
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *conn).await.map_err(failed)?;
    let migrated = migrations_of(role).run(&mut *conn).await;
    sqlx::raw_sql("reset role; reset search_path").execute(&mut *conn).await.map_err(failed)?;
    migrated.map_err(|source| MigratePostgresError::Migration { schema, source })
}
