//! The seed of a run: every random choice comes from it, each concern from a stream of its own.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The seed of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The random numbers of one concern: what another concern draws does not change them.
    pub(crate) fn stream(self, concern: &str) -> ChaCha8Rng {
        // FNV-1a: the same in every build, unlike the standard library's hashes.
        let hash = concern.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ChaCha8Rng::seed_from_u64(self.0 ^ hash)
    }
}
