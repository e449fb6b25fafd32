//! `--scan`, `--stat` and `--latency`.

use std::collections::BTreeSet;

use crate::running::Running;
use crate::server_support::Ground;
use crate::terminal::{CTRL_C, Terminal};

#[test]
fn all_names_are_listed_or_those_that_match() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    for number in 0..3_000 {
        counter.ask(&format!("INCR visits:{number}"));
    }
    counter.ask("INCR other");
    let listed = |words: &[&str]| {
        let (code, out, errors) = Running::start(node.port(), words).end();
        assert_eq!((code, errors), (Some(0), vec![]));
        assert_eq!(out.iter().collect::<BTreeSet<_>>().len(), out.len(), "no name twice");
        out
    };
    assert_eq!(listed(&["--scan"]).len(), 3_001);
    assert_eq!(listed(&["--scan", "--pattern", "visits:*", "--count", "7"]).len(), 3_000);
    assert_eq!(listed(&["--scan", "--pattern", "oth??"]), ["other"]);
    assert_eq!(listed(&["--json", "--scan", "--pattern", "other"]), ["\"other\""]);
    assert_eq!(listed(&["--scan", "--pattern", "none"]), [""; 0]);
    let (code, _, errors) = Running::start(node.port(), &["--scan", "get", "a"]).end();
    assert_eq!(code, Some(2));
    assert!(errors[0].contains("takes no command"), "{errors:?}");
}

#[test]
fn a_line_of_figures_comes_each_interval() {
    let ground = Ground::new();
    let [first, _second, _third] = ground.three();
    let mut counter = first.client();
    counter.ask("INCR a");
    let shown = Running::start(first.port(), &["--stat", "-i", "0.01", "-r", "22"]);
    let (code, lines, errors) = shown.end();
    assert_eq!((code, errors), (Some(0), vec![]));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let heading = ["counters", "clients", "ops/s", "commands", "memory", "peers"];
    assert_eq!(
        (lines.len(), words(&lines[0]), words(&lines[21])),
        (24, heading.map(str::to_owned).into(), words(&lines[0]))
    );
    let figures = words(&lines[1]);
    assert_eq!((figures[0].as_str(), figures[1].as_str(), figures[5].as_str()), ("1", "2", "2/2"), "{lines:?}");
    let shown = Running::start(first.port(), &["--json", "--stat"]);
    assert!(shown.line().contains("\"counters\":1"));
    shown.interrupt();
    let (code, ..) = shown.end();
    assert_eq!(code, None, "ended by Ctrl-C as any program");
}

#[test]
fn a_node_that_was_gone_is_shown_again_when_it_is_back() {
    let ground = Ground::new();
    let node = ground.start();
    let shown = Running::start(node.port(), &["--stat", "-i", "0.05"]);
    shown.lines(3);
    let again = node.kill();
    // Before that, it may be told that the answer to what was asked last did not come.
    while !shown.error().contains("could not connect") {}
    // What was printed before it went is not meant.
    while shown.try_line().is_some() {}
    let _node = again.run();
    shown.line();
}

#[test]
fn latency_into_a_pipe_is_one_line() {
    let ground = Ground::new();
    let node = ground.start();
    let (code, lines, errors) = Running::start(node.port(), &["--latency", "-i", "0.2"]).end();
    assert_eq!((code, errors, lines.len()), (Some(0), vec![], 1));
    let figures: Vec<f64> = lines[0].split(' ').map(|word| word.parse().expect("a number")).collect();
    let [least, most, mean, count] = figures[..] else { panic!("{lines:?}") };
    assert!(0.0 < least && least <= mean && mean <= most && most < 30_000.0 && count >= 1.0, "{lines:?}");
    let (code, lines, _) = Running::start(node.port(), &["--latency-history", "-i", "0.1", "-r", "3"]).end();
    assert_eq!((code, lines.len()), (Some(0), 3), "{lines:?}");
    let (code, lines, _) = Running::start(node.port(), &["--latency-dist", "-i", "0.1", "-r", "2"]).end();
    assert_eq!((code, lines.len()), (Some(0), 3), "{lines:?}");
    assert!(lines[0].contains("<=0.5"), "{lines:?}");
    let (_, lines, _) = Running::start(node.port(), &["--json", "--latency", "-i", "0.1"]).end();
    assert!(lines[0].contains("\"p99_ms\":"), "{lines:?}");
}

#[test]
fn on_a_terminal_latency_is_drawn_in_place_until_ctrl_c() {
    let ground = Ground::new();
    let node = ground.start();
    let mut shown = Terminal::start(&["-p", &node.port().to_string(), "--latency"]);
    shown.wait_until(0, "drawn twice in one line", |drawn| {
        drawn.matches("\rmin: ").count() > 1 && !drawn.contains('\n')
    });
    shown.press(CTRL_C);
    assert_eq!(shown.wait_for_end(), None, "ended by the signal");
}

#[test]
fn more_seconds_than_can_be_reckoned_with_are_refused() {
    for mode in [&["--stat", "-r", "2"][..], &["--top"]] {
        let (code, out, errors) = Running::start(1, &[mode, &["-i", "1e19"]].concat()).end();
        assert_eq!((code, out), (Some(2), vec![]));
        assert!(errors[0].contains("up to 1000000000"), "{errors:?}");
    }
}
