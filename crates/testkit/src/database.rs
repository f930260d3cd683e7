//! A database for one test.

use migrate::{Role, RolePasswords};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use stack::{Folder, Postgres, PostgresOptions};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

/// Only one test process of a cluster makes the template.
const TEMPLATE_LOCK: i64 = 0x6c61_6e65_7465_7374;

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A migrated database of one test's own.
///
/// It stays until its server ends, which is after the last test: dropping one forces all others to disk.
#[derive(Debug)]
pub struct TestDatabase {
    server: &'static Server,
    name: String,
}

/// Makes a database with every service's tables, empty.
///
/// # Panics
/// There is no Postgres on this machine, or it refuses.
pub async fn database() -> TestDatabase {
    let server = SERVER.get_or_init(Server::prepare).await;
    let name = format!("test_{}", Uuid::now_v7().simple());
    server.clone_template(&name).await;
    TestDatabase { server, name }
}

impl TestDatabase {
    /// The superuser's address, for what a test wants to see beside the service under test.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.server.url(None, &self.name)
    }

    /// The address for a service, with the rights that service has in production.
    #[must_use]
    pub fn url(&self, role: Role) -> String {
        self.server.url(Some(role), &self.name)
    }

    /// Connections as the superuser.
    ///
    /// # Panics
    /// Postgres refuses.
    pub async fn admin_pool(&self) -> PgPool {
        pool(&self.admin_url()).await
    }

    /// Connections as a service.
    ///
    /// # Panics
    /// Postgres refuses.
    pub async fn pool(&self, role: Role) -> PgPool {
        pool(&self.url(role)).await
    }
}

/// The Postgres that the tests of this process share.
#[derive(Debug)]
struct Server {
    admin: Url,
    template: String,
    _own: Option<(Postgres, Folder)>,
}

impl Server {
    async fn prepare() -> Self {
        let (admin, own) = match std::env::var_os("LANESYNC_TEST_DATABASE_URL") {
            Some(url) => (url.into_string().expect("a URL is text"), None),
            None => {
                let own = own_server().await;
                (own.0.admin_url(), Some(own))
            }
        };
        let server = Self {
            admin: admin.parse().expect("the URL of the test database"),
            template: format!("lanesync_template_{:016x}", migrate::fingerprint()),
            _own: own,
        };
        server.ensure_template().await;
        server
    }

    /// The address of `database`; every role has the superuser's password, which nobody outside knows.
    fn url(&self, role: Option<Role>, database: &str) -> String {
        let mut url = self.admin.clone();
        if let Some(role) = role {
            url.set_username(role.name()).expect("an address with a host takes a user");
        }
        url.set_path(database);
        url.to_string()
    }

    /// Migrates one database that all others are copied from. Copying takes a fraction of migrating.
    async fn ensure_template(&self) {
        let mut admin = connect(&self.url(None, "postgres")).await;
        sqlx::query("select pg_advisory_lock($1)")
            .bind(TEMPLATE_LOCK)
            .execute(&mut admin)
            .await
            .expect("locking the template");
        // Closing it to connections is the last step, so an open one was never finished.
        let is_finished: Option<bool> =
            sqlx::query_scalar("select not datallowconn from pg_database where datname = $1")
                .bind(&self.template)
                .fetch_optional(&mut admin)
                .await
                .expect("looking for the template");
        if is_finished != Some(true) {
            let template = &self.template;
            run(&mut admin, format!("drop database if exists {template}")).await;
            run(&mut admin, format!("create database {template}")).await;
            let passwords = RolePasswords::same(self.admin.password().unwrap_or_default());
            migrate::postgres(&self.url(None, template), &passwords).await.expect("migrating the template");
            run(&mut admin, format!("alter database {template} allow_connections false")).await;
        }
        admin.close().await.expect("unlocking the template");
    }

    async fn clone_template(&self, name: &str) {
        let mut admin = connect(&self.url(None, "postgres")).await;
        let template = &self.template;
        run(&mut admin, format!("create database {name} template {template}")).await;
        // Rights on a database are not copied with it.
        let roles = Role::ALL.map(Role::name).join(", ");
        run(&mut admin, format!("revoke all on database {name} from public")).await;
        run(&mut admin, format!("grant connect on database {name} to {roles}")).await;
        admin.close().await.expect("closing a connection");
    }
}

/// A Postgres for this process alone, when nobody started one for the whole run.
async fn own_server() -> (Postgres, Folder) {
    let programs = match crate::search().postgres() {
        Ok(found) => found,
        Err(missing) => panic!("{missing}; run cargo x test"),
    };
    let folder = Folder::new("postgres").expect("a test has a folder");
    let server = Postgres::start(programs, folder.path(), PostgresOptions::default()).await.expect("Postgres starts");
    (server, folder)
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("connecting to the test Postgres")
}

async fn pool(url: &str) -> PgPool {
    sqlx::postgres::PgPoolOptions::new().max_connections(5).connect(url).await.expect("connecting to the test database")
}

async fn run(conn: &mut PgConnection, statement: String) {
    let outcome = sqlx::query(AssertSqlSafe(statement.clone())).execute(conn).await;
    if let Err(error) = outcome {
        panic!("{statement}: {error}");
    }
}
