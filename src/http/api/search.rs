//! A search among all counters, which is as costly as whoever asks makes it: a little at a time, with turns for all others in
//! between, and not for long.
//!
//! Names are copied before they are matched, so that no shard is held for it.

use std::time::{Duration, Instant};

use crate::base::{Glob, MAX_NAME_BYTES};
use crate::counter::Table;

/// As many as name each byte of the longest name behind a backslash.
const MAX_PATTERN_BYTES: usize = 2 * MAX_NAME_BYTES;
/// Places that one request looks at: with fewer hits than wanted it answers those, and where to go on.
const PLACES: usize = 50_000;
const PLACES_AT_ONCE: usize = 256;
/// Steps of matching, at the worst, without a look at the clock.
const STEPS_AT_ONCE: usize = 1 << 19;
/// For so long nobody else is answered, and so long it takes in all.
const A_TURN: Duration = Duration::from_millis(1);
const MAY_TAKE: Duration = Duration::from_millis(250);

/// What is looked for.
#[derive(Debug)]
pub(super) struct Search(Vec<u8>);

impl Search {
    /// This pattern; an empty one finds all, as none does. None where it is longer than any has to be.
    pub(super) fn new(pattern: &[u8]) -> Option<Self> {
        let pattern = if pattern.is_empty() { b"*" } else { pattern };
        (pattern.len() <= MAX_PATTERN_BYTES).then(|| Self(pattern.to_vec()))
    }

    pub(super) fn finds_all(&self) -> bool {
        self.glob().matches_all()
    }

    fn glob(&self) -> Glob<'_> {
        Glob::new(&self.0)
    }

    /// How many names are matched without a look at the clock.
    fn at_once(&self) -> usize {
        (STEPS_AT_ONCE / (self.0.len() * MAX_NAME_BYTES)).clamp(1, PLACES_AT_ONCE)
    }

    /// Up to `limit` names of the table from `cursor` on, and where to go on; 0 behind the last.
    pub(super) async fn page(&self, table: &Table, limit: usize, mut cursor: u64) -> (Vec<Box<[u8]>>, u64) {
        let mut turns = Turns::begin();
        let (mut seen, mut found) = (Names::default(), Vec::new());
        let mut places = PLACES;
        loop {
            // No place has more than one name, so there are never more than are wanted.
            let at_once = self.at_once().min(limit - found.len()).min(places);
            seen.clear();
            cursor = table.scan(cursor, at_once, &mut |name| seen.push(name));
            found.extend(seen.iter().filter(|name| self.glob().matches(name)).map(Box::from));
            places -= at_once;
            if cursor == 0 || found.len() >= limit || places == 0 || turns.are_over() {
                return (found, cursor);
            }
            turns.give().await;
        }
    }

    /// Those of a short list that are found, as far as there is time.
    pub(super) async fn among(&self, names: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
        if self.finds_all() {
            return names;
        }
        let (mut turns, mut found) = (Turns::begin(), Vec::new());
        for name in names {
            if self.glob().matches(&name) {
                found.push(name);
            }
            if turns.are_over() {
                break;
            }
            turns.give().await;
        }
        found
    }
}

/// Names one behind the other, for which memory is taken once.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.bytes[begin..*end])
    }
}

/// Whose turn it is on the thread that answers everybody.
struct Turns {
    began_at: Instant,
    turn_began_at: Instant,
}

impl Turns {
    fn begin() -> Self {
        let now = Instant::now();
        Self { began_at: now, turn_began_at: now }
    }

    fn are_over(&self) -> bool {
        self.began_at.elapsed() >= MAY_TAKE
    }

    /// Lets the others have theirs, if this one was long enough.
    async fn give(&mut self) {
        if self.turn_began_at.elapsed() >= A_TURN {
            tokio::task::yield_now().await;
            self.turn_began_at = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_as_long_as_the_longest_name_needs_it() {
        let escaped = b"\\*".repeat(MAX_NAME_BYTES);
        assert!(Search::new(&escaped).is_some_and(|search| search.glob().matches(&[b'*'; MAX_NAME_BYTES])));
        assert!(Search::new(&[b"?", &escaped[..]].concat()).is_none());
        assert!(Search::new(b"").is_some_and(|search| search.finds_all()));
    }

    #[test]
    fn names_that_were_copied_are_the_same() {
        let mut names = Names::default();
        for given in [&[&b"a"[..], b"bc"][..], &[b"", b"d", b""], &[]] {
            names.clear();
            given.iter().for_each(|name| names.push(name));
            assert_eq!(names.iter().collect::<Vec<_>>(), given);
        }
    }
}
