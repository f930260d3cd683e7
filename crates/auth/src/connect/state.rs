//! The state of a flow: 256 random bits, bound to a workspace, stored as a hash only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::WorkspaceId;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

const WORKSPACE_BYTES: usize = 16;
const RANDOM_BYTES: usize = 32;

/// The state as it travels. The workspace in it says only where to look; the random part says whether it is ours.
pub(super) struct FlowState {
    workspace: WorkspaceId,
    text: Zeroizing<String>,
}

impl FlowState {
    pub(super) fn generate(workspace: WorkspaceId) -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let bytes = Zeroizing::new([workspace.0.as_bytes().as_slice(), &random].concat());
        Self { workspace, text: Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())) }
    }

    /// Reads what a callback brought; `None` if it was never ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        if bytes.len() != WORKSPACE_BYTES + RANDOM_BYTES {
            return None;
        }
        let workspace = WorkspaceId(Uuid::from_slice(bytes.get(..WORKSPACE_BYTES)?).ok()?);
        Some(Self { workspace, text: Zeroizing::new(text.to_owned()) })
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns what is stored. Finding by hash takes no longer for a state that is almost right.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_a_state_comes_back_and_a_changed_one_is_another() {
        let workspace = WorkspaceId::generate();
        let state = FlowState::generate(workspace);
        let again = FlowState::read(state.text()).unwrap();
        assert_eq!((again.workspace(), again.hash()), (workspace, state.hash()));
        assert_ne!(FlowState::generate(workspace).hash(), state.hash());

        for text in
            ["", "x", "a b", &state.text()[1..], &format!("{}AAAA", state.text()), &format!("{}=", state.text())]
        {
            assert!(FlowState::read(text).is_none(), "{text}");
        }
    }
}
