//! The first steps of a new user, word for word.

use crate::server_support::{Ground, eventually, eventually_linked};

#[test]
fn three_nodes_met_through_one_count_together() {
    let ground = Ground::new();
    let nodes = [ground.start(), ground.start(), ground.start()];
    let [first, second, third] = nodes.each_ref().map(|node| node.port().to_string());
    for other in [&second, &third] {
        let ran = ground.cli(&["-p", &first, "cluster", "meet", "127.0.0.1", other]);
        assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (Some(0), "OK\n", ""));
    }
    let ran = ground.cli(&["-p", &first, "incrby", "test", "0.1"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (Some(0), "0.1\n", ""));
    eventually("the third answers 0.1", || {
        let ran = ground.cli(&["-p", &third, "get", "test"]);
        if ran.out == "0.1\n" { Ok(()) } else { Err(format!("{ran:?}")) }
    });
    // The second and the third never met.
    eventually_linked(&nodes.each_ref());
}

#[test]
fn the_report_says_how_to_connect() {
    let ground = Ground::new();
    let node = ground.start();
    let connect = node.reported("connect").to_owned();
    let words: Vec<&str> = connect.split_whitespace().collect();
    assert_eq!(words[0], "discnt-cli");
    let ran = ground.cli(&[&words[1..], &["cluster", "myid"]].concat());
    assert_eq!((ran.code, ran.out.trim_end()), (Some(0), node.id().as_str()));
}
