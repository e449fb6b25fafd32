//! Clocks of the day that are wrong: nothing depends on them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hosts::Hosts;
use crate::server_support::{Client, Server, eventually_answers, skewed_clock};

/// The first node's clock is an hour ahead, the last one's an hour behind.
fn an_hour_off(name: &str) -> Option<Hosts> {
    let hosts = Hosts::linked(name, &[skewed_clock(3600), Vec::new(), skewed_clock(-3600)])?;
    let seconds = |node: &Server| -> i64 {
        let reply = node.ask("TIME");
        reply.trim_matches('[').split(' ').next().and_then(|text| text.parse().ok()).expect("seconds")
    };
    let [ahead, right, behind] = [0, 1, 2].map(|index| seconds(&hosts.nodes[index]));
    assert!((3590..3610).contains(&(ahead - right)) && (3590..3610).contains(&(right - behind)), "no clock is off");
    Some(hosts)
}

#[test]
fn an_assignment_made_after_seeing_another_wins_whatever_the_clocks_say() {
    let Some(hosts) = an_hour_off("assign") else { return };
    let mut value = 0;
    // Each node assigns after each other, most of them with a clock that is behind.
    for writer in [0, 2, 1, 0, 1, 2, 0, 2] {
        value += 1;
        assert_eq!(hosts.nodes[writer].ask(&format!("SET x {value}")), "OK");
        for node in &hosts.nodes {
            eventually_answers(node, "GET x", &value.to_string());
        }
    }
    // An increment in between is seen by the next assignment, too.
    hosts.nodes[0].ask("INCRBY x 1000");
    eventually_answers(&hosts.nodes[2], "GET x", "1008");
    assert_eq!(hosts.nodes[2].ask("SET x 5"), "OK");
    for writer in [0, 1] {
        eventually_answers(&hosts.nodes[writer], "GET x STATE", "[5 CONSISTENT]");
    }
    assert_eq!(hosts.nodes[2].ask("DEL x"), "1");
    eventually_answers(&hosts.nodes[0], "EXISTS x", "0");
}

#[test]
fn nodes_that_are_hours_apart_agree() {
    let Some(hosts) = an_hour_off("agree") else { return };
    thread::scope(|scope| {
        for node in &hosts.nodes {
            scope.spawn(|| {
                let mut client = node.client();
                for _ in 0..300 {
                    assert!(client.ask("INCRBYFLOAT x 0.7").parse::<f64>().is_ok());
                }
            });
        }
    });
    for node in &hosts.nodes {
        eventually_answers(node, "GET x STATE", "[630 CONSISTENT]");
    }
}

#[test]
fn predictions_are_not_off_by_what_the_clocks_are() {
    const PRECISION: f64 = 20.0;
    /// Readings are of a moment ago: the flush, the path, and a machine that is busy. One second would be 200.
    const PATH: f64 = 0.5 * 200.0;
    let Some(hosts) = an_hour_off("predict") else { return };
    for (name, writer) in [("by:ahead", 0), ("by:behind", 2)] {
        hosts.nodes[writer].ask(&format!("PRECISION {name} {PRECISION}"));
        for node in &hosts.nodes {
            eventually_answers(node, &format!("PRECISION {name}"), "20");
        }
        let (asked, told, is_over) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        let readings = AtomicU32::new(0);
        thread::scope(|scope| {
            for reader in (0..3).filter(|reader| *reader != writer) {
                let mut client = hosts.nodes[reader].client();
                let (asked, told, is_over, readings) = (&asked, &told, &is_over, &readings);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let least = f64::from(told.load(Ordering::SeqCst)) - PRECISION - PATH;
                        let reading: f64 = client.ask(&format!("GET {name}")).parse().expect("a number");
                        let most = f64::from(asked.load(Ordering::SeqCst)) + PRECISION + PATH;
                        assert!((least..=most).contains(&reading), "{reading} is not within {least}..={most}");
                        readings.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(5));
                    }
                });
            }
            let _over = Over(&is_over);
            count_steadily(&mut hosts.nodes[writer].client(), name, &asked, &told);
        });
        assert!(readings.into_inner() > 100, "too few readings");
        for node in &hosts.nodes {
            eventually_answers(node, &format!("GET {name}"), &told.load(Ordering::SeqCst).to_string());
        }
    }
}

/// Lets the readers end, also when the writer came to grief.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// 200 increments a second for three seconds.
fn count_steadily(client: &mut Client, name: &str, asked: &AtomicU32, told: &AtomicU32) {
    let begin = Instant::now();
    for number in 1..=600 {
        asked.fetch_add(1, Ordering::SeqCst);
        client.ask(&format!("INCR {name}"));
        told.fetch_add(1, Ordering::SeqCst);
        thread::sleep((Duration::from_millis(5) * number).saturating_sub(begin.elapsed()));
    }
}
