//! A short name for a data directory.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The first 16 hexadecimal digits of the SHA-256 of a canonical path.
pub(crate) fn fingerprint(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_bytes());
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_the_head_of_the_sha256() {
        assert_eq!(fingerprint(Path::new("abc")), "ba7816bf8f01cfea");
    }
}
