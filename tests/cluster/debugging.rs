//! DEBUG COUNTER and CLUSTER INFO: what nodes say of what they hold, and of what went between them.

use crate::server_support::{Ground, Server, eventually, eventually_answers, link};

/// The figure of a line `name:figure`.
fn figure(text: &str, name: &str) -> Result<u64, String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| format!("no figure {name} in:\n{text}"))
}

fn debug_counter(node: &Server, name: &str) -> Result<String, String> {
    node.try_client()?.try_ask(&format!("DEBUG COUNTER {name}"))
}

#[test]
fn a_counter_is_shown_with_who_has_acknowledged_it() {
    let ground = Ground::new();
    let nodes = ground.three_with(&["debug.enabled=true"]);
    let [first, second, third] = &nodes;
    first.ask("INCRBY a 5");
    second.ask("INCRBY a 10");
    eventually_answers(first, "GET a", "15");
    first.ask("SET a 100");
    first.ask("PRECISION a 3");
    first.ask("INCR a");
    let has_all = |id: &str| format!("[node {id} own-share durable assignment durable precision durable]");
    let shown = eventually("all members have all of it", || {
        let shown = debug_counter(first, "a")?;
        let lacking = [second, third].into_iter().find(|node| !shown.contains(&has_all(&node.id())));
        lacking.map_or(Ok(shown.clone()), |_| Err(shown))
    });
    for expected in [
        "[exists 1 value 101 value-as-told 101 precision [value 3 set-by ".to_owned(),
        format!("own-share [replica {}/1 born 1 ", first.id()),
        format!("other-shares [[replica {}/1 address 127.0.0.1:{} ", second.id(), second.port()),
        " total 10 covered-by-cut 10 read-as 10 rate 0 ".to_owned(),
        "assignment [base 100 deletes 0 set-by ".to_owned(),
    ] {
        assert!(shown.contains(&expected), "{expected} is not in {shown}");
    }
    assert_eq!(third.ask("DEBUG COUNTER nothing"), "-ERR no such key ('debug|counter' command)");
    // What has left no trace at home leaves none elsewhere.
    first.ask("INCR gone");
    eventually_answers(third, "GET gone", "1");
    second.ask("DEL gone");
    for node in &nodes {
        eventually("the deletion is forgotten", || match debug_counter(node, "gone")? {
            reply if reply.starts_with("-ERR no such key") => Ok(()),
            reply => Err(reply),
        });
    }
}

#[test]
fn messages_are_counted_by_kind() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    let before = first.ask("CLUSTER INFO");
    assert_eq!(figure(&before, "cluster_stats_messages_sent"), Ok(0), "{before}");
    link(&[&first, &second]);
    first.ask("INCRBY a 5");
    eventually_answers(&second, "GET a", "5");
    // What was counted before the meeting comes by repair, the rest in datagrams.
    for (node, other) in [(&first, &second), (&second, &first)] {
        eventually("all that must have been said was counted", || {
            let info = node.try_client()?.try_ask("CLUSTER INFO")?;
            let others = other.try_client()?.try_ask("CLUSTER INFO")?;
            for kind in ["hello", "digest", "membership"] {
                let sent = figure(&info, &format!("cluster_stats_messages_{kind}_sent"))?;
                let received = figure(&others, &format!("cluster_stats_messages_{kind}_received"))?;
                if sent == 0 || received == 0 || (kind == "hello" && sent != 1) {
                    return Err(format!("{kind}: {info}\n{others}"));
                }
            }
            Ok(())
        });
    }
    assert_eq!(figure(&second.ask("CLUSTER INFO"), "cluster_stats_messages_hello_received"), Ok(1));
    let records = figure(&first.ask("CLUSTER INFO"), "cluster_stats_messages_records_sent").expect("a figure");
    assert!(records >= 1, "the increment was announced");
    for direction in ["sent", "received"] {
        let info = first.ask("CLUSTER INFO");
        let end = format!("_{direction}");
        let kinds = info.lines().filter_map(|line| line.strip_prefix("cluster_stats_messages_")?.split_once(':'));
        let kinds = kinds.filter(|(name, _)| name.ends_with(&end));
        let sum: u64 = kinds.map(|(_, count)| count.trim().parse::<u64>().expect("a figure")).sum();
        assert_eq!(figure(&info, &format!("cluster_stats_messages{end}")), Ok(sum), "{info}");
    }
    let mesh = first.ask("INFO mesh");
    let line = mesh.lines().find(|line| line.starts_with("mesh_kind_digest:sent=")).expect("a line for each kind");
    assert!(line.contains(",sent_bytes=") && !line.contains("sent_bytes=0,"), "{line}");
}
