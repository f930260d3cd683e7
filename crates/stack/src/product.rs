//! The whole product: Postgres, NATS, migrations, the four services and the console.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use rustix::process::Signal;

use crate::secret::random_bytes;
use crate::{
    Addresses, Folder, Mutual, Nats, NatsUser, Postgres, PostgresOptions, Process, Service, ServiceName, random_hex,
    write_private,
};

/// The database of a stack that has its own Postgres.
const DATABASE: &str = "lanesync";
/// How long the migrations of a new database may take.
const MIGRATION_LIMIT: Duration = Duration::from_secs(120);

/// The Salesforce that a stack talks to.
#[derive(Clone, Debug, Default)]
pub struct Salesforce {
    /// `https://login.salesforce.com` or another login host.
    pub login_url: Option<String>,
    /// The consumer key of the connected app.
    pub client_id: Option<String>,
    /// The file with its secret.
    pub client_secret_file: Option<PathBuf>,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether hosts other than Salesforce's own may be called.
    pub allow_test_hosts: bool,
}

/// A NATS that runs already, and how to log in to it.
#[derive(Clone, Debug)]
pub struct NatsAccess {
    /// `nats://host:port`.
    pub url: String,
    /// The one user that every part logs in as.
    pub user: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<PathBuf>,
}

/// What a stack should be made of.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// The folder of the product's programs.
    pub programs: PathBuf,
    /// Where to look for the servers.
    pub search: servers::Search,
    /// The Salesforce to talk to.
    pub salesforce: Salesforce,
    /// The file with the superuser's address of an existing database, to be used instead of an own Postgres.
    pub database_url_file: Option<PathBuf>,
    /// An existing NATS, to be used instead of an own one.
    pub nats: Option<NatsAccess>,
    /// The key ring of auth; a new one is made when there is none.
    pub token_keys_file: Option<PathBuf>,
    /// The address under which browsers reach the console and the OAuth callback; its own by default.
    pub public_url: Option<String>,
    /// Whether every gRPC link is sealed by mutual TLS, with certificates made for this stack.
    pub is_mutual: bool,
    /// Whether people sign in to the console by saying who they are.
    pub development_sign_in: bool,
    /// The log filter of every service.
    pub log: String,
    /// Settings of the own Postgres.
    pub postgres: PostgresOptions,
    /// Further settings of single services.
    pub settings: Vec<(ServiceName, String, OsString)>,
}

impl StackOptions {
    /// A stack of its own servers with the programs in `programs`, against production Salesforce.
    #[must_use]
    pub fn new(programs: PathBuf, search: servers::Search) -> Self {
        Self {
            programs,
            search,
            salesforce: Salesforce::default(),
            database_url_file: None,
            nats: None,
            token_keys_file: None,
            public_url: None,
            is_mutual: false,
            development_sign_in: true,
            log: "info".to_owned(),
            postgres: PostgresOptions::default(),
            settings: Vec::new(),
        }
    }
}

/// The running product.
///
/// [`Stack::down`] stops it in good order; dropping it kills it. Nothing is left running either way, and the
/// folder with logs, data and secrets goes last.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: users before what they use.
    services: BTreeMap<ServiceName, Service>,
    nats: Option<Nats>,
    postgres: Option<Postgres>,
    nats_access: BTreeMap<NatsUser, NatsAccess>,
    database_url_file: PathBuf,
    console_url: String,
    mutual: Option<Mutual>,
    folder: Folder,
}

