//! What is left of a record's key once the record is erased.

use domain::WorkspaceId;
use sha2::{Digest as _, Sha256};

/// The hash by which an erased key is remembered. It differs between workspaces.
///
/// It tells nobody which record it was, but whoever holds an id can ask whether it is this one: that is what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Hashes a key: a Salesforce id in its 18-character form, or a Lane id.
    #[must_use]
    pub fn of(workspace: WorkspaceId, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(workspace.0.as_bytes());
        hash.update(key.as_bytes());
        Self(hash.finalize().into())
    }

    /// Returns the bytes as tables keep them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the hash in lower-case hex, for a proof.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_has_one_hash_in_a_workspace_and_another_in_the_next() {
        let (ours, theirs) = (WorkspaceId::generate(), WorkspaceId::generate());
        assert_eq!(KeyHash::of(ours, "001"), KeyHash::of(ours, "001"));
        assert_ne!(KeyHash::of(ours, "001"), KeyHash::of(theirs, "001"));
        assert_ne!(KeyHash::of(ours, "001"), KeyHash::of(ours, "003"));
        assert_eq!(KeyHash::of(ours, "001").hex().len(), 64);
    }
}
