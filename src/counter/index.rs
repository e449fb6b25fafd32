//! The index of a shard: from the hash of a name to the slot where its counter lies.
//!
//! Open addressing by buckets of one cache line each, so that a lookup waits for one line of this and then for the counter, and so that
//! both can be asked for ahead; a table with its tags apart from its slots takes two lines, of which the second cannot. A place is a
//! slot of 24 bits under a tag of 8 bits of the hash, 4 bytes in all. What does not fit its bucket lies in the next one with room
//! (linear probing, with tombstones where a full bucket may have been passed; Knuth, The Art of Computer Programming 3, 6.4).
//! This never looks at names: whoever asks says which slot is the one.

use prefetch_index::prefetch_index;

/// Places of a bucket: a cache line of 64 bytes.
const PLACES: usize = 16;
/// Of the places of all buckets, so many for each bucket may be used: few are found outside of theirs then.
const MOST_USED: usize = 13;
/// The part of a place that is the slot.
const SLOT: u32 = 0x00ff_ffff;
/// No slot has this number: a location has 24 bits for it, and so many counters in one of 256 shards fit no machine.
const EMPTY: u32 = SLOT;
/// Held a slot when its bucket was full: what was put behind that bucket must be found all the same.
const TOMBSTONE: u32 = SLOT | 1 << 24;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket([u32; PLACES]);

const EMPTY_BUCKET: Bucket = Bucket([EMPTY; PLACES]);

/// Slots by the hashes of names.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// None, or a power of two.
    buckets: Vec<Bucket>,
    slots: usize,
    /// Places that are not empty: slots and tombstones.
    used: usize,
}

impl Bucket {
    /// A bit for each place that has this tag, the lowest for the first.
    #[inline(always)]
    fn tagged(&self, tag: u32) -> u32 {
        let has_tag = |place: u32| (place ^ tag) & !SLOT == 0;
        self.0.iter().enumerate().fold(0, |places, (at, place)| places | u32::from(has_tag(*place)) << at)
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.0.contains(&EMPTY)
    }
}

/// The bits that are set, the lowest first.
#[inline(always)]
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (bit < u32::BITS).then_some(bit as usize)
    })
}

