//! Nodes that cannot reach each other, or only one of them the other.

use std::thread;
use std::time::{Duration, Instant};

use crate::hosts::{Hosts, promised};
use crate::server_support::{Client, Ground, Network, Server, eventually, link};

/// The promise for nodes with a third one between them.
const RELAYED_WITHIN: Duration = Duration::from_secs(3);

/// All nodes count on a counter of their own choice, and all must soon read the sum.
fn count_and_agree(clients: &mut [Client], what: &str, sum: &mut u32) {
    let begin = Instant::now();
    for (index, client) in clients.iter_mut().enumerate() {
        let amount = 10_u32.pow(index as u32);
        for name in ["exact", "usual", "rough"] {
            let reply = client.ask(&format!("INCRBY {name} {amount}"));
            assert!(reply.parse::<f64>().is_ok(), "{reply}");
        }
        *sum += amount;
    }
    let expected = format!("[{sum} {sum} {sum}]");
    promised(what, RELAYED_WITHIN, begin, || {
        clients.iter_mut().try_for_each(|client| match client.try_ask("MGET exact usual rough")? {
            reply if reply == expected => Ok(()),
            reply => Err(format!("{reply} is not {expected}")),
        })
    });
}

fn set_precisions(client: &mut Client) {
    client.ask("PRECISION exact 0");
    client.ask("PRECISION rough 50");
}

/// Waits until neither of two nodes believes in its link to the other any more.
fn await_lost_link(hosts: &Hosts, one: usize, other: usize) {
    for (node, lost) in [(one, other), (other, one)] {
        let lost = hosts.nodes[lost].id();
        eventually("the link is lost", || {
            let nodes = hosts.nodes[node].try_client()?.try_ask("CLUSTER NODES")?;
            let line = nodes.lines().find(|line| line.starts_with(&lost)).ok_or("no line for it")?;
            if line.contains(" disconnected") { Ok(()) } else { Err(line.to_owned()) }
        });
    }
}

fn check_relay(name: &str, cut: impl Fn(&Hosts)) {
    let Some(hosts) = Hosts::plain(name, 3) else { return };
    let mut clients = hosts.clients();
    set_precisions(&mut clients[0]);
    let mut sum = 0;
    count_and_agree(&mut clients, "before the cut", &mut sum);
    cut(&hosts);
    // While both ends still believe in their link, and when they do not any more.
    count_and_agree(&mut clients, "right after the cut", &mut sum);
    await_lost_link(&hosts, 0, 2);
    for _ in 0..3 {
        count_and_agree(&mut clients, "with the link lost", &mut sum);
    }
    // Neither end is held for failed: the third reaches both.
    for cut_off in [0, 2] {
        let info = clients[cut_off].ask("CLUSTER INFO");
        assert!(info.contains("cluster_known_nodes:3\r\n") && info.contains("cluster_size:3\r\n"), "{info}");
    }
    assert!(hosts.network.dropped() > 0);
    hosts.network.heal();
    count_and_agree(&mut clients, "after healing", &mut sum);
    crate::server_support::eventually_linked(&hosts.nodes.iter().collect::<Vec<_>>());
    count_and_agree(&mut clients, "with all links back", &mut sum);
}

#[test]
fn two_nodes_that_are_cut_from_each_other_agree_through_a_third() {
    check_relay("relay", |hosts| hosts.network.cut(0, 2));
}

#[test]
fn two_nodes_of_which_one_cannot_reach_the_other_agree_through_a_third() {
    check_relay("oneway", |hosts| hosts.network.cut_one_way(0, 2));
}

#[test]
fn a_node_whose_packets_get_nowhere_while_it_hears_the_others_agrees_once_healed() {
    let Some(hosts) = Hosts::plain("mute", 3) else { return };
    let mut clients = hosts.clients();
    set_precisions(&mut clients[0]);
    let mut sum = 0;
    count_and_agree(&mut clients, "before the cut", &mut sum);
    for other in [1, 2] {
        hosts.network.cut_one_way(0, other);
    }
    await_lost_link(&hosts, 0, 1);
    await_lost_link(&hosts, 0, 2);
    for (index, client) in clients.iter_mut().enumerate() {
        for name in ["exact", "usual", "rough"] {
            client.ask(&format!("INCRBY {name} {}", 10_u32.pow(index as u32)));
        }
    }
    sum += 111;
    hosts.network.heal();
    count_and_agree(&mut clients, "after healing", &mut sum);
}

#[test]
fn two_nodes_agree_within_three_seconds_of_healing_however_long_they_were_cut() {
    // Wherever in its pauses and attempts the dialling is when the cut ends.
    const LENGTHS_MS: [u64; 6] = [6000, 7300, 8600, 9900, 11_200, 12_500];
    let Some(network) = Network::of(2 * LENGTHS_MS.len(), "lengths") else { return };
    let ground = Ground::new();
    let all: Vec<Server> = (0..2 * LENGTHS_MS.len()).map(|host| ground.server().on(network.host(host)).run()).collect();
    let results: Vec<Duration> = thread::scope(|scope| {
        let measure = |(index, nodes)| {
            let (network, length) = (&network, Duration::from_millis(LENGTHS_MS[index]));
            scope.spawn(move || agree_after_cut(network, 2 * index, nodes, length))
        };
        let threads: Vec<_> = all.chunks(2).enumerate().map(measure).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    eprintln!("agreement after healing: {results:?}");
    assert!(results.iter().all(|after| *after <= RELAYED_WITHIN), "{results:?}");
}

/// How long after healing two nodes agree, of which the first is on this host and the second on the next.
fn agree_after_cut(network: &Network, host: usize, nodes: &[Server], length: Duration) -> Duration {
    link(&nodes.iter().collect::<Vec<_>>());
    network.cut(host, host + 1);
    for node in nodes {
        node.ask("INCR x");
    }
    thread::sleep(length);
    let mut clients: Vec<Client> = nodes.iter().map(Server::client).collect();
    for client in &mut clients {
        assert_eq!(client.ask("GET x"), "1");
    }
    network.mend(host, host + 1);
    let healed = Instant::now();
    eventually("both have both increments", || {
        let replies: Vec<String> = clients.iter_mut().map(|client| client.ask("GET x")).collect();
        if replies == ["2", "2"] { Ok(()) } else { Err(format!("{replies:?}")) }
    });
    healed.elapsed()
}
