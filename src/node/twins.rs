//! Two processes that run as one node, as they do when a machine was cloned or a data directory copied.
//!
//! Every process greets with a number of its own. Who restarts has a new one, and the old is never heard again; so when
//! an earlier one is heard after a later, two run. The later-come is refused then, for as long as the earlier is there.
//! So is one that comes from another place than a process that was just heard, before it can count in that one's name:
//! should the node have moved, it is let in a little later. Whoever restarts where it was, reconnects, or learns its address
//! must never be refused.

use super::event::Event;
use super::input::{CloseCause, Output};
use super::machine::Node;
use crate::base::{Monotonic, NodeId};
use crate::wire::Hello;
use std::net::IpAddr;
use std::time::Duration;

/// Twins take each other's links away many times a second.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Whoever was silent for this long is gone, and its twin may take its place.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// Whoever was silent for this long may have moved.
const MOVED_AFTER: Duration = Duration::from_secs(3);
/// Whoever was refused asks again after this long: each time it takes the other's link away for a moment.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Processes remembered of one node.
const MAX_PROCESSES: usize = 4;

/// A process as it greeted last.
#[derive(Debug)]
struct Process {
    instance: u64,
    host: String,
    mesh_port: u16,
    /// Where its words came from.
    seen_at: Option<IpAddr>,
    heard_at: Monotonic,
    /// It came later than one that was heard after it.
    is_late: bool,
    /// It said goodbye.
    has_left: bool,
}

/// The processes that greeted in one node's name, in the order in which they first did.
#[derive(Debug, Default)]
pub(super) struct Twins {
    processes: Vec<Process>,
    /// The one that was let in last.
    present: u64,
    told_at: Option<Monotonic>,
}

/// What a greeting makes of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It is the node.
    Welcome,
    /// It is the node, and the process that was taken for it since runs, too: where that one is.
    WelcomeBack(String, u16),
    /// Another is the node: where that one is.
    Refused(String, u16),
}

impl Process {
    /// Whether a greeting comes from elsewhere. Either address may be another for the same place.
    fn is_elsewhere(&self, hello: &Hello, seen_at: Option<IpAddr>) -> bool {
        self.mesh_port != hello.mesh_port || (self.host != hello.host && self.seen_at != seen_at)
    }
}

impl Twins {
    /// Takes a greeting from this address.
    pub(super) fn greeted(&mut self, hello: &Hello, seen_at: Option<IpAddr>, now: Monotonic) -> Greeting {
        let place_of = |process: &Process| (process.host.clone(), process.mesh_port);
        let at = |instance| self.processes.iter().position(|process| process.instance == instance);
        let (known, present) = (at(hello.instance), at(self.present));
        let verdict = match (known, present) {
            (Some(known), Some(present)) if known != present => {
                let (host, port) = place_of(&self.processes[present]);
                if !self.processes[known].is_late {
                    self.processes[present].is_late = true;
                    Greeting::WelcomeBack(host, port)
                } else if now.since(self.processes[present].heard_at) <= GONE_AFTER {
                    return Greeting::Refused(host, port);
                } else {
                    self.processes.remove(present);
                    Greeting::Welcome
                }
            }
            (None, Some(present)) => {
                let present = &self.processes[present];
                if !present.has_left
                    && now.since(present.heard_at) <= MOVED_AFTER
                    && present.is_elsewhere(hello, seen_at)
                {
                    let (host, port) = place_of(present);
                    return Greeting::Refused(host, port);
                }
                Greeting::Welcome
            }
            _ => Greeting::Welcome,
        };
        self.present = hello.instance;
        self.note(hello, seen_at, now);
        verdict
    }

    fn note(&mut self, hello: &Hello, seen_at: Option<IpAddr>, now: Monotonic) {
        let process = Process {
            instance: hello.instance,
            host: hello.host.clone(),
            mesh_port: hello.mesh_port,
            seen_at,
            heard_at: now,
            is_late: false,
            has_left: false,
        };
        match self.processes.iter_mut().find(|known| known.instance == hello.instance) {
            Some(known) => *known = process,
            None => self.processes.push(process),
        }
        if self.processes.len() > MAX_PROCESSES {
            let is_other = |(_, process): &(usize, &Process)| process.instance != self.present;
            let silent = self.processes.iter().enumerate().filter(is_other).min_by_key(|(_, process)| process.heard_at);
            if let Some(at) = silent.map(|(at, _)| at) {
                self.processes.remove(at);
            }
        }
    }

