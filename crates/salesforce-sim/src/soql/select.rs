//! SELECT, bound: the tree of outputs in the order they were asked for.

use std::collections::HashSet;

use super::Malformed;
use super::ast::{Item, Path, Query};
use super::bind::Access;
use super::bind::{Resolved, no_such_column, not_understood, resolve, without_own_name};
use crate::org::Org;
use crate::schema::{Field, Kind};

/// One output of a row.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    Field {
        name: String,
        column: usize,
    },
    /// `toLabel(Status)`: the label of a picklist value.
    Label {
        name: String,
        column: usize,
    },
    Address {
        name: String,
        parts: Vec<usize>,
    },
    /// A parent; its outputs per table it may live in.
    Parent {
        name: String,
        lookup: usize,
        polymorphic: bool,
        targets: Vec<(usize, Vec<Out>)>,
    },
    /// `Owner.Type`.
    ObjectName,
}

/// What the whole query answers.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Rows(Vec<Out>),
    Count,
    Aggregate(Vec<Column>),
}

/// One column of an aggregate answer.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) access: Access,
    /// `None`: a grouped field.
    pub(crate) function: Option<String>,
}

/// Most rows that a query with FIELDS(ALL) may ask for.
const MOST_FIELDS_ROWS: u64 = 200;

pub(super) fn shape(org: &Org, table: usize, query: &Query) -> Result<Shape, Malformed> {
    if query.select == [Item::Count] {
        return Ok(Shape::Count);
    }
    let aggregates =
        query.select.iter().any(|item| matches!(item, Item::Call { function, .. } if is_aggregate(function)));
    if aggregates || !query.group_by.is_empty() {
        return aggregate_shape(org, table, query).map(Shape::Aggregate);
    }
    let mut selection =
        Selection { org, table, alias: query.alias.as_deref(), outputs: Vec::new(), seen: HashSet::new() };
    for item in &query.select {
        match item {
            Item::Field(path) => selection.add(path)?,
            Item::Fields(which) => selection.expand(which, query.limit)?,
            Item::Call { function, path, alias } if function == "TOLABEL" => selection.label(path, alias.as_deref())?,
            Item::Call { path, .. } => {
                return Err(Malformed::coded(
                    "INVALID_FIELD",
                    path.at,
                    "convertCurrency is only valid in organizations with multi-currency enabled",
                ));
            }
            Item::Count => return Err(Malformed::at(0, "unexpected token: 'COUNT'".to_owned())),
        }
    }
    Ok(Shape::Rows(selection.outputs))
}

fn is_aggregate(function: &str) -> bool {
    matches!(function, "COUNT" | "COUNT_DISTINCT" | "MAX" | "MIN" | "SUM" | "AVG")
}

fn aggregate_shape(org: &Org, table: usize, query: &Query) -> Result<Vec<Column>, Malformed> {
    let alias = query.alias.as_deref();
    let groups: Vec<Resolved> =
        query.group_by.iter().map(|path| resolve(org, table, path, alias)).collect::<Result<_, _>>()?;
    let mut columns = Vec::new();
    let mut unnamed = 0;
    for item in &query.select {
        columns.push(match item {
            Item::Field(path) => {
                let field = resolve(org, table, path, alias)?;
                if !groups.iter().any(|group| group.access == field.access) {
                    return Err(Malformed::at(
                        path.at,
                        format!("Field must be grouped or aggregated: {}", path.text()),
                    ));
                }
                Column { name: field.name, access: field.access, function: None }
            }
            Item::Call { function, path, alias: given } if is_aggregate(function) => {
                let field = resolve(org, table, path, alias)?;
                let sums = matches!(function.as_str(), "SUM" | "AVG");
                if field.kind == Kind::Address || (sums && !field.kind.is_number()) {
                    let message = format!("field {} does not support aggregate operator {function}", field.name);
                    return Err(Malformed::at(path.at, message));
                }
                let name = given.clone().unwrap_or_else(|| {
                    unnamed += 1;
                    format!("expr{}", unnamed - 1)
                });
                Column { name, access: field.access, function: Some(function.clone()) }
            }
            _ => {
                return Err(Malformed::at(0, "Grouped query cannot use this function".to_owned()));
            }
        });
    }
    let mut names = HashSet::new();
    match columns.iter().find(|column| !names.insert(column.name.to_ascii_lowercase())) {
        Some(twice) => Err(Malformed::at(0, format!("duplicate alias: {}", twice.name))),
        None => Ok(columns),
    }
}