/// Bits of the hash that neither number buckets, in any index that fits memory, nor shards.
#[inline(always)]
fn tag(hash: u64) -> u32 {
    (hash >> 41 << 24) as u32
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.slots
    }

    /// How many places there are, taken or not.
    pub(super) fn capacity(&self) -> usize {
        self.buckets.len() * PLACES
    }

    #[inline(always)]
    fn first_bucket(&self, hash: u64) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    /// The slot with this hash that `is_it` says yes to.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.first_bucket(hash);
        loop {
            let bucket = self.buckets.get(at)?;
            for place in bits(bucket.tagged(tag(hash))) {
                let slot = bucket.0[place] & SLOT;
                if is_it(slot) {
                    return Some(slot);
                }
            }
            if bucket.has_room() {
                return None;
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
    }

    /// Adds a slot, which must not be there yet. `hash_of` answers the hash of each slot that is, where they have to move.
    pub(super) fn insert(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        debug_assert!(slot < SLOT, "slots have 24 bits, and one number is kept for none");
        if self.used >= self.capacity() / PLACES * MOST_USED {
            // With room to spare: where slots come and go, tombstones would soon fill it again.
            self.rebuild(self.slots + self.slots / 8 + 1, hash_of);
        }
        self.put(hash, slot);
    }

    /// There must be an empty place.
    fn put(&mut self, hash: u64, slot: u32) {
        let mut at = self.first_bucket(hash);
        loop {
            let bucket = &mut self.buckets[at];
            if let Some(place) = bucket.0.iter_mut().find(|place| **place & SLOT == SLOT) {
                self.used += usize::from(*place == EMPTY);
                *place = tag(hash) | slot;
                self.slots += 1;
                return;
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
    }

    /// Takes a slot out. Answers whether it was there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let place = tag(hash) | slot;
        let mut at = self.first_bucket(hash);
        while let Some(bucket) = self.buckets.get_mut(at) {
            let has_room = bucket.has_room();
            if let Some(found) = bucket.0.iter_mut().find(|found| **found == place) {
                *found = if has_room { EMPTY } else { TOMBSTONE };
                self.used -= usize::from(has_room);
                self.slots -= 1;
                return true;
            }
            if has_room {
                break;
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
        false
    }

    /// Takes no more memory than this many slots need, or those that there are.
    pub(super) fn shrink_to(&mut self, slots: usize, hash_of: impl Fn(u32) -> u64) {
        if buckets_for(slots.max(self.slots)) < self.buckets.len() {
            self.rebuild(slots.max(self.slots), hash_of);
        }
    }

    /// Moves all slots to as many buckets as `slots` of them need.
    fn rebuild(&mut self, slots: usize, hash_of: impl Fn(u32) -> u64) {
        let old = std::mem::replace(&mut self.buckets, vec![EMPTY_BUCKET; buckets_for(slots)]);
        (self.slots, self.used) = (0, 0);
        for place in old.iter().flat_map(|bucket| bucket.0).filter(|place| place & SLOT != SLOT) {
            self.put(hash_of(place & SLOT), place & SLOT);
        }
    }

    /// The bucket that [`Self::find`] looks at first is wanted in a moment.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch_index(&self.buckets, self.first_bucket(hash));
    }

    /// The slot with this hash, most likely, by what is found in one line.
    #[inline(always)]
    pub(super) fn guess(&self, hash: u64) -> Option<u32> {
        let bucket = self.buckets.get(self.first_bucket(hash))?;
        let place = bits(bucket.tagged(tag(hash))).next()?;
        Some(bucket.0[place] & SLOT)
    }
}

/// The least power of two of buckets in which so many slots are not too many.
fn buckets_for(slots: usize) -> usize {
    (slots.max(1)).div_ceil(MOST_USED).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few buckets and few tags, so that all that can collide does.
    fn hash_of(slot: u32) -> u64 {
        let mixed = u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed >> 62 | (mixed >> 40 & 3) << 41
    }

    fn find(index: &Index, slot: u32) -> Option<u32> {
        index.find(hash_of(slot), |found| found == slot)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32),
        Remove(u32),
        Shrink,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..300_u32).prop_map(Step::Insert),
            3 => (0..300_u32).prop_map(Step::Remove),
            1 => Just(Step::Shrink),
        ]
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_found_and_nothing_else(steps in proptest::collection::vec(step(), 0..900)) {
            let mut index = Index::default();
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(slot) if model.insert(slot, ()).is_none() => index.insert(hash_of(slot), slot, hash_of),
                    Step::Insert(_) => {}
                    Step::Remove(slot) => {
                        prop_assert_eq!(index.remove(hash_of(slot), slot), model.remove(&slot).is_some());
                    }
                    Step::Shrink => index.shrink_to(0, hash_of),
                }
                prop_assert_eq!(index.len(), model.len());
            }
            for slot in 0..300 {
                prop_assert_eq!(find(&index, slot), model.contains_key(&slot).then_some(slot));
            }
            prop_assert!(index.used <= index.capacity() / PLACES * MOST_USED, "a search always comes to an end");
        }
    }

    #[test]
    fn a_place_that_is_given_back_is_used_again() {
        let mut index = Index::default();
        for slot in 0..200 {
            index.insert(hash_of(slot), slot, hash_of);
        }
        let before = index.capacity();
        for slot in 200..20_000 {
            assert!(index.remove(hash_of(slot - 200), slot - 200));
            index.insert(hash_of(slot), slot, hash_of);
        }
        assert!(index.capacity() <= 2 * before, "{} places, {before} before", index.capacity());
        assert!((19_800..20_000).all(|slot| find(&index, slot) == Some(slot)));
    }

    #[test]
    fn slots_that_come_and_go_at_the_brink_of_growth_do_not_have_it_rebuilt_over_and_over() {
        let mixed = |slot: u32| ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(slot);
        let mut index = Index::default();
        let held = 64 * MOST_USED as u32 - 1;
        let moved = std::cell::Cell::new(0);
        let counted = |slot| {
            moved.set(moved.get() + 1);
            mixed(slot)
        };
        for slot in 0..held {
            index.insert(mixed(slot), slot, mixed);
        }
        for slot in held..held + 10_000 {
            assert!(index.remove(mixed(slot - held), slot - held));
            index.insert(mixed(slot), slot, counted);
        }
        assert!(moved.get() <= 20 * held, "{} slots moved for 10,000 exchanged, {held} at a time", moved.get());
    }

    #[test]
    fn a_removed_slot_does_not_hide_what_was_put_behind_its_full_bucket() {
        let mut index = Index::default();
        let hash_of = |slot: u32| u64::from(slot >= 4);
        // Of two buckets, the second is wanted by more than it has places: the last six lie in the first.
        for slot in 0..26 {
            index.insert(hash_of(slot), slot, hash_of);
        }
        assert_eq!(index.buckets.len(), 2);
        assert!(index.remove(1, 4));
        assert!(index.remove(1, 25));
        for slot in (0..4).chain(5..25) {
            assert_eq!(index.find(hash_of(slot), |found| found == slot), Some(slot));
        }
        assert_eq!(index.find(1, |found| found == 25), None);
    }

    #[test]
    fn nearly_all_are_guessed_right() {
        let mixed = |slot: u32| ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(slot);
        let mut index = Index::default();
        for slot in 0..40_000 {
            index.insert(mixed(slot), slot, mixed);
        }
        let right = (0..40_000).filter(|slot| index.guess(mixed(*slot)) == Some(*slot)).count();
        assert!(right > 37_000, "{right} of 40,000");
        assert_eq!(index.capacity(), 65_536, "four bytes each");
    }
}
