//! Reads the wanted members of an image in one pass, without a tree.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fault::FaultCode;

/// Images nested deeper are refused.
const MAX_DEPTH: usize = 32;

/// The wanted members of one image, in the order of the wanted paths.
pub(crate) type Members<'a> = Vec<Option<&'a RawValue>>;

/// Returns the members of `image` named by `paths`; unknown members are skipped, of a doubled one the last counts.
pub(crate) fn members<'a>(image: &'a str, paths: &[Box<str>]) -> Result<Members<'a>, FaultCode> {
    if is_too_deep(image) {
        return Err(FaultCode::TooDeep);
    }
    let mut json = serde_json::Deserializer::from_str(image);
    let members = json.deserialize_map(Wanted { paths }).map_err(|_| FaultCode::ImageInvalid)?;
    json.end().map_err(|_| FaultCode::ImageInvalid)?;
    Ok(members)
}

/// Returns one member of an image as JSON text; `None` when the image lacks it or can't be read.
#[must_use]
pub fn raw<'a>(image: &'a str, path: &str) -> Option<&'a str> {
    members(image, &[path.into()]).ok()?.into_iter().next()?.map(RawValue::get)
}

/// Whether braces nest deeper than [`MAX_DEPTH`]. Few braces can't, so the walk is rare.
fn is_too_deep(image: &str) -> bool {
    let opening = image.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if opening <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in image.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

struct Wanted<'p> {
    paths: &'p [Box<str>],
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Members<'de> = vec![None; self.paths.len()];
        // Images of one read list their members in one order, so the next wanted path is most often the right one.
        let mut guess = 0;
        while let Some(found) = map.next_key_seed(Place { paths: self.paths, guess })? {
            match found {
                Some(place) => {
                    members[place] = Some(map.next_value::<&'de RawValue>()?);
                    guess = place + 1;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

/// Finds a member's name among the wanted paths.
struct Place<'p> {
    paths: &'p [Box<str>],
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        if self.paths.get(self.guess).is_some_and(|path| **path == *name) {
            return Ok(Some(self.guess));
        }
        Ok(self.paths.iter().position(|path| **path == *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw<'a>(image: &'a str, path: &str) -> Result<Option<&'a str>, FaultCode> {
        Ok(members(image, &[path.into()])?[0].map(RawValue::get))
    }

    #[test]
    fn a_member_keeps_its_text_as_it_was_written() {
        assert_eq!(raw(r#"{"A": 1.0E5 ,"B":"x"}"#, "A"), Ok(Some("1.0E5")));
        assert_eq!(raw(r#"{"A":1}"#, "B"), Ok(None));
        assert_eq!(raw(r#"{"A":1,"A":2}"#, "A"), Ok(Some("2")));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for image in ["", "[]", "null", "{", r#"{"A":1"#, r#"{"A":1} x"#] {
            assert_eq!(raw(image, "A"), Err(FaultCode::ImageInvalid), "{image}");
        }
    }

    #[test]
    fn unknown_members_may_nest_thirty_two_levels_and_no_more() {
        let nested = |depth: usize| format!(r#"{{"A":1,"X":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(raw(&nested(31), "A"), Ok(Some("1")));
        assert_eq!(raw(&nested(32), "A"), Err(FaultCode::TooDeep));
        let braces_in_text = format!(r#"{{"A":1,"X":"\"{}"}}"#, "[".repeat(100));
        assert_eq!(raw(&braces_in_text, "A"), Ok(Some("1")));
    }
}
