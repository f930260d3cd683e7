//! A NATS for one test.

use std::ops::{Deref, DerefMut};

use stack::{Folder, Nats};

/// A nats-server of one test's own; it ends, and its files go, when this value is dropped.
#[derive(Debug)]
pub struct TestNats {
    server: Nats,
    _folder: Folder,
}

/// Starts a nats-server with the users and rights of production.
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
    let server = Nats::start(&program, folder.path())
        .await
        .expect("nats-server starts");
    TestNats {
        server,
        _folder: folder,
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
