//! A NATS for one test.

use std::ops::{Deref, DerefMut};

use messaging::Bus;
use stack::{Folder, Nats, NatsUser};

/// A nats-server of one test's own; it ends, and its files go, when this value is dropped.
#[derive(Debug)]
pub struct TestNats {
    server: Nats,
    _folder: Folder,
}

/// Starts a nats-server with the users and rights of production, its streams and consumers in place.
///
/// # Panics
/// There is none on this machine, or it does not start.
pub async fn nats() -> TestNats {
    let folder = Folder::new("nats").expect("a test has a folder");
    let program = std::env::var_os("LANESYNC_TEST_NATS_SERVER").map(Into::into);
    let program = program.unwrap_or_else(|| match crate::search().nats_server() {
        Ok(found) => found.program,
        Err(missing) => panic!("{missing}; run cargo x test"),
    });
    let server = Nats::start(&program, folder.path()).await.expect("nats-server starts");
    let nats = TestNats { server, _folder: folder };
    let bus = nats.bus(NatsUser::Migrate).await;
    migrate::nats(&bus, 1, None).await.expect("the streams can be made");
    nats
}

impl TestNats {
    /// What a service needs to log in as `user`.
    #[must_use]
    pub fn config(&self, user: NatsUser) -> messaging::Config {
        messaging::Config {
            url: self.url().to_owned(),
            user: Some(user.name().to_owned()),
            password: Some(self.password(user).to_owned()),
            client_name: user.name().to_owned(),
        }
    }

    /// A connection with the rights of `user`.
    ///
    /// # Panics
    /// The server refused.
    pub async fn bus(&self, user: NatsUser) -> Bus {
        Bus::connect(&self.config(user)).await.expect("connecting to the test NATS")
    }
}

impl Deref for TestNats {
    type Target = Nats;

    fn deref(&self) -> &Nats {
        &self.server
    }
}

impl DerefMut for TestNats {
    fn deref_mut(&mut self) -> &mut Nats {
        &mut self.server
    }
}
