//! Reads describe answers. Hundreds of kilobytes, of which a few keys matter.

use serde::Deserialize;

use super::{Field, PicklistValue};
use crate::record::AnswerInvalid;

/// What a describe answer tells of one object.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Described {
    pub(super) label: String,
    fields: Vec<DescribedField>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedField {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    calculated: bool,
    #[serde(default)]
    custom: bool,
    #[serde(default)]
    nillable: bool,
    #[serde(default)]
    deprecated_and_hidden: bool,
    #[serde(default)]
    reference_to: Vec<String>,
    #[serde(default)]
    relationship_name: Option<String>,
    #[serde(default)]
    picklist_values: Vec<DescribedValue>,
}

#[derive(Clone, Debug, Deserialize)]
struct DescribedValue {
    #[serde(default)]
    active: bool,
    #[serde(default)]
    label: Option<String>,
    value: Option<String>,
}

/// A lookup to follow: name of the relation, its label, and the object behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) targets: Vec<String>,
}

pub(super) fn parse(body: &[u8]) -> Result<Described, AnswerInvalid> {
    serde_json::from_slice(body).map_err(|_| AnswerInvalid::Page)
}

impl Described {
    /// Returns the object's own readable fields.
    pub(super) fn own_fields(&self) -> Vec<Field> {
        self.fields
            .iter()
            .filter(|field| !field.deprecated_and_hidden)
            .filter_map(|field| field.to_field(None))
            .collect()
    }

    /// Returns the fields as a relation shows them. Over a relation to several objects only what all of them share is there.
    pub(super) fn fields_over(&self, relation: &Relation) -> Vec<Field> {
        const OF_ANY_OWNER: &[&str] =
            &["Id", "Name", "Email", "FirstName", "LastName", "Phone", "Title", "Username", "Alias"];
        self.fields
            .iter()
            .filter(|field| !field.deprecated_and_hidden)
            .filter(|field| relation.targets.len() < 2 || OF_ANY_OWNER.contains(&field.name.as_str()))
            .filter_map(|field| field.to_field(Some(relation)))
            .collect()
    }

    /// Returns the lookups that the object has.
    pub(super) fn relations(&self) -> Vec<Relation> {
        self.fields
            .iter()
            .filter_map(|field| {
                let name = field.relationship_name.clone()?;
                let label = field.label.strip_suffix(" ID").unwrap_or(&field.label).to_owned();
                Some(Relation { name, label, targets: field.reference_to.clone() })
            })
            .collect()
    }
}

impl DescribedField {
    fn to_field(&self, relation: Option<&Relation>) -> Option<Field> {
        let (path, label) = match relation {
            Some(relation) => {
                (format!("{}.{}", relation.name, self.name), format!("{} › {}", relation.label, self.label))
            }
            None => (self.name.clone(), self.label.clone()),
        };
        Some(Field {
            path: path.parse().ok()?,
            label,
            kind: self.kind.clone(),
            length: self.length,
            calculated: self.calculated,
            custom: self.custom,
            required: !self.nillable && relation.is_none(),
            values: self
                .picklist_values
                .iter()
                .filter_map(|value| {
                    let api_value = value.value.clone()?;
                    let label = value.label.clone().unwrap_or_else(|| api_value.clone());
                    Some(PicklistValue { value: api_value, label, active: value.active })
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD: &str = r#"{"label":"Lead","name":"Lead","fields":[
        {"name":"Id","label":"Lead ID","type":"id","length":18,"nillable":false},
        {"name":"OwnerId","label":"Owner ID","type":"reference","length":18,"nillable":false,
         "referenceTo":["Group","User"],"relationshipName":"Owner"},
        {"name":"Status","label":"Lead Status","type":"picklist","length":255,"nillable":false,"picklistValues":[
          {"active":true,"defaultValue":false,"label":"Gold ★ \"VIP\"","validFor":null,"value":" Gold"},
          {"active":false,"defaultValue":false,"label":"Legacy","validFor":null,"value":"Legacy"}]},
        {"name":"Score__c","label":"Score","type":"double","calculated":true,"custom":true,"nillable":true},
        {"name":"Old__c","label":"Old","type":"string","deprecatedAndHidden":true,"nillable":true}]}"#;

    #[test]
    fn case_42_picklist_values_keep_every_byte() {
        let described = parse(LEAD.as_bytes()).unwrap();
        let fields = described.own_fields();
        let status = fields.iter().find(|field| field.path.as_str() == "Status").unwrap();
        assert_eq!(status.values[0].value, " Gold");
        assert!(!status.values[1].active);
        assert!(status.required);
        assert!(fields.iter().all(|field| field.path.as_str() != "Old__c"));
    }

    #[test]
    fn case_53_over_a_relation_to_users_and_queues_only_shared_fields_show() {
        let described = parse(LEAD.as_bytes()).unwrap();
        let owner = described.relations().into_iter().find(|relation| relation.name == "Owner").unwrap();
        assert_eq!(owner.label, "Owner");
        let user = r#"{"label":"User","fields":[
            {"name":"Name","label":"Full Name","type":"string","length":121,"nillable":false},
            {"name":"Department","label":"Department","type":"string","length":80,"nillable":true}]}"#;
        let fields = parse(user.as_bytes()).unwrap().fields_over(&owner);
        assert_eq!(fields.iter().map(|field| field.path.as_str()).collect::<Vec<_>>(), ["Owner.Name"]);
        assert!(!fields[0].required);
    }
}
