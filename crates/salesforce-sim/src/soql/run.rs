//! A bound query, and the rows it finds.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::Malformed;
use super::ast::Query;
use super::bind::{Access, resolve, value_of};
use super::filter::{Scope, Test};
use super::reach::Reach;
use super::select::{Column, Shape, shape};
use crate::org::Org;
use crate::schema::{ID, STAMP};
use crate::table::{Row, Table};
use crate::value::Value;

/// A query that is known to make sense in its org.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) table: usize,
    pub(crate) shape: Shape,
    filter: Option<Test>,
    groups: Vec<Access>,
    order: Vec<Key>,
    limit: usize,
    offset: usize,
    /// The select list as one text: the name under which rendered rows are kept.
    pub(crate) list: String,
}

#[derive(Clone, Debug)]
struct Key {
    access: Access,
    descending: bool,
    nulls_last: bool,
}

/// What running found.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Rows(Vec<Row>),
    Count(usize),
    Aggregates(Vec<Json>),
}

/// Binds a query to an org at a moment.
pub(crate) fn plan(org: &Org, query: &Query, now_ms: i64) -> Result<Plan, Malformed> {
    let object = &query.from.segments[0];
    let Some(table) = org.visible_table(object) else {
        return Err(Malformed::coded(
            "INVALID_TYPE",
            query.from.at,
            format!(
                "sObject type '{object}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the \
                 entity name. Please reference your WSDL or the describe call for the appropriate names."
            ),
        ));
    };
    let alias = query.alias.as_deref();
    let shape = shape(org, table, query)?;
    let scope = Scope { org, table, alias, now_ms };
    let filter = query.filter.as_ref().map(|condition| scope.test(condition)).transpose()?;
    let groups =
        query.group_by.iter().map(|path| Ok(resolve(org, table, path, alias)?.access)).collect::<Result<_, _>>()?;
    let mut order = Vec::new();
    for by in query.order_by.iter().filter(|_| matches!(shape, Shape::Rows(_))) {
        let field = resolve(org, table, &by.path, alias)?;
        if !field.filterable || matches!(field.kind, crate::schema::Kind::Address | crate::schema::Kind::MultiPicklist)
        {
            return Err(Malformed::coded(
                "INVALID_FIELD",
                by.path.at,
                format!("field '{}' can not be sorted in a query call", field.name),
            ));
        }
        order.push(Key { access: field.access, descending: by.descending, nulls_last: by.nulls_last.unwrap_or(false) });
    }
    let size = |number: Option<u64>| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    let list = query.select.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").to_ascii_lowercase();
    Ok(Plan {
        table,
        shape,
        filter,
        groups,
        order,
        limit: size(query.limit).unwrap_or(usize::MAX),
        offset: size(query.offset).unwrap_or(0),
        list,
    })
}

/// Runs a plan; `deleted` also finds what lies in the bin.
pub(crate) fn rows(org: &Org, plan: &Plan, deleted: bool) -> Answer {
    let table = &org.tables[plan.table];
    let matches = |row: &Row| {
        (deleted || !table.is_deleted(*row))
            && !table.unshared.contains(row)
            && plan.filter.as_ref().is_none_or(|filter| filter.passes(org, plan.table, *row))
    };
    let (candidates, sorted) = candidates(table, plan);
    match &plan.shape {
        Shape::Count => Answer::Count(candidates.filter(matches).count()),
        Shape::Aggregate(columns) => {
            Answer::Aggregates(aggregates(org, plan, columns, candidates.filter(matches).collect()))
        }
        Shape::Rows(_) if sorted => {
            Answer::Rows(candidates.filter(matches).skip(plan.offset).take(plan.limit).collect())
        }
        Shape::Rows(_) => {
            let mut rows: Vec<Row> = candidates.filter(matches).collect();
            sort(org, plan, &mut rows);
            Answer::Rows(rows.into_iter().skip(plan.offset).take(plan.limit).collect())
        }
    }
}

