//! A body that comes in parts, gathered so that it is never in memory twice while it grows.

use bytes::Bytes;

/// How many bytes a block holds.
const BLOCK: usize = 64 << 10;

/// What has come so far. One buffer that grows would be copied again and again, and for a moment take three times as much.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<Vec<u8>>);

impl Blocks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            match self.0.last_mut() {
                Some(block) if block.len() < BLOCK => {
                    let (fits, rest) = part.split_at(part.len().min(BLOCK - block.len()));
                    block.extend_from_slice(fits);
                    part = rest;
                }
                _ => self.0.push(Vec::with_capacity(BLOCK)),
            }
        }
    }

    /// All of it, in one piece.
    pub(super) fn into_bytes(mut self) -> Bytes {
        if self.0.len() < 2 {
            return self.0.pop().unwrap_or_default().into();
        }
        let mut all = Vec::with_capacity(self.0.iter().map(Vec::len).sum());
        for block in self.0 {
            all.extend_from_slice(&block);
        }
        all.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_size_become_the_whole() {
        for sizes in [
            vec![],
            vec![5],
            vec![1; 70_000],
            vec![BLOCK],
            vec![BLOCK, 1],
            vec![300_000, 7, 0, 99_999],
        ] {
            let mut blocks = Blocks::default();
            let mut whole = Vec::new();
            for size in sizes {
                let part: Vec<u8> =
                    (whole.len()..whole.len() + size).map(|n| (n % 251) as u8).collect();
                blocks.push(&part);
                whole.extend(part);
            }
            assert_eq!(blocks.is_empty(), whole.is_empty());
            assert!(blocks.into_bytes() == whole);
        }
    }
}
