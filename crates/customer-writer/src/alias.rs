//! Which source keys mean the same Lane row: merges and conversions, resolved whatever the order they arrived in.
//!
//! A key points at the key that continues it. The end of the chain stands for all keys that lead there, and the group
//! goes by the oldest Lane id among them. Nothing here depends on what was known first, except the ids themselves.

use std::collections::HashMap;

use domain::{LaneId, SourceVersion};

use crate::record::Existence;

/// A source key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The key.
    pub key: String,
    /// The id it got when its row was made.
    pub own_id: LaneId,
    /// What Salesforce said last about it.
    pub existence: Existence,
    /// The version of that.
    pub version: SourceVersion,
    /// The key that continues it; only for merged and converted keys. It may have no row yet.
    pub target: Option<String>,
    /// Whether a live image of it was ever written: only then has it something to show.
    pub held: bool,
}

/// What a key means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The id that people see.
    pub lane_id: LaneId,
    /// The key at the end of the chain; it may have no row yet.
    pub terminal: String,
    /// Whether this key's row stands for the group.
    pub is_root: bool,
    /// For a row that stands in for a terminal without anything to show: whether it counts as archived.
    pub archived_stand_in: Option<bool>,
}

/// Resolves the keys of `nodes`; every key that leads to one of them must be among them.
///
/// Of a cycle the edge with the lowest version is dropped: whoever was merged away last is really gone.
#[must_use]
pub fn resolve(nodes: &[Node]) -> HashMap<String, Place> {
    let by_key: HashMap<&str, &Node> = nodes.iter().map(|node| (node.key.as_str(), node)).collect();
    let dropped = weakest_edges_of_cycles(nodes, &by_key);
    let next = |key: &str| -> Option<&str> {
        let node = by_key.get(key)?;
        if dropped.contains_key(key) { None } else { node.target.as_deref() }
    };

    let mut groups: HashMap<&str, Vec<&Node>> = HashMap::new();
    for node in nodes {
        let mut terminal = node.key.as_str();
        while let Some(target) = next(terminal) {
            terminal = target;
        }
        groups.entry(terminal).or_default().push(node);
    }

    let mut places = HashMap::with_capacity(nodes.len());
    for (terminal, members) in groups {
        let Some(lane_id) = members.iter().map(|node| node.own_id).min() else { continue };
        let terminal_node = by_key.get(terminal).copied();
        let root = root_of(terminal_node, &members);
        for member in &members {
            let is_root = member.key == root.key;
            let stands_in = is_root && root.key != terminal;
            let archived_stand_in = stands_in.then(|| {
                let terminal_is_deleted = terminal_node.is_some_and(|node| node.existence == Existence::Deleted);
                terminal_is_deleted || root.existence == Existence::Merged
            });
            let place = Place { lane_id, terminal: terminal.to_owned(), is_root, archived_stand_in };
            places.insert(member.key.clone(), place);
        }
    }
    places
}

