//! Tables that people open in a spreadsheet, which takes cells that begin with certain signs for formulas.

/// Returns one line of a table, with its end.
pub(crate) fn line<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

/// Quotes a cell where it must be, and takes the power from what a spreadsheet would run.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_runs_nothing_and_splits_nothing() {
        assert_eq!(line(["a", "b c", ""]), "a,b c,\r\n");
        assert_eq!(line(["=cmd|'/c calc'!A1", "+1", "-2", "@SUM(A1)"]), "'=cmd|'/c calc'!A1,'+1,'-2,'@SUM(A1)\r\n");
        assert_eq!(
            line(["say \"hi\", you", "=1,2", "two\nlines"]),
            "\"say \"\"hi\"\", you\",\"'=1,2\",\"two\nlines\"\r\n"
        );
    }
}
