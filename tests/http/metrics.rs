//! Figures for Prometheus, as its own parsers read them.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::client::{get, get_with};
use crate::parsers::not_held_against;
use crate::server_support::{Ground, eventually};

const OPEN_METRICS: &str = "Accept: application/openmetrics-text; version=1.0.0";

#[test]
fn commands_are_counted_by_name_and_result() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    for request in ["INCRBY a 5", "INCRBY a 5", "INCRBY a x", "INCRBY a", "GET a", "GET nothing", "NOSUCH"] {
        client.ask(request);
    }
    let text = get(&server, "/metrics").body;
    for line in [
        "discnt_commands_total{command=\"incrby\",result=\"ok\"} 2",
        "discnt_commands_total{command=\"incrby\",result=\"failed\"} 1",
        "discnt_commands_total{command=\"incrby\",result=\"rejected\"} 1",
        "discnt_commands_total{command=\"unknown\",result=\"rejected\"} 1",
        "discnt_command_duration_seconds_bucket{command=\"get\",le=\"+Inf\"} 2",
        "discnt_command_duration_seconds_count{command=\"get\"} 2",
        "discnt_reads_found_total 1",
        "discnt_reads_missed_total 1",
        "discnt_counters 1",
        "discnt_ready 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let ground = Ground::new();
    let server = ground.start();
    let text = get(&server, "/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!text.body.contains("# EOF") && !text.body.contains("# UNIT"), "{}", text.body);
    let open = get_with(&server, "/metrics", &[OPEN_METRICS]);
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.body.ends_with("# EOF\n") && open.body.contains("# UNIT process_cpu_seconds seconds\n"));
}

#[test]
fn the_start_is_told_the_same_each_time_and_by_all_who_tell_it() {
    let ground = Ground::new();
    let server = ground.start();
    let told = || {
        let text = get(&server, "/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "));
        line.and_then(|seconds| seconds.parse::<f64>().ok()).expect("a number")
    };
    let first = told();
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(37));
        let summary = crate::api::ask(&server, "/api/v1/summary");
        let millis = summary["node"]["started_at_ms"].as_u64().expect("a number");
        assert_eq!((told(), millis), (first, (first * 1e3).round() as u64));
    }
}

#[test]
fn what_was_saved_is_told_in_increments_and_announcements() {
    let ground = Ground::new();
    let servers = ground.three();
    servers[0].ask("MINCRBY 1 a b c d e");
    for _ in 0..45 {
        servers[0].ask("INCR a");
    }
    let text = eventually("all is announced", || {
        let text = get(&servers[0], "/metrics").body;
        if text.contains("\ndiscnt_counters_waiting 0\n") { Ok(text) } else { Err(text) }
    });
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok()).expect(name)
    };
    let (increments, misses) = (figure("discnt_increments_total"), figure("discnt_prediction_misses_total"));
    assert_eq!(increments, 50.0, "of a request for five counters each");
    assert!((5.0..=51.0).contains(&misses), "once, though two nodes hear it: {misses}");
    assert_eq!(figure("discnt_prediction_saved_ratio"), (1.0 - misses / increments).max(0.0));
    let summary = crate::api::ask(&servers[0], "/api/v1/summary");
    assert_eq!(summary["totals"]["increments"], 50);
}

/// Holds that `program` takes `text`.
fn is_taken_by(program: &mut Command, text: &str) -> Option<String> {
    let spawned = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        not_held_against(&format!("{program:?}"));
        return None;
    };
    child.stdin.take().expect("an input").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("output");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{program:?}: {said}\n{text}");
    Some(said)
}

#[test]
fn prometheus_own_tools_take_what_three_linked_nodes_tell() {
    let ground = Ground::new();
    let servers = ground.three();
    for server in &servers {
        server.ask("INCR a");
        server.ask("GET a");
    }
    let text = eventually("all links are told", || {
        let text = get(&servers[0], "/metrics").body;
        let linked = text.lines().filter(|line| line.starts_with("discnt_peer_linked{") && line.ends_with(" 1"));
        (linked.count() == 2).then_some(text.clone()).ok_or(text)
    });
    // What promtool has to say of names and help is an error, too.
    let mut promtool = Command::new("promtool");
    if let Some(said) = is_taken_by(promtool.args(["check", "metrics"]), &text) {
        assert_eq!(said.trim(), "");
    }
    let open = get_with(&servers[0], "/metrics", &[OPEN_METRICS]).body;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/parse_metrics.py");
    assert!(fs::exists(script).expect("a path"));
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/parsers/bin/python3");
    is_taken_by(Command::new(python).args([script, "text"]), &text);
    is_taken_by(Command::new(python).args([script, "openmetrics"]), &open);
}
