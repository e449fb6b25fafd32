//! A mark a shard, seen without its lock.

use super::shared::SHARDS;
use std::sync::atomic::{AtomicU64, Ordering};

/// Marks of shards that have something for somebody.
#[derive(Debug, Default)]
pub(super) struct Marks {
    words: [AtomicU64; SHARDS / 64],
}

impl Marks {
    /// Whoever looks after whoever marked has gone on to say so sees the mark.
    pub(super) fn mark(&self, shard: u8) {
        let (word, bit) = self.place(shard);
        // Most are marked already, and looking is cheaper than writing.
        if word.load(Ordering::SeqCst) & bit == 0 {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    pub(super) fn is_marked(&self, shard: u8) -> bool {
        let (word, bit) = self.place(shard);
        word.load(Ordering::SeqCst) & bit != 0
    }

    /// Takes the mark away. Answers whether it was there.
    pub(super) fn take(&self, shard: u8) -> bool {
        let (word, bit) = self.place(shard);
        self.is_marked(shard) && word.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    pub(super) fn any(&self) -> bool {
        self.words.iter().any(|word| word.load(Ordering::SeqCst) != 0)
    }

    fn place(&self, shard: u8) -> (&AtomicU64, u64) {
        (&self.words[usize::from(shard) / 64], 1 << (shard % 64))
    }
}
