//! Names and passwords that nobody can guess.

use std::fs::File;
use std::io::Read;

use crate::Error;

/// Where the system gives random bytes.
const RANDOM: &str = "/dev/urandom";

/// 128 random bits, as 32 hexadecimal digits.
pub(crate) fn random_hex() -> Result<String, Error> {
    let mut random = [0; 16];
    File::open(RANDOM)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(Error::file("read", RANDOM))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let (one, other) = (random_hex().unwrap(), random_hex().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
