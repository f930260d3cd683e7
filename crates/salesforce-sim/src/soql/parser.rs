//! Tokens into a [`Query`], by recursive descent.

use super::Malformed;
use super::ast::{Condition, Item, Literal, Operator, Order, Path, Query};
use super::lexer::{Placed, Token, tokens};

/// Words that can't be names.
const RESERVED: [&str; 17] = [
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "LIKE", "IN", "NULL", "TRUE", "FALSE", "HAVING", "INCLUDES",
    "EXCLUDES", "LIMIT", "OFFSET", "NULLS",
];
/// Deepest nesting of parentheses and NOT.
const DEEPEST: usize = 100;
const LONGEST_QUERY: usize = 100_000;
const LARGEST_OFFSET: u64 = 2_000;

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Query, Malformed> {
    if text.chars().count() > LONGEST_QUERY {
        return Err(Malformed::at(0, "SOQL statements cannot be longer than 100000 characters.".to_owned()));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let query = parser.query()?;
    parser.expect_end()?;
    Ok(query)
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, Malformed>;

impl Parser {
    fn query(&mut self) -> Parsed<Query> {
        self.expect_word("SELECT")?;
        let mut select = vec![self.item()?];
        while self.take_symbol(",") {
            select.push(self.item()?);
        }
        self.expect_word("FROM")?;
        let from = Path { at: self.place(), segments: vec![self.any_name()?] };
        let alias = self.alias()?;
        let filter = if self.take_word("WHERE") { Some(self.condition()?) } else { None };
        let group_by = if self.take_word("GROUP") {
            self.expect_word("BY")?;
            self.paths()?
        } else {
            Vec::new()
        };
        let order_by = if self.take_word("ORDER") {
            self.expect_word("BY")?;
            self.orders()?
        } else {
            Vec::new()
        };
        let limit = if self.take_word("LIMIT") { Some(self.whole_number()?) } else { None };
        let offset_at = self.place();
        let offset = if self.take_word("OFFSET") { Some(self.whole_number()?) } else { None };
        if offset.is_some_and(|offset| offset > LARGEST_OFFSET) {
            return Err(Malformed::coded(
                "NUMBER_OUTSIDE_VALID_RANGE",
                offset_at,
                "Maximum SOQL offset allowed is 2000",
            ));
        }
        let all_rows = self.take_word("ALL");
        if all_rows {
            self.expect_word("ROWS")?;
        }
        Ok(Query { select, from, alias, filter, group_by, order_by, limit, offset, all_rows })
    }

    fn item(&mut self) -> Parsed<Item> {
        let path = self.path()?;
        if path.segments.len() > 1 || !self.take_symbol("(") {
            return Ok(Item::Field(path));
        }
        let function = path.segments[0].to_ascii_uppercase();
        if function == "COUNT" && self.take_symbol(")") {
            return Ok(Item::Count);
        }
        let inner = self.path()?;
        self.expect_symbol(")")?;
        if function == "FIELDS" {
            let which = inner.segments[0].to_ascii_uppercase();
            if inner.segments.len() > 1 || !matches!(which.as_str(), "ALL" | "STANDARD" | "CUSTOM") {
                return Err(Malformed::at(inner.at, format!("unexpected token: '{}'", inner.text())));
            }
            return Ok(Item::Fields(which));
        }
        if !matches!(
            function.as_str(),
            "COUNT" | "COUNT_DISTINCT" | "MAX" | "MIN" | "SUM" | "AVG" | "TOLABEL" | "CONVERTCURRENCY"
        ) {
            return Err(Malformed::at(path.at, format!("unexpected token: '{}'", path.text())));
        }
        let alias = match self.peek() {
            Token::Word(word) if !word.eq_ignore_ascii_case("FROM") => Some(self.name()?),
            _ => None,
        };
        Ok(Item::Call { function, path: inner, alias })
    }

    fn alias(&mut self) -> Parsed<Option<String>> {
        match self.peek() {
            Token::Word(word) if is_clause(word) => Ok(None),
            Token::Word(_) => Ok(Some(self.name()?)),
            _ => Ok(None),
        }
    }

    /// Conditions joined by AND, or by OR; the two may not mix without parentheses.
    fn condition(&mut self) -> Parsed<Condition> {
        let first = self.term()?;
        let (word, other) = match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("AND") => ("AND", "OR"),
            Token::Word(word) if word.eq_ignore_ascii_case("OR") => ("OR", "AND"),
            _ => return Ok(first),
        };
        let mut terms = vec![first];
        while self.take_word(word) {
            terms.push(self.term()?);
        }
        if self.next_is_word(other) {
            return Err(self.unexpected());
        }
        Ok(if word == "AND" { Condition::And(terms) } else { Condition::Or(terms) })
    }

    fn term(&mut self) -> Parsed<Condition> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Malformed::coded("QUERY_TOO_COMPLICATED", self.place(), "the query is nested too deeply"));
        }
        let term = if self.take_word("NOT") {
            Condition::Not(Box::new(self.term()?))
        } else if self.take_symbol("(") {
            let inner = self.condition()?;
            self.expect_symbol(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(term)
    }

    fn comparison(&mut self) -> Parsed<Condition> {
        let path = self.path()?;
        if self.take_word("NOT") {
            self.expect_word("IN")?;
            return Ok(Condition::In { path, negated: true, literals: self.literals()? });
        }
        if self.take_word("IN") {
            return Ok(Condition::In { path, negated: false, literals: self.literals()? });
        }
        if self.take_word("INCLUDES") {
            return Ok(Condition::Includes { path, negated: false, literals: self.literals()? });
        }
        if self.take_word("EXCLUDES") {
            return Ok(Condition::Includes { path, negated: true, literals: self.literals()? });
        }
        let operator = self.operator()?;
        let literal = self.literal()?;
        Ok(Condition::Compare { path, operator, literal })
    }

    fn operator(&mut self) -> Parsed<Operator> {
        if self.take_word("LIKE") {
            return Ok(Operator::Like);
        }
        let Token::Symbol(symbol) = self.peek() else {
            return Err(self.unexpected());
        };
        let operator = match *symbol {
            "=" => Operator::Equal,
            "!=" | "<>" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(operator)
    }

    fn literals(&mut self) -> Parsed<Vec<Literal>> {
        self.expect_symbol("(")?;
        let mut literals = vec![self.literal()?];
        while self.take_symbol(",") {
            literals.push(self.literal()?);
        }
        self.expect_symbol(")")?;
        Ok(literals)
    }

    fn literal(&mut self) -> Parsed<Literal> {
        let literal = match self.peek().clone() {
            Token::Number(text) => Literal::Number(text),
            Token::Text(text) => Literal::Text(text),
            Token::DateTime(text) => Literal::DateTime(text),
            Token::Date(text) => Literal::Date(text),
            Token::Word(word) => return self.word_literal(&word.to_ascii_uppercase()),
            Token::Symbol(_) | Token::End => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(literal)
    }

    fn word_literal(&mut self, word: &str) -> Parsed<Literal> {
        let literal = match word {
            "NULL" => Literal::Null,
            "TRUE" => Literal::Bool(true),
            "FALSE" => Literal::Bool(false),
            "TODAY" | "YESTERDAY" | "TOMORROW" | "THIS_WEEK" | "LAST_WEEK" | "NEXT_WEEK" | "THIS_MONTH"
            | "LAST_MONTH" | "NEXT_MONTH" | "THIS_YEAR" | "LAST_YEAR" | "NEXT_YEAR" | "LAST_90_DAYS"
            | "NEXT_90_DAYS" => Literal::Named(word.to_owned(), None),
            "LAST_N_DAYS" | "NEXT_N_DAYS" | "N_DAYS_AGO" => {
                self.at += 1;
                self.expect_symbol(":")?;
                let number_at = self.place();
                let number = self.whole_number()?;
                let number = u32::try_from(number).ok().filter(|number| *number <= 1_000_000);
                let Some(number) = number else {
                    return Err(Malformed::at(number_at, "the number of days is out of range".to_owned()));
                };
                return Ok(Literal::Named(word.to_owned(), Some(number)));
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(literal)
    }

    fn paths(&mut self) -> Parsed<Vec<Path>> {
        let mut paths = vec![self.path()?];
        while self.take_symbol(",") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    fn orders(&mut self) -> Parsed<Vec<Order>> {
        let mut orders = Vec::new();
        loop {
            let path = self.path()?;
            let descending = self.take_word("DESC") || {
                self.take_word("ASC");
                false
            };
            let nulls_last = if self.take_word("NULLS") {
                let last = self.take_word("LAST");
                if !last {
                    self.expect_word("FIRST")?;
                }
                Some(last)
            } else {
                None
            };
            orders.push(Order { path, descending, nulls_last });
            if !self.take_symbol(",") {
                return Ok(orders);
            }
        }
    }

    fn path(&mut self) -> Parsed<Path> {
        let at = self.place();
        let mut segments = vec![self.name()?];
        while self.take_symbol(".") {
            segments.push(self.any_name()?);
        }
        Ok(Path { segments, at })
    }

    fn name(&mut self) -> Parsed<String> {
        match self.peek() {
            Token::Word(word) if RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved)) => {
                Err(self.unexpected())
            }
            _ => self.any_name(),
        }
    }

    fn any_name(&mut self) -> Parsed<String> {
        match self.peek().clone() {
            Token::Word(word) if !is_clause(&word) || is_object_too(&word) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn whole_number(&mut self) -> Parsed<u64> {
        match self.peek() {
            Token::Number(text) => match text.parse() {
                Ok(number) => {
                    self.at += 1;
                    Ok(number)
                }
                Err(_) => Err(self.unexpected()),
            },
            _ => Err(self.unexpected()),
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    fn place(&self) -> usize {
        self.tokens[self.at].at
    }

    fn next_is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(next) if next.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.next_is_word(word);
        self.at += usize::from(taken);
        taken
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let taken = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        self.at += usize::from(taken);
        taken
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_end(&mut self) -> Parsed<()> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Malformed {
        Malformed::at(self.place(), format!("unexpected token: '{}'", self.peek().shown()))
    }
}

fn is_clause(word: &str) -> bool {
    ["FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "ALL", "HAVING"]
        .iter()
        .any(|clause| word.eq_ignore_ascii_case(clause))
}

/// `Group` and `Order` are objects, `ALL` is an argument of FIELDS.
fn is_object_too(word: &str) -> bool {
    ["GROUP", "ORDER", "ALL"].iter().any(|object| word.eq_ignore_ascii_case(object))
}