    /// The present process was heard.
    pub(super) fn heard(&mut self, now: Monotonic) {
        if let Some(present) = self.processes.iter_mut().find(|process| process.instance == self.present) {
            present.heard_at = now;
        }
    }

    /// The present process said goodbye, and may be back elsewhere at once.
    pub(super) fn said_goodbye(&mut self) {
        if let Some(present) = self.processes.iter_mut().find(|process| process.instance == self.present) {
            present.has_left = true;
        }
    }

    fn is_to_be_told(&mut self, now: Monotonic) -> bool {
        is_to_be_told(&mut self.told_at, now)
    }
}

/// Whether the last time is long ago, or there was none; notes that it is now if so.
fn is_to_be_told(told_at: &mut Option<Monotonic>, now: Monotonic) -> bool {
    let is_old = told_at.is_none_or(|at| now.since(at) >= TOLD_EVERY);
    if is_old {
        *told_at = Some(now);
    }
    is_old
}

impl Node {
    /// Whether another process is this node; then the link to the one that greeted is closed.
    pub(super) fn is_refused_as_twin(&mut self, from: NodeId, hello: &Hello, now: Monotonic) -> bool {
        let Some(peer) = self.peers.get_mut(&from) else { return true };
        let seen_at = peer.seen_at.map_or_else(String::new, |seen| seen.to_string());
        let place = |host: &str| if host.is_empty() { seen_at.clone() } else { host.to_owned() };
        let here = (place(&hello.host), hello.mesh_port);
        let (there, is_refused) = match peer.twins.greeted(hello, peer.seen_at, now) {
            Greeting::Welcome => return false,
            Greeting::WelcomeBack(host, port) => ((place(&host), port), false),
            Greeting::Refused(host, port) => ((place(&host), port), true),
        };
        let is_to_be_told = peer.twins.is_to_be_told(now);
        let (incumbent, late) = if is_refused { (there, here) } else { (here, there) };
        if is_refused {
            let text = format!(
                "another server runs as node {from}, at {} port {}. If this one is a copy, stop it and start it with an \
                 empty --data-dir, so that it makes its own key",
                incumbent.0.chars().take(64).collect::<String>(),
                incumbent.1
            );
            let meeting = peer.link.as_mut().and_then(|link| link.meeting.take());
            self.answer(meeting, Err(text.clone()));
            self.outputs.push_back(Output::Close { peer: from, cause: CloseCause::Twin(text) });
        }
        if is_to_be_told {
            self.emit(Event::Twins { peer: from, here: incumbent, there: late });
        }
        is_refused
    }

