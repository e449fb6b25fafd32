//! The virtual network's links: who believes to be linked with whom, what waits on each stream, and which ways are blocked.
//!
//! Each side has its own view of a link, because each side finds out by itself, and late, that the other is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Default)]
pub(crate) struct Links {
    last: u64,
    /// The number of the link that the first believes to have with the second.
    views: BTreeMap<(usize, usize), u64>,
    /// Messages on their way from the first to the second, in order.
    streams: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    /// Nothing gets through from the first to the second.
    blocked: BTreeSet<(usize, usize)>,
}

impl Links {
    /// A new link of the two; what was on its way on an older one is gone.
    pub(crate) fn join(&mut self, a: usize, b: usize) -> u64 {
        self.last += 1;
        for way in [(a, b), (b, a)] {
            self.views.insert(way, self.last);
            self.streams.remove(&way);
        }
        self.last
    }

    /// The number of the link that `at` believes to have with `peer`.
    pub(crate) fn view(&self, at: usize, peer: usize) -> Option<u64> {
        self.views.get(&(at, peer)).copied()
    }

    /// `at` has found out that its link with `peer` is gone. Answers false if it knew, or has another link by now.
    pub(crate) fn lose(&mut self, at: usize, peer: usize, link: u64) -> bool {
        let is_present = self.view(at, peer) == Some(link);
        if is_present {
            self.views.remove(&(at, peer));
            self.streams.remove(&(peer, at));
        }
        is_present
    }

    pub(crate) fn push(&mut self, from: usize, to: usize, message: Vec<u8>) {
        self.streams.entry((from, to)).or_default().push_back(message);
    }

    pub(crate) fn pop(&mut self, from: usize, to: usize) -> Option<Vec<u8>> {
        self.streams.get_mut(&(from, to))?.pop_front()
    }

    pub(crate) fn block(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
    }

    pub(crate) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    pub(crate) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// Nothing that needs an answer works between the two.
    pub(crate) fn is_cut(&self, a: usize, b: usize) -> bool {
        self.is_blocked(a, b) || self.is_blocked(b, a)
    }
}