/// The terminal, unless it has nothing to show and a member has: then the newest of those stands in.
fn root_of<'a>(terminal: Option<&'a Node>, members: &[&'a Node]) -> &'a Node {
    if let Some(terminal) = terminal.filter(|terminal| terminal.held) {
        return terminal;
    }
    let newest = |held: bool| {
        members.iter().copied().filter(|node| node.held == held).max_by_key(|node| (node.version, node.key.as_str()))
    };
    newest(true).or(terminal).or_else(|| newest(false)).expect("a group has at least the member that made it")
}

/// Finds for each cycle the edge to drop, by the key it leaves.
fn weakest_edges_of_cycles<'a>(nodes: &'a [Node], by_key: &HashMap<&'a str, &'a Node>) -> HashMap<&'a str, ()> {
    let mut dropped = HashMap::new();
    let mut finished: HashMap<&str, ()> = HashMap::new();
    for start in nodes {
        let mut path: Vec<&Node> = Vec::new();
        let mut place_on_path: HashMap<&str, usize> = HashMap::new();
        let mut current = Some(start);
        while let Some(node) = current {
            let key = node.key.as_str();
            if finished.contains_key(key) {
                break;
            }
            if let Some(begin) = place_on_path.get(key) {
                let weakest = path[*begin..].iter().min_by_key(|node| (node.version, node.key.as_str()));
                dropped.extend(weakest.map(|node| (node.key.as_str(), ())));
                break;
            }
            place_on_path.insert(key, path.len());
            path.push(node);
            current = node.target.as_deref().and_then(|target| by_key.get(target).copied());
        }
        finished.extend(path.iter().map(|node| (node.key.as_str(), ())));
    }
    dropped
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn node(key: &str, own_id: u128, read_seq: i64, target: Option<&str>) -> Node {
        Node {
            key: key.to_owned(),
            own_id: LaneId(Uuid::from_u128(own_id)),
            existence: if target.is_some() { Existence::Merged } else { Existence::Live },
            version: SourceVersion { epoch: 1, read_seq, mapping_version: 1, revision: 0 },
            target: target.map(str::to_owned),
            held: true,
        }
    }

    fn lane(places: &HashMap<String, Place>, key: &str) -> u128 {
        places[key].lane_id.0.as_u128()
    }

    #[test]
    fn a_chain_of_merges_ends_at_its_last_winner_under_the_oldest_id() {
        let nodes = [node("a", 3, 1, Some("b")), node("b", 1, 2, Some("c")), node("c", 2, 3, None)];
        let places = resolve(&nodes);
        for key in ["a", "b", "c"] {
            assert_eq!(places[key].terminal, "c");
            assert_eq!(lane(&places, key), 1);
            assert_eq!(places[key].is_root, key == "c");
        }
    }

    #[test]
    fn rule_10_of_a_cycle_the_edge_with_the_lower_read_is_dropped() {
        let places = resolve(&[node("a", 1, 5, Some("b")), node("b", 2, 7, Some("a"))]);
        assert!(places["a"].is_root && !places["b"].is_root);
        assert_eq!(places["b"].terminal, "a");
        assert_eq!(places["a"].archived_stand_in, None);
    }

    #[test]
    fn rule_10_a_loser_stands_in_archived_until_its_winner_is_known() {
        let places = resolve(&[node("a", 1, 5, Some("winner")), node("b", 2, 6, Some("winner"))]);
        assert!(places["b"].is_root && !places["a"].is_root);
        assert_eq!(places["b"].archived_stand_in, Some(true));
        assert_eq!((lane(&places, "a"), lane(&places, "b")), (1, 1));
    }

    #[test]
    fn a_converted_lead_stands_in_as_it_is_until_its_contact_is_known() {
        let lead = Node { existence: Existence::Converted, ..node("lead", 1, 5, Some("contact")) };
        assert_eq!(resolve(&[lead])["lead"].archived_stand_in, Some(false));
    }

    /// Any graph over eight keys of which some have no row.
    fn graphs() -> impl Strategy<Value = Vec<Node>> {
        let edge = (0..8_usize, proptest::option::of(0..10_usize), 1..6_i64, any::<bool>());
        proptest::collection::vec(edge, 1..9).prop_map(|edges| {
            let mut seen = HashSet::new();
            edges
                .into_iter()
                .filter(|(key, ..)| seen.insert(*key))
                .map(|(key, target, read_seq, held)| {
                    let target = target.filter(|target| *target != key).map(|target| format!("k{target}"));
                    Node { held, ..node(&format!("k{key}"), 100 - key as u128, read_seq, target.as_deref()) }
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_changes_nothing(nodes in graphs().prop_shuffle()) {
            let mut sorted = nodes.clone();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            prop_assert_eq!(resolve(&nodes), resolve(&sorted));
        }

        #[test]
        fn every_group_has_one_root_and_one_id_of_its_own(nodes in graphs()) {
            let places = resolve(&nodes);
            prop_assert_eq!(places.len(), nodes.len());
            let roots: Vec<_> = places.values().filter(|place| place.is_root).collect();
            let terminals: HashSet<_> = places.values().map(|place| &place.terminal).collect();
            let ids: HashSet<_> = roots.iter().map(|place| place.lane_id).collect();
            prop_assert_eq!(roots.len(), terminals.len());
            prop_assert_eq!(ids.len(), terminals.len());
        }

        #[test]
        fn a_key_follows_its_target_unless_its_edge_was_the_weakest_of_a_cycle(nodes in graphs()) {
            let places = resolve(&nodes);
            for node in &nodes {
                let Some(target) = &node.target else { continue };
                let terminal_of_target = places.get(target).map_or(target, |place| &place.terminal);
                let follows = &places[&node.key].terminal == terminal_of_target;
                // A dropped edge makes its own key the end of the chain, which its target then leads to.
                prop_assert!(follows || places[&node.key].terminal == node.key);
            }
        }
    }
}
