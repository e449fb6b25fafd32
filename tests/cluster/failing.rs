//! A node that was killed: how soon the others say so with the settings as they come, and how soon they take it back.

use std::time::{Duration, Instant};

use crate::server_support::{Ground, Server, eventually, eventually_linked};

/// `[cluster] node_timeout_ms` as it comes.
const FAILS_WITHIN: Duration = Duration::from_secs(5);
const CLEARED_WITHIN: Duration = Duration::from_secs(2);

/// The words that a node's line of CLUSTER NODES has for another.
fn columns(node: &Server, id: &str) -> Result<Vec<String>, String> {
    let nodes = node.try_client()?.try_ask("CLUSTER NODES")?;
    let line = nodes.lines().find(|line| line.starts_with(id)).ok_or_else(|| nodes.clone())?;
    Ok(line.split(' ').map(str::to_owned).collect())
}

/// Waits until a node shows another with these flags.
#[track_caller]
fn eventually_shows(node: &Server, id: &str, flags: &str) -> Vec<String> {
    eventually(&format!("{} shows {id} as {flags}", node.name()), || match columns(node, id)? {
        columns if columns.get(2).is_some_and(|shown| shown == flags) => Ok(columns),
        columns => Err(format!("{columns:?}")),
    })
}

#[test]
fn a_killed_node_is_suspected_then_failed_within_the_timeout_and_cleared_when_it_is_back() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    let id = third.id();
    let before = eventually_shows(&first, &id, "noflags");
    let [_, address, _, master, ping, heard, incarnation, link, round_trip, protocol, software] = before.as_slice()
    else {
        panic!("not the columns of CLUSTER NODES: {before:?}")
    };
    assert_eq!(*address, format!("127.0.0.1:{port}@{port}", port = third.port()));
    assert_eq!((master.as_str(), ping.as_str(), incarnation.as_str(), link.as_str()), ("-", "0", "1", "connected"));
    assert!(round_trip.strip_prefix("rtt=").is_some_and(|time| time.parse::<u64>().is_ok()), "{before:?}");
    let newest = discnt::wire::ProtocolVersions::SPOKEN.newest();
    assert_eq!(
        (protocol.clone(), software.clone()),
        (format!("protocol={newest}"), format!("software={}", discnt::wire::SOFTWARE_VERSION))
    );
    let last_heard: u64 = heard.parse().expect("milliseconds since 1970");
    assert!(last_heard > 1_500_000_000_000, "{before:?}");

    let killed = Instant::now();
    let again = third.kill();
    eventually_shows(&first, &id, "fail?");
    let failed = eventually_shows(&first, &id, "fail");
    eventually_shows(&second, &id, "fail");
    let took = killed.elapsed();
    assert!(took < FAILS_WITHIN, "failed after {took:?}");
    let heard: u64 = failed[5].parse().expect("milliseconds since 1970");
    // Both are counted back from the time of asking, in whole milliseconds.
    assert!(heard + 5 >= last_heard && heard < last_heard + 30_000, "{failed:?} after {before:?}");
    let info = first.ask("CLUSTER INFO");
    for line in
        ["cluster_state:fail\r\n", "cluster_known_nodes:3\r\n", "cluster_reachable_nodes:1\r\n", "cluster_size:2\r\n"]
    {
        assert!(info.contains(line), "{line} {info}");
    }

    let third = again.run();
    let returned = Instant::now();
    for node in [&first, &second] {
        let columns = eventually_shows(node, &id, "noflags");
        assert_eq!(columns[6], "1", "the replica that it was: {columns:?}");
    }
    let took = returned.elapsed();
    assert!(took < CLEARED_WITHIN, "cleared after {took:?}");
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second, &third] {
        eventually("the cluster is whole", || {
            let info = node.try_client()?.try_ask("CLUSTER INFO")?;
            let whole = info.contains("cluster_state:ok\r\n") && info.contains("cluster_reachable_nodes:2\r\n");
            if whole { Ok(()) } else { Err(info) }
        });
    }
}