struct Selection<'a> {
    org: &'a Org,
    table: usize,
    alias: Option<&'a str>,
    outputs: Vec<Out>,
    seen: HashSet<String>,
}

impl Selection<'_> {
    fn add(&mut self, path: &Path) -> Result<(), Malformed> {
        let segments = without_own_name(self.org, self.table, path, self.alias);
        // Binds the whole path first, so that every refusal is one of bind's.
        resolve(self.org, self.table, path, self.alias)?;
        self.note(&segments.join("."))?;
        insert(self.org, self.table, &mut self.outputs, segments, path.at)
    }

    fn note(&mut self, name: &str) -> Result<(), Malformed> {
        if self.seen.insert(name.to_ascii_lowercase()) {
            return Ok(());
        }
        Err(Malformed::plain("INVALID_FIELD", format!("duplicate field selected: {name}")))
    }

    fn expand(&mut self, which: &str, limit: Option<u64>) -> Result<(), Malformed> {
        if which != "STANDARD" && limit.is_none_or(|limit| limit > MOST_FIELDS_ROWS) {
            return Err(Malformed::plain(
                "MALFORMED_QUERY",
                "The SOQL FIELDS function must have a LIMIT of at most 200",
            ));
        }
        let schema = &self.org.tables[self.table].schema;
        for (column, field) in schema.fields.iter().enumerate().filter(|(_, field)| field.is_visible()) {
            let wanted = match which {
                "STANDARD" => !field.is_custom(),
                "CUSTOM" => field.is_custom(),
                _ => true,
            };
            if wanted {
                self.note(&field.name)?;
                self.outputs.push(output(self.org, self.table, column, field));
            }
        }
        Ok(())
    }

    fn label(&mut self, path: &Path, alias: Option<&str>) -> Result<(), Malformed> {
        let field = resolve(self.org, self.table, path, self.alias)?;
        let Access::Column(column) = field.access else {
            return Err(not_understood(&path.text(), path.at));
        };
        let name = alias.map_or(field.name, str::to_owned);
        self.note(&name)?;
        self.outputs.push(Out::Label { name, column });
        Ok(())
    }
}

fn output(org: &Org, table: usize, column: usize, field: &Field) -> Out {
    let name = field.name.clone();
    match field.kind {
        Kind::Address => Out::Address { parts: org.tables[table].schema.address_parts(&name), name },
        _ => Out::Field { name, column },
    }
}

/// Puts a path into the tree, beside what already stands under the same parent.
fn insert(org: &Org, table: usize, outputs: &mut Vec<Out>, segments: &[String], at: usize) -> Result<(), Malformed> {
    let schema = &org.tables[table].schema;
    let [first, rest @ ..] = segments else {
        return Ok(());
    };
    if rest.is_empty() {
        let column = schema.visible_column(first).ok_or_else(|| no_such_column(first, schema.name, at))?;
        outputs.push(output(org, table, column, &schema.fields[column]));
        return Ok(());
    }
    let lookup = schema.relationship(first).ok_or_else(|| not_understood(first, at))?;
    let field = &schema.fields[lookup];
    let polymorphic = field.reference_to.len() > 1;
    let known = outputs.iter().position(|out| matches!(out, Out::Parent { lookup: other, .. } if *other == lookup));
    let place = known.unwrap_or_else(|| {
        let targets = field
            .reference_to
            .iter()
            .filter_map(|name| org.visible_table(name))
            .map(|target| (target, Vec::new()))
            .collect();
        let name = field.relationship.unwrap_or_default().to_owned();
        outputs.push(Out::Parent { name, lookup, polymorphic, targets });
        outputs.len() - 1
    });
    let Out::Parent { targets, .. } = &mut outputs[place] else { unreachable!("the place was found as a parent") };
    let object_name = polymorphic && rest.len() == 1 && rest[0].eq_ignore_ascii_case("Type");
    let mut refused = None;
    let mut bound = 0;
    for (target, outputs) in targets {
        if object_name {
            outputs.push(Out::ObjectName);
            bound += 1;
            continue;
        }
        match insert(org, *target, outputs, rest, at) {
            Ok(()) => bound += 1,
            Err(error) => {
                refused = Some(error);
                // The field exists for the other kind of parent only: here it is empty.
                outputs.push(Out::Field { name: rest[0].clone(), column: usize::MAX });
            }
        }
    }
    match refused {
        Some(error) if bound == 0 => Err(error),
        _ => Ok(()),
    }
}
