//! The parts of what all share that one key can have at once.

use access::KeyId;

/// How many groups keys are counted in: a counter for each key would have to be found, and forgotten again. Keys that meet
/// in a group share what one of them could have.
const GROUPS: usize = 64;

/// Something for each group of keys.
#[derive(Debug)]
pub(crate) struct Shares<T>(Vec<T>);

impl<T> Shares<T> {
    /// As this makes each of them.
    pub(crate) fn of(share: impl Fn() -> T) -> Self {
        Self((0..GROUPS).map(|_| share()).collect())
    }

    /// The share of this key.
    pub(crate) fn share(&self, key: KeyId) -> Option<&T> {
        // The digits of an id are random.
        let digits = key.as_str().bytes().fold(0, |sum, digit| sum * 31 + usize::from(digit));
        self.0.get(digits % GROUPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_share_and_most_keys_another_one() {
        let mut number = std::sync::atomic::AtomicUsize::new(0);
        let shares = Shares::of(|| number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        assert_eq!(*number.get_mut(), GROUPS);
        let digits = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut groups: Vec<usize> = Vec::new();
        for n in 0..1_024 {
            let id = [b'0', b'0', b'0', b'0', b'0', b'7', digits[n / 32], digits[n % 32]];
            let key = KeyId::parse(&id).unwrap();
            assert_eq!(shares.share(key), shares.share(key));
            groups.extend(shares.share(key));
        }
        groups.sort_unstable();
        let largest = groups.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap();
        assert!(largest <= 64, "{largest} of 1,024 keys are in one group");
    }
}
