//! How many refusals are written down, so that nobody can fill a disk with them. A value; the time is given.

use crate::base::{Monotonic, network_of};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// So many refusals of one user from one address are written down within [`WITHIN`].
const MOST: u32 = 20;
const WITHIN: Duration = Duration::from_secs(60);
/// Users and addresses that are told apart. Beyond that they are counted together.
const MAX_SOURCES: usize = 1024;

/// Who was refused: a user, or any for refused logins, whose names a stranger chooses; and an address without its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Source {
    user: String,
    address: String,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    since: Monotonic,
    written: u32,
    left_out: u64,
}

/// What was left out of one source, within a minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeftOut {
    pub(super) user: String,
    pub(super) address: String,
    pub(super) count: u64,
}

/// What was written down lately.
#[derive(Debug, Default)]
pub(super) struct AuditBound {
    sources: HashMap<Source, Spent>,
}

impl AuditBound {
    /// Whether one more is written down; counted either way.
    pub(super) fn take(&mut self, user: &str, remote: &str, now: Monotonic) -> bool {
        let address = remote.parse::<SocketAddr>().map(|address| network_of(address.ip()).to_string());
        let mut source = Source { user: user.to_owned(), address: address.unwrap_or_else(|_| remote.to_owned()) };
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            source = Source { user: "(others)".to_owned(), address: "(others)".to_owned() };
        }
        let spent = self.sources.entry(source).or_insert(Spent { since: now, written: 0, left_out: 0 });
        // What was left out before is told by whoever looks, each second.
        if spent.left_out == 0 && now.since(spent.since) >= WITHIN {
            *spent = Spent { since: now, written: 0, left_out: 0 };
        }
        if spent.written < MOST {
            spent.written += 1;
            return true;
        }
        spent.left_out += 1;
        false
    }

    /// What was left out of those whose minute is over. They are forgotten.
    pub(super) fn take_left_out(&mut self, now: Monotonic) -> Vec<LeftOut> {
        let mut all = Vec::new();
        self.sources.retain(|source, spent| {
            let is_over = now.since(spent.since) >= WITHIN;
            if is_over && spent.left_out > 0 {
                let Source { user, address } = source.clone();
                all.push(LeftOut { user, address, count: spent.left_out });
            }
            !is_over
        });
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn of_what_one_source_is_refused_a_bounded_part_is_written_and_the_rest_counted() {
        let mut bound = AuditBound::default();
        let written = (0..20_000).filter(|port| bound.take("ads", &format!("10.0.0.1:{port}"), at(1))).count();
        assert_eq!(written, 20, "whatever the port");
        assert!(bound.take("ads", "10.0.0.2:1", at(1)) && bound.take("dash", "10.0.0.1:1", at(1)));
        assert_eq!(bound.take_left_out(at(60)), []);
        let left_out = LeftOut { user: "ads".to_owned(), address: "10.0.0.1".to_owned(), count: 19_980 };
        assert_eq!(bound.take_left_out(at(61)), [left_out]);
        assert!(bound.take("ads", "10.0.0.1:1", at(62)), "another minute");
        assert_eq!(bound.take_left_out(at(200)), [], "nothing of that was left out");
    }

    #[test]
    fn so_many_sources_that_they_are_not_told_apart_are_bounded_together() {
        let mut bound = AuditBound::default();
        let written = (0..20_000).filter(|user| bound.take(&format!("user-{user}"), "path:0", at(1))).count();
        assert_eq!(written, MAX_SOURCES + 20);
        assert!(bound.sources.len() <= MAX_SOURCES + 1);
    }
}
