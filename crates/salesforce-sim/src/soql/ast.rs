//! A query as it was written.

/// A dotted name and where it stands in the text (characters from the start).
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) at: usize,
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Path {
    pub(crate) fn text(&self) -> String {
        self.segments.join(".")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) select: Vec<Item>,
    pub(crate) from: Path,
    pub(crate) alias: Option<String>,
    pub(crate) filter: Option<Condition>,
    pub(crate) group_by: Vec<Path>,
    pub(crate) order_by: Vec<Order>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) all_rows: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Field(Path),
    /// `COUNT()`.
    Count,
    /// `COUNT(Id)`, `MAX(x) alias`…; the name is upper case.
    Call {
        function: String,
        path: Path,
        alias: Option<String>,
    },
    /// `FIELDS(ALL)`; the argument is upper case.
    Fields(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        path: Path,
        operator: Operator,
        literal: Literal,
    },
    In {
        path: Path,
        negated: bool,
        literals: Vec<Literal>,
    },
    /// INCLUDES and EXCLUDES.
    Includes {
        path: Path,
        negated: bool,
        literals: Vec<Literal>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

impl Operator {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Like => "LIKE",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(String),
    /// In LIKE, `\%` and `\_` stay escaped.
    Text(String),
    /// As written.
    DateTime(String),
    /// As written.
    Date(String),
    /// `TODAY`, `LAST_N_DAYS:30`: upper case name and its number.
    Named(String, Option<u32>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) path: Path,
    pub(crate) descending: bool,
    /// `None`: as the server likes it, which is first.
    pub(crate) nulls_last: Option<bool>,
}
