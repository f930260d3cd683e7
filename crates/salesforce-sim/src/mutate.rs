//! Creating and changing records, with the checks a write has to pass.

use serde_json::{Map, Value as Json};

use crate::id::Id;
use crate::org::{LEAD, Org};
use crate::refusal::Refusal;
use crate::schema::Kind;
use crate::table::Row;
use crate::value::{Value, from_json};

/// Who writes: a client bound by the rules, or the test that owns the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Client,
    Owner,
}

impl Org {
    /// Checks and types the fields of a write.
    fn cells(&self, table: usize, fields: &Map<String, Json>, writer: Writer) -> Result<Vec<(usize, Value)>, Refusal> {
        let schema = self.schema(table);
        let mut cells = Vec::new();
        for (name, json) in fields.iter().filter(|(name, _)| name.as_str() != "attributes") {
            let column = match writer {
                Writer::Client => schema.visible_column(name),
                Writer::Owner => schema.column(name),
            };
            let Some(column) = column else {
                let message = format!("No such column '{name}' on sobject of type {}", schema.name);
                return Err(Refusal::bad("INVALID_FIELD", message));
            };
            let field = &schema.fields[column];
            let fixed = matches!(field.kind, Kind::Id | Kind::Address)
                || matches!(field.name.as_str(), "SystemModstamp" | "IsDeleted");
            if fixed || (writer == Writer::Client && !field.writable) {
                let message = format!(
                    "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
                    field.name
                );
                return Err(Refusal::bad("INVALID_FIELD_FOR_INSERT_UPDATE", message).on_fields(&[&field.name]));
            }
            let trimmed = match json {
                Json::String(text) if writer == Writer::Client && field.kind.is_text() && !field.kind.is_picklist() => {
                    Json::String(text.trim().to_owned())
                }
                other => other.clone(),
            };
            let Some(value) = from_json(field.kind, &trimmed) else {
                return Err(Refusal::bad(
                    "JSON_PARSER_ERROR",
                    format!("Cannot deserialize instance of {} from {json}", field.kind.name()),
                ));
            };
            if let Value::Text(text) = &value {
                if field.length > 0 && text.chars().count() > field.length as usize {
                    let message =
                        format!("{}: data value too large: {text} (max length={})", field.label, field.length);
                    return Err(Refusal::bad("STRING_TOO_LONG", message).on_fields(&[&field.name]));
                }
                if writer == Writer::Client
                    && field.restricted
                    && !field.values.iter().any(|known| known.active && *known.value == **text)
                {
                    let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
                    return Err(
                        Refusal::bad("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).on_fields(&[&field.name])
                    );
                }
            }
            if value.is_null() && !field.nillable && field.kind != Kind::Boolean && writer == Writer::Client {
                return Err(Refusal::bad(
                    "REQUIRED_FIELD_MISSING",
                    format!("Required fields are missing: [{}]", field.name),
                )
                .on_fields(&[&field.name]));
            }
            cells.push((column, value));
        }
        Ok(cells)
    }

    /// Creates a record.
    pub(crate) fn create(
        &mut self,
        table: usize,
        fields: &Map<String, Json>,
        stamp: i64,
        writer: Writer,
    ) -> Result<Id, Refusal> {
        let given_id = match (writer, fields.get("Id")) {
            (Writer::Owner, Some(Json::String(text))) => Some(text.parse::<Id>()?),
            _ => None,
        };
        let mut fields = fields.clone();
        if writer == Writer::Owner {
            fields.remove("Id");
        }
        let cells = self.cells(table, &fields, writer)?;
        let schema = self.schema(table);
        let missing =
            |name: &str| !cells.iter().any(|(column, value)| schema.column(name) == Some(*column) && !value.is_null());
        let required: Vec<&str> = ["Name", "LastName", "Company", "StageName", "CloseDate"]
            .into_iter()
            .filter(|name| {
                schema
                    .column(name)
                    .is_some_and(|column| !schema.fields[column].nillable && schema.fields[column].writable)
                    && missing(name)
            })
            .collect();
        if !required.is_empty() {
            return Err(Refusal::bad(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{}]", required.join(", ")),
            )
            .on_fields(&required));
        }
        let mut defaults: Vec<(&str, Value)> = Vec::new();
        if schema.column("OwnerId").is_some() {
            defaults.push(("OwnerId", Value::Id(self.user)));
        }
        let status = schema.column("Status").filter(|_| missing("Status"));
        if let Some(default) = status.and_then(|column| schema.fields[column].default.as_ref()) {
            defaults.push(("Status", Value::text(default)));
        }
        if self.multi_currency && schema.column("CurrencyIsoCode").is_some() {
            defaults.push(("CurrencyIsoCode", Value::text(&self.currency)));
        }
        let id = given_id.unwrap_or_else(|| self.next_id(table));
        if self.tables[table].find(id).is_some() {
            return Err(Refusal::bad("DUPLICATE_VALUE", format!("duplicate id {id}")));
        }
        let row = self.place(table, id, stamp, defaults);
        for (column, value) in cells {
            self.tables[table].set(row, column, value);
        }
        self.rename(table, row);
        self.forget_children();
        Ok(id)
    }

    /// Changes a record's fields and stamps it.
    pub(crate) fn update(
        &mut self,
        id: Id,
        fields: &Map<String, Json>,
        stamp: i64,
        writer: Writer,
    ) -> Result<(), Refusal> {
        let (table, row) = self.live(id)?;
        if writer == Writer::Client && table == LEAD && self.cell(LEAD, row, "IsConverted").is_true() {
            return Err(Refusal::bad("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"));
        }
        for (column, value) in self.cells(table, fields, writer)? {
            self.tables[table].set(row, column, value);
        }
        self.rename(table, row);
        self.touch(table, row, stamp);
        Ok(())
    }

    /// Changes fields with no stamp: formulas, roll-ups, a parent's own name seen from below.
    pub(crate) fn update_quietly(&mut self, id: Id, fields: &Map<String, Json>) -> Result<(), Refusal> {
        let (table, row) = self.find(id).ok_or_else(Refusal::not_found)?;
        for (column, value) in self.cells(table, fields, Writer::Owner)? {
            self.tables[table].set(row, column, value);
        }
        self.rename(table, row);
        self.forget_children();
        Ok(())
    }

    /// Keeps `Name` of a person equal to its parts.
    fn rename(&mut self, table: usize, row: Row) {
        if self.schema(table).column("LastName").is_none() {
            return;
        }
        let name = {
            let part = |field: &str| self.cell(table, row, field).as_text().unwrap_or("");
            format!("{} {}", part("FirstName"), part("LastName")).trim_matches(' ').to_owned()
        };
        self.put(table, row, "Name", Value::text(name));
    }

    pub(crate) fn live(&self, id: Id) -> Result<(usize, Row), Refusal> {
        let (table, row) =
            self.find(id).filter(|(table, _)| !self.hidden.contains(table)).ok_or_else(Refusal::not_found)?;
        if self.tables[table].unshared.contains(&row) {
            return Err(Refusal::not_found());
        }
        if self.tables[table].is_deleted(row) {
            return Err(Refusal::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
        }
        Ok((table, row))
    }
}
