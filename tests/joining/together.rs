//! Two clusters at once: a machine is of one of them.

use crate::machines::{invite, join, machine};
use crate::server_support::{Ground, eventually_answers, eventually_linked};

#[test]
fn two_tokens_at_once_do_not_tie_two_clusters_together() {
    let ground = Ground::new();
    let clusters = ["one", "two"].map(|name| machine(&ground, name).run());
    clusters[0].ask("INCRBY a 1");
    clusters[1].ask("INCRBY a 10");
    let newcomer = machine(&ground, "new").run();
    let tokens = [0, 1].map(|number| invite(&clusters[number], ""));
    let answers = std::thread::scope(|scope| {
        let asked = tokens.each_ref().map(|token| scope.spawn(|| join(&newcomer, token)));
        asked.map(|asked| asked.join().expect("no panic"))
    });
    let (mine, other) = if answers[0].starts_with("joined") { (0, 1) } else { (1, 0) };
    assert!(answers[mine].starts_with("joined"), "{answers:?}");
    assert!(answers[other].starts_with("-ERR this node is in a cluster with 1 other members"), "{answers:?}");
    eventually_linked(&[&clusters[mine], &newcomer]);
    let sum = ["1", "10"][mine];
    eventually_answers(&newcomer, "GET a STATE", &format!("[{sum} CONSISTENT]"));
    let info = clusters[other].ask("CLUSTER INFO");
    assert!(info.contains("cluster_known_nodes:1"), "{info}");
}
