//! Signs of life.

use std::time::{Duration, Instant};

use crate::manager::Manager;
use crate::server_support::Ground;

#[test]
fn the_node_says_that_it_is_alive_as_often_as_it_is_to() {
    let ground = Ground::new();
    let manager = Manager::new(&ground);
    let server = manager.watches(ground.server(), &[("WATCHDOG_USEC", "600000")]).run();
    manager.hear_until("READY=1");
    let begin = Instant::now();
    for _ in 0..5 {
        let before = Instant::now();
        manager.hear_until("WATCHDOG=1");
        assert!(before.elapsed() < Duration::from_millis(600), "{:?}", before.elapsed());
    }
    // Not for each turn of the loop.
    assert!(begin.elapsed() > Duration::from_millis(600), "{:?}", begin.elapsed());
    drop(server);
}

#[test]
fn nobody_is_told_who_does_not_want_to_hear_of_it() {
    let ground = Ground::new();
    let manager = Manager::new(&ground);
    // Meant for another process, from which this one has inherited it.
    let server = manager.watches(ground.server(), &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]).run();
    let heard = manager.hear_until("READY=1");
    assert!(!heard.contains("WATCHDOG"), "{heard}");
    let next = manager.hear();
    assert!(next.starts_with("STATUS=serving 0 counters; no other members"), "{next}");
    drop(server);
}
