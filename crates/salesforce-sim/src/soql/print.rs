//! A [`Query`] back into text that parses to the same query.

use std::fmt;

use super::ast::{Condition, Item, Literal, Order, Path, Query};

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SELECT {} FROM {}", joined(&self.select), self.from)?;
        if let Some(alias) = &self.alias {
            write!(out, " {alias}")?;
        }
        if let Some(filter) = &self.filter {
            write!(out, " WHERE {filter}")?;
        }
        if !self.group_by.is_empty() {
            write!(out, " GROUP BY {}", joined(&self.group_by))?;
        }
        if !self.order_by.is_empty() {
            write!(out, " ORDER BY {}", joined(&self.order_by))?;
        }
        if let Some(limit) = self.limit {
            write!(out, " LIMIT {limit}")?;
        }
        if let Some(offset) = self.offset {
            write!(out, " OFFSET {offset}")?;
        }
        if self.all_rows { out.write_str(" ALL ROWS") } else { Ok(()) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(path) => path.fmt(out),
            Self::Count => out.write_str("COUNT()"),
            Self::Call { function, path, alias: None } => write!(out, "{function}({path})"),
            Self::Call { function, path, alias: Some(alias) } => write!(out, "{function}({path}) {alias}"),
            Self::Fields(which) => write!(out, "FIELDS({which})"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nested = |terms: &[Self], word: &str| {
            let terms: Vec<String> = terms
                .iter()
                .map(|term| match term {
                    Self::And(_) | Self::Or(_) => format!("({term})"),
                    _ => term.to_string(),
                })
                .collect();
            terms.join(word)
        };
        match self {
            Self::And(terms) => out.write_str(&nested(terms, " AND ")),
            Self::Or(terms) => out.write_str(&nested(terms, " OR ")),
            Self::Not(term) => write!(out, "NOT ({term})"),
            Self::Compare { path, operator, literal } => {
                write!(out, "{path} {} {}", operator.text(), shown(literal))
            }
            Self::In { path, negated, literals } => {
                let word = if *negated { "NOT IN" } else { "IN" };
                write!(out, "{path} {word} ({})", joined(literals))
            }
            Self::Includes { path, negated, literals } => {
                let word = if *negated { "EXCLUDES" } else { "INCLUDES" };
                write!(out, "{path} {word} ({})", joined(literals))
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&shown(self))
    }
}

fn shown(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Number(text) | Literal::DateTime(text) | Literal::Date(text) => text.clone(),
        Literal::Named(name, None) => name.clone(),
        Literal::Named(name, Some(number)) => format!("{name}:{number}"),
        Literal::Text(text) => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    let mut chars = text.chars().peekable();
    while let Some(here) = chars.next() {
        match here {
            '\\' if matches!(chars.peek(), Some('%' | '_')) => out.push('\\'),
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

impl fmt::Display for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { " DESC" } else { "" };
        let nulls = match self.nulls_last {
            None => "",
            Some(true) => " NULLS LAST",
            Some(false) => " NULLS FIRST",
        };
        write!(out, "{}{direction}{nulls}", self.path)
    }
}

fn joined(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