impl Stack {
    /// Starts everything and returns when every service is ready.
    ///
    /// # Errors
    /// A part does not come up; whatever ran by then is stopped again.
    pub async fn up(options: &StackOptions) -> anyhow::Result<Self> {
        let folder = Folder::new("stack")?;
        let secrets = folder.private("secrets")?;
        let (database, broker) = tokio::join!(Database::of(options, &folder, &secrets), Broker::of(options, &folder));
        let (database, broker) = (database?, broker?);

        let passwords: BTreeMap<String, String> = ServiceName::ALL
            .into_iter()
            .filter(|service| service.has_database())
            .map(|service| (service.role(), random_hex()))
            .collect();
        let migrate = migration(options, &database, &broker, &passwords, &secrets)?;
        run_to_end(migrate, &folder.path().join("migrate.log")).await?;

        let mut addresses = BTreeMap::new();
        for service in ServiceName::ALL {
            addresses.insert(service, Addresses::free()?);
        }
        // Whoever names an address on this machine finds the console there.
        if let (Some(web), Some(console)) = (local_web(options), addresses.get_mut(&ServiceName::Console)) {
            console.web = web;
        }
        let token_keys = match &options.token_keys_file {
            Some(file) => file.clone(),
            None => token_keys(&secrets)?,
        };
        let mutual = if options.is_mutual { Some(Mutual::new(folder.private("certificates")?)?) } else { None };
        let mut stack = Self {
            services: BTreeMap::new(),
            nats: broker.server,
            postgres: database.server,
            nats_access: broker.access,
            database_url_file: database.url_file,
            console_url: console_url(options, &addresses),
            mutual,
            folder,
        };
        for service in ServiceName::ALL {
            let access = stack.nats_access_of(service);
            let mut settings = settings(service, options, access, &addresses, &token_keys);
            for (name, file) in stack.mutual.iter().flat_map(|mutual| mutual.settings(service.identity())) {
                settings.insert(name.into(), file.into());
            }
            if service.has_database() {
                let url_file = secrets.join(format!("{}.database-url", service.short()));
                let url = as_role(&database.url, &service.role(), &passwords)?;
                write_private(&url_file, &url)?;
                settings.insert("LANESYNC_DATABASE_URL_FILE".into(), url_file.into());
            }
            let listening = addresses[&service];
            let logs = stack.folder.path();
            let started = Service::spawn(service, &options.programs, settings, listening, logs)?;
            stack.services.insert(service, started);
        }
        for service in stack.services.values_mut() {
            service.ready().await?;
        }
        Ok(stack)
    }

    /// Stops the services, then the servers they use.
    ///
    /// # Errors
    /// A process does not end; the others are ended all the same.
    pub async fn down(mut self) -> anyhow::Result<()> {
        for name in ServiceName::ALL.iter().rev() {
            if let Some(service) = self.services.get_mut(name) {
                service.signal(Signal::TERM)?;
            }
        }
        for name in ServiceName::ALL.iter().rev() {
            if let Some(service) = self.services.get_mut(name) {
                service.stop().await?;
            }
        }
        if let Some(nats) = &mut self.nats {
            nats.stop().await?;
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }

    /// Starts again whatever ended by itself, as compose or Kubernetes would, and says what that was.
    ///
    /// # Errors
    /// A part can't be started again now; it may be the next time.
    pub async fn revive(&mut self) -> anyhow::Result<Vec<String>> {
        let mut revived = Vec::new();
        if let Some(postgres) = &mut self.postgres
            && let Some(status) = postgres.exit_status()?
        {
            postgres.start_again().await?;
            revived.push(format!("Postgres ({status})"));
        }
        if let Some(nats) = &mut self.nats
            && let Some(status) = nats.exit_status()?
        {
            nats.start_again().await?;
            revived.push(format!("nats-server ({status})"));
        }
        for service in self.services.values_mut() {
            if let Some(status) = service.exit_status()? {
                service.spawn_again()?;
                revived.push(format!("{} ({status})", service.name().program()));
            }
        }
        Ok(revived)
    }

    /// One of the services.
    #[must_use]
    pub fn service(&self, name: ServiceName) -> &Service {
        &self.services[&name]
    }

    /// One of the services, to be stopped, killed or started again.
    ///
    /// # Panics
    /// Never: a stack that is up has all services.
    pub fn service_mut(&mut self, name: ServiceName) -> &mut Service {
        self.services.get_mut(&name).expect("a stack that is up has all services")
    }

    /// The gRPC address of a service, as its clients are given it.
    #[must_use]
    pub fn grpc_url(&self, name: ServiceName) -> String {
        self.service(name).addresses().grpc_url(self.mutual.is_some())
    }

    /// The certificates of its gRPC links, if they are sealed.
    #[must_use]
    pub const fn mutual(&self) -> Option<&Mutual> {
        self.mutual.as_ref()
    }

    /// Where browsers reach the console.
    #[must_use]
    pub fn console_url(&self) -> &str {
        &self.console_url
    }

    /// The process id of the broker, if the stack started one.
    #[must_use]
    pub fn nats_pid(&self) -> Option<u32> {
        self.nats.as_ref().map(Nats::pid)
    }

    /// The process id of Postgres, if the stack started one.
    #[must_use]
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref().map(Postgres::pid)
    }

    /// Its own NATS, unless it uses an existing one.
    pub const fn nats(&mut self) -> Option<&mut Nats> {
        self.nats.as_mut()
    }

    /// Its own Postgres, unless it uses an existing one.
    pub const fn postgres(&mut self) -> Option<&mut Postgres> {
        self.postgres.as_mut()
    }

    /// How a user logs in to the NATS of this stack.
    #[must_use]
    pub fn nats_access(&self, user: NatsUser) -> &NatsAccess {
        &self.nats_access[&user]
    }

