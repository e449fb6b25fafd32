//! Where a peer's counters live here: from places in the owner's table, which its records name, to places in ours.

use crate::base::Location;

/// How far beyond the places known so far a new one may be: a stranger's number must not make us reserve gigabytes.
const MAX_LEAP: usize = 1 << 16;

/// The places of one replica's counters. 4 bytes a counter.
#[derive(Debug)]
pub(super) struct Places {
    /// By the owner's shard, then by its slot; 0 for unknown, else our place plus one.
    shards: Vec<Vec<u32>>,
}

impl Default for Places {
    fn default() -> Self {
        Self { shards: vec![Vec::new(); 256] }
    }
}

impl Places {
    /// Our place for the counter at `theirs`.
    pub(super) fn get(&self, theirs: Location) -> Option<Location> {
        let ours = *self.shards.get((theirs.0 & 0xff) as usize)?.get((theirs.0 >> 8) as usize)?;
        ours.checked_sub(1).map(Location)
    }

    /// Remembers a place. A far leap is not remembered: its name will be asked for instead.
    pub(super) fn set(&mut self, theirs: Location, ours: Location) {
        let slot = (theirs.0 >> 8) as usize;
        let Some(shard) = self.shards.get_mut((theirs.0 & 0xff) as usize) else { return };
        if slot > shard.len() + MAX_LEAP {
            return;
        }
        if slot >= shard.len() {
            shard.resize(slot + 1, 0);
        }
        shard[slot] = ours.0.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_and_a_far_leap_is_not_remembered() {
        let mut places = Places::default();
        let theirs = Location(17 << 8 | 3);
        assert_eq!(places.get(theirs), None);
        places.set(theirs, Location(0));
        assert_eq!(places.get(theirs), Some(Location(0)));
        assert_eq!(places.get(Location(16 << 8 | 3)), None);
        let far = Location(0xffff_ff03);
        places.set(far, Location(1));
        assert_eq!(places.get(far), None);
    }
}
