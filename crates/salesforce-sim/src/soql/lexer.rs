//! SOQL text into tokens.

use super::Malformed;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Number(String),
    DateTime(String),
    Date(String),
    Text(String),
    Symbol(&'static str),
    End,
}

impl Token {
    /// How the token is named in an error.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Number(text) | Self::DateTime(text) | Self::Date(text) | Self::Text(text) => {
                text.clone()
            }
            Self::Symbol(text) => (*text).to_owned(),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

/// A token and the character it starts at.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) at: usize,
}

/// Longest string literal in a WHERE clause.
const LONGEST_TEXT: usize = 4_000;

pub(crate) fn tokens(text: &str) -> Result<Vec<Placed>, Malformed> {
    let chars: Vec<char> = text.chars().collect();
    let mut placed = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let here = chars[at];
        let next = chars.get(at + 1).copied();
        let token = match here {
            blank if blank.is_whitespace() => {
                at += 1;
                continue;
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                while chars.get(at).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    at += 1;
                }
                Token::Word(chars[start..at].iter().collect())
            }
            digit
                if digit.is_ascii_digit()
                    || (matches!(digit, '-' | '+' | '.') && next.is_some_and(|c| c.is_ascii_digit())) =>
            {
                at = end_of_number(&chars, at);
                number_or_date(chars[start..at].iter().collect(), start)?
            }
            '\'' => {
                let (value, end) = string(&chars, at)?;
                at = end;
                Token::Text(value)
            }
            _ => {
                let symbol = match (here, next) {
                    ('!', Some('=')) => "!=",
                    ('<', Some('>')) => "<>",
                    ('<', Some('=')) => "<=",
                    ('>', Some('=')) => ">=",
                    ('<', _) => "<",
                    ('>', _) => ">",
                    ('=', _) => "=",
                    ('(', _) => "(",
                    (')', _) => ")",
                    (',', _) => ",",
                    ('.', _) => ".",
                    (':', _) => ":",
                    (other, _) => {
                        return Err(Malformed::at(start, format!("unexpected token: '{other}'")));
                    }
                };
                at += symbol.len();
                Token::Symbol(symbol)
            }
        };
        placed.push(Placed { token, at: start });
    }
    placed.push(Placed { token: Token::End, at: chars.len() });
    Ok(placed)
}

/// Numbers and moments share their first characters; a moment goes on over `T`, `:` and its zone.
fn end_of_number(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&here) = chars.get(at) {
        let inside = here.is_ascii_alphanumeric()
            || matches!(here, '.' | ':' | '-')
            || (here == '+' && chars.get(at + 1).is_some_and(char::is_ascii_digit));
        if !inside {
            break;
        }
        at += 1;
    }
    at
}

fn number_or_date(text: String, at: usize) -> Result<Token, Malformed> {
    let digits_then_dash =
        text.len() > 4 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit) && text.as_bytes()[4] == b'-';
    if digits_then_dash {
        if crate::moment::parse_datetime(&text).is_some() {
            return Ok(Token::DateTime(text));
        }
        if crate::moment::parse_date(&text).is_some() {
            return Ok(Token::Date(text));
        }
        return Err(Malformed::at(at, format!("line 1:{at} no viable alternative at character '{text}'")));
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    match text.parse::<f64>() {
        Ok(number) if plain && number.is_finite() => Ok(Token::Number(text)),
        _ => Err(Malformed::at(at, format!("unexpected token: '{text}'"))),
    }
}

fn string(chars: &[char], start: usize) -> Result<(String, usize), Malformed> {
    let mut value = String::new();
    let mut at = start + 1;
    loop {
        match chars.get(at) {
            None => return Err(Malformed::at(start, "unexpected token: '''".to_owned())),
            Some('\'') => break,
            Some('\\') => {
                let escaped = match chars.get(at + 1) {
                    Some('n' | 'N') => '\n',
                    Some('r' | 'R') => '\r',
                    Some('t' | 'T') => '\t',
                    Some('b' | 'B') => '\u{8}',
                    Some('f' | 'F') => '\u{c}',
                    Some(same @ ('\'' | '"' | '\\')) => *same,
                    Some(wildcard @ ('%' | '_')) => {
                        value.push('\\');
                        *wildcard
                    }
                    _ => {
                        return Err(Malformed::at(
                            at,
                            "invalid string literal: illegal character sequence '\\'".to_owned(),
                        ));
                    }
                };
                value.push(escaped);
                at += 2;
            }
            Some(other) => {
                value.push(*other);
                at += 1;
            }
        }
    }
    if value.chars().count() > LONGEST_TEXT {
        return Err(Malformed::at(start, "string literal exceeds maximum length of 4000 characters".to_owned()));
    }
    Ok((value, at + 1))
}
