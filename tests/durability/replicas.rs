//! Restarts do not pile up replicas.

use rustix::process::Signal;

use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked, link};

const QUICK: [&str; 2] = ["cluster.node_timeout_ms=2000", "mesh.idle_timeout_ms=2000"];
const RESTARTS: u64 = 30;

fn replicas(server: &Server) -> Result<u64, String> {
    let info = server.try_client()?.try_ask("CLUSTER INFO")?;
    let found = info.lines().find_map(|line| line.strip_prefix("cluster_known_replicas:"));
    found.and_then(|number| number.parse().ok()).ok_or(info)
}

/// How often a node is restarted here; more with the variable.
fn restarts() -> u64 {
    let given = std::env::var("DISCNT_DURABILITY_RESTARTS").ok();
    given.map_or(RESTARTS, |given| given.parse().expect("DISCNT_DURABILITY_RESTARTS is a whole number"))
}

#[test]
fn a_node_that_is_killed_again_and_again_beside_its_members_goes_on_as_it_was() {
    let ground = Ground::new();
    let [first, second, mut third] = ground.three_with(&QUICK);
    let mut total = 0;
    for restart in 1..=restarts() {
        for (node, amount) in [(&first, 1), (&second, 10), (&third, 100)] {
            node.ask(&format!("INCRBY total {amount}"));
            total += amount;
        }
        // What nobody has heard is lost with it, in this mode: let them.
        eventually_answers(&first, "GET total", &total.to_string());
        third = third.kill().run();
        assert_eq!(replicas(&third), Ok(3), "after {restart} restarts: {}", third.log());
        eventually_answers(&third, "GET total", &total.to_string());
    }
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET total STATE", &format!("[{total} CONSISTENT]"));
        assert_eq!(replicas(node), Ok(3));
    }
}

#[test]
fn a_node_killed_while_a_member_is_away_takes_one_more_replica_and_all_counts_stand() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&QUICK);
    third.ask("INCRBY total 100");
    for node in [&first, &second] {
        eventually_answers(node, "GET total", "100");
    }
    let second_again = second.kill();
    let mut third = third;
    for round in 1..=2 {
        third.ask("INCRBY total 1000");
        eventually_answers(&first, "GET total", &(100 + 1000 * round).to_string());
        third = third.kill().run();
        let known = replicas(&third).expect("a number");
        assert!(known <= 3 + round, "{known} after {round} restarts: {}", third.log());
        eventually_answers(&third, "GET total", &(100 + 1000 * round).to_string());
    }
    third.ask("INCRBY total 5");
    let second = second_again.run();
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET total STATE", "[2105 CONSISTENT]");
    }
    eventually("the replicas are known everywhere", || {
        let all = [replicas(&first)?, replicas(&second)?, replicas(&third)?];
        if all.iter().all(|known| *known <= 6 && *known == all[0]) { Ok(()) } else { Err(format!("{all:?}")) }
    });
}

#[test]
fn a_node_that_comes_back_with_an_empty_disk_costs_nobody_a_count() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&QUICK);
    for (node, amount) in [(&first, 1), (&second, 10), (&third, 100)] {
        node.ask(&format!("INCRBY total {amount}"));
    }
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET total", "111");
    }
    let directory = third.data_directory();
    let start = third.kill();
    std::fs::remove_dir_all(&directory).expect("its data");
    let third = start.run();
    // It is a new node, as its key was on that disk.
    assert_eq!(first.ask(&format!("CLUSTER MEET 127.0.0.1 {}", third.port())), "OK");
    eventually_answers(&third, "GET total", "111");
    third.ask("INCRBY total 1000");
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET total", "1111");
    }
}

#[test]
fn a_restored_node_that_is_alone_begins_one_replica_and_goes_on_as_that() {
    for mode in ["memory", "everysec", "always"] {
        let ground = Ground::new();
        let setting = format!("storage.durability={mode}");
        let [first, second] = [(); 2].map(|()| ground.server().set(&setting).run());
        link(&[&first, &second]);
        first.ask("INCRBY total 5");
        second.ask("INCRBY total 7");
        eventually_answers(&first, "GET total", "12");
        let backup = ground.path("backup");
        let ran = ground.cli(&["-p", &first.port().to_string(), "backup", &backup.display().to_string()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        // Both are lost.
        drop((first, second));
        let restored = ground.server().set(&setting).argument("--restore").argument(&backup).run();
        let directory = restored.data_directory();
        let known = replicas(&restored);
        assert_eq!(restored.ask("INCR total"), "13");
        assert_eq!(restored.ask("SAVE"), "OK");
        restored.stop(Signal::TERM);

        let mut node = ground.server().set(&setting).data_directory(directory).run();
        for restart in 1..=5_u64 {
            assert_eq!(replicas(&node), known, "{mode}, {restart}: {}", node.log());
            assert_eq!(node.ask("INCR total"), (13 + restart).to_string(), "{mode}");
            // A crash in memory mode always ends a replica, as nothing says what it had told.
            let is_stopped = mode == "memory" || restart % 2 == 0;
            assert_eq!(node.ask("SAVE"), "OK");
            node = if is_stopped { node.stop(Signal::TERM) } else { node.kill() }.run();
        }
    }
}
