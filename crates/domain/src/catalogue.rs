//! Lane's fields: one table of the standard ones, and the form of custom ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// The stable id of a Lane field, e.g. "arr" or "custom_region".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldId(String);

/// The text is not a field id: lower-case letters, digits and underscores, beginning with a letter, at most 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Lane field id: lower-case letters, digits and underscores, at most 63")]
pub struct InvalidFieldId;

impl FieldId {
    /// What the ids of custom fields begin with.
    pub const CUSTOM_PREFIX: &str = "custom_";

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a workspace defined the field.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.0.starts_with(Self::CUSTOM_PREFIX)
    }
}

impl FromStr for FieldId {
    type Err = InvalidFieldId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let goes_on_well = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if starts_well && goes_on_well && text.len() <= 63 { Ok(Self(text.to_owned())) } else { Err(InvalidFieldId) }
    }
}

impl TryFrom<String> for FieldId {
    type Error = InvalidFieldId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FieldId> for String {
    fn from(id: FieldId) -> Self {
        id.0
    }
}

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The type of a Lane field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Unicode text.
    Text,
    /// A web address, kept as text.
    Url,
    /// An exact number.
    Number,
    /// An amount with a currency.
    Money,
    /// One of the workspace's options.
    Option,
    /// A calendar date.
    Date,
    /// True or false.
    Boolean,
}

impl FieldType {
    /// All types.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Url, Self::Number, Self::Money, Self::Option, Self::Date, Self::Boolean];

    /// Returns the name for tables.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::Number => "number",
            Self::Money => "money",
            Self::Option => "option",
            Self::Date => "date",
            Self::Boolean => "boolean",
        }
    }

    /// Returns the type of a [`Self::token`].
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.token() == token)
    }
}

/// A standard field of Lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDef {
    /// Stable id.
    pub id: &'static str,
    /// Name for people.
    pub display_name: &'static str,
    /// Type.
    pub field_type: FieldType,
    /// Whether a row can't be without it.
    pub required: bool,
}

const fn field(id: &'static str, display_name: &'static str, field_type: FieldType) -> FieldDef {
    FieldDef { id, display_name, field_type, required: false }
}

const NAME: FieldDef = FieldDef { required: true, ..field("name", "Name", FieldType::Text) };

const ACCOUNT: &[FieldDef] = &[
    NAME,
    field("website", "Website", FieldType::Url),
    field("domain", "Domain", FieldType::Text),
    field("arr", "ARR", FieldType::Money),
    field("tier", "Tier", FieldType::Option),
    field("status", "Status", FieldType::Option),
    field("industry", "Industry", FieldType::Text),
    field("employee_count", "Employees", FieldType::Number),
    field("owner_name", "Owner", FieldType::Text),
    field("owner_email", "Owner e-mail", FieldType::Text),
    field("phone", "Phone", FieldType::Text),
    field("country", "Country", FieldType::Text),
    field("description", "Description", FieldType::Text),
];

const CONTACT: &[FieldDef] = &[
    NAME,
    field("email", "E-mail", FieldType::Text),
    field("phone", "Phone", FieldType::Text),
    field("title", "Title", FieldType::Text),
    field("status", "Status", FieldType::Option),
    field("tier", "Tier", FieldType::Option),
    field("country", "Country", FieldType::Text),
    field("company", "Company", FieldType::Text),
    field("owner_name", "Owner", FieldType::Text),
];

/// Returns the standard fields of a kind, in their order.
#[must_use]
pub fn standard_fields(kind: Kind) -> &'static [FieldDef] {
    match kind {
        Kind::Account => ACCOUNT,
        Kind::Contact => CONTACT,
    }
}

/// The Salesforce field that usually feeds a standard field, on Account or on Contact; `None` where orgs differ.
#[must_use]
pub fn usual_source(kind: Kind, field: &str) -> Option<&'static str> {
    let source = match (kind, field) {
        (_, "name") => "Name",
        (_, "phone") => "Phone",
        (_, "owner_name") => "Owner.Name",
        (Kind::Account, "website") => "Website",
        (Kind::Account, "arr") => "AnnualRevenue",
        (Kind::Account, "status") => "Type",
        (Kind::Account, "industry") => "Industry",
        (Kind::Account, "employee_count") => "NumberOfEmployees",
        (Kind::Account, "owner_email") => "Owner.Email",
        (Kind::Account, "country") => "BillingCountry",
        (Kind::Account, "description") => "Description",
        (Kind::Contact, "email") => "Email",
        (Kind::Contact, "title") => "Title",
        (Kind::Contact, "country") => "MailingCountry",
        (Kind::Contact, "company") => "Account.Name",
        _ => return None,
    };
    Some(source)
}

/// The options that a workspace starts with: (key, name for people). Empty for fields without options.
#[must_use]
pub fn default_options(kind: Kind, field: &str) -> &'static [(&'static str, &'static str)] {
    match (kind, field) {
        (_, "tier") => {
            &[("strategic", "Strategic"), ("enterprise", "Enterprise"), ("mid_market", "Mid-Market"), ("smb", "SMB")]
        }
        (Kind::Account, "status") => {
            &[("prospect", "Prospect"), ("trial", "Trial"), ("active", "Active"), ("churned", "Churned")]
        }
        (Kind::Contact, "status") => {
            &[("new", "New"), ("working", "Working"), ("active", "Active"), ("inactive", "Inactive")]
        }
        _ => &[],
    }
}
