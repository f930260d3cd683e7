//! Versions as the servers print them.

use std::fmt;

/// A server's version; order is release order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The text held no version number.
#[derive(Debug, thiserror::Error)]
#[error("no version number in {text:?}")]
pub struct InvalidVersion {
    text: String,
}

impl Version {
    /// A version by its parts.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The first part: what has to be the same in a browser and its driver.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.major
    }

    /// Reads the version out of what `--version` printed, such as `nats-server: v2.15.1` or
    /// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    ///
    /// Parts that are not printed count as 0; a suffix (`17beta1`, `2.12.6-RC.1`) is not looked at.
    ///
    /// # Errors
    /// No word of the text starts with a number.
    pub fn printed_in(text: &str) -> Result<Self, InvalidVersion> {
        text.split_whitespace()
            .map(|word| word.strip_prefix('v').unwrap_or(word))
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            .and_then(Self::leading)
            .ok_or_else(|| InvalidVersion { text: text.trim().to_owned() })
    }

    fn leading(word: &str) -> Option<Self> {
        let mut parts = [0_u32; 3];
        for (part, text) in parts.iter_mut().zip(word.split('.')) {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            *part = digits.parse().ok()?;
            if digits.len() < text.len() {
                break;
            }
        }
        let [major, minor, patch] = parts;
        Some(Self::new(major, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_around_a_version_do_not_matter() {
        let printed = [
            ("nats-server: v2.15.1\n", Version::new(2, 15, 1)),
            ("nats-server: v2.12.6-RC.1", Version::new(2, 12, 6)),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Version::new(15, 18, 0)),
            ("postgres (PostgreSQL) 18beta1", Version::new(18, 0, 0)),
            ("postgres (PostgreSQL) 17devel", Version::new(17, 0, 0)),
        ];
        for (text, expected) in printed {
            assert_eq!(Version::printed_in(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_two_digit_part_is_newer_than_a_one_digit_part() {
        assert!(Version::new(2, 9, 10) < Version::new(2, 12, 6));
        assert!(Version::new(2, 12, 5) < Version::new(2, 12, 6));
        assert!(Version::new(9, 6, 24) < Version::new(15, 0, 0));
    }

    #[test]
    fn text_without_a_number_is_no_version() {
        for text in ["", "command not found", "version unknown", "v"] {
            assert!(Version::printed_in(text).is_err(), "{text:?}");
        }
    }
}
