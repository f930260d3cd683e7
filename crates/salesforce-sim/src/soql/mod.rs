//! SOQL: read, checked against an org, run over its tables.

pub(crate) mod ast;
mod bind;
mod filter;
mod lexer;
mod parser;
mod print;
mod reach;
mod run;
mod select;

pub(crate) use bind::{Access, resolve, value_of};
pub(crate) use parser::parse;
pub(crate) use run::{Answer, Plan, plan, rows};
pub(crate) use select::{Out, Shape};

use crate::refusal::Refusal;

/// Why a query was refused, before the text around the place is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    code: &'static str,
    at: Option<usize>,
    message: String,
}

impl Malformed {
    fn at(at: usize, message: String) -> Self {
        Self { code: "MALFORMED_QUERY", at: Some(at), message }
    }

    fn coded(code: &'static str, at: usize, message: impl Into<String>) -> Self {
        Self { code, at: Some(at), message: message.into() }
    }

    fn plain(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, at: None, message: message.into() }
    }

    /// The answer, with the query text around the place and a caret below it.
    pub(crate) fn refusal(self, query: &str) -> Refusal {
        let Some(at) = self.at else {
            return Refusal::bad(self.code, self.message);
        };
        let before: Vec<char> = query.chars().take(at).collect();
        let row = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count();
        let line = query.split('\n').nth(row - 1).unwrap_or("");
        let hidden = column.saturating_sub(60);
        let shown: String = line.chars().skip(hidden).take(120).collect();
        let caret = " ".repeat(column - hidden);
        Refusal::bad(
            self.code,
            format!("\n{shown}\n{caret}^\nERROR at Row:{row}:Column:{}\n{}", column + 1, self.message),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    #[test]
    fn what_the_product_asks_parses_to_itself() {
        for text in [
            "SELECT Id, Name, Owner.Name FROM Account WHERE SystemModstamp >= 2026-08-01T00:00:00Z AND SystemModstamp < 2026-08-02T00:00:00.000+03:00 ORDER BY SystemModstamp, Id",
            "SELECT Id FROM Account WHERE (SystemModstamp > 2026-08-01T00:00:00Z OR (SystemModstamp = 2026-08-01T00:00:00Z AND Id > '001Kd00001a2B3cIAE')) AND SystemModstamp < 2026-08-02T00:00:00Z ORDER BY SystemModstamp DESC NULLS LAST, Id LIMIT 200 OFFSET 10",
            "SELECT COUNT() FROM Lead WHERE NOT (Status IN ('a', 'b')) OR Id NOT IN (null)",
            "SELECT COUNT(Id) n, MAX(SystemModstamp) FROM Lead GROUP BY Status, Rating",
            "SELECT FIELDS(STANDARD) FROM Account a WHERE a.Name LIKE 'O\\'Ne_l\\%%' AND CreatedDate = LAST_N_DAYS:30",
            "SELECT Id FROM Group",
        ] {
            let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(parse(&query.to_string()).unwrap(), query, "{query}");
        }
    }

    #[test]
    fn what_salesforce_refuses_is_refused_with_the_token() {
        for (text, token) in [
            ("SELECT FROM Account", "unexpected token: 'FROM'"),
            ("SELECT Id FROM", "unexpected token: '<EOF>'"),
            ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "unexpected token: 'OR'"),
            ("SELECT Id FROM Account WHERE Name = 'a' nonsense", "unexpected token: 'nonsense'"),
            ("SELECT Id FROM Account WHERE Name = 'O'Neil AND Id = 'x'", "unexpected token: 'Neil'"),
            ("SELECT Id FROM Account WHERE Name = 'open", "unexpected token: '''"),
            ("SELECT Id FROM Account WHERE Name = '\\x'", "illegal character sequence"),
            ("SELECT Id FROM Account OFFSET 2001", "Maximum SOQL offset allowed is 2000"),
            ("SELECT Id FROM Account WHERE CreatedDate > 2026-08-01T03:00:00 03:00", "no viable alternative"),
        ] {
            let refusal = parse(text).unwrap_err().refusal(text);
            assert!(refusal.message.contains(token), "{text}: {}", refusal.message);
        }
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        let text = "SELECT FROM Account";
        assert_eq!(
            parse(text).unwrap_err().refusal(text).message,
            "\nSELECT FROM Account\n       ^\nERROR at Row:1:Column:8\nunexpected token: 'FROM'"
        );
    }

    fn fragments() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "SELECT",
            "FROM",
            "WHERE",
            "Account",
            "Id",
            "Owner.Name",
            "(",
            ")",
            ",",
            "AND",
            "OR",
            "NOT",
            "IN",
            "=",
            "!=",
            "<=",
            "LIKE",
            "'a\\'b'",
            "'",
            "2026-08-01T00:00:00Z",
            "2026-08-01",
            "12.5",
            "-3",
            "null",
            "TRUE",
            "ORDER BY",
            "GROUP BY",
            "LIMIT",
            "OFFSET",
            "COUNT()",
            "COUNT(Id)",
            "FIELDS(ALL)",
            "LAST_N_DAYS:7",
            "ALL ROWS",
            "NULLS LAST",
            "\\",
            "🦾",
            "INCLUDES",
        ]);
        prop::collection::vec(words, 0..24).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            if let Err(error) = parse(&text) {
                error.refusal(&text);
            }
        }

        #[test]
        fn whatever_parses_prints_to_the_same_query(text in fragments()) {
            match parse(&text) {
                Ok(query) => prop_assert_eq!(parse(&query.to_string()).unwrap(), query),
                Err(error) => { error.refusal(&text); }
            }
        }

        #[test]
        fn any_text_in_a_literal_round_trips(value in "[^\u{0}]{0,40}") {
            let escaped = value.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r");
            let query = parse(&format!("SELECT Id FROM Account WHERE Name = '{escaped}'")).unwrap();
            prop_assert_eq!(parse(&query.to_string()).unwrap(), query);
        }
    }
}
