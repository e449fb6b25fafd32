//! What is packaged for monitoring: alert rules, a dashboard and an example, held against what a node tells.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::client::get;
use crate::parsers::not_held_against;
use crate::server_support::{Ground, eventually};

fn packaged(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/monitoring")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(packaged(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every name in a text that begins as those of figures do.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("discnt_") || word.starts_with("process_")).collect()
}

/// Runs promtool, where it is installed.
fn promtool(arguments: &[&str], name: &str) {
    match Command::new("promtool").args(arguments).arg(packaged(name)).output() {
        Err(_) => not_held_against("promtool"),
        Ok(output) => assert!(
            output.status.success(),
            "{name}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

#[test]
fn promtool_takes_the_rules_the_example_and_what_the_rules_are_tested_with() {
    promtool(&["check", "rules"], "alerts.yml");
    promtool(&["test", "rules"], "alerts_test.yml");
    promtool(&["check", "config"], "prometheus.yml");
}

#[test]
fn rules_and_dashboard_speak_only_of_figures_that_a_node_tells() {
    let ground = Ground::new();
    let servers = ground.three();
    servers[0].ask("INCR a");
    let (rules, dashboard, tests) = (read("alerts.yml"), read("grafana.json"), read("alerts_test.yml"));
    let wanted: BTreeSet<&str> = [&rules, &dashboard, &tests].into_iter().flat_map(|text| names_in(text)).collect();
    assert!(wanted.len() > 25, "{wanted:?}");
    eventually("all figures are told", || {
        let text = get(&servers[0], "/metrics").body;
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let told: BTreeSet<&str> = samples.filter_map(|line| line.split(['{', ' ']).next()).collect();
        // Of errors there is none yet.
        let missing: Vec<_> = wanted.difference(&told).filter(|name| **name != "discnt_errors_total").collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    });
}

#[test]
fn every_alert_is_tested() {
    let (rules, tests) = (read("alerts.yml"), read("alerts_test.yml"));
    let names: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let goes_off = tests.split("- eval_time:").any(|test| {
            test.lines().any(|line| line.trim() == format!("alertname: {name}")) && test.contains("exp_alerts")
        });
        assert!(goes_off, "{name} is never seen to go off");
    }
}

#[test]
fn the_dashboard_is_json_with_a_query_in_every_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string()), "{}", panel["title"]);
    }
}
