//! WHERE, bound and typed.

use std::collections::HashSet;

use super::Malformed;
use super::ast::{Condition, Literal, Operator, Path};
use super::bind::{Access, Resolved, resolve, value_of};
use crate::id::Id;
use crate::moment::{civil, day_of, days_from_civil, parse_date, parse_datetime, start_of_day};
use crate::org::Org;
use crate::schema::Kind;
use crate::table::Row;
use crate::value::Value;

/// A test of one row.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Compare(Access, Operator, Value),
    /// A named literal: a span of moments or days, its end excluded.
    Within(Access, Operator, Value, Value),
    Ids(Access, HashSet<Id>, bool),
    In(Access, Vec<Value>, bool),
    Like(Access, Vec<Wild>),
    Includes(Access, Vec<Vec<String>>, bool),
}

/// One step of a LIKE pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wild {
    Any,
    One,
    Char(char),
}

/// What binding needs to know.
pub(super) struct Scope<'a> {
    pub(super) org: &'a Org,
    pub(super) table: usize,
    pub(super) alias: Option<&'a str>,
    pub(super) now_ms: i64,
}

impl Scope<'_> {
    pub(super) fn test(&self, condition: &Condition) -> Result<Test, Malformed> {
        Ok(match condition {
            Condition::And(terms) => Test::And(terms.iter().map(|term| self.test(term)).collect::<Result<_, _>>()?),
            Condition::Or(terms) => Test::Or(terms.iter().map(|term| self.test(term)).collect::<Result<_, _>>()?),
            Condition::Not(term) => Test::Not(Box::new(self.test(term)?)),
            Condition::Compare { path, operator, literal } => self.comparison(path, *operator, literal)?,
            Condition::In { path, negated, literals } => self.membership(path, *negated, literals)?,
            Condition::Includes { path, negated, literals } => self.inclusion(path, *negated, literals)?,
        })
    }

    fn field(&self, path: &Path) -> Result<Resolved, Malformed> {
        let field = resolve(self.org, self.table, path, self.alias)?;
        if field.kind == Kind::Address || !field.filterable {
            let message = format!("field '{}' can not be filtered in a query call", field.name);
            return Err(Malformed::coded("INVALID_FIELD", path.at, message));
        }
        Ok(field)
    }

    fn comparison(&self, path: &Path, operator: Operator, literal: &Literal) -> Result<Test, Malformed> {
        let field = self.field(path)?;
        if operator == Operator::Like {
            let Literal::Text(pattern) = literal else {
                return Err(wrong_type(&field, path));
            };
            if !field.kind.is_text() {
                return Err(Malformed::coded(
                    "INVALID_QUERY_FILTER_OPERATOR",
                    path.at,
                    format!("invalid operator on {} field", field.kind.name()),
                ));
            }
            return Ok(Test::Like(field.access, wild(pattern)));
        }
        let ordering = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ordering && matches!(field.kind, Kind::Boolean | Kind::MultiPicklist) {
            return Err(Malformed::coded(
                "INVALID_QUERY_FILTER_OPERATOR",
                path.at,
                format!("invalid operator on {} field", field.kind.name()),
            ));
        }
        if let Literal::Named(name, number) = literal {
            let (from, to) = span(name, *number, self.now_ms);
            return match field.kind {
                Kind::Date => Ok(Test::Within(field.access, operator, Value::Date(from), Value::Date(to))),
                Kind::DateTime => {
                    let (from, to) = (Value::DateTime(start_of_day(from)), Value::DateTime(start_of_day(to)));
                    Ok(Test::Within(field.access, operator, from, to))
                }
                _ => Err(wrong_type(&field, path)),
            };
        }
        let value = typed(&field, path, literal)?;
        Ok(Test::Compare(field.access, operator, value))
    }

    fn membership(&self, path: &Path, negated: bool, literals: &[Literal]) -> Result<Test, Malformed> {
        let field = self.field(path)?;
        let values: Vec<Value> =
            literals.iter().map(|literal| typed(&field, path, literal)).collect::<Result<_, _>>()?;
        if matches!(field.kind, Kind::Id | Kind::Reference) && values.iter().all(|value| !value.is_null()) {
            return Ok(Test::Ids(field.access, values.iter().filter_map(Value::as_id).collect(), negated));
        }
        Ok(Test::In(field.access, values, negated))
    }

    fn inclusion(&self, path: &Path, negated: bool, literals: &[Literal]) -> Result<Test, Malformed> {
        let field = self.field(path)?;
        if field.kind != Kind::MultiPicklist {
            return Err(Malformed::coded(
                "INVALID_QUERY_FILTER_OPERATOR",
                path.at,
                "includes or excludes operator only valid on multipicklist fields",
            ));
        }
        let mut sets = Vec::new();
        for literal in literals {
            let Literal::Text(text) = literal else {
                return Err(wrong_type(&field, path));
            };
            sets.push(text.split(';').map(str::to_lowercase).collect());
        }
        Ok(Test::Includes(field.access, sets, negated))
    }
}