/// The rows worth testing, and whether they come in the order asked for.
fn candidates<'a>(table: &'a Table, plan: &Plan) -> (Box<dyn Iterator<Item = Row> + 'a>, bool) {
    let reach = plan.filter.as_ref().map_or_else(Reach::everything, Reach::of);
    if let Some(ids) = reach.ids {
        return (Box::new(ids.into_iter().filter_map(|id| table.find(id))), plan.order.is_empty());
    }
    let all = |descending: bool| plan.order.iter().all(|key| key.descending == descending);
    let columns: Vec<Option<usize>> = plan
        .order
        .iter()
        .map(|key| match key.access {
            Access::Column(column) => Some(column),
            _ => None,
        })
        .collect();
    let by_stamp = columns == [Some(STAMP)] || columns == [Some(STAMP), Some(ID)];
    let by_id = columns == [Some(ID)] && (plan.limit != usize::MAX || !reach.narrows_stamps());
    if by_stamp && (all(false) || all(true)) {
        let rows = table.by_stamp(reach.low, reach.high);
        return if all(true) { (Box::new(rows.rev()), true) } else { (Box::new(rows), true) };
    }
    if by_id {
        let rows = table.by_id(reach.id_low, reach.id_high);
        return if all(true) { (Box::new(rows.rev()), true) } else { (Box::new(rows), true) };
    }
    if reach.narrows_stamps() {
        return (Box::new(table.by_stamp(reach.low, reach.high)), plan.order.is_empty());
    }
    (Box::new(table.by_id(reach.id_low, reach.id_high)), plan.order.is_empty())
}

