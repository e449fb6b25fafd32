//! Digests: what a node has of every replica, in one entry a replica and not one a counter.

use super::numbers::NumberSet;
use crate::base::ReplicaIndex;
use std::borrow::Borrow;

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

/// How the node of a digest stands to one of the replicas in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// It is the replica's own.
    Owner,
    /// The replica's owner can be asked itself: then that is better.
    Hearsay,
    /// The owner is out of hearing: its last words are with whoever heard them.
    Relay,
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
    pub fn of_memory(held: impl IntoIterator<Item: Borrow<NumberSet>>) -> Self {
        let entry = |numbers: &NumberSet| DigestEntry {
            received: numbers.contiguous(),
            durable: numbers.contiguous(),
            beyond: numbers.hash_beyond(),
        };
        Self { entries: held.into_iter().map(|numbers| entry(numbers.borrow())).collect() }
    }

    /// Whether a node with this digest has something that one with `mine` lacks, and that is to be had from it.
    pub fn has_news_for(&self, mine: &Self, voice_of: impl Fn(ReplicaIndex) -> Voice) -> bool {
        self.iter().any(|(replica, theirs)| {
            let have = mine.entry(replica);
            let is_ahead = theirs.received > have.received;
            match voice_of(replica) {
                Voice::Owner => is_ahead,
                Voice::Hearsay => false,
                Voice::Relay => is_ahead || (theirs.beyond != 0 && theirs.beyond != have.beyond),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_more_of_a_replica_or_other_last_words_of_a_silent_one() {
        let mine = Digest::of_memory([&NumberSet::new(5, []), &NumberSet::new(3, [(5, 6)])]);
        let relay = |_| Voice::Relay;
        assert!(!mine.has_news_for(&mine, relay));
        assert!(mine.has_news_for(&Digest::default(), relay));
        assert!(mine.has_news_for(&Digest::default(), |_| Voice::Owner));
        assert!(!mine.has_news_for(&Digest::default(), |_| Voice::Hearsay));
        assert!(!Digest::default().has_news_for(&mine, relay));
        let other_words = Digest::of_memory([&NumberSet::new(5, []), &NumberSet::new(3, [(5, 7)])]);
        assert!(other_words.has_news_for(&mine, relay));
        assert!(!other_words.has_news_for(&mine, |_| Voice::Owner));
        let heard_nothing_beyond = Digest::of_memory([&NumberSet::new(5, []), &NumberSet::new(3, [])]);
        assert!(!heard_nothing_beyond.has_news_for(&mine, relay));
    }
}
