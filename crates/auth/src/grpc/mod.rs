//! The gRPC side: reads requests, writes answers, and says of each error what a caller may know.

mod connection;
mod failure;
mod token;
mod workspace;

pub use connection::ConnectionApi;
pub use token::TokenApi;
pub use workspace::WorkspaceApi;

use contract::convert::InvalidField;

const LONGEST_NAME: usize = 200;

/// Reads a name of 1 to 200 characters, without control characters.
fn name(field: &'static str, text: &str) -> Result<String, InvalidField> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(InvalidField { field, problem: "needs 1 to 200 characters, none of them control characters" });
    }
    Ok(text.to_owned())
}

/// Reads a name that may be absent.
fn optional_name(field: &'static str, text: &str) -> Result<String, InvalidField> {
    if text.trim().is_empty() { Ok(String::new()) } else { name(field, text) }
}
