//! Random histories against real Postgres, compared after every step with a model of a page: of each key the last version
//! wins, by (epoch, read, mapping, revision). Whatever is delivered twice, late, or in another order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contract::common::v1::SalesforceObject::{self, Account, Contact, Lead};
use contract::event::v1::{Cell, IdentityState, MappedBatch};
use contract::writer::v1::apply_service_server::ApplyService as _;
use contract::writer::v1::customer_service_server::CustomerService as _;
use contract::writer::v1::{SetMappingRequest, UpdateCustomerRequest};
use domain::WorkspaceId;
use messaging::Outcome;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tonic::Request;

use crate::fixture::{
    Batch, House, account, clear, contact, euros, lead, locks, option, text, text_value, unmapped, unmapped_after_empty,
};

/// (epoch, read, mapping, revision), compared from the left.
type Version = (i64, i64, i64, i32);

/// What Salesforce shows of a record when it is read.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Live {
        number: u8,
        tier: Tier,
    },
    Deleted,
    Hidden,
    /// Merged into another of its object, or, for a lead, converted to a contact.
    Continued(u8),
}

/// A picklist value, as the value mapping sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tier {
    Mapped(&'static str),
    Null,
    /// Nobody decided what it means.
    Open,
}

#[derive(Clone, Debug)]
enum Step {
    /// A record is read, mapped and sent. `early`: first without the value known before, then once more with it.
    Read { key: u8, seen: Seen, early: bool },
    /// Some of what was sent arrives, in one apply; what arrived before may come again.
    Deliver(Vec<u16>),
    /// A mapping is saved: everything is mapped once more and sent. `told`: the writer hears of it before any batch.
    Save { website: bool, tier: bool, told: bool },
    /// The connection ends and begins anew; every record is read again.
    Reconnect,
    /// Somebody edits a website by hand.
    Edit { key: u8, number: u8 },
}

/// Keys 0 to 3 are accounts, 4 to 6 contacts, 7 and 8 leads.
const KEYS: u8 = 9;

fn named(key: u8) -> (SalesforceObject, String) {
    match key {
        0..=3 => (Account, account(u32::from(key) + 1)),
        4..=6 => (Contact, contact(u32::from(key))),
        _ => (Lead, lead(u32::from(key))),
    }
}

/// The key that continues another.
fn continued(key: u8, pick: u8) -> u8 {
    let (first, count) = if key < 4 { (0, 4) } else { (4, 3) };
    first + pick % count
}

fn histories(with_identities: bool) -> impl Strategy<Value = Vec<Step>> {
    let tier = prop_oneof![
        2 => Just(Tier::Mapped("smb")),
        2 => Just(Tier::Mapped("enterprise")),
        1 => Just(Tier::Null),
        2 => Just(Tier::Open),
    ];
    let live = (any::<u8>(), tier).prop_map(|(number, tier)| Seen::Live { number, tier });
    let continued =
        if with_identities { any::<u8>().prop_map(Seen::Continued).boxed() } else { Just(Seen::Hidden).boxed() };
    let seen = prop_oneof![
        6 => live,
        1 => Just(Seen::Deleted),
        1 => Just(Seen::Hidden),
        3 => continued,
    ];
    let read = (0..KEYS, seen, any::<bool>()).prop_map(|(key, seen, early)| Step::Read { key, seen, early });
    let deliver = prop::collection::vec(any::<u16>(), 1..4).prop_map(Step::Deliver);
    let save = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(move |(website, tier, told)| Step::Save {
        // What nobody feeds is handed on from row to row by a merge: that is told elsewhere.
        website: website || with_identities,
        tier: tier || with_identities,
        told,
    });
    let edit = (0..4_u8, any::<u8>()).prop_map(move |(key, number)| {
        if with_identities { Step::Deliver(vec![number.into()]) } else { Step::Edit { key, number } }
    });
    let step = prop_oneof![
        8 => read,
        8 => deliver,
        1 => save,
        1 => Just(Step::Reconnect),
        2 => edit,
    ];
    prop::collection::vec(step, 1..40)
}

