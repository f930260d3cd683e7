//! The describe answer: every key that a real one has.

use serde_json::{Value as Json, json};

use super::{Field, Kind, Schema};

/// The `fields`, `childRelationships` and switches of one object.
pub(crate) fn describe(schema: &Schema, version: &str, inactive_values: bool) -> Json {
    let mut answer = list_entry(schema, version);
    let fields: Vec<Json> = schema
        .fields
        .iter()
        .filter(|field| field.is_visible())
        .map(|field| field_entry(field, inactive_values))
        .collect();
    let children: Vec<Json> = schema
        .children
        .iter()
        .map(|(relationship, object, field, cascades)| {
            json!({ "cascadeDelete": cascades, "childSObject": object, "deprecatedAndHidden": false, "field": field,
                    "junctionIdListNames": [], "junctionReferenceTo": [], "relationshipName": relationship, "restrictedDelete": false })
        })
        .collect();
    let more = json!({
        "actionOverrides": [], "childRelationships": children, "compactLayoutable": schema.business, "fields": fields,
        "extendedBy": null, "extendsInterfaces": null, "implementedBy": null, "implementsInterfaces": null,
        "defaultImplementation": null, "listviewable": null, "lookupLayoutable": null, "namedLayoutInfos": [],
        "networkScopeFieldName": null, "recordTypeInfos": [master_record_type(schema, version)], "searchLayoutable": true,
        "sobjectDescribeOption": "FULL", "supportedScopes": [{ "label": format!("All {}", schema.plural.to_lowercase()), "name": "everything" }],
    });
    if let (Json::Object(answer), Json::Object(more)) = (&mut answer, more) {
        answer.extend(more);
    }
    answer
}

fn master_record_type(schema: &Schema, version: &str) -> Json {
    json!({
        "active": true, "available": true, "defaultRecordTypeMapping": true, "developerName": "Master", "master": true,
        "name": "Master", "recordTypeId": "012000000000000AAA",
        "urls": { "layout": format!("/services/data/v{version}/sobjects/{}/describe/layouts/012000000000000AAA", schema.name) }
    })
}

/// One entry of `GET /sobjects`.
pub(crate) fn list_entry(schema: &Schema, version: &str) -> Json {
    let base = format!("/services/data/v{version}/sobjects/{}", schema.name);
    let business = schema.business;
    json!({
        "activateable": false, "associateEntityType": null, "associateParentEntity": null, "createable": business,
        "custom": false, "customSetting": false, "deepCloneable": false, "deletable": business,
        "deprecatedAndHidden": false, "feedEnabled": business, "hasSubtypes": false, "isInterface": false,
        "isSubtype": false, "keyPrefix": schema.prefix, "label": schema.label, "labelPlural": schema.plural,
        "layoutable": business, "mergeable": business && schema.name != "Opportunity", "mruEnabled": business,
        "name": schema.name, "queryable": true, "replicateable": business, "retrieveable": true, "searchable": business,
        "triggerable": business, "undeletable": business, "updateable": business,
        "urls": { "sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}") }
    })
}

fn field_entry(field: &Field, inactive_values: bool) -> Json {
    let kind = field.kind;
    let soap = match kind {
        Kind::Id | Kind::Reference => "tns:ID",
        Kind::Boolean => "xsd:boolean",
        Kind::Int => "xsd:int",
        Kind::Double | Kind::Currency | Kind::Percent => "xsd:double",
        Kind::Date => "xsd:date",
        Kind::DateTime => "xsd:dateTime",
        Kind::Address => "urn:address",
        _ => "xsd:string",
    };
    let values: Vec<Json> = field
        .values
        .iter()
        .filter(|value| value.active || inactive_values)
        .map(|value| {
            let default = field.default.as_ref() == Some(&value.value);
            json!({ "active": value.active, "defaultValue": default, "label": value.label, "validFor": null, "value": value.value })
        })
        .collect();
    let default = match (&field.default, kind) {
        (Some(text), Kind::Boolean) => json!(text == "true"),
        _ => Json::Null,
    };
    let ids = matches!(kind, Kind::Id | Kind::Reference);
    let byte_length = if ids { 18 } else { field.length * 3 };
    let (digits, precision) = if kind == Kind::Int { (field.precision, 0) } else { (0, field.precision) };
    let compound = kind == Kind::Address;
    let long = !field.filterable();
    json!({
        "aggregatable": !compound && !long && kind != Kind::Boolean, "aiPredictionField": false, "autoNumber": false,
        "byteLength": byte_length, "calculated": field.calculated, "calculatedFormula": null, "cascadeDelete": false,
        "caseSensitive": field.unique, "compoundFieldName": field.compound, "controllerName": null,
        "createable": field.writable, "custom": field.is_custom(), "defaultValue": default, "defaultValueFormula": null,
        "defaultedOnCreate": field.default.is_some() || matches!(kind, Kind::Id | Kind::Boolean), "dependentPicklist": false,
        "deprecatedAndHidden": false, "digits": digits, "displayLocationInDecimal": false, "encrypted": false,
        "externalId": false, "extraTypeInfo": field.extra_type_info, "filterable": !long,
        "filteredLookupInfo": null, "formulaTreatNullNumberAsZero": false,
        "groupable": !compound && !long && !matches!(kind, Kind::DateTime | Kind::Double | Kind::Currency | Kind::Percent | Kind::MultiPicklist),
        "highScaleNumber": false, "htmlFormatted": false, "idLookup": kind == Kind::Id || kind == Kind::Email,
        "inlineHelpText": null, "label": field.label, "length": field.length, "mask": null, "maskType": null,
        "name": field.name, "nameField": field.name_field, "namePointing": field.reference_to.len() > 1,
        "nillable": field.nillable, "permissionable": field.permissionable, "picklistValues": values,
        "polymorphicForeignKey": field.reference_to.len() > 1, "precision": precision, "queryByDistance": compound,
        "referenceTargetField": null, "referenceTo": field.reference_to,
        "relationshipName": field.relationship.filter(|_| !field.reference_to.is_empty()),
        "relationshipOrder": null, "restrictedDelete": false, "restrictedPicklist": field.restricted, "scale": field.scale,
        "searchPrefilterable": kind == Kind::Reference, "soapType": soap,
        "sortable": !compound && !long && kind != Kind::MultiPicklist, "type": kind.name(), "unique": field.unique,
        "updateable": field.writable, "writeRequiresMasterRead": false
    })
}
