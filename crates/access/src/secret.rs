//! What a caller shows: made here, and never kept.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::digest::Digest;
use crate::id::DIGITS;
use crate::{Error, KeyId};

const PREFIX: &[u8] = b"onr_";

/// How many random digits of five bits each follow the id.
const RANDOM: usize = 40;

/// The length of every secret, in bytes.
pub(crate) const LENGTH: usize = PREFIX.len() + KeyId::LENGTH + 1 + RANDOM;

/// A secret that was just made: `onr_<id>_<random>`.
pub struct Secret(String);

impl Secret {
    /// Makes one from random bytes of the system.
    ///
    /// # Errors
    ///
    /// Fails if the system gives none.
    pub fn new() -> Result<Self, Error> {
        let mut random = [0; KeyId::LENGTH + RANDOM];
        OsRng.try_fill_bytes(&mut random).map_err(Error::Random)?;
        let mut digits = random.iter().map(|byte| char::from(DIGITS[usize::from(byte % 32)]));
        let mut secret = String::with_capacity(LENGTH);
        secret.push_str("onr_");
        secret.extend(digits.by_ref().take(KeyId::LENGTH));
        secret.push('_');
        secret.extend(digits);
        Ok(Self(secret))
    }

    /// The secret itself, for the one time that it is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn id(&self) -> Option<KeyId> {
        id_in(self.0.as_bytes())
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The id in something that looks like a secret.
pub(crate) fn id_in(shown: &[u8]) -> Option<KeyId> {
    let rest = shown.strip_prefix(PREFIX).filter(|_| shown.len() == LENGTH)?;
    let (id, rest) = rest.split_at(KeyId::LENGTH);
    let random = rest.strip_prefix(b"_")?;
    random.iter().all(|digit| DIGITS.contains(digit)).then(|| KeyId::parse(id))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_an_id_and_two_hundred_random_bits() {
        let secrets = [Secret::new().unwrap(), Secret::new().unwrap()];
        for secret in &secrets {
            let text = secret.expose();
            assert_eq!(text.len(), 53);
            let parts: Vec<_> = text.split('_').collect();
            assert_eq!(parts[0], "onr");
            assert_eq!(parts[1], secret.id().unwrap().as_str());
            assert_eq!(parts[2].len() * 5, 200);
            assert!(!format!("{secret:?}").contains(parts[1]));
        }
        assert_ne!(secrets[0].expose(), secrets[1].expose());
    }

    #[test]
    fn nothing_else_looks_like_one() {
        let secret = Secret::new().unwrap();
        let good = secret.expose();
        assert_eq!(id_in(good.as_bytes()), secret.id());
        for bad in [
            "",
            "onr_",
            &good[1..],
            &good[..52],
            &format!("{good}0"),
            &format!("{good} "),
            &good.to_uppercase(),
            &good.replace("onr_", "onr-"),
            &format!("onr_0000000_{}", &good[12..]),
            &format!("{}l", &good[..52]),
            &format!("{}é", &good[..51]),
        ] {
            assert_eq!(id_in(bad.as_bytes()), None, "{bad}");
        }
    }
}
