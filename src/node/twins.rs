//! Noticing that two processes run as one node, as they do when a data directory was copied.
//!
//! Both count under one name, and of what they count every other member keeps one's figure only. Nothing can be
//! mended from here, so an operator must hear of it. It must never take a node that moved or restarted for two.

use crate::base::{Incarnation, Monotonic};
use crate::wire::Hello;
use std::net::IpAddr;
use std::time::Duration;

/// Twins take each other's links away many times a second.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What a node said of itself in its last greeting.
#[derive(Debug)]
struct Presence {
    incarnation: Incarnation,
    host: String,
    client_port: u16,
    mesh_port: u16,
}

/// Compares the greetings that came in one node's name.
#[derive(Debug, Default)]
pub(super) struct Twins {
    last: Option<Presence>,
    told_at: Option<Monotonic>,
}

impl Twins {
    /// Takes a greeting. Answers the place of the other one, as host and mesh port, when the last greeting was of the
    /// same life or a later one at another place, and that was not told within the last minute.
    pub(super) fn greeted(&mut self, hello: &Hello, now: Monotonic) -> Option<(String, u16)> {
        let present = Presence {
            incarnation: hello.incarnation,
            host: hello.host.clone(),
            client_port: hello.client_port,
            mesh_port: hello.mesh_port,
        };
        let last = self.last.replace(present)?;
        // A life stays where it began: who moves restarts, and a restart is a later life.
        let is_other = last.incarnation >= hello.incarnation
            && ((last.client_port, last.mesh_port) != (hello.client_port, hello.mesh_port)
                || are_two_places(&last.host, &hello.host));
        if !is_other || self.told_at.is_some_and(|at| now.since(at) < TOLD_EVERY) {
            return None;
        }
        self.told_at = Some(now);
        Some((last.host, last.mesh_port))
    }
}

/// A node that does not know its address, or only that of its own machine, may learn a better one.
fn are_two_places(one: &str, other: &str) -> bool {
    let is_learning = |host: &str| host.is_empty() || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    one != other && !is_learning(one) && !is_learning(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::Precision;

    fn hello(incarnation: u64, host: &str, mesh_port: u16) -> Hello {
        Hello {
            incarnation: Incarnation(incarnation),
            host: host.to_owned(),
            client_port: mesh_port,
            mesh_port,
            meet: false,
            you: String::new(),
            instance: 0,
            default_precision: Precision::ONE,
        }
    }

    fn greetings(hellos: &[Hello]) -> Vec<Option<u16>> {
        let mut twins = Twins::default();
        hellos.iter().map(|hello| twins.greeted(hello, Monotonic::ZERO).map(|(_, port)| port)).collect()
    }

    #[test]
    fn a_node_that_reconnects_restarts_moves_or_learns_its_address_is_one() {
        let sequence = [
            hello(1, "", 7),
            hello(1, "", 7),
            hello(1, "127.0.0.1", 7),
            hello(1, "192.0.2.1", 7),
            hello(2, "192.0.2.1", 8),
            hello(3, "192.0.2.9", 8),
        ];
        assert_eq!(greetings(&sequence), [None; 6]);
    }

    #[test]
    fn the_same_life_at_two_places_is_two_nodes() {
        assert_eq!(greetings(&[hello(2, "127.0.0.1", 7), hello(2, "127.0.0.1", 8)]), [None, Some(7)]);
        assert_eq!(greetings(&[hello(2, "192.0.2.1", 7), hello(2, "192.0.2.2", 7)]), [None, Some(7)]);
    }

    #[test]
    fn an_earlier_life_at_another_place_is_a_second_node() {
        let sequence = [hello(2, "127.0.0.1", 7), hello(3, "127.0.0.1", 8), hello(2, "127.0.0.1", 7)];
        assert_eq!(greetings(&sequence), [None, None, Some(8)]);
    }

    #[test]
    fn twins_are_told_of_once_a_minute() {
        let mut twins = Twins::default();
        let mut told = 0;
        for turn in 0..1_200_u16 {
            let now = Monotonic::ZERO.after(Duration::from_millis(100) * u32::from(turn));
            told += usize::from(twins.greeted(&hello(2, "", 7 + turn % 2), now).is_some());
        }
        assert_eq!(told, 2);
    }
}