/// A sent batch with the one record that it brings.
#[derive(Clone, Debug)]
struct Sent {
    batch: MappedBatch,
    key: String,
    version: Version,
    /// What the mapping feeds of its object, and of accounts.
    fields: BTreeSet<&'static str>,
    locks: BTreeSet<&'static str>,
    state: IdentityState,
    target: Option<String>,
    number: u8,
    tier: Option<TierCell>,
}

/// What travels of a tier.
#[derive(Clone, Copy, Debug)]
enum TierCell {
    Set(Option<&'static str>),
    /// Open, and the newest mapped value before it.
    Open(Option<Option<&'static str>>),
}

/// What the writer must hold of a key.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    version: Version,
    state: i16,
    target: Option<String>,
    name: Option<String>,
    website: Option<String>,
    tier: Option<String>,
    open: bool,
}

/// The model.
#[derive(Debug, Default)]
struct Model {
    epoch: i64,
    mapping: i64,
    locks: BTreeSet<&'static str>,
    rows: BTreeMap<String, Row>,
    images: HashMap<String, Version>,
}

impl Model {
    /// Chunks that arrive together are applied under the newest mapping among them.
    fn deliver_together(&mut self, arriving: &[&Sent]) {
        for sent in arriving {
            if sent.version.0 == self.epoch && sent.version.2 > self.mapping {
                (self.mapping, self.locks) = (sent.version.2, sent.locks.clone());
            }
        }
        arriving.iter().for_each(|sent| self.deliver(sent));
    }

    fn deliver(&mut self, sent: &Sent) {
        if sent.version.0 < self.epoch || sent.version.2 < self.mapping {
            return;
        }
        let row = self.rows.entry(sent.key.clone()).or_default();
        let image = self.images.entry(sent.key.clone()).or_default();
        let is_live = sent.state == IdentityState::Live;
        let wins = sent.version > row.version;
        if wins {
            (row.version, row.state, row.target) = (sent.version, code(sent.state), sent.target.clone());
        }
        // A row that is not live still gets the newest image that it ever had.
        if is_live && (wins || (row.state != code(IdentityState::Live) && sent.version > *image)) {
            *image = sent.version;
            row.name = Some(format!("name {}", sent.number));
            if sent.fields.contains("website") {
                row.website = Some(format!("https://{}.example", sent.number));
            }
            match sent.tier {
                Some(TierCell::Set(tier)) => (row.tier, row.open) = (tier.map(str::to_owned), false),
                Some(TierCell::Open(Some(known))) => (row.tier, row.open) = (known.map(str::to_owned), true),
                Some(TierCell::Open(None)) => row.open = true,
                None => {}
            }
        }
    }

