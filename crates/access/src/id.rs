//! The name of a key: the part of its secret that is none.

use std::fmt;
use std::str::FromStr;

/// Crockford's digits of base 32, five bits each: no letter looks like a figure.
pub(crate) const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const LENGTH: usize = 8;

/// Names a key, in its secret, in the key file and in the log: 8 digits of base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; LENGTH]);

impl KeyId {
    /// The length of every id, in bytes.
    pub const LENGTH: usize = LENGTH;

    /// The id that is written so, if it is one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; LENGTH] = text.try_into().ok()?;
        digits.iter().all(|digit| DIGITS.contains(digit)).then_some(Self(digits))
    }

    /// How it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits are ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for KeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or("must be 8 digits of base 32, such as 7q2hm4xw")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
