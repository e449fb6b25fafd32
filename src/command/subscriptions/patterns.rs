//! Patterns by the plain text that they begin with, so that a name is held only against those that may take it in.

use crate::base::Glob;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Patterns, each with the clients that are subscribed to it.
type Subscribed = BTreeMap<Arc<[u8]>, BTreeSet<u64>>;

/// All patterns that somebody is subscribed to, and by whom.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_beginning: BTreeMap<Box<[u8]>, Subscribed>,
    /// How many patterns there are with a beginning of this length.
    lengths: BTreeMap<usize, usize>,
    count: usize,
}

impl Patterns {
    /// How many different ones there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a subscriber. Answers whether the pattern is new.
    pub(super) fn add(&mut self, pattern: &Arc<[u8]>, client: u64) -> bool {
        let beginning = beginning(pattern);
        let of_beginning = self.by_beginning.entry(beginning.into()).or_default();
        if let Some(clients) = of_beginning.get_mut(pattern) {
            clients.insert(client);
            return false;
        }
        of_beginning.insert(Arc::clone(pattern), BTreeSet::from([client]));
        *self.lengths.entry(beginning.len()).or_default() += 1;
        self.count += 1;
        true
    }

    /// Takes a subscriber away.
    pub(super) fn remove(&mut self, pattern: &[u8], client: u64) {
        let beginning = beginning(pattern);
        let Some(of_beginning) = self.by_beginning.get_mut(beginning) else { return };
        let Some(clients) = of_beginning.get_mut(pattern) else { return };
        clients.remove(&client);
        if !clients.is_empty() {
            return;
        }
        of_beginning.remove(pattern);
        if of_beginning.is_empty() {
            self.by_beginning.remove(beginning);
        }
        self.count -= 1;
        if let Some(count) = self.lengths.get_mut(&beginning.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&beginning.len());
            }
        }
    }

    /// The patterns that take this name in, each with who is subscribed to it.
    pub(super) fn matching<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = (&'a Arc<[u8]>, &'a BTreeSet<u64>)> {
        let beginnings = self.lengths.keys().map_while(|length| name.get(..*length));
        let candidates = beginnings.filter_map(|beginning| self.by_beginning.get(beginning)).flatten();
        candidates.filter(|(pattern, _)| Glob::new(pattern).matches(name))
    }
}

/// What every name that the pattern takes in begins with.
fn beginning(pattern: &[u8]) -> &[u8] {
    let plain = pattern.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
    &pattern[..plain.unwrap_or(pattern.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    fn matching(patterns: &Patterns, name: &str) -> Vec<String> {
        let found = patterns.matching(name.as_bytes());
        found.map(|(pattern, _)| String::from_utf8_lossy(pattern).into_owned()).collect()
    }

    #[test]
    fn a_name_finds_the_patterns_that_take_it_in() {
        let mut patterns = Patterns::default();
        for text in ["*", "user:*", "user:1", "user:?", "user:[1-3]*", "us*", "\\user:1", "x*"] {
            assert!(patterns.add(&pattern(text), 1), "{text}");
        }
        assert!(!patterns.add(&pattern("*"), 2), "there already");
        let mut found = matching(&patterns, "user:1");
        found.sort();
        assert_eq!(found, ["*", "\\user:1", "us*", "user:*", "user:1", "user:?", "user:[1-3]*"]);
        assert_eq!(matching(&patterns, "user"), ["*", "us*"]);
        patterns.remove(b"*", 1);
        assert_eq!(matching(&patterns, "y"), ["*"], "the other client has it still");
        patterns.remove(b"*", 2);
        assert_eq!(matching(&patterns, "y"), [""; 0]);
    }

    proptest! {
        #[test]
        fn the_beginnings_leave_no_match_out(
            steps in proptest::collection::vec((any::<bool>(), "[ab*?\\[\\]\\\\^-]{0,4}", 0_u64..3), 0..40),
            names in proptest::collection::vec("[ab]{0,4}", 1..10),
        ) {
            let (mut patterns, mut plain) = (Patterns::default(), BTreeSet::new());
            for (add, text, client) in steps {
                if add {
                    let is_new = !plain.iter().any(|(known, _)| *known == text);
                    prop_assert_eq!(patterns.add(&pattern(&text), client), is_new);
                    plain.insert((text, client));
                } else {
                    patterns.remove(text.as_bytes(), client);
                    plain.remove(&(text, client));
                }
            }
            for name in names {
                let mut found = BTreeSet::new();
                for (pattern, clients) in patterns.matching(name.as_bytes()) {
                    let text = String::from_utf8_lossy(pattern).into_owned();
                    found.extend(clients.iter().map(|client| (text.clone(), *client)));
                }
                let expected: BTreeSet<_> =
                    plain.iter().filter(|(text, _)| Glob::new(text.as_bytes()).matches(name.as_bytes())).cloned().collect();
                prop_assert_eq!(found, expected);
            }
            for (text, client) in plain {
                patterns.remove(text.as_bytes(), client);
            }
            prop_assert!(patterns.is_empty() && patterns.by_beginning.is_empty() && patterns.lengths.is_empty());
        }
    }
}
