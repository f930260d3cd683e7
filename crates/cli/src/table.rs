//! Tables for people: columns as wide as they need, no lines, nothing that moves the terminal's cursor.

use unicode_width::UnicodeWidthStr;

/// A cell wider than this is cut, so that one description does not push the others off the screen.
const WIDEST: usize = 60;

/// A table under construction.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with its headings.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_uppercase).to_vec()] }
    }

    /// A table of names and what they are, without headings.
    pub(crate) fn facts() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| cut(&printable(&cell))).to_vec());
    }

    /// Adds a row of a name and what it is; nothing when that is empty.
    pub(crate) fn fact(&mut self, name: &str, value: impl ToString) {
        let value = printable(&value.to_string());
        if !value.is_empty() {
            self.rows.push(vec![name.to_owned(), value]);
        }
    }

    /// Returns the lines; the last cell of a line is not padded.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let lines = self.rows.iter().map(|row| line(row, &widths));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in row.iter().zip(widths) {
        text.push_str(cell);
        let padding = width.saturating_sub(cell.width()) + 2;
        text.extend(std::iter::repeat_n(' ', padding));
    }
    text.trim_end().to_owned()
}

fn cut(cell: &str) -> String {
    if cell.width() <= WIDEST {
        return cell.to_owned();
    }
    let mut kept = String::new();
    for character in cell.chars() {
        if kept.width() + 2 > WIDEST {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

/// Replaces control characters: what comes from a record must not steer the terminal that shows it.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| if c.is_control() || is_direction_mark(c) { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}

/// Marks that turn the reading direction can make a line read as another one.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns "yes" or "no".
pub(crate) fn yes(value: bool) -> String {
    if value { "yes".to_owned() } else { "no".to_owned() }
}

/// Returns the text of what may be missing.
pub(crate) fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Returns "1 record", "2 records".
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_on_screen() {
        let mut table = Table::new(["name", "arr"]);
        table.row(["日本".into(), "1 EUR".into()]);
        table.row(["Acme".into(), "200 USD".into()]);
        assert_eq!(table.text(), "NAME  ARR\n日本  1 EUR\nAcme  200 USD");
    }

    #[test]
    fn a_cell_from_a_record_can_not_steer_the_terminal() {
        let mut table = Table::new(["name"]);
        table.row(["\u{1b}[2Jgone\nnext".into()]);
        assert_eq!(table.text(), "NAME\n\u{fffd}[2Jgone\u{fffd}next");
    }

    #[test]
    fn a_long_cell_is_cut_and_says_so() {
        let mut table = Table::new(["name"]);
        table.row(["x".repeat(255)]);
        let text = table.text();
        let cell = text.lines().nth(1).unwrap();
        assert!(cell.ends_with('…') && cell.width() <= WIDEST, "{cell}");
    }

    #[test]
    fn an_empty_fact_is_left_out() {
        let mut table = Table::facts();
        table.fact("state", "active");
        table.fact("ended", "");
        assert_eq!(table.text(), "state  active");
    }
}
