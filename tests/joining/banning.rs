//! Keys that are banned: for good, everywhere.

use crate::machines::{invite, join, machine};
use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked};

#[track_caller]
fn eventually_knows(node: &Server, nodes: usize) {
    eventually(&format!("{} knows {nodes} nodes", node.name()), || {
        let listed = node.try_client()?.try_hello()?;
        if listed.len() == nodes { Ok(()) } else { Err(format!("{listed:?}")) }
    });
}

fn meet(node: &Server, other: &Server) -> String {
    node.ask(&format!("CLUSTER MEET 127.0.0.1 {}", other.port()))
}

#[test]
fn a_banned_key_is_out_everywhere_for_good_and_its_counts_stay() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    let token = invite(&first, "USES 2");
    let (second, third) = (machine(&ground, "second").run(), machine(&ground, "third").run());
    for node in [&second, &third] {
        assert!(join(node, &token).starts_with("joined"));
    }
    eventually_linked(&[&first, &second, &third]);
    third.ask("INCRBY a 5");
    eventually_answers(&second, "GET a", "5");
    eventually_answers(&first, "GET a", "5");
    let id = third.id();
    // One is away when it is said.
    let second = second.kill();
    assert_eq!(first.ask(&format!("CLUSTER FORGET {id} BAN")), "OK");
    // It still takes the one that is away for a member, as nobody speaks to it any more who could say otherwise.
    eventually_knows(&third, 2);
    let second = second.run();
    second.eventually_logs(&["WARN", &id, "banned"]);
    eventually_linked(&[&first, &second]);
    eventually_answers(&second, "GET a STATE", "[5 CONSISTENT]");
    first.eventually_logs(&["audit", "node_banned", &id]);
    let again = first.ask(&format!("CLUSTER FORGET {id} BAN"));
    assert!(again.contains("banned already"), "{again}");
    let told = first.log().lines().filter(|line| line.contains("node_banned")).count();
    assert_eq!(told, 1, "what was refused is not told of as done");
    // No meeting takes it back, from whichever side, nor a restart.
    let (first, second, third) = (first.kill().run(), second.kill().run(), third.kill().run());
    eventually_linked(&[&first, &second]);
    for (node, other) in [(&first, &third), (&second, &third), (&third, &first), (&third, &second)] {
        let refused = meet(node, other);
        assert!(
            refused.starts_with("-ERR") && refused.contains("key was barred from the cluster for good"),
            "{refused}"
        );
    }
    assert!(third.ask("CLUSTER INFO").contains("cluster_reachable_nodes:0"), "{}", third.ask("CLUSTER INFO"));
    eventually_knows(&first, 2);
    // Nor a token, for the same key; a new one is a new node.
    let third = third.stop(rustix::process::Signal::TERM);
    drop(third);
    let fresh = machine(&ground, "fresh").run();
    assert!(join(&fresh, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &second, &fresh]);
    eventually_answers(&fresh, "GET a STATE", "[5 CONSISTENT]");
}

#[test]
fn a_token_does_not_help_a_banned_key() {
    let ground = Ground::new();
    let (first, second) = (machine(&ground, "first").run(), machine(&ground, "second").run());
    // Of a key that was stolen before it was ever seen here.
    assert_eq!(first.ask(&format!("CLUSTER FORGET {} BAN", second.id())), "OK");
    let token = invite(&first, "");
    let refused = join(&second, &token);
    assert!(refused.contains("was barred from this cluster for good"), "{refused}");
    first.eventually_logs(&["audit", "certificate_refused"]);
    // The token is still good, for somebody else.
    let third = machine(&ground, "third").run();
    assert!(join(&third, &token).starts_with("joined"));
    eventually_linked(&[&first, &third]);
}

#[test]
fn a_ban_closes_the_invitation_by_which_the_node_came_and_no_other() {
    let ground = Ground::new();
    let (first, second) = (machine(&ground, "first").run(), machine(&ground, "second").run());
    let (token, other) = (invite(&first, "USES 9"), invite(&first, "USES 5"));
    assert!(join(&second, &token).starts_with("joined"));
    eventually_linked(&[&first, &second]);
    let id = second.id();
    drop(second);
    assert_eq!(first.ask(&format!("CLUSTER FORGET {id} BAN")), "OK");
    first.eventually_logs(&["audit", "invitation_closed"]);
    let open = first.ask("CLUSTER INVITATIONS");
    assert!(open.contains("uses=5") && !open.contains("uses=8"), "{open}");
    // The same machine, under another key.
    let again = machine(&ground, "again").run();
    let refused = join(&again, &token);
    assert!(refused.contains("the token has been used"), "{refused}");
    assert!(join(&again, &other).starts_with("joined"));
}
