//! Decides how a Salesforce record becomes a customer: pure, no IO, no clock.
//!
//! A [`KindMapping`] is what a workspace saved; [`KindMapping::compile`] makes the form that maps quickly;
//! [`Compiled::reader`] binds it to the field list of a read, and [`Reader::map`] turns one image into cells.

mod carry;
mod check;
mod compiled;
mod convert;
mod decimal;
mod definition;
mod diff;
mod fault;
mod fit;
mod image;
mod path;
mod schema;
mod suggest;

pub use carry::{Carried, Carry};
pub use check::{
    Candidate, CheckedEntry, MAX_ENTRIES, Problem, RequestedEntry, Violation, candidate, check_entries, on_lead,
};
pub use compiled::{Cell, Compiled, LastKnown, Mapped, OptionSeen, Reader};
pub use definition::{Decision, Entry, FieldOption, KindMapping, LaneField, lane_fields};
pub use diff::{Change, changes, is_touched, touched_fields};
pub use fault::{Fault, FaultCode};
pub use fit::{Fit, fit};
pub use image::raw;
pub use path::{FieldPath, InvalidFieldPath};
pub use schema::{ObjectSchema, PicklistValue, SourceField, SourceType};
pub use suggest::{Namesakes, Suggestion, suggest_fields};
