//! DEBUG DIGEST: one hash that is the same on all nodes that agree, and another as soon as anything differs.

use std::thread;

use crate::server_support::{Ground, Server, eventually, eventually_answers, link};

const ALLOWED: [&str; 1] = ["debug.enabled=true"];

fn digest(node: &Server) -> Result<String, String> {
    let reply = node.try_client()?.try_ask("DEBUG DIGEST")?;
    let is_hash = reply.len() == 40 && reply.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(reply) } else { Err(reply) }
}

/// The digest that all of these come to.
#[track_caller]
fn eventually_agree(nodes: &[&Server]) -> String {
    eventually("all nodes have one digest", || {
        let digests = nodes.iter().map(|node| digest(node)).collect::<Result<Vec<_>, _>>()?;
        let first = digests.first().cloned().unwrap_or_default();
        if digests.iter().all(|digest| *digest == first) { Ok(first) } else { Err(format!("{digests:?}")) }
    })
}

#[test]
fn nodes_that_agree_have_one_digest_and_every_change_makes_another() {
    const ROUNDS: usize = 150;
    let ground = Ground::new();
    let nodes = ground.three_with(&ALLOWED);
    let all = nodes.each_ref();
    let empty = eventually_agree(&all);
    thread::scope(|scope| {
        for (number, node) in all.into_iter().enumerate() {
            scope.spawn(move || {
                let mut client = node.client();
                for round in 0..ROUNDS {
                    let name = format!("counter:{}", (round * 7 + number) % 20);
                    let request = match (round + number) % 11 {
                        0 => format!("SET {name} {round}.5"),
                        1 | 2 => format!("DEL {name}"),
                        3 => format!("PRECISION {name} {round}"),
                        4 => format!("DECRBY {name} 0.25"),
                        _ => format!("INCRBY {name} {number}"),
                    };
                    let reply = client.ask(&request);
                    assert!(!reply.starts_with("-ERR"), "{request}: {reply}");
                }
            });
        }
    });
    let mut seen = vec![empty, eventually_agree(&all)];
    let [first, second, third] = all;
    for (node, request) in [
        (first, "INCR counter:1"),
        (second, "SET counter:2 5"),
        (third, "SET counter:2 5"),
        (first, "PRECISION counter:3 77"),
        (second, "INCR new"),
        (third, "DEL new"),
        (first, "INCR new"),
        (second, "INCRBY new 0.5"),
    ] {
        eventually_answers(node, "PING", "PONG");
        let reply = node.ask(request);
        assert!(!reply.starts_with("-ERR"), "{request}: {reply}");
        seen.push(eventually(&format!("a digest after {request}"), || {
            let now = eventually_agree(&all);
            if seen.last() == Some(&now) { Err(now) } else { Ok(now) }
        }));
    }
    // A counter that was made and deleted leaves nothing behind.
    let [.., before, made, deleted, again, _] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(before, deleted, "{seen:?}");
    assert_ne!(made, again, "another has counted");
    let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len() - 1, "{seen:?}");
}

#[test]
fn a_node_that_comes_later_has_the_digest_of_the_others() {
    let ground = Ground::new();
    let [first, second] = [(); 2].map(|()| ground.server().set_all(&ALLOWED).run());
    first.ask("INCRBY a 5");
    first.ask("SET b 1");
    first.ask("PRECISION c 9");
    let alone = digest(&first).expect("a digest");
    link(&[&first, &second]);
    let both = eventually_agree(&[&first, &second]);
    assert_ne!(alone, both, "the share was announced for the first time");
    let again = second.kill();
    let second = again.run();
    // A second life, and other indexes of the same replicas.
    assert_eq!(eventually_agree(&[&first, &second]), both);
}

#[test]
fn debug_is_refused_unless_it_is_allowed() {
    let ground = Ground::new();
    let node = ground.start();
    for request in ["DEBUG DIGEST", "debug digest"] {
        let reply = node.ask(request);
        assert!(reply.starts_with("-ERR DEBUG command not allowed.") && reply.contains("[debug]"), "{reply}");
    }
    assert!(node.ask("DEBUG HELP").contains("DIGEST"));
}
