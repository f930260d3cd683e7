//! What waits in the streams: bodies of the last release as they lie there, read by the code of the services.

use contract::event::v1::*;
use contract::{body, headers, subjects};
use domain::Object;
use prost::Message;

use crate::examples::{self, WORKSPACE};

fn frozen(name: &str) -> Vec<u8> {
    std::fs::read(examples::folder().join("nats").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn plain<M: Message + Default>(name: &str) -> M {
    M::decode(frozen(name).as_slice()).unwrap()
}

#[test]
fn bodies_that_the_last_release_left_in_the_streams_mean_the_same() {
    assert_eq!(body::unpack::<RawBatch>(&frozen("RawBatch.zst")).unwrap(), examples::raw_batch());
    assert_eq!(body::unpack::<MappedBatch>(&frozen("MappedBatch.zst")).unwrap(), examples::mapped_batch());
    assert_eq!(plain::<UnmappedValue>("UnmappedValue.bin"), examples::unmapped_value());
    assert_eq!(plain::<RunEvent>("RunEvent.bin"), examples::run_event());
    assert_eq!(plain::<Command>("Command.ReadFields.bin"), examples::read_fields());
    assert_eq!(plain::<Command>("Command.Refetch.bin"), examples::refetch());
    assert_eq!(plain::<CustomerChanged>("CustomerChanged.bin"), examples::customer_changed());
}

#[test]
fn messages_lie_where_the_last_release_looks_and_say_what_they_are_as_it_did() {
    let workspace = WORKSPACE.parse().unwrap();
    assert_eq!(subjects::raw(workspace, Object::Account), format!("lanesync.v1.raw.{WORKSPACE}.account"));
    assert_eq!(subjects::mapped(workspace, Object::Lead), format!("lanesync.v1.mapped.{WORKSPACE}.lead"));
    assert_eq!(subjects::unmapped(workspace, Object::Contact), format!("lanesync.v1.unmapped.{WORKSPACE}.contact"));
    assert_eq!(subjects::run(workspace), format!("lanesync.v1.run.{WORKSPACE}"));
    assert_eq!(subjects::customer(workspace), format!("lanesync.v1.customer.{WORKSPACE}"));
    assert_eq!(subjects::command(workspace), format!("lanesync.v1.cmd.{WORKSPACE}"));
    let names = [headers::MESSAGE_TYPE, headers::SCHEMA, headers::RUN_ID, headers::WORKSPACE, headers::CAPTURED_AT];
    let then = ["Message-Type", "Schema", "Run-Id", "Workspace", "Captured-At"].map(|name| format!("Lanesync-{name}"));
    assert_eq!(names.as_slice(), then.as_slice());
    assert_eq!(headers::SCHEMA_VERSION, 1, "the last release reads none above: let a release read the next one first");
}