    /// The key at the end of each key's chain; of a cycle the edge with the lowest version is dropped.
    fn ends(&self) -> BTreeMap<&str, String> {
        let mut edges: BTreeMap<&str, &str> = self
            .rows
            .iter()
            .filter_map(|(key, row)| {
                Some((key.as_str(), row.target.as_deref().filter(|target| *target != key.as_str())?))
            })
            .collect();
        for start in self.rows.keys() {
            let (mut walked, mut at) = (vec![start.as_str()], start.as_str());
            while let Some(next) = edges.get(at).copied() {
                if let Some(begin) = walked.iter().position(|key| *key == next) {
                    let weakest = walked[begin..].iter().min_by_key(|key| (self.rows[**key].version, **key)).unwrap();
                    edges.remove(*weakest);
                    break;
                }
                walked.push(next);
                at = next;
            }
        }
        let end = |start: &str| {
            let mut last = None;
            while let Some(next) = edges.get(last.unwrap_or(start)).copied() {
                last = Some(next);
            }
            last.unwrap_or(start).to_owned()
        };
        self.rows.keys().map(|key| (key.as_str(), end(key))).collect()
    }
}

fn code(state: IdentityState) -> i16 {
    match state {
        IdentityState::Deleted => 2,
        IdentityState::Merged => 3,
        IdentityState::Converted => 4,
        IdentityState::NotVisible => 5,
        IdentityState::Live | IdentityState::Unspecified => 1,
    }
}

/// Salesforce, extractor and mapper, as far as the writer sees them.
struct Source {
    workspace: WorkspaceId,
    epoch: i64,
    read_seq: i64,
    mapping: i64,
    fields: BTreeSet<&'static str>,
    /// Of each key what was read last, when, and the newest mapped tier before it.
    images: BTreeMap<u8, (i64, Seen, Option<Option<&'static str>>)>,
    known: HashMap<u8, Option<&'static str>>,
    sent: Vec<Sent>,
}

impl Source {
    fn read(&mut self, key: u8, seen: Seen, early: bool) {
        self.read_seq += 1;
        let known = self.known.get(&key).copied();
        self.images.insert(key, (self.read_seq, seen, known));
        if let Seen::Live { tier, .. } = seen
            && tier != Tier::Open
            && key < 4
        {
            self.known.insert(key, if let Tier::Mapped(option) = tier { Some(option) } else { None });
        }
        if early {
            self.send(key, self.read_seq, seen, None, 0);
            self.send(key, self.read_seq, seen, known, 1);
        } else {
            self.send(key, self.read_seq, seen, known, 0);
        }
    }

    fn send(&mut self, key: u8, read_seq: i64, seen: Seen, known: Option<Option<&'static str>>, revision: i32) {
        let (object, id) = named(key);
        let fields: BTreeSet<_> = if object == Account { self.fields.clone() } else { ["name", "email"].into() };
        let (mut state, mut target, mut number, mut tier_cell) = (IdentityState::Live, None, 0, None);
        let locked: Vec<&str> = self.fields.iter().copied().chain(["email"]).collect();
        let columns: Vec<&str> = fields.iter().copied().collect();
        let batch = Batch::new(self.workspace, object, read_seq).epoch(self.epoch).mapping(self.mapping, &locked);
        let batch = batch.fields(&columns);
        let batch = match seen {
            Seen::Live { number: of, tier } => {
                number = of;
                if fields.contains("tier") {
                    tier_cell = Some(match tier {
                        Tier::Mapped(option) => TierCell::Set(Some(option)),
                        Tier::Null => TierCell::Set(None),
                        Tier::Open => TierCell::Open(known),
                    });
                }
                let cell = |field: &&str| -> Cell {
                    match (*field, tier_cell) {
                        ("name", _) => text(&format!("name {number}")),
                        ("website", _) => text(&format!("https://{number}.example")),
                        ("arr", _) => euros(&number.to_string()),
                        ("tier", Some(TierCell::Set(Some(key)))) => option(key),
                        ("tier", Some(TierCell::Open(Some(None)))) => unmapped_after_empty(),
                        ("tier", Some(TierCell::Open(known))) => unmapped(known.flatten()),
                        _ => clear(),
                    }
                };
                batch.live(&id, &columns.iter().map(cell).collect::<Vec<_>>())
            }
            Seen::Deleted | Seen::Hidden => {
                let is_deleted = matches!(seen, Seen::Deleted);
                state = if is_deleted { IdentityState::Deleted } else { IdentityState::NotVisible };
                batch.gone(&id, state, "")
            }
            Seen::Continued(pick) => {
                state = if object == Lead { IdentityState::Converted } else { IdentityState::Merged };
                let to = named(continued(key, pick)).1;
                target = Some(to.clone());
                batch.gone(&id, state, &to)
            }
        };
        let batch = batch.change(|batch| batch.records[0].revision = revision).build();
        let version = (self.epoch, read_seq, self.mapping, revision);
        let locks = self.fields.clone();
        self.sent.push(Sent { batch, key: id, version, fields, locks, state, target, number, tier: tier_cell });
    }

