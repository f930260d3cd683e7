//! The words that every part of lanesync uses: types that are right once built.

pub mod catalogue;
pub mod ids;
pub mod lead;
pub mod object;
pub mod plan;
pub mod state;
pub mod value;
pub mod version;

pub use catalogue::{FieldDef, FieldId, FieldType};
pub use ids::{InvalidSalesforceId, LaneId, OrgId, RunId, SalesforceId, WorkspaceId};
pub use object::{Kind, Object};
pub use plan::Plan;
pub use value::{CurrencyCode, Money, Value};
pub use version::{Epoch, MappingVersion, ReadSeq, SourceVersion};
