//! What the columns of a query mean: which are system fields, which belong into the image, and of what kind their cells are.

use domain::Object;

use crate::soql::FieldPath;

/// Of what kind a column's cells are. Bulk results are all text: only describe tells numbers from text there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A moment.
    Moment,
    /// Anything else.
    Text,
}

impl CellKind {
    /// Returns the kind of a describe type.
    #[must_use]
    pub fn of_describe_type(name: &str) -> Self {
        match name {
            "int" | "double" | "currency" | "percent" | "long" => Self::Number,
            "boolean" => Self::Boolean,
            "datetime" => Self::Moment,
            _ => Self::Text,
        }
    }
}

/// A system field's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The id.
    Id,
    /// The stamp.
    SystemModstamp,
    /// Whether it is in the bin.
    IsDeleted,
    /// Winner of a merge.
    MasterRecordId,
    /// Account of a contact.
    AccountId,
    /// Stamp of the account of a contact.
    AccountModstamp,
    /// Whether a lead was converted.
    IsConverted,
    /// Contact of a converted lead.
    ConvertedContactId,
    /// Stamp of that contact.
    ConvertedContactModstamp,
    /// Account of a converted lead.
    ConvertedAccountId,
    /// Stamp of that account.
    ConvertedAccountModstamp,
}

impl Role {
    /// Returns the system fields of an object that exist for everybody, then those that may be hidden.
    #[must_use]
    pub fn of(object: Object) -> &'static [(Self, &'static str)] {
        const ALWAYS: [(Role, &str); 4] = [
            (Role::Id, "Id"),
            (Role::SystemModstamp, "SystemModstamp"),
            (Role::IsDeleted, "IsDeleted"),
            (Role::MasterRecordId, "MasterRecordId"),
        ];
        const ACCOUNT: &[(Role, &str)] = &ALWAYS;
        const CONTACT: &[(Role, &str)] = &[
            ALWAYS[0],
            ALWAYS[1],
            ALWAYS[2],
            ALWAYS[3],
            (Role::AccountId, "AccountId"),
            (Role::AccountModstamp, "Account.SystemModstamp"),
        ];
        const LEAD: &[(Role, &str)] = &[
            ALWAYS[0],
            ALWAYS[1],
            ALWAYS[2],
            ALWAYS[3],
            (Role::IsConverted, "IsConverted"),
            (Role::ConvertedContactId, "ConvertedContactId"),
            (Role::ConvertedContactModstamp, "ConvertedContact.SystemModstamp"),
            (Role::ConvertedAccountId, "ConvertedAccountId"),
            (Role::ConvertedAccountModstamp, "ConvertedAccount.SystemModstamp"),
        ];
        match object {
            Object::Account => ACCOUNT,
            Object::Contact => CONTACT,
            Object::Lead => LEAD,
        }
    }

    /// Whether a read makes sense without it.
    #[must_use]
    pub fn is_optional(self) -> bool {
        !matches!(self, Self::Id | Self::SystemModstamp | Self::IsDeleted)
    }
}

/// One column of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What is selected.
    pub path: FieldPath,
    /// Kind of its cells.
    pub kind: CellKind,
    /// Meaning, for a system field.
    pub role: Option<Role>,
    /// Whether the image carries it.
    pub in_image: bool,
}

/// The columns of a query, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    object: Object,
    columns: Vec<Column>,
    fields: Vec<FieldPath>,
}

impl Layout {
    /// Puts system fields and mapped fields together; a system field that is mapped too is selected once.
    ///
    /// `kind_of` answers for paths that the integration user can read, and `None` for all others: those are left out, and it
    /// is for the caller to say so.
    #[must_use]
    pub fn new(object: Object, mapped: &[FieldPath], kind_of: impl Fn(&FieldPath) -> Option<CellKind>) -> Self {
        let mut columns = Vec::new();
        for (role, name) in Role::of(object) {
            let Ok(path) = name.parse::<FieldPath>() else { continue };
            let kind = match (kind_of(&path), role.is_optional()) {
                (Some(kind), _) => kind,
                (None, false) => CellKind::Text,
                (None, true) => continue,
            };
            let in_image = mapped.contains(&path);
            columns.push(Column { path, kind, role: Some(*role), in_image });
        }
        let mut others: Vec<&FieldPath> = mapped.iter().collect();
        others.sort();
        others.dedup();
        for path in others {
            if columns.iter().any(|column| column.path == *path) {
                continue;
            }
            if let Some(kind) = kind_of(path) {
                columns.push(Column { path: path.clone(), kind, role: None, in_image: true });
            }
        }
        let mut fields: Vec<FieldPath> =
            columns.iter().filter(|column| column.in_image).map(|column| column.path.clone()).collect();
        fields.sort();
        Self { object, columns, fields }
    }

    /// Returns the object.
    #[must_use]
    pub fn object(&self) -> Object {
        self.object
    }

    /// Returns the columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns what to select.
    #[must_use]
    pub fn select(&self) -> Vec<FieldPath> {
        self.columns.iter().map(|column| column.path.clone()).collect()
    }

    /// Returns the field list that travels with the records: what their images carry, sorted.
    #[must_use]
    pub fn fields(&self) -> &[FieldPath] {
        &self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<FieldPath> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn rule_01_every_read_carries_the_system_fields_and_the_whole_list() {
        let mapped = paths(&["Name", "Email", "AccountId"]);
        let layout = Layout::new(Object::Contact, &mapped, |_| Some(CellKind::Text));
        let selected = layout.select().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        assert_eq!(selected, "Id,SystemModstamp,IsDeleted,MasterRecordId,AccountId,Account.SystemModstamp,Email,Name");
        assert_eq!(layout.fields(), paths(&["AccountId", "Email", "Name"]));
    }

    #[test]
    fn case_26_a_hidden_field_is_left_out_of_the_query_and_of_the_list() {
        let hidden = |path: &FieldPath| (path.as_str() != "Tier__c").then_some(CellKind::Text);
        let layout = Layout::new(Object::Account, &paths(&["Name", "Tier__c"]), hidden);
        assert_eq!(layout.fields(), paths(&["Name"]));
        let no_account = |path: &FieldPath| (!path.as_str().starts_with("Account")).then_some(CellKind::Text);
        let layout = Layout::new(Object::Contact, &paths(&["Name"]), no_account);
        assert!(layout.columns().iter().all(|column| column.role != Some(Role::AccountId)));
    }
}