fn wrong_type(field: &Resolved, path: &Path) -> Malformed {
    let (kind, quotes) = match field.kind {
        Kind::Boolean => ("boolean", "should not"),
        Kind::Int => ("int", "should not"),
        Kind::Double | Kind::Percent => ("double", "should not"),
        Kind::Currency => ("currency", "should not"),
        Kind::Date => ("date", "should not"),
        Kind::DateTime => ("dateTime", "should not"),
        Kind::Id | Kind::Reference => ("reference", "should"),
        _ => ("string", "should"),
    };
    let message = format!(
        "value of filter criterion for field '{}' must be of type {kind} and {quotes} be enclosed in quotes",
        field.name
    );
    Malformed::coded("INVALID_FIELD", path.at, message)
}

/// The literal as a value of the field's type.
fn typed(field: &Resolved, path: &Path, literal: &Literal) -> Result<Value, Malformed> {
    let wrong = || wrong_type(field, path);
    Ok(match (literal, field.kind) {
        (Literal::Null, _) => Value::Null,
        (Literal::Bool(flag), Kind::Boolean) => Value::Bool(*flag),
        (Literal::Number(text), Kind::Int) => match text.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Double(text.parse().map_err(|_| wrong())?),
        },
        (Literal::Number(text), kind) if kind.is_number() => Value::Double(text.parse().map_err(|_| wrong())?),
        (Literal::DateTime(text), Kind::DateTime) => Value::DateTime(parse_datetime(text).ok_or_else(wrong)?),
        (Literal::Date(text), Kind::Date) => Value::Date(parse_date(text).ok_or_else(wrong)?),
        (Literal::Text(text), Kind::Id | Kind::Reference) if text.is_empty() => Value::Null,
        (Literal::Text(text), Kind::Id | Kind::Reference) => match text.parse() {
            Ok(id) => Value::Id(id),
            Err(error) => {
                return Err(Malformed::coded("INVALID_QUERY_FILTER_OPERATOR", path.at, format!("{error}")));
            }
        },
        (Literal::Text(text), kind) if kind.is_text() => Value::text(text),
        _ => return Err(wrong()),
    })
}

/// The days that a named literal covers, the last excluded. Weeks begin on Sunday.
fn span(name: &str, number: Option<u32>, now_ms: i64) -> (i64, i64) {
    let today = day_of(now_ms);
    let days = i64::from(number.unwrap_or(90));
    let (year, month, _) = civil(today);
    let month_start = |shift: i64| {
        let months = year * 12 + month - 1 + shift;
        days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1)
    };
    let week_start = today - (today + 4).rem_euclid(7);
    match name {
        "TODAY" => (today, today + 1),
        "YESTERDAY" => (today - 1, today),
        "TOMORROW" => (today + 1, today + 2),
        "THIS_WEEK" => (week_start, week_start + 7),
        "LAST_WEEK" => (week_start - 7, week_start),
        "NEXT_WEEK" => (week_start + 7, week_start + 14),
        "THIS_MONTH" => (month_start(0), month_start(1)),
        "LAST_MONTH" => (month_start(-1), month_start(0)),
        "NEXT_MONTH" => (month_start(1), month_start(2)),
        "THIS_YEAR" => (days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1)),
        "LAST_YEAR" => (days_from_civil(year - 1, 1, 1), days_from_civil(year, 1, 1)),
        "NEXT_YEAR" => (days_from_civil(year + 1, 1, 1), days_from_civil(year + 2, 1, 1)),
        "N_DAYS_AGO" => (today - days, today - days + 1),
        "NEXT_N_DAYS" | "NEXT_90_DAYS" => (today + 1, today + 1 + days),
        _ => (today - days, today + 1),
    }
}

fn wild(pattern: &str) -> Vec<Wild> {
    let mut steps = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(here) = chars.next() {
        match here {
            '%' => steps.push(Wild::Any),
            '_' => steps.push(Wild::One),
            '\\' if matches!(chars.peek(), Some('%' | '_')) => steps.extend(chars.next().map(Wild::Char)),
            other => steps.extend(other.to_lowercase().map(Wild::Char)),
        }
    }
    steps
}