    /// A peer takes nothing from this process because another is this node. That may change.
    pub(super) fn told_of_twin(&mut self, peer: NodeId, text: &str, now: Monotonic) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.redial_at = now.after(REFUSED_FOR);
        }
        self.learn_that_it_is_a_copy(now);
        if is_to_be_told(&mut self.twin_told_at, now) {
            self.emit(Event::Twin { peer, text: text.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Incarnation, Labels};
    use crate::counter::Precision;

    fn hello(instance: u64, mesh_port: u16) -> Hello {
        Hello {
            incarnation: Incarnation(1),
            host: "192.0.2.1".to_owned(),
            client_port: mesh_port,
            mesh_port,
            meet: false,
            you: String::new(),
            instance,
            default_precision: Precision::ONE,
            drawn_before: 0,
            labels: Labels::default(),
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::ZERO.after(Duration::from_secs(seconds))
    }

    fn refused(port: u16) -> Greeting {
        Greeting::Refused("192.0.2.1".to_owned(), port)
    }

    fn greet(twins: &mut Twins, instance: u64, port: u16, second: u64) -> Greeting {
        twins.greeted(&hello(instance, port), None, at(second))
    }

    #[test]
    fn a_node_that_reconnects_restarts_or_moves_is_one() {
        let mut twins = Twins::default();
        let greetings =
            [(1, 7, 0), (1, 7, 0), (1, 8, 0), (2, 8, 0), (2, 8, 0), (3, 7, 4), (4, 7, 4), (5, 7, 4), (6, 9, 8)];
        for (instance, port, second) in greetings {
            assert_eq!(greet(&mut twins, instance, port, second), Greeting::Welcome, "{instance}");
        }
        assert!(twins.processes.len() <= MAX_PROCESSES);
    }

    #[test]
    fn one_that_comes_from_elsewhere_while_the_node_is_heard_is_refused_at_once() {
        let mut twins = Twins::default();
        greet(&mut twins, 1, 7, 0);
        for second in 1..30 {
            twins.heard(at(second));
            assert_eq!(greet(&mut twins, 2, 8, second), refused(7));
            assert_eq!(greet(&mut twins, 1, 7, second), Greeting::Welcome);
        }
        assert_eq!(greet(&mut twins, 2, 8, 32), refused(7), "it was heard three seconds ago");
        assert_eq!(greet(&mut twins, 2, 8, 33), Greeting::Welcome, "it has moved");
    }

    #[test]
    fn one_that_said_goodbye_may_be_back_elsewhere_at_once() {
        let mut twins = Twins::default();
        greet(&mut twins, 1, 7, 0);
        twins.said_goodbye();
        assert_eq!(greet(&mut twins, 2, 8, 0), Greeting::Welcome);
        assert_eq!(greet(&mut twins, 3, 9, 0), refused(8), "the next has not");
    }

    #[test]
    fn a_restart_where_it_was_is_welcome_whatever_it_is_called_there() {
        let mut twins = Twins::default();
        let (inside, outside) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([203, 0, 113, 1]));
        let named = |instance, host: &str| Hello { host: host.to_owned(), ..hello(instance, 7) };
        assert_eq!(twins.greeted(&named(1, ""), Some(inside), at(0)), Greeting::Welcome);
        assert_eq!(twins.greeted(&named(1, "203.0.113.1"), Some(inside), at(0)), Greeting::Welcome, "it learned that");
        assert_eq!(twins.greeted(&named(2, ""), Some(inside), at(0)), Greeting::Welcome, "it knows it no more");
        assert_eq!(twins.greeted(&named(3, ""), Some(outside), at(0)), Greeting::Welcome, "seen from another side");
        let other = Greeting::Refused(String::new(), 7);
        assert_eq!(twins.greeted(&named(4, "10.0.0.2"), Some(inside), at(0)), other);
    }

    #[test]
    fn the_later_come_of_two_is_refused_once_the_earlier_was_heard_again() {
        let mut twins = Twins::default();
        assert_eq!(greet(&mut twins, 1, 7, 0), Greeting::Welcome);
        assert_eq!(greet(&mut twins, 2, 7, 1), Greeting::Welcome, "a restart looks the same so far");
        assert_eq!(greet(&mut twins, 1, 7, 2), Greeting::WelcomeBack("192.0.2.1".to_owned(), 7));
        for second in 3..30 {
            assert_eq!(greet(&mut twins, 2, 7, second), refused(7));
            assert_eq!(greet(&mut twins, 1, 7, second), Greeting::Welcome);
        }
    }

    #[test]
    fn the_refused_one_is_let_in_when_the_other_is_gone() {
        let mut twins = Twins::default();
        for instance in [1, 2, 1] {
            greet(&mut twins, instance, 7, 0);
        }
        twins.heard(at(20));
        assert_eq!(greet(&mut twins, 2, 7, 29), refused(7));
        assert_eq!(greet(&mut twins, 2, 7, 31), Greeting::Welcome);
        assert_eq!(greet(&mut twins, 2, 7, 32), Greeting::Welcome);
        // Should the other be back after all, it is the later now.
        assert_eq!(greet(&mut twins, 1, 7, 33), Greeting::Welcome);
        assert_eq!(greet(&mut twins, 2, 7, 34), Greeting::WelcomeBack("192.0.2.1".to_owned(), 7));
        assert_eq!(greet(&mut twins, 1, 7, 35), refused(7));
    }

    #[test]
    fn a_restart_of_the_one_that_is_taken_in_is_welcome() {
        let mut twins = Twins::default();
        for instance in [1, 2, 1] {
            greet(&mut twins, instance, 7, 0);
        }
        assert_eq!(greet(&mut twins, 3, 7, 1), Greeting::Welcome);
        assert_eq!(greet(&mut twins, 2, 7, 2), refused(7));
        assert_eq!(greet(&mut twins, 3, 7, 3), Greeting::Welcome);
    }

    #[test]
    fn clones_that_come_and_go_never_oust_the_first() {
        let mut twins = Twins::default();
        greet(&mut twins, 1, 7, 0);
        for clone in 2..30 {
            greet(&mut twins, clone, 7, clone);
            assert_eq!(greet(&mut twins, 1, 7, clone), Greeting::WelcomeBack("192.0.2.1".to_owned(), 7));
            assert_eq!(greet(&mut twins, clone, 7, clone), refused(7));
        }
    }

    #[test]
    fn twins_are_told_of_once_a_minute() {
        let mut twins = Twins::default();
        let told = (0..120).filter(|second| twins.is_to_be_told(at(*second))).count();
        assert_eq!(told, 2);
    }
}
