//! Certificates and authorities that are made anew while nodes count.

use crate::machines::{figure, invite, join, join_before_start, machine};
use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked, skewed_clock};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn certificate(ground: &Ground, name: &str) -> String {
    fs::read_to_string(ground.path(name).join("data/node.crt")).expect("a certificate")
}

fn lost_links(nodes: &[&Server]) -> usize {
    nodes.iter().map(|node| node.log().lines().filter(|line| line.contains("lost the link")).count()).sum()
}

/// Two nodes, the second of which has joined.
fn pair(ground: &Ground) -> (Server, Server) {
    let (first, second) = (machine(ground, "first").run(), machine(ground, "second").run());
    assert!(join(&second, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &second]);
    (first, second)
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts on a node for as long as `work` takes, and answers how often.
fn counting_meanwhile(node: &Server, work: impl FnOnce()) -> u64 {
    let (is_over, counted) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = node.client();
            while !is_over.load(Ordering::Relaxed) {
                client.ask("INCR load");
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Also when the work ends with a panic.
        let _end = End(&is_over);
        work();
    });
    counted.load(Ordering::Relaxed)
}

#[test]
fn certificates_are_made_anew_under_load_without_losing_a_link_or_an_id() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let before = ["first", "second"].map(|name| certificate(&ground, name));
    let ids = [first.id(), second.id()];
    let counted = counting_meanwhile(&first, || {
        for node in [&first, &second] {
            let rotated = ground.cli(&["-p", &node.port().to_string(), "certs", "rotate"]);
            assert_eq!(rotated.code, Some(0), "{rotated:?}");
            assert!(rotated.out.contains(&node.id()), "{rotated:?}");
        }
    });
    assert!(counted > 0);
    for (name, before) in ["first", "second"].iter().zip(before) {
        assert_ne!(certificate(&ground, name), before, "{name}");
    }
    eventually_answers(&second, "GET load STATE", &format!("[{counted} CONSISTENT]"));
    assert_eq!([first.ask("CLUSTER MYID"), second.ask("CLUSTER MYID")], ids);
    assert_eq!(lost_links(&[&first, &second]), 0);
    assert!((360..=365).contains(&figure(&second, "mesh_certificate_days_left")));
    first.eventually_logs(&["audit", "certificate_renewed", &second.id()]);
    second.eventually_logs(&["audit", "certificate_rotated", "user=\"default\"", "peer=\"127.0.0.1:"]);
    // The new ones are good for new links.
    let second = second.kill().run();
    eventually_linked(&[&first, &second]);
}

#[test]
fn an_authority_is_made_anew_and_everybody_follows_while_they_count() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let third = machine(&ground, "third").run();
    assert!(join(&third, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &second, &third]);
    // One is away, and one joins with a token from before.
    let token = invite(&first, "");
    let third = third.kill();
    let before = certificate(&ground, "second");
    let counted = counting_meanwhile(&first, || {
        let rotated = ground.cli(&["-p", &first.port().to_string(), "certs", "rotate", "--authority"]);
        assert_eq!(rotated.code, Some(0), "{rotated:?}");
        // The other may still count as linked.
        assert!(rotated.out.contains("1 of "), "{rotated:?}");
        eventually("the second has a certificate of the new one", || {
            let now = certificate(&ground, "second");
            if now == before { Err("not yet".to_owned()) } else { Ok(()) }
        });
    });
    assert_eq!(lost_links(&[&first]), 1, "that of the third, which was killed");
    eventually_answers(&second, "GET load", &counted.to_string());
    let third = third.run();
    eventually_linked(&[&first, &second, &third]);
    let fourth = machine(&ground, "fourth").run();
    let joined = join(&fourth, &token);
    assert!(joined.starts_with("joined"), "{joined}");
    eventually_linked(&[&first, &second, &third, &fourth]);
    third.eventually_logs(&["audit", "certificate_rotated"]);
    for name in ["first", "second", "third"] {
        let kept = fs::read_to_string(ground.path(name).join("data/authorities.crt")).expect("kept");
        assert_eq!(kept.matches("BEGIN CERTIFICATE").count(), 2, "{name}: {kept}");
        assert_eq!(kept.matches("# trusted until ").count(), 1, "{name}: {kept}");
    }
    // All of that is so after a restart, too.
    let (first, second) = (first.kill().run(), second.kill().run());
    eventually_linked(&[&first, &second, &third, &fourth]);
    let fifth = machine(&ground, "fifth").run();
    assert!(join(&fifth, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &second, &third, &fourth, &fifth]);
}

#[test]
fn a_member_that_was_away_while_the_authority_was_replaced_twice_is_back_by_itself() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let token = invite(&first, "");
    let second = second.kill();
    let rotated = |node: &Server| ground.cli(&["-p", &node.port().to_string(), "certs", "rotate", "--authority"]);
    for _ in 0..2 {
        let rotated = rotated(&first);
        assert_eq!(rotated.code, Some(0), "{rotated:?}");
    }
    // Nobody is left who was told.
    let first = first.kill().run();
    let second = second.run();
    eventually_linked(&[&first, &second]);
    second.eventually_logs(&["audit", "certificate_rotated"]);
    let third = machine(&ground, "third").run();
    let joined = join(&third, &token);
    assert!(joined.starts_with("joined"), "{joined}");
    eventually_linked(&[&first, &second, &third]);
}

#[test]
fn a_token_of_another_cluster_is_not_used_up_by_a_member_that_does_not_take_it() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let second = second.kill();
    let other = machine(&ground, "other").run();
    let token = invite(&other, "");
    let refused = join_before_start(&ground, "second", &[&token]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("members of another cluster"), "{refused:?}");
    assert!(other.ask("CLUSTER INVITATIONS").contains("uses=1"));
    let second = second.run();
    eventually_linked(&[&first, &second]);
}

#[test]
fn a_certificate_near_its_end_is_warned_of_and_renewed_by_itself_once_somebody_can() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let (first, second) = (first.kill(), second.kill());
    // Of the year that it is good for, so many days have passed.
    let later = skewed_clock(340 * 86_400);
    let second = second.variables(later.clone()).run();
    second.eventually_logs(&["WARN", "ends in 24 days"]);
    second.eventually_logs(&["WARN", "could not be", "no member"]);
    assert_eq!(figure(&second, "mesh_certificate_days_left"), 24);
    let first = first.variables(later).run();
    eventually_linked(&[&first, &second]);
    second.eventually_logs(&["audit", "certificate_rotated", "by itself"]);
    assert!(figure(&second, "mesh_certificate_days_left") >= 364);
    assert!(figure(&first, "mesh_authority_days_left") > 3000);
}
