//! Numbered places for counters that never move: a place stays valid until it is given back.
//!
//! Grows by fixed chunks, so that no increment ever waits for millions of counters to be copied. A chunk without a
//! counter takes no memory. New counters go to the lowest places, so that the high ones empty in time.

use prefetch_index::prefetch_index;
use std::collections::BTreeSet;

/// As many as [`Chunk::taken`] has bits.
const CHUNK: usize = 128;
/// A list of chunks that is shorter than this is not worth shrinking.
const SMALL: usize = 64;

/// Values at stable indexes.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks with a free place.
    roomy: BTreeSet<u32>,
}

#[derive(Debug)]
struct Chunk<T> {
    /// A bit for each place, the lowest for the first.
    taken: u128,
    /// As long as the highest place ever taken; nothing at all where none is.
    places: Vec<Option<T>>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), roomy: BTreeSet::new() }
    }
}

impl<T> Default for Chunk<T> {
    fn default() -> Self {
        Self { taken: 0, places: Vec::new() }
    }
}

impl<T> Chunk<T> {
    /// Takes the lowest free place; there must be one.
    fn insert(&mut self, value: T) -> usize {
        let at = self.taken.trailing_ones() as usize;
        if self.places.capacity() == 0 {
            self.places.reserve_exact(CHUNK);
        }
        match self.places.get_mut(at) {
            Some(place) => *place = Some(value),
            // All below are taken, so this is the next.
            None => self.places.push(Some(value)),
        }
        self.taken |= 1 << at;
        at
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        let value = self.places.get_mut(at)?.take()?;
        self.taken &= !(1 << at);
        if self.taken == 0 {
            self.places = Vec::new();
        }
        Some(value)
    }
}

impl<T> Slab<T> {
    /// Above every index in use.
    pub(super) fn end(&self) -> u32 {
        (self.chunks.len() * CHUNK) as u32
    }

    /// Puts a value into the lowest free place, or nearly so.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let number = self.roomy.first().copied().unwrap_or_else(|| {
            let number = self.chunks.len() as u32;
            self.chunks.push(Chunk::default());
            self.roomy.insert(number);
            number
        });
        let chunk = &mut self.chunks[number as usize];
        let at = chunk.insert(value);
        if chunk.taken == u128::MAX {
            self.roomy.remove(&number);
        }
        number * CHUNK as u32 + at as u32
    }

    /// Empties a place.
    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let (number, at) = split(index);
        let chunk = self.chunks.get_mut(number)?;
        let was_full = chunk.taken == u128::MAX;
        let value = chunk.remove(at)?;
        if was_full {
            self.roomy.insert(number as u32);
        }
        if chunk.taken == 0 {
            self.drop_last_empty();
        }
        Some(value)
    }

    fn drop_last_empty(&mut self) {
        while self.chunks.pop_if(|chunk| chunk.taken == 0).is_some() {
            self.roomy.remove(&(self.chunks.len() as u32));
        }
        if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(SMALL.max(self.chunks.len() * 2));
        }
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (chunk, at) = split(index);
        self.chunks.get(chunk)?.places.get(at)?.as_ref()
    }

    /// Has the processor fetch a place that is looked at in a moment. Its first line is enough.
    pub(super) fn prefetch(&self, index: u32) {
        let (chunk, at) = split(index);
        if let Some(chunk) = self.chunks.get(chunk) {
            prefetch_index(&chunk.places, at);
        }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (chunk, at) = split(index);
        self.chunks.get_mut(chunk)?.places.get_mut(at)?.as_mut()
    }
}

fn split(index: u32) -> (usize, usize) {
    (index as usize / CHUNK, index as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl<T> Slab<T> {
        fn places_allocated(&self) -> usize {
            self.chunks.iter().map(|chunk| chunk.places.capacity()).sum()
        }
    }

    #[test]
    fn a_place_stays_while_others_come_and_go() {
        let mut slab = Slab::default();
        let places: Vec<u32> = (0..1000).map(|n| slab.insert(n)).collect();
        for place in places.iter().step_by(2) {
            assert!(slab.remove(*place).is_some());
            assert_eq!(slab.remove(*place), None);
        }
        let again: Vec<u32> = (0..500).map(|n| slab.insert(n + 5000)).collect();
        assert!(slab.end() <= 1024, "free places are taken first");
        for (n, place) in places.iter().enumerate().skip(1).step_by(2) {
            assert_eq!(slab.get(*place), Some(&n));
        }
        assert_eq!(again.iter().filter(|place| slab.get_mut(**place).is_some()).count(), 500);
        assert_eq!(slab.get(1024), None);
    }

    #[test]
    fn what_is_empty_takes_no_memory() {
        let mut slab = Slab::default();
        let places: Vec<u32> = (0..100_000).map(|n| slab.insert(n)).collect();
        let stays = places[70_000];
        for place in places.iter().filter(|place| **place != stays) {
            slab.remove(*place);
        }
        assert_eq!(slab.get(stays), Some(&70_000));
        assert_eq!(slab.places_allocated(), CHUNK);
        assert_eq!(slab.insert(1), 0, "the lowest place is taken again");
        slab.remove(stays);
        slab.remove(0);
        assert_eq!((slab.end(), slab.places_allocated(), slab.roomy.len()), (0, 0, 0));
        assert!(slab.chunks.capacity() <= SMALL);
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_and_no_place_twice(
            steps in proptest::collection::vec((any::<bool>(), 0_usize..600), 0..2000),
        ) {
            let (mut slab, mut plain) = (Slab::default(), BTreeMap::new());
            for (number, (put, at)) in steps.into_iter().enumerate() {
                if put || plain.is_empty() {
                    prop_assert_eq!(plain.insert(slab.insert(number), number), None);
                } else {
                    let place = *plain.keys().nth(at % plain.len()).expect("one of them");
                    prop_assert_eq!(slab.remove(place), plain.remove(&place));
                }
            }
            for index in 0..slab.end() + 2 {
                prop_assert_eq!(slab.get(index), plain.get(&index));
            }
            let used = plain.keys().map(|place| place / CHUNK as u32).collect::<BTreeSet<_>>();
            prop_assert_eq!(slab.places_allocated(), used.len() * CHUNK);
        }
    }
}