    /// The file with the superuser's address of the database.
    #[must_use]
    pub fn database_url_file(&self) -> &Path {
        &self.database_url_file
    }

    /// The folder with the logs of every part.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn nats_access_of(&self, service: ServiceName) -> Option<&NatsAccess> {
        let user = match service {
            ServiceName::Auth => return None,
            ServiceName::Extractor => NatsUser::Extractor,
            ServiceName::Mapper => NatsUser::Mapper,
            ServiceName::Writer => NatsUser::Writer,
            ServiceName::Console => NatsUser::Console,
        };
        Some(self.nats_access(user))
    }
}

/// The database of a stack: its own or an existing one.
struct Database {
    server: Option<Postgres>,
    url: String,
    url_file: PathBuf,
}

impl Database {
    async fn of(options: &StackOptions, folder: &Folder, secrets: &Path) -> anyhow::Result<Self> {
        if let Some(url_file) = &options.database_url_file {
            let url = std::fs::read_to_string(url_file).with_context(|| format!("reading {}", url_file.display()))?;
            return Ok(Self { server: None, url: url.trim().to_owned(), url_file: url_file.clone() });
        }
        let programs = options.search.postgres()?;
        let server = Postgres::start(programs, folder.path(), options.postgres.clone()).await?;
        let url = server.database(DATABASE).await?;
        let url_file = secrets.join("admin.database-url");
        write_private(&url_file, &url)?;
        Ok(Self { server: Some(server), url, url_file })
    }
}

/// The NATS of a stack: its own or an existing one.
struct Broker {
    server: Option<Nats>,
    access: BTreeMap<NatsUser, NatsAccess>,
}

impl Broker {
    async fn of(options: &StackOptions, folder: &Folder) -> anyhow::Result<Self> {
        if let Some(existing) = &options.nats {
            let access = NatsUser::ALL.map(|user| (user, existing.clone()));
            return Ok(Self { server: None, access: access.into() });
        }
        let server = Nats::start(&options.search.nats_server()?.program, folder.path()).await?;
        let access = NatsUser::ALL.map(|user| {
            let access = NatsAccess {
                url: server.url().to_owned(),
                user: Some(user.name().to_owned()),
                password_file: Some(server.password_file(user)),
            };
            (user, access)
        });
        Ok(Self { server: Some(server), access: access.into() })
    }
}

fn migration(
    options: &StackOptions,
    database: &Database,
    broker: &Broker,
    passwords: &BTreeMap<String, String>,
    secrets: &Path,
) -> anyhow::Result<Command> {
    let passwords_file = secrets.join("role-passwords.json");
    write_private(&passwords_file, &serde_json::to_string(passwords)?)?;
    let mut command = Command::new(options.programs.join("lanesync-migrate"));
    command.env_clear();
    command
        .env("LANESYNC_DATABASE_URL_FILE", &database.url_file)
        .env("LANESYNC_MIGRATE_ROLE_PASSWORDS_FILE", &passwords_file)
        .envs(nats_settings(&broker.access[&NatsUser::Migrate]));
    Ok(command)
}

async fn run_to_end(command: Command, log: &Path) -> anyhow::Result<()> {
    let mut process = Process::spawn("lanesync-migrate", command, log, Signal::KILL)?;
    match process.ended_within(MIGRATION_LIMIT).await? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("lanesync-migrate failed ({status}):\n{}", process.last_words(10)),
        None => bail!("lanesync-migrate did not end in {} s:\n{}", MIGRATION_LIMIT.as_secs(), process.last_words(10)),
    }
}

/// A key ring with one new key.
fn token_keys(secrets: &Path) -> anyhow::Result<PathBuf> {
    let key = base64::engine::general_purpose::STANDARD.encode(random_bytes::<32>());
    let ring = serde_json::json!({ "keys": [{ "id": "k1", "key": key }] });
    let file = secrets.join("token-keys.json");
    write_private(&file, &ring.to_string())?;
    Ok(file)
}

/// The address `url` with another role logging in.
fn as_role(url: &str, role: &str, passwords: &BTreeMap<String, String>) -> anyhow::Result<String> {
    // The parser's message could repeat the address, and with it a password.
    let mut url: url::Url = url.parse().ok().context("the database URL can't be read")?;
    let set = url.set_username(role).is_ok() && url.set_password(Some(&passwords[role])).is_ok();
    anyhow::ensure!(set, "the database URL names no host");
    Ok(url.to_string())
}

