//! Reading a package, and making sure that it is the one before a byte of it is used.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::pins::{self, Package};
use crate::Error;

/// The whole of a package, which is what its pin says: it is read once, so nobody changes it after that.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) package: &'static Package,
    pub(crate) content: Vec<u8>,
}

impl Archive {
    /// Reads a file that must be one of these packages, to the byte.
    pub(crate) fn read(file: &Path, expected: &[&'static Package]) -> Result<Self, Error> {
        let largest = pins::largest();
        let open = File::open(file).map_err(Error::file("open the package", file))?;
        let mut content = Vec::new();
        open.take(largest + 1)
            .read_to_end(&mut content)
            .map_err(Error::file("read the package", file))?;
        let other = |what: String| Error::OtherPackage {
            file: file.to_owned(),
            what,
            expected: expected
                .iter()
                .map(|package| format!("{} (SHA-256 {})", package.name(), package.sha256))
                .collect(),
        };
        if content.len() as u64 > largest {
            return Err(other(format!("is larger than {largest} bytes")));
        }
        let sha256 = hexadecimal(&Sha256::digest(&content));
        match expected.iter().find(|package| package.sha256 == sha256) {
            Some(package) => Ok(Self { package, content }),
            None => Err(other(match pins::with_hash(&sha256) {
                Some(package) => format!("is the package for {}", package.machine()),
                None => format!("has {} bytes and the SHA-256 {sha256}", content.len()),
            })),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_another_one_is_refused_with_both_hashes() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("any.whl");
        std::fs::write(&file, "abc").unwrap();
        let expected = pins::for_this_machine(None);
        let message = Archive::read(&file, &expected).unwrap_err().to_string();
        assert!(message.contains("ba7816bf8f01cfea"), "{message}");
        for package in expected {
            assert!(message.contains(package.sha256), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let message = Archive::read(Path::new("/dev/zero"), &pins::for_this_machine(None));
        let message = message.unwrap_err().to_string();
        assert!(message.contains("is larger than"), "{message}");
    }
}
