//! What a person sees, and that a program does not.

use std::process::Command;

use crate::server_support::{Ground, link, run};
use crate::terminal::Terminal;

#[test]
fn the_nodes_are_a_table_on_a_terminal_and_the_servers_words_in_a_pipe() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    let port = first.port().to_string();
    let (code, screen) = Terminal::start(&ground, &[], &["-p", &port, "cluster", "nodes"]).end();
    assert_eq!(code, Some(0));
    assert!(screen.contains("2 nodes, all linked"), "{screen}");
    let own = first.id();
    let row = screen.lines().find(|line| line.contains(&own[..8])).unwrap_or("");
    assert!(row.contains(&format!("127.0.0.1:{port}")) && row.contains("this node"), "{screen}");
    assert!(!screen.contains(own.as_str()), "{screen}");
    assert!(screen.contains("ROUND TRIP"), "{screen}");
    let raw = format!("{own} 127.0.0.1:{port}@{port} myself - 0 0 ");
    let (_, unchanged) = Terminal::start(&ground, &[], &["-p", &port, "--raw", "cluster", "nodes"]).end();
    assert!(unchanged.starts_with(&raw), "{unchanged}");
    let piped = ground.cli(&["-p", &port, "cluster", "nodes"]);
    assert!(piped.out.starts_with(&raw), "{piped:?}");
    let mut direct = first.client();
    let said = direct.ask("CLUSTER MYID");
    assert_eq!(said, own);
}

#[test]
fn a_node_that_is_gone_is_told_first() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    let (port, gone) = (first.port().to_string(), second.id());
    drop(second);
    crate::server_support::eventually("the node that is gone is told first", || {
        let (_, screen) = Terminal::start(&ground, &[("NO_COLOR", "1")], &["-p", &port, "cluster", "nodes"]).end();
        let first_lines = format!("1 of 2 nodes not well:\n  {} at 127.0.0.1:", &gone[..8]);
        if screen.starts_with(&first_lines) { Ok(()) } else { Err(screen) }
    });
    let (_, info) = Terminal::start(&ground, &[("NO_COLOR", "1")], &["-p", &port, "info", "cluster"]).end();
    assert!(
        info.starts_with("! the cluster is not well: 0 of 1 other nodes reachable\n\nCluster\n  cluster_"),
        "{info}"
    );
}

#[test]
fn info_is_grouped_on_a_terminal_and_the_servers_words_in_a_pipe() {
    let ground = Ground::new();
    let server = ground.start();
    let port = server.port().to_string();
    let (_, screen) = Terminal::start(&ground, &[("NO_COLOR", "1")], &["-p", &port, "info"]).end();
    assert!(screen.starts_with("Server\n  redis_version "), "{screen}");
    assert!(screen.contains("\nKeyspace\n") && !screen.contains("# Server"), "{screen}");
    let (_, cluster) = Terminal::start(&ground, &[("NO_COLOR", "1")], &["-p", &port, "cluster", "info"]).end();
    assert!(cluster.contains("messages") && !cluster.contains("cluster_stats_messages_"), "{cluster}");
    let piped = ground.cli(&["-p", &port, "info"]);
    assert!(piped.out.starts_with("# Server\r\nredis_version:"), "{piped:?}");
}

#[test]
fn errors_are_coloured_where_a_person_looks() {
    let ground = Ground::new();
    let server = ground.start();
    let port = server.port().to_string();
    let seen = |variables: &[(&str, &str)], option: &str| {
        let (code, screen) = Terminal::start(&ground, variables, &["-p", &port, option, "nonsense"]).end();
        assert_eq!(code, Some(1));
        screen.contains("\x1b[31m")
    };
    assert!(seen(&[], "--no-raw"));
    assert!(!seen(&[("NO_COLOR", "1")], "--no-raw"));
    assert!(!seen(&[("TERM", "dumb")], "--no-raw"));
    assert!(!seen(&[], "--color=never"));
    assert!(seen(&[("NO_COLOR", "1")], "--color=always"));
    let piped = |option: &str| {
        let words = ["-p", &port, option, "nonsense"];
        run(Command::new(env!("CARGO_BIN_EXE_discnt-cli")).args(words).env_remove("NO_COLOR")).errors
    };
    assert!(!piped("--color=auto").contains('\x1b'));
    assert!(piped("--color=always").starts_with("\x1b[31mERR "));
}

#[test]
fn help_of_which_somebody_reads_the_beginning_only_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_discnt-cli")).arg("--help").stdout(writer).status();
    assert_eq!(status.expect("the client starts").code(), Some(0));
}
