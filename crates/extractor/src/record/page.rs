//! Reads REST pages. Values stay raw text until they are copied into an image: no tree of values is built.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cell::Cell;
use super::image::assemble;
use super::layout::Layout;
use super::{AnswerInvalid, Fault, Records};
use crate::stamp::Stamp;

/// Salesforce never sends more records in one page.
const MAX_RECORDS: usize = 2_000;
/// Deeper nesting than this is no record.
const MAX_DEPTH: usize = 32;
/// What every link to a next page begins with.
const NEXT_PREFIX: &str = "/services/data/";

/// One page of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Records of the whole query.
    pub total: u64,
    /// Path of the next page on the same host; absent on the last one.
    pub next: Option<String>,
    /// The records.
    pub records: Records,
}

#[derive(Deserialize)]
struct WirePage<'a> {
    #[serde(rename = "totalSize")]
    total_size: u64,
    done: bool,
    #[serde(rename = "nextRecordsUrl", borrow, default)]
    next_records_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

/// Reads a page.
///
/// # Errors
/// [`AnswerInvalid`] when the page as a whole can't be believed. A record that can't be taken is a fault in the page instead.
pub fn parse(body: &[u8], layout: &Layout, server_time: Stamp) -> Result<Page, AnswerInvalid> {
    let wire = parse_frame(body)?;
    let mut records = Records::default();
    let mut cells = Vec::with_capacity(layout.columns().len());
    for raw in wire.records {
        match parse_record(raw.get(), layout, &mut cells) {
            Ok(()) => match assemble(layout, &cells, server_time) {
                Ok(record) => records.records.push(record),
                Err(fault) => records.faults.push(fault),
            },
            Err(RecordError::TooDeep) => {
                records.faults.push(Fault { id: None, code: "too_deep", field: String::new() })
            }
            Err(RecordError::NotARecord) => return Err(AnswerInvalid::Page),
        }
        // Borrowed cells must not outlive the record they came from.
        cells.clear();
    }
    Ok(Page { total: wire.total_size, next: wire.next_records_url.map(Cow::into_owned), records })
}

/// Reads how many records a count query found.
///
/// # Errors
/// [`AnswerInvalid::Page`] when the answer is none of a count.
pub fn parse_count(body: &[u8]) -> Result<u64, AnswerInvalid> {
    #[derive(Deserialize)]
    struct Count {
        #[serde(rename = "totalSize")]
        total_size: u64,
    }
    serde_json::from_slice::<Count>(body).map(|count| count.total_size).map_err(|_| AnswerInvalid::Page)
}

fn parse_frame(body: &[u8]) -> Result<WirePage<'_>, AnswerInvalid> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerInvalid::Page)?;
    let wire: WirePage<'_> = serde_json::from_str(text).map_err(|_| AnswerInvalid::Page)?;
    if wire.records.len() > MAX_RECORDS {
        return Err(AnswerInvalid::TooLarge);
    }
    let count = u64::try_from(wire.records.len()).unwrap_or(u64::MAX);
    if wire.total_size < count || wire.done == wire.next_records_url.is_some() {
        return Err(AnswerInvalid::Page);
    }
    if wire.next_records_url.as_ref().is_some_and(|next| !next.starts_with(NEXT_PREFIX)) {
        return Err(AnswerInvalid::NextUrl);
    }
    Ok(wire)
}

enum RecordError {
    TooDeep,
    NotARecord,
}

/// Fills `cells` in the order of the layout's columns.
fn parse_record<'a>(raw: &'a str, layout: &Layout, cells: &mut Vec<Cell<'a>>) -> Result<(), RecordError> {
    if is_too_deep(raw) {
        return Err(RecordError::TooDeep);
    }
    cells.clear();
    cells.resize(layout.columns().len(), Cell::Absent);
    let Entries(entries) = serde_json::from_str(raw).map_err(|_| RecordError::NotARecord)?;
    // Salesforce answers in the order of the query, so the column after the last one found is nearly always the next one.
    let mut hint = 0;
    for (key, value) in entries {
        if key == "attributes" {
            continue;
        }
        if let Some(column) = find(layout, hint, &key, None) {
            put(cells, column, cell_of(value))?;
            hint = column + 1;
        } else if value.get().starts_with('{') || value.get() == "null" {
            put_relation(layout, &key, value, cells)?;
        }
    }
    Ok(())
}

/// Fills the columns over one relation; a relation that is null makes all of them null.
fn put_relation<'a>(
    layout: &Layout,
    relation: &str,
    value: &'a RawValue,
    cells: &mut [Cell<'a>],
) -> Result<(), RecordError> {
    if value.get() == "null" {
        for (column, cell) in layout.columns().iter().zip(cells) {
            let concerned = column.path.relation().is_some_and(|(name, _)| name.eq_ignore_ascii_case(relation));
            if concerned && *cell == Cell::Absent {
                *cell = Cell::Null;
            }
        }
        return Ok(());
    }
    let Entries(entries) = serde_json::from_str(value.get()).map_err(|_| RecordError::NotARecord)?;
    for (key, value) in entries {
        if let Some(column) = find(layout, 0, &key, Some(relation)) {
            put(cells, column, cell_of(value))?;
        }
    }
    Ok(())
}

fn put<'a>(cells: &mut [Cell<'a>], column: usize, value: Cell<'a>) -> Result<(), RecordError> {
    let Some(cell) = cells.get_mut(column) else { return Ok(()) };
    if *cell != Cell::Absent {
        return Err(RecordError::NotARecord); // The same key twice: nobody can say which one is meant.
    }
    *cell = value;
    Ok(())
}

/// Finds a column, beginning at `hint`. Salesforce may answer in its own letter case.
fn find(layout: &Layout, hint: usize, key: &str, relation: Option<&str>) -> Option<usize> {
    let columns = layout.columns();
    let matches = |at: usize, exact: bool| {
        let path = &columns[at].path;
        let (wanted_relation, wanted) =
            path.relation().map_or((None, path.as_str()), |(relation, name)| (Some(relation), name));
        let same = |a: &str, b: &str| if exact { a == b } else { a.eq_ignore_ascii_case(b) };
        let same_relation = match (wanted_relation, relation) {
            (None, None) => true,
            (Some(wanted), Some(relation)) => same(wanted, relation),
            _ => false,
        };
        same_relation && same(wanted, key)
    };
    if hint < columns.len() && matches(hint, true) {
        return Some(hint);
    }
    (0..columns.len()).find(|at| matches(*at, true)).or_else(|| (0..columns.len()).find(|at| matches(*at, false)))
}

fn cell_of(value: &RawValue) -> Cell<'_> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'n') => Cell::Null,
        Some(b't') => Cell::Boolean(true),
        Some(b'f') => Cell::Boolean(false),
        Some(b'"') => text_cell(raw),
        Some(b'{' | b'[') => Cell::Nested,
        _ => Cell::Number(raw),
    }
}

fn text_cell(raw: &str) -> Cell<'_> {
    if !raw.as_bytes().contains(&b'\\') {
        return Cell::text(Cow::Borrowed(&raw[1..raw.len() - 1]));
    }
    // Half of a surrogate pair is refused by the decoder: it is no text.
    serde_json::from_str::<String>(raw).map_or(Cell::Broken, |text| Cell::text(Cow::Owned(text)))
}

fn is_too_deep(raw: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in raw.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The entries of a JSON object in their order, values raw.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Object<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(24);
                while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
                    entries.push((key, map.next_value::<&'a RawValue>()?));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object(std::marker::PhantomData))
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
