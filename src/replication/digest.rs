//! Digests: what a node has of every replica, in one entry a replica and not one a counter.

use super::numbers::NumberSet;
use crate::base::ReplicaIndex;

/// What a node has of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DigestEntry {
    /// Everything up to this number has been received.
    pub received: u64,
    /// Everything up to this number will survive a crash of the node.
    pub durable: u64,
    /// A hash of the numbers held beyond `received`; 0 for none.
    pub beyond: u64,
}

/// What a node has of every replica it knows; by index.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Digest {
    entries: Vec<DigestEntry>,
}

impl Digest {
    /// The entry of a replica; all zero where the node never heard of it.
    pub fn entry(&self, replica: ReplicaIndex) -> DigestEntry {
        self.entries.get(replica.as_usize()).copied().unwrap_or_default()
    }

    /// Sets the entry of a replica.
    pub fn set(&mut self, replica: ReplicaIndex, entry: DigestEntry) {
        if self.entries.len() <= replica.as_usize() {
            self.entries.resize(replica.as_usize() + 1, DigestEntry::default());
        }
        self.entries[replica.as_usize()] = entry;
    }

    /// Every replica with its entry.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaIndex, DigestEntry)> + '_ {
        (0..).map(ReplicaIndex).zip(self.entries.iter().copied())
    }

    /// The digest of what is held in memory by a node that writes nothing down: what was received counts as durable,
    /// because such a node restarts with nothing of the others' and asks for all of it.
    pub fn of_memory<'a>(held: impl IntoIterator<Item = &'a NumberSet>) -> Self {
        let entry = |numbers: &NumberSet| DigestEntry {
            received: numbers.contiguous(),
            durable: numbers.contiguous(),
            beyond: numbers.hash_beyond(),
        };
        Self { entries: held.into_iter().map(entry).collect() }
    }

    /// Whether a node with this digest has something that one with `mine` lacks.
    ///
    /// `speaks_for_itself` tells of which replicas the owner is linked: what is held beyond the contiguous part of those
    /// comes from the owner, the last words of the others from whoever heard them.
    pub fn has_news_for(&self, mine: &Self, speaks_for_itself: impl Fn(ReplicaIndex) -> bool) -> bool {
        self.iter().any(|(replica, theirs)| {
            let have = mine.entry(replica);
            theirs.received > have.received
                || (theirs.beyond != 0 && theirs.beyond != have.beyond && !speaks_for_itself(replica))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_more_of_a_replica_or_other_last_words_of_a_silent_one() {
        let mine = Digest::of_memory([&NumberSet::new(5, []), &NumberSet::new(3, [(5, 6)])]);
        let none = |_| false;
        assert!(!mine.has_news_for(&mine, none));
        assert!(mine.has_news_for(&Digest::default(), none));
        assert!(!Digest::default().has_news_for(&mine, none));
        let other_words = Digest::of_memory([&NumberSet::new(5, []), &NumberSet::new(3, [(5, 7)])]);
        assert!(other_words.has_news_for(&mine, none));
        assert!(!other_words.has_news_for(&mine, |_| true));
        let heard_nothing_beyond = Digest::of_memory([&NumberSet::new(5, []), &NumberSet::new(3, [])]);
        assert!(!heard_nothing_beyond.has_news_for(&mine, none));
    }
}
