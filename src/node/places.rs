//! Where a peer's counters live here: from places in the owner's table, which its records name, to places in ours.

use crate::base::Location;
use prefetch_index::prefetch_index;

/// As many places as an owner frees at once; a chunk without a known place takes no memory.
const CHUNK: usize = 128;
/// How many chunks beyond those known so far a new place may be: a stranger's number must not make us reserve gigabytes.
const MAX_LEAP: usize = 512;

/// The places of one replica's counters. 4 bytes a counter.
#[derive(Debug)]
pub(super) struct Places {
    /// By the owner's shard, then by its slot.
    shards: Vec<Vec<Option<Box<Chunk>>>>,
    /// How many are known.
    known: usize,
    /// The chunk that [`Self::forget`] looks at next: a shard, and one of its chunks.
    next: (usize, usize),
}

/// 0 for unknown, else our place plus one.
#[derive(Clone, Debug)]
struct Chunk([u32; CHUNK]);

// Allocators have places of just this size; one for a word more would be a quarter larger.
const _: () = assert!(size_of::<Chunk>() == 512);

impl Default for Places {
    fn default() -> Self {
        Self { shards: vec![Vec::new(); 256], known: 0, next: (0, 0) }
    }
}

impl Places {
    /// How many places are known.
    pub(super) fn len(&self) -> usize {
        self.known
    }

    /// Our place for the counter at `theirs`.
    pub(super) fn get(&self, theirs: Location) -> Option<Location> {
        let (shard, chunk, at) = split(theirs);
        let chunk = self.shards.get(shard)?.get(chunk)?.as_ref()?;
        chunk.0.get(at)?.checked_sub(1).map(Location)
    }

    /// Has the processor fetch what [`Self::get`] will look at.
    pub(super) fn prefetch(&self, theirs: Location) {
        let (shard, chunk, at) = split(theirs);
        if let Some(Some(chunk)) = self.shards.get(shard).and_then(|shard| shard.get(chunk)) {
            prefetch_index(chunk.0.as_slice(), at);
        }
    }

    /// Remembers a place. A far leap is not remembered: its name will be asked for instead.
    pub(super) fn set(&mut self, theirs: Location, ours: Location) {
        let (shard, number, at) = split(theirs);
        let Some(shard) = self.shards.get_mut(shard) else { return };
        if number > shard.len() + MAX_LEAP {
            return;
        }
        if number >= shard.len() {
            shard.resize(number + 1, None);
        }
        let chunk = shard[number].get_or_insert_with(|| Box::new(Chunk([0; CHUNK])));
        self.known += usize::from(chunk.0[at] == 0);
        chunk.0[at] = ours.0.saturating_add(1);
    }

    /// Whether [`Self::forget`] is on its way through all chunks.
    pub(super) fn is_forgetting(&self) -> bool {
        self.next != (0, 0)
    }

    /// Looks at the next chunk, and forgets those of its places that `is_used` does not know any more. Answers whether that
    /// was the last chunk of all: the next look starts from the first.
    pub(super) fn forget(&mut self, is_used: impl Fn(Location) -> bool) -> bool {
        let (number, at) = self.next;
        let Some(shard) = self.shards.get_mut(number) else {
            self.next = (0, 0);
            return true;
        };
        if let Some(place) = shard.get_mut(at) {
            if let Some(chunk) = place {
                self.known -= chunk.forget(is_used);
                place.take_if(|chunk| chunk.is_empty());
            }
            self.next = (number, at + 1);
            return false;
        }
        while shard.pop_if(|chunk| chunk.is_none()).is_some() {}
        shard.shrink_to_fit();
        self.next = (number + 1, 0);
        false
    }
}

impl Chunk {
    /// Answers how many it has forgotten.
    fn forget(&mut self, is_used: impl Fn(Location) -> bool) -> usize {
        let mut forgotten = 0;
        for ours in &mut self.0 {
            if let Some(place) = ours.checked_sub(1).map(Location)
                && !is_used(place)
            {
                *ours = 0;
                forgotten += 1;
            }
        }
        forgotten
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|ours| *ours == 0)
    }
}

/// The owner's shard, the chunk of its slots, and the place in that.
fn split(theirs: Location) -> (usize, usize, usize) {
    let slot = (theirs.0 >> 8) as usize;
    ((theirs.0 & 0xff) as usize, slot / CHUNK, slot % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Places {
        fn chunks(&self) -> usize {
            self.shards.iter().flatten().flatten().count()
        }
    }

    fn place(shard: u32, slot: u32) -> Location {
        Location(slot << 8 | shard)
    }

    #[test]
    fn a_place_is_found_again_and_a_far_leap_is_not_remembered() {
        let mut places = Places::default();
        let theirs = place(3, 17);
        assert_eq!(places.get(theirs), None);
        places.set(theirs, Location(0));
        assert_eq!(places.get(theirs), Some(Location(0)));
        assert_eq!(places.get(place(3, 16)), None);
        let far = Location(0xffff_ff03);
        places.set(far, Location(1));
        assert_eq!((places.get(far), places.len()), (None, 1));
        places.set(theirs, Location(7));
        assert_eq!((places.get(theirs), places.len()), (Some(Location(7)), 1));
    }

    #[test]
    fn places_of_counters_that_are_gone_take_no_memory() {
        let mut places = Places::default();
        for slot in 0..5000 {
            places.set(place(slot % 256, slot), Location(slot));
        }
        let stays = |ours: Location| ours.0 == 4000 || ours.0 == 4257;
        let mut looks = 0;
        while !places.forget(stays) {
            looks += 1;
            assert!(looks < 100_000, "it has no end");
        }
        assert_eq!((places.len(), places.chunks()), (2, 2));
        assert_eq!(places.get(place(4000 % 256, 4000)), Some(Location(4000)));
        assert_eq!(places.get(place(1, 1)), None);
        while !places.forget(|_| false) {}
        assert_eq!((places.len(), places.chunks()), (0, 0));
        assert_eq!(places.shards.iter().map(Vec::capacity).sum::<usize>(), 0);
    }
}
