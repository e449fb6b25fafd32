//! What one commit is to write: counters, in bytes already.

use super::sealed::seal;
use crate::counter::StoredCounter;
use crate::wire::encode_stored_counter;

/// A name and its record, or none where it is to be removed.
type Item = (Box<[u8]>, Option<Vec<u8>>);

/// Counters that changed, each under its name, or gone.
#[derive(Debug, Default)]
pub struct Changes {
    items: Vec<Item>,
    bytes: usize,
}

impl Changes {
    /// The counter as it is now; `None` when it is gone. The last word on a name counts.
    pub fn push(&mut self, name: &[u8], counter: Option<&StoredCounter>) {
        let value = counter.map(|counter| seal(name, |out| encode_stored_counter(counter, out)));
        self.bytes += name.len() + value.as_ref().map_or(0, Vec::len);
        self.items.push((name.into(), value));
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// About how many bytes will be written.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// The names, some maybe more than once.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().map(|(name, _)| &**name)
    }

    /// In order, one word a name: all of a batch have one number in the engine, which would take either of two.
    pub(super) fn settle(&mut self) -> &[Item] {
        // Stable: of one name, the last word is the last.
        self.items.sort_by(|a, b| a.0.cmp(&b.0));
        self.items.reverse();
        self.items.dedup_by(|later, first| later.0 == first.0);
        self.items.reverse();
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_name_counts() {
        let counter = StoredCounter::default();
        let mut changes = Changes::default();
        for (name, there) in [("b", true), ("a", false), ("b", false), ("c", false), ("c", true)] {
            changes.push(name.as_bytes(), there.then_some(&counter));
        }
        let settled: Vec<_> = changes.settle().iter().map(|(name, value)| (&name[..], value.is_some())).collect();
        assert_eq!(settled, [(&b"a"[..], false), (b"b", false), (b"c", true)]);
    }
}
