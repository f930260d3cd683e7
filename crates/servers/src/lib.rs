//! Finds the servers that lanesync runs on, and installs them into a private folder when they are missing.
//!
//! Both the one door (`cargo x`) and the process control of the tests ask here, so there is one answer to
//! "which Postgres?". Looking changes nothing on the machine; only [`install`] does, and only `cargo x` calls it.

mod find;
mod install;
mod private;
mod version;

pub use find::{Browser, FindError, NatsServer, Postgres, Search};
pub use install::{InstallError, apt_get, install, install_browser};
pub use private::{PrivateFolder, open_to_others};
pub use version::{InvalidVersion, Version};