fn nats_settings(access: &NatsAccess) -> BTreeMap<OsString, OsString> {
    let mut settings = BTreeMap::new();
    settings.insert("LANESYNC_NATS_URL".into(), access.url.clone().into());
    if let Some(user) = &access.user {
        settings.insert("LANESYNC_NATS_USER".into(), user.clone().into());
    }
    if let Some(file) = &access.password_file {
        settings.insert("LANESYNC_NATS_PASSWORD_FILE".into(), file.clone().into());
    }
    settings
}

/// Returns the public URL as an address of this machine; `None` for an address elsewhere, or none.
fn local_web(options: &StackOptions) -> Option<SocketAddr> {
    let url: url::Url = options.public_url.as_deref()?.parse().ok()?;
    let address = url.socket_addrs(|| None).ok()?.into_iter().find(|address| address.ip().is_loopback());
    address.filter(|_| url.scheme() == "http")
}

/// Where browsers reach the console: saying who one is works on this machine only.
fn console_url(options: &StackOptions, addresses: &BTreeMap<ServiceName, Addresses>) -> String {
    let is_elsewhere = options.development_sign_in && local_web(options).is_none();
    if is_elsewhere { addresses[&ServiceName::Console].web_url() } else { public_url(options, addresses) }
}

/// Where Salesforce sends browsers back to.
fn public_url(options: &StackOptions, addresses: &BTreeMap<ServiceName, Addresses>) -> String {
    options.public_url.clone().unwrap_or_else(|| addresses[&ServiceName::Console].web_url())
}

/// The environment of one service.
fn settings(
    service: ServiceName,
    options: &StackOptions,
    nats: Option<&NatsAccess>,
    addresses: &BTreeMap<ServiceName, Addresses>,
    token_keys: &Path,
) -> BTreeMap<OsString, OsString> {
    let mut settings = nats.map(nats_settings).unwrap_or_default();
    let mut set = |name: &str, value: OsString| settings.insert(name.into(), value);
    set("LANESYNC_LOG", options.log.clone().into());
    set("LANESYNC_LOG_FORMAT", "json".into());
    for (peer, listening) in addresses {
        if service.calls(*peer) {
            let name = format!("LANESYNC_{}_URL", peer.short().to_uppercase());
            set(&name, listening.grpc_url(options.is_mutual).into());
        }
    }

    let salesforce = &options.salesforce;
    if matches!(service, ServiceName::Auth | ServiceName::Extractor) {
        if let Some(file) = &salesforce.ca_file {
            set("LANESYNC_SALESFORCE_CA_FILE", file.into());
        }
        if salesforce.allow_test_hosts {
            set("LANESYNC_SALESFORCE_ALLOW_TEST_HOSTS", "true".into());
        }
    }
    if service == ServiceName::Auth {
        set("LANESYNC_TOKEN_KEYS_FILE", token_keys.into());
        if let Some(url) = &salesforce.login_url {
            set("LANESYNC_SALESFORCE_LOGIN_URL", url.into());
        }
        if let Some(id) = &salesforce.client_id {
            set("LANESYNC_SALESFORCE_CLIENT_ID", id.into());
        }
        if let Some(file) = &salesforce.client_secret_file {
            set("LANESYNC_SALESFORCE_CLIENT_SECRET_FILE", file.into());
        }
    }
    if service == ServiceName::Auth {
        set("LANESYNC_PUBLIC_URL", public_url(options, addresses).into());
    }
    if service == ServiceName::Console {
        set("LANESYNC_PUBLIC_URL", console_url(options, addresses).into());
        if let Some(url) = &salesforce.login_url {
            set("LANESYNC_SALESFORCE_LOGIN_URL", url.into());
        }
        if options.development_sign_in {
            set("LANESYNC_CONSOLE_DEVELOPMENT_SIGN_IN", "true".into());
        }
    }
    for (_, name, value) in options.settings.iter().filter(|(of, _, _)| *of == service) {
        set(name, value.clone());
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_logs_in_to_the_same_database_with_the_same_options() {
        let passwords = BTreeMap::from([("lanesync_auth".to_owned(), "pw".to_owned())]);
        let admin = "postgres://root:secret@db.internal:6432/lane?sslmode=require";

        let url = as_role(admin, "lanesync_auth", &passwords).unwrap();

        assert_eq!(url, "postgres://lanesync_auth:pw@db.internal:6432/lane?sslmode=require");
    }

    #[test]
    fn a_broken_address_is_refused_without_repeating_it() {
        let error = as_role("postgres//root:secret@host", "lanesync_auth", &BTreeMap::new()).unwrap_err();
        assert!(!format!("{error:#}").contains("secret"), "{error:#}");
    }
}
