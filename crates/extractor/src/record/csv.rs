//! Reads pages of bulk results. Every cell is quoted text; null and empty look alike.

use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder};

use super::cell::Cell;
use super::image::assemble;
use super::layout::Layout;
use super::{AnswerInvalid, Records};
use crate::stamp::Stamp;

/// Reads one page of results.
///
/// Zero rows come as a header alone, as a line break alone, or as nothing at all.
///
/// # Errors
/// [`AnswerInvalid::Csv`] when a column is missing or a row has another number of cells: columns never shift.
pub fn parse(body: &[u8], layout: &Layout, server_time: Stamp) -> Result<Records, AnswerInvalid> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Records::default());
    }
    let mut reader = ReaderBuilder::new().has_headers(true).flexible(false).from_reader(body);
    let header = reader.byte_headers().map_err(|_| AnswerInvalid::Csv)?.clone();
    let positions = positions(&header, layout)?;
    let mut records = Records::default();
    let mut row = ByteRecord::new();
    while reader.read_byte_record(&mut row).map_err(|_| AnswerInvalid::Csv)? {
        let cells: Vec<Cell<'_>> = positions.iter().map(|at| row.get(*at).map_or(Cell::Absent, cell_of)).collect();
        match assemble(layout, &cells, server_time) {
            Ok(record) => records.records.push(record),
            Err(fault) => records.faults.push(fault),
        }
    }
    Ok(records)
}

/// Returns where each column of the layout stands in the rows; the order of the header is Salesforce's business.
fn positions(header: &ByteRecord, layout: &Layout) -> Result<Vec<usize>, AnswerInvalid> {
    layout
        .columns()
        .iter()
        .map(|column| {
            let wanted = column.path.as_str().as_bytes();
            let exact = header.iter().position(|name| name == wanted);
            exact.or_else(|| header.iter().position(|name| name.eq_ignore_ascii_case(wanted))).ok_or(AnswerInvalid::Csv)
        })
        .collect()
}

fn cell_of(bytes: &[u8]) -> Cell<'_> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Cell::Broken };
    if bytes.contains(&0) {
        // Salesforce is known to let NUL bytes through here; REST shows the same record without them.
        return Cell::text(Cow::Owned(text.replace('\0', "")));
    }
    Cell::text(Cow::Borrowed(text))
}
