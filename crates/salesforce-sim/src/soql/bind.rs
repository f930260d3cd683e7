//! Names bound to columns: the way from a row to the value a path names.

use std::borrow::Cow;

use super::Malformed;
use super::ast::Path;
use crate::org::Org;
use crate::schema::{Field, ID, Kind};
use crate::table::Row;
use crate::value::{NULL, Value};

/// Most relationships in one path.
const HIGHEST: usize = 5;

/// How to reach a value from a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    Column(usize),
    /// Up a lookup, into whichever table the id belongs to.
    Up {
        lookup: usize,
        targets: Vec<(usize, Access)>,
    },
    /// `Owner.Type`: the name of the object itself.
    ObjectName,
}

/// A path that means something.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) access: Access,
    pub(crate) kind: Kind,
    /// The field's own name, in describe's spelling.
    pub(crate) name: String,
    pub(crate) filterable: bool,
}

impl Resolved {
    fn of(access: Access, field: &Field) -> Self {
        Self { access, kind: field.kind, name: field.name.clone(), filterable: field.filterable() }
    }
}

/// Binds a path that starts at `table`.
pub(crate) fn resolve(org: &Org, table: usize, path: &Path, alias: Option<&str>) -> Result<Resolved, Malformed> {
    let segments = without_own_name(org, table, path, alias);
    if segments.len() > HIGHEST + 1 {
        return Err(Malformed::coded(
            "INVALID_FIELD",
            path.at,
            "SOQL only supports 5 levels of child-to-parent relationships",
        ));
    }
    step(org, table, segments, path.at)
}

/// `Account.Name` from Account, and `a.Name` after an alias, name the row itself.
pub(super) fn without_own_name<'p>(org: &Org, table: usize, path: &'p Path, alias: Option<&str>) -> &'p [String] {
    let segments = &path.segments;
    let schema = &org.tables[table].schema;
    let first = &segments[0];
    let own = alias.is_some_and(|alias| alias.eq_ignore_ascii_case(first))
        || (first.eq_ignore_ascii_case(schema.name) && schema.relationship(first).is_none());
    if own && segments.len() > 1 { &segments[1..] } else { segments }
}

fn step(org: &Org, table: usize, segments: &[String], at: usize) -> Result<Resolved, Malformed> {
    let schema = &org.tables[table].schema;
    let [first, rest @ ..] = segments else { unreachable!("a path has a segment") };
    if rest.is_empty() {
        let column = schema.visible_column(first).ok_or_else(|| no_such_column(first, schema.name, at))?;
        return Ok(Resolved::of(Access::Column(column), &schema.fields[column]));
    }
    let unknown = || not_understood(first, at);
    let lookup = schema.relationship(first).ok_or_else(unknown)?;
    let objects = &schema.fields[lookup].reference_to;
    let targets: Vec<usize> = objects.iter().filter_map(|name| org.visible_table(name)).collect();
    if targets.is_empty() {
        return Err(unknown());
    }
    if objects.len() > 1 && rest.len() == 1 && rest[0].eq_ignore_ascii_case("Type") {
        let targets = targets.into_iter().map(|target| (target, Access::ObjectName)).collect();
        let access = Access::Up { lookup, targets };
        return Ok(Resolved { access, kind: Kind::String, name: "Type".to_owned(), filterable: true });
    }
    let mut found: Option<Resolved> = None;
    let mut ways = Vec::new();
    let mut refused = None;
    for target in targets {
        match step(org, target, rest, at) {
            Ok(resolved) => {
                ways.push((target, resolved.access.clone()));
                found.get_or_insert(resolved);
            }
            Err(error) => refused = Some(error),
        }
    }
    match found {
        Some(resolved) => Ok(Resolved { access: Access::Up { lookup, targets: ways }, ..resolved }),
        None => Err(refused.unwrap_or_else(unknown)),
    }
}

pub(super) fn no_such_column(name: &str, object: &str, at: usize) -> Malformed {
    Malformed::coded(
        "INVALID_FIELD",
        at,
        format!(
            "No such column '{name}' on entity '{object}'. If you are attempting to use a custom field, be sure to append the '__c' after \
             the custom field name. Please reference your WSDL or the describe call for the appropriate names."
        ),
    )
}

pub(super) fn not_understood(name: &str, at: usize) -> Malformed {
    Malformed::coded(
        "INVALID_FIELD",
        at,
        format!(
            "Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, be sure to append \
             the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
        ),
    )
}

/// The value at the end of the way; null where the way breaks off.
pub(crate) fn value_of<'a>(org: &'a Org, table: usize, row: Row, access: &Access) -> Cow<'a, Value> {
    match access {
        Access::Column(column) => Cow::Borrowed(org.tables[table].cell(row, *column)),
        Access::ObjectName => Cow::Owned(Value::text(org.tables[table].schema.name)),
        Access::Up { lookup, targets } => {
            match parent(org, table, row, *lookup, targets.iter().map(|(target, _)| *target)) {
                Some((place, target, parent)) => value_of(org, target, parent, &targets[place].1),
                None => Cow::Borrowed(&NULL),
            }
        }
    }
}

/// The record that a lookup names, if it is one of `targets` and the user may see it.
pub(super) fn parent(
    org: &Org,
    table: usize,
    row: Row,
    lookup: usize,
    targets: impl Iterator<Item = usize>,
) -> Option<(usize, usize, Row)> {
    let id = match lookup {
        ID => return None,
        lookup => org.tables[table].cell(row, lookup).as_id()?,
    };
    let (place, target) = targets.enumerate().find(|(_, target)| org.tables[*target].schema.prefix == id.prefix())?;
    Some((place, target, org.tables[target].find_shared(id)?))
}
