//! What is kept of a secret.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of a whole secret. It is compared in constant time only.
#[derive(Debug, Clone)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// That of no secret which anybody knows.
    pub(crate) const NOBODYS: Self = Self([0; 32]);

    pub(crate) fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(value(pair[0])? << 4 | value(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.is(other).into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        let upper = text.to_uppercase();
        for text in [text, &upper] {
            assert!(bool::from(Digest::parse(text).unwrap().is(&digest)));
        }
        assert!(!bool::from(digest.is(&Digest::NOBODYS)));
        for text in ["", "ba78", &text[1..], &text.replace('c', "+"), &text.replace('c', "g")] {
            assert!(Digest::parse(text).is_none(), "{text}");
        }
    }
}