fn sort(org: &Org, plan: &Plan, rows: &mut [Row]) {
    rows.sort_by(|a, b| {
        for key in &plan.order {
            let (a, b) = (value_of(org, plan.table, *a, &key.access), value_of(org, plan.table, *b, &key.access));
            let nulls = |first: Ordering| {
                if key.nulls_last { first.reverse() } else { first }
            };
            let ordering = match (a.is_null(), b.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => nulls(Ordering::Less),
                (false, true) => nulls(Ordering::Greater),
                (false, false) => {
                    let ordering = a.compare(&b).unwrap_or(Ordering::Equal);
                    if key.descending { ordering.reverse() } else { ordering }
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    });
}

fn aggregates(org: &Org, plan: &Plan, columns: &[Column], rows: Vec<Row>) -> Vec<Json> {
    let mut order: Vec<String> = Vec::new();
    let mut groups: HashMap<String, Vec<Row>> = HashMap::new();
    for row in rows {
        let key = plan
            .groups
            .iter()
            .map(|access| value_of(org, plan.table, row, access).to_json().to_string().to_lowercase())
            .collect::<Vec<_>>()
            .join("\u{1f}");
        groups
            .entry(key.clone())
            .or_insert_with(|| {
                order.push(key);
                Vec::new()
            })
            .push(row);
    }
    if plan.groups.is_empty() && order.is_empty() {
        order.push(String::new());
        groups.insert(String::new(), Vec::new());
    }
    order
        .iter()
        .skip(plan.offset)
        .take(plan.limit)
        .map(|key| {
            let mut record = json!({ "attributes": { "type": "AggregateResult" } });
            for column in columns {
                record[&column.name] = aggregate(org, plan.table, column, &groups[key]);
            }
            record
        })
        .collect()
}

/// One cell of an aggregate row.
fn aggregate(org: &Org, table: usize, column: &Column, rows: &[Row]) -> Json {
    let mut values =
        rows.iter().map(|row| value_of(org, table, *row, &column.access).into_owned()).filter(|value| !value.is_null());
    let number = |value: Value| match value {
        Value::Int(number) => number as f64,
        Value::Double(number) => number,
        _ => 0.0,
    };
    match column.function.as_deref() {
        None => rows.first().map_or(Json::Null, |row| value_of(org, table, *row, &column.access).to_json()),
        Some("COUNT") => json!(values.count()),
        Some("COUNT_DISTINCT") => json!(
            values
                .map(|value| value.to_json().to_string().to_lowercase())
                .collect::<std::collections::HashSet<_>>()
                .len()
        ),
        Some("MAX") => {
            values.max_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal)).map_or(Json::Null, |value| value.to_json())
        }
        Some("MIN") => {
            values.min_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal)).map_or(Json::Null, |value| value.to_json())
        }
        Some("SUM") => values.next().map_or(Json::Null, |first| json!(number(first) + values.map(number).sum::<f64>())),
        Some(_) => {
            let numbers: Vec<f64> = values.map(number).collect();
            if numbers.is_empty() { Json::Null } else { json!(numbers.iter().sum::<f64>() / numbers.len() as f64) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::id::Id;
    use crate::moment::datetime_text;
    use crate::org::{ACCOUNT, OrgSpec};
    use crate::schema::{Kind, STAMP};
    use crate::seed::Seed;

    const NOW_MS: i64 = 1_790_000_000_000;

    /// Few records on few stamps, some in the bin: where bounds go wrong, they go wrong here.
    static ORG: LazyLock<Org> = LazyLock::new(|| {
        let mut org = Org::new(&OrgSpec::default(), 0, NOW_MS);
        let span = Seed { from: "2026-01-01T00:00:00Z".into(), to: "2026-01-01T00:00:20Z".into(), ..Seed::default() };
        Seed { accounts: 60, contacts: 0, leads: 0, nasty: true, ..span }.fill(&mut org, NOW_MS);
        let rows: Vec<Row> = org.tables[ACCOUNT].all().collect();
        for (place, row) in rows.iter().enumerate() {
            let stamp = NOW_MS - (place as i64 * 7 % 5) * 1000;
            org.tables[ACCOUNT].restamp(*row, stamp);
        }
        for row in rows.iter().step_by(9) {
            let id = org.tables[ACCOUNT].id(*row);
            org.delete(id, NOW_MS).unwrap();
        }
        org
    });

    fn condition() -> impl Strategy<Value = String> {
        let operators = || prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
        let stamp = (operators(), 0i64..7).prop_map(|(operator, back)| {
            let text = datetime_text(NOW_MS - back * 1000).replace("+0000", "Z");
            format!("SystemModstamp {operator} {text}")
        });
        let some_id = || {
            (0usize..60)
                .prop_map(|place| ORG.tables[ACCOUNT].all().map(|row| ORG.tables[ACCOUNT].id(row)).nth(place).unwrap())
        };
        let id = (operators(), some_id()).prop_map(|(operator, id)| format!("Id {operator} '{id}'"));
        let ids = (prop::collection::vec(some_id(), 1..4), any::<bool>()).prop_map(|(ids, negated)| {
            let list: Vec<String> = ids.iter().map(|id: &Id| format!("'{id}'")).collect();
            format!("Id {}IN ({})", if negated { "NOT " } else { "" }, list.join(","))
        });
        let other = prop::sample::select(vec!["Name LIKE '%a%'", "AnnualRevenue = null", "IsDeleted = false"])
            .prop_map(str::to_owned);
        let leaf = prop_oneof![3 => stamp, 3 => id, 1 => ids, 1 => other];
        leaf.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" AND "))),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" OR "))),
                inner.prop_map(|term| format!("(NOT {term})")),
            ]
        })
    }

    proptest! {
        /// Indexes only make a query faster: a plain scan of everything finds the same.
        #[test]
        fn every_index_finds_what_a_scan_finds(
            filter in condition(),
            order in prop::sample::select(vec!["", "Id", "Id DESC", "SystemModstamp", "SystemModstamp, Id", "SystemModstamp DESC, Id DESC", "Name, Id"]),
            limit in prop::option::of(1u64..20),
            deleted: bool,
        ) {
            let order_by = if order.is_empty() { String::new() } else { format!(" ORDER BY {order}") };
            let limit_text = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
            let text = format!("SELECT Id FROM Account WHERE {filter}{order_by}{limit_text}");
            let query = crate::soql::parse(&text).unwrap();
            let plan = plan(&ORG, &query, NOW_MS).unwrap();
            let Answer::Rows(found) = rows(&ORG, &plan, deleted) else { panic!("rows were asked for") };

            let table = &ORG.tables[ACCOUNT];
            let test = plan.filter.as_ref().unwrap();
            let mut scanned: Vec<Row> = table.all().filter(|row| (deleted || !table.is_deleted(*row)) && test.passes(&ORG, ACCOUNT, *row)).collect();
            let limit = limit.map_or(usize::MAX, |limit| limit as usize);
            prop_assert_eq!(found.len(), scanned.len().min(limit));
            prop_assert!(found.iter().all(|row| scanned.contains(row)));
            if order.is_empty() {
                return Ok(());
            }
            sort(&ORG, &plan, &mut scanned);
            let keys = |rows: &[Row]| -> Vec<(i64, Id)> {
                rows.iter().map(|row| if order.contains("System") { (table.stamp(*row), if order.contains("Id") { table.id(*row) } else { Id::MIN }) } else { (0, table.id(*row)) }).collect()
            };
            scanned.truncate(limit);
            prop_assert_eq!(keys(&found), keys(&scanned));
        }
    }

    #[test]
    fn the_fixed_columns_are_a_moment_and_an_id() {
        let fields = &ORG.schema(ACCOUNT).fields;
        assert_eq!((fields[STAMP].kind, fields[ID].kind), (Kind::DateTime, Kind::Id));
    }
}