/// Whether `text` matches, without regard to case.
fn matches(steps: &[Wild], text: &str) -> bool {
    let chars: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut step, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < chars.len() {
        match steps.get(step) {
            Some(Wild::Any) => {
                retry = Some((step, at));
                step += 1;
                continue;
            }
            Some(Wild::One) => {}
            Some(Wild::Char(wanted)) if *wanted == chars[at] => {}
            _ => match retry {
                Some((any, from)) => {
                    retry = Some((any, from + 1));
                    (step, at) = (any + 1, from + 1);
                    continue;
                }
                None => return false,
            },
        }
        step += 1;
        at += 1;
    }
    steps[step..].iter().all(|step| *step == Wild::Any)
}

impl Test {
    pub(crate) fn passes(&self, org: &Org, table: usize, row: Row) -> bool {
        let value = |access: &Access| value_of(org, table, row, access);
        match self {
            Self::And(terms) => terms.iter().all(|term| term.passes(org, table, row)),
            Self::Or(terms) => terms.iter().any(|term| term.passes(org, table, row)),
            Self::Not(term) => !term.passes(org, table, row),
            Self::Compare(access, operator, wanted) => compare(&value(access), *operator, wanted),
            Self::Within(access, operator, from, to) => {
                let value = value(access);
                match operator {
                    Operator::Equal => {
                        compare(&value, Operator::GreaterOrEqual, from) && compare(&value, Operator::Less, to)
                    }
                    Operator::NotEqual => {
                        compare(&value, Operator::Less, from) || compare(&value, Operator::GreaterOrEqual, to)
                    }
                    Operator::Less => compare(&value, Operator::Less, from),
                    Operator::LessOrEqual => compare(&value, Operator::Less, to),
                    Operator::Greater => compare(&value, Operator::GreaterOrEqual, to),
                    Operator::GreaterOrEqual => compare(&value, Operator::GreaterOrEqual, from),
                    Operator::Like => false,
                }
            }
            Self::Ids(access, ids, negated) => value(access).as_id().is_some_and(|id| ids.contains(&id)) != *negated,
            Self::In(access, wanted, negated) => {
                let value = value(access);
                wanted.iter().any(|wanted| compare(&value, Operator::Equal, wanted)) != *negated
            }
            Self::Like(access, steps) => value(access).as_text().is_some_and(|text| matches(steps, text)),
            Self::Includes(access, sets, negated) => {
                let value = value(access);
                let held: Vec<String> = value.as_text().unwrap_or("").split(';').map(str::to_lowercase).collect();
                sets.iter().any(|set| set.iter().all(|wanted| held.contains(wanted))) != *negated
            }
        }
    }
}

fn compare(value: &Value, operator: Operator, wanted: &Value) -> bool {
    use std::cmp::Ordering;
    let equal = if wanted.is_null() { value.is_null() } else { value.compare(wanted) == Some(Ordering::Equal) };
    match operator {
        Operator::Equal => equal,
        Operator::NotEqual => !equal,
        Operator::Less => value.compare(wanted) == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(value.compare(wanted), Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => value.compare(wanted) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(value.compare(wanted), Some(Ordering::Greater | Ordering::Equal)),
        Operator::Like => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_wildcards_and_escapes() {
        for (pattern, text, expected) in [
            ("a%c", "ABBC", true),
            ("a%c", "abcd", false),
            ("%b_", "aabx", true),
            ("50\\%", "50%", true),
            ("50\\%", "500", false),
            ("%", "", true),
            ("", "a", false),
            ("%a%b%", "xxaxxbxx", true),
        ] {
            assert_eq!(matches(&wild(pattern), text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn named_spans_cover_whole_months_and_years() {
        let now = parse_datetime("2026-01-15T12:00:00Z").unwrap();
        let days = |name, number| {
            let (from, to) = span(name, number, now);
            (crate::moment::date_text(from), crate::moment::date_text(to))
        };
        assert_eq!(days("LAST_MONTH", None), ("2025-12-01".to_owned(), "2026-01-01".to_owned()));
        assert_eq!(days("THIS_WEEK", None), ("2026-01-11".to_owned(), "2026-01-18".to_owned()));
        assert_eq!(days("LAST_N_DAYS", Some(2)), ("2026-01-13".to_owned(), "2026-01-16".to_owned()));
    }
}
