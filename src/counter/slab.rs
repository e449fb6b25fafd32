//! Numbered places for counters that never move: a place stays valid until it is given back.
//!
//! Grows by fixed chunks, so that no increment ever waits for millions of counters to be copied.

const CHUNK: usize = 128;

/// Values at stable indexes.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    used: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slab<T> {
    /// One above the highest index ever used.
    pub(super) fn end(&self) -> u32 {
        self.used
    }

    /// Puts a value into a free place.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            let (chunk, at) = split(index);
            self.chunks[chunk][at] = Some(value);
            return index;
        }
        let index = self.used;
        let (chunk, _) = split(index);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[chunk].push(Some(value));
        self.used += 1;
        index
    }

    /// Empties a place.
    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let (chunk, at) = split(index);
        let value = self.chunks.get_mut(chunk)?.get_mut(at)?.take();
        if value.is_some() {
            self.free.push(index);
        }
        value
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (chunk, at) = split(index);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (chunk, at) = split(index);
        self.chunks.get_mut(chunk)?.get_mut(at)?.as_mut()
    }
}

fn split(index: u32) -> (usize, usize) {
    (index as usize / CHUNK, index as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stays_while_others_come_and_go() {
        let mut slab = Slab::default();
        let places: Vec<u32> = (0..1000).map(|n| slab.insert(n)).collect();
        for place in places.iter().step_by(2) {
            assert!(slab.remove(*place).is_some());
            assert_eq!(slab.remove(*place), None);
        }
        let again: Vec<u32> = (0..500).map(|n| slab.insert(n + 5000)).collect();
        assert_eq!(slab.end(), 1000, "free places are taken first");
        for (n, place) in places.iter().enumerate().skip(1).step_by(2) {
            assert_eq!(slab.get(*place), Some(&n));
        }
        assert_eq!(again.iter().filter(|place| slab.get_mut(**place).is_some()).count(), 500);
        assert_eq!(slab.get(1000), None);
    }
}
