//! Addresses: IPv6, all interfaces, and those that others are told.

use std::net::{Ipv6Addr, UdpSocket};

use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked, link};

/// Waits until a node says that another is at this host and mesh port.
#[track_caller]
fn eventually_places(node: &Server, id: &str, place: &str) {
    eventually(&format!("{} has {id} at {place}", node.name()), || {
        let nodes = node.try_client()?.try_ask("CLUSTER NODES")?;
        let line = nodes.lines().find(|line| line.starts_with(id)).ok_or_else(|| nodes.clone())?;
        if line.split(' ').nth(1) == Some(place) { Ok(()) } else { Err(nodes) }
    });
}

#[test]
fn a_cluster_speaks_ipv6() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        // A machine without IPv6 cannot show it.
        eprintln!("this machine has no ::1; nothing was tested");
        return;
    }
    let ground = Ground::new();
    let nodes = [(); 3].map(|()| ground.server().argument("--bind").argument("::1").run());
    let nodes = nodes.each_ref();
    for node in nodes {
        assert_eq!(node.reported("connect"), format!("discnt-cli -h ::1 -p {}", node.port()));
    }
    link(&nodes);
    nodes[0].ask("INCR a");
    eventually_answers(nodes[2], "GET a STATE", "[1 CONSISTENT]");
    let (id, port) = (nodes[2].id(), nodes[2].port());
    eventually_places(nodes[1], &id, &format!("[::1]:{port}@{port}"));
    let ran = ground.cli(&["-h", "::1", "-p", &port.to_string(), "get", "a"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1\n"));
    // Also in brackets, as people write it.
    assert_eq!(nodes[0].ask(&format!("CLUSTER MEET [::1] {port}")), "OK");
}

#[test]
fn nodes_on_all_interfaces_learn_where_they_are_from_their_peers() {
    let ground = Ground::new();
    let nodes = [(); 3].map(|()| ground.server().argument("--bind").argument("0.0.0.0").run());
    let nodes = nodes.each_ref();
    // The second and the third find each other only if the first can tell where they are.
    link(&nodes);
    for node in nodes {
        for other in nodes {
            let port = other.port();
            eventually_places(node, &other.id(), &format!("127.0.0.1:{port}@{port}"));
        }
    }
    nodes[1].ask("INCR a");
    eventually_answers(nodes[2], "GET a STATE", "[1 CONSISTENT]");
    let [first, second, third] = nodes;
    let third_place = format!("127.0.0.1:{0}@{0}", third.port());
    eventually_places(first, &third.id(), &third_place);
    eventually_places(second, &third.id(), &third_place);
}

#[test]
fn others_are_told_the_advertised_address() {
    let ground = Ground::new();
    // A free port that leads to the second node is what a NAT would give.
    let first = ground.start();
    let second = ground.start();
    let advertised = format!("mesh.advertise=localhost:{}", second.port());
    let second = second.kill().set(advertised).run();
    let third = ground.start();
    assert!(second.reported("mesh").contains(&format!("others are told localhost:{}", second.port())));
    link(&[&first, &second, &third]);
    let place = format!("localhost:{0}@{0}", second.port());
    eventually_places(&first, &second.id(), &place);
    eventually_places(&third, &second.id(), &place);
    // It is also where the others look for it: the third never met it.
    third.ask("INCR a");
    eventually_answers(&second, "GET a STATE", "[1 CONSISTENT]");
}

#[test]
fn clients_and_nodes_can_have_ports_of_their_own() {
    let ground = Ground::new();
    let apart = |ground: &Ground| {
        let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        ground.server().set(format!("mesh.port={}", free.port())).run()
    };
    let (first, second) = (apart(&ground), ground.start());
    let mesh = first.reported("mesh").split_whitespace().next().expect("an address").to_owned();
    let mesh_port = mesh.rsplit(':').next().expect("a port").to_owned();
    assert_ne!(mesh_port, first.port().to_string());
    assert_eq!(second.ask(&format!("CLUSTER MEET 127.0.0.1 {mesh_port}")), "OK");
    eventually_linked(&[&first, &second]);
    eventually_places(&second, &first.id(), &format!("127.0.0.1:{}@{mesh_port}", first.port()));
}