    /// What a replay sends: every record as it was read last, under the mapping in force, once more.
    fn send_all(&mut self) {
        for (key, (read_seq, seen, known)) in self.images.clone() {
            self.send(key, read_seq, seen, known, 1);
        }
    }
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Held {
    key: String,
    epoch: i64,
    read_seq: i64,
    mapping_version: i64,
    revision: i32,
    state: i16,
    target_id: Option<String>,
    name: Option<String>,
    website: Option<String>,
    tier: Option<String>,
    open: bool,
    lane_id: String,
    is_root: bool,
}

async fn held(house: &House, workspace: WorkspaceId) -> Vec<Held> {
    let statement = "
        select key, epoch, read_seq, mapping_version, revision, state, target_id, name, website, tier,
               unmapped & 16 <> 0 as open, lane_id::text, is_root
          from customers.customer where workspace_id = $1
         union all
        select key, epoch, read_seq, mapping_version, revision, state, target_id, name, null, null,
               false, lane_id::text, is_root
          from customers.contact where workspace_id = $1
         order by key";
    sqlx::query_as(statement).bind(workspace.0).fetch_all(&house.admin).await.unwrap()
}

/// Compares what Postgres holds with the model.
async fn compare(house: &House, workspace: WorkspaceId, model: &Model) -> Result<(), TestCaseError> {
    let held = held(house, workspace).await;
    let rows: BTreeMap<String, Row> = held
        .iter()
        .map(|held| {
            let row = Row {
                version: (held.epoch, held.read_seq, held.mapping_version, held.revision),
                state: held.state,
                target: held.target_id.clone(),
                name: held.name.clone(),
                website: held.website.clone(),
                tier: held.tier.clone(),
                open: held.open,
            };
            (held.key.clone(), row)
        })
        .collect();
    prop_assert_eq!(&rows, &model.rows);

    // Keys go by one id exactly if their chains end in the same key, and one row stands for them.
    let ends = model.ends();
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut roots: BTreeMap<&str, usize> = BTreeMap::new();
    for held in &held {
        ids.entry(&ends[held.key.as_str()]).or_default().insert(&held.lane_id);
        *roots.entry(&held.lane_id).or_default() += usize::from(held.is_root);
    }
    prop_assert!(ids.values().all(|ids| ids.len() == 1), "one id for each group: {:?}", ids);
    prop_assert_eq!(roots.len(), ids.len(), "no id for two groups: {:?}", ids);
    prop_assert!(roots.values().all(|roots| *roots == 1), "one root for each id: {:?}", roots);
    Ok(())
}

async fn run(house: &House, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let workspace = WorkspaceId::generate();
    house.tell_of(workspace, 1, 1, true, false).await;
    let fields: BTreeSet<_> = ["name", "arr", "website", "tier"].into();
    let mut model = Model { epoch: 1, ..Model::default() };
    let mut source = Source {
        workspace,
        epoch: 1,
        read_seq: 0,
        mapping: 1,
        fields,
        images: BTreeMap::new(),
        known: HashMap::new(),
        sent: Vec::new(),
    };
    for step in steps {
        match step {
            Step::Read { key, seen, early } => {
                let to_itself = matches!(seen, Seen::Continued(pick) if continued(key, pick) == key);
                source.read(key, if to_itself { Seen::Deleted } else { seen }, early);
            }
            Step::Deliver(picks) => {
                if source.sent.is_empty() {
                    continue;
                }
                let arriving = picks.iter().map(|pick| &source.sent[usize::from(*pick) % source.sent.len()]);
                let arriving: Vec<&Sent> = arriving.collect();
                // A batch that does not know the value before it must find that value in the row, not beside it.
                let is_blind = |sent: &&Sent| matches!(sent.tier, Some(TierCell::Open(None)));
                let size = if arriving.iter().any(is_blind) { 1 } else { arriving.len() };
                for together in arriving.chunks(size) {
                    let outcomes = house.writer.apply(together.iter().map(|sent| sent.batch.clone()).collect()).await;
                    prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{:?}", outcomes);
                    model.deliver_together(together);
                    compare(house, workspace, &model).await?;
                }
            }
            Step::Save { website, tier, told } => {
                source.mapping += 1;
                let optional = [("website", website), ("tier", tier)];
                source.fields = optional.into_iter().filter(|(_, mapped)| *mapped).map(|(field, _)| field).collect();
                source.fields.extend(["name", "arr"]);
                if told {
                    let locked: Vec<&str> = source.fields.iter().copied().chain(["email"]).collect();
                    let request = SetMappingRequest {
                        workspace_id: workspace.to_string(),
                        epoch: source.epoch,
                        mapping_version: source.mapping,
                        locks: locks(&locked),
                        rules: Vec::new(),
                    };
                    house.writer.apply_service().set_mapping(Request::new(request)).await.unwrap();
                    (model.mapping, model.locks) = (source.mapping, source.fields.clone());
                }
                source.send_all();
            }
            Step::Reconnect => {
                source.epoch += 1;
                house.tell_of(workspace, source.epoch, source.epoch, true, false).await;
                model.epoch = source.epoch;
                let seen: Vec<_> = source.images.iter().map(|(key, (_, seen, _))| (*key, *seen)).collect();
                for (key, seen) in seen {
                    source.read(key, seen, false);
                }
            }
            Step::Edit { key, number } => edit(house, workspace, &mut model, key, number).await?,
        }
    }
    // In the end everything has arrived at least once.
    for sent in &source.sent {
        prop_assert_eq!(house.writer.apply(vec![sent.batch.clone()]).await, [Outcome::Done]);
        model.deliver_together(&[sent]);
    }
    compare(house, workspace, &model).await?;
    for (key, (read_seq, ..)) in &source.images {
        let row = &model.rows[&named(*key).1];
        prop_assert_eq!((row.version.0, row.version.1), (source.epoch, *read_seq), "the newest read stands");
    }
    Ok(())
}

/// A website is refused while a mapping feeds it, and stays as it was written while none does.
async fn edit(
    house: &House,
    workspace: WorkspaceId,
    model: &mut Model,
    key: u8,
    number: u8,
) -> Result<(), TestCaseError> {
    let key = named(key).1;
    let Some(row) = model.rows.get_mut(&key).filter(|row| row.state == 1) else { return Ok(()) };
    let id: String =
        sqlx::query_scalar("select lane_id::text from customers.customer where workspace_id = $1 and key = $2")
            .bind(workspace.0)
            .bind(&key)
            .fetch_one(&house.admin)
            .await
            .unwrap();
    let written = format!("https://by-hand-{number}.example");
    let request = UpdateCustomerRequest {
        workspace_id: workspace.to_string(),
        id,
        fields: vec![text_value("website", &written)],
        ..UpdateCustomerRequest::default()
    };
    let edited = house.writer.customer_service().update_customer(Request::new(request)).await;
    if model.locks.contains("website") {
        let reason = edited.err().and_then(|status| contract::error::Reason::of(&status));
        prop_assert_eq!(reason, Some(contract::error::Reason::FieldLocked));
    } else {
        prop_assert!(edited.is_ok(), "{:?}", edited);
        row.website = Some(written);
    }
    compare(house, workspace, model).await
}

/// Runs an eighth of PROPTEST_CASES histories; a failure is shrunk, printed with its seed and kept in a file.
fn check(with_identities: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let house = runtime.block_on(House::new());
    let defaults = Config::default();
    let config = Config { cases: (defaults.cases / 8).max(1), source_file: Some(file!()), ..defaults };
    let outcome =
        TestRunner::new(config).run(&histories(with_identities), |steps| runtime.block_on(run(&house, steps)));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn rule_04_and_18_in_any_history_the_last_version_wins_and_edits_by_hand_stay() {
    check(false);
}

#[test]
fn rule_10_in_any_history_of_merges_and_conversions_the_last_version_wins() {
    check(true);
}
