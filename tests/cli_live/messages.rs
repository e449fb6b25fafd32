//! Commands that have messages sent.

use crate::running::Running;
use crate::server_support::{Ground, eventually};
use crate::terminal::{CTRL_C, Terminal};

#[test]
fn subscriptions_to_several_counters_are_shown_until_ctrl_c() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    counter.ask("INCRBY a 5");
    let shown = Running::start(node.port(), &["--json", "-2", "isubscribe", "0.1", "a", "b"]);
    assert_eq!(shown.lines(2), [r#"["subscribe","a",1]"#, r#"["subscribe","b",2]"#]);
    assert_eq!(shown.line(), r#"["message","a","5"]"#);
    counter.ask("INCRBY b 0.1");
    assert_eq!(shown.line(), r#"["message","b","0.1"]"#);
    shown.interrupt();
    let (code, out, errors) = shown.end();
    assert_eq!((code, out, errors), (Some(130), vec![], vec![]));
    eventually("the subscription is gone", || {
        let info = counter.ask("INFO clients");
        if info.contains("pubsub_clients:0") { Ok(()) } else { Err(info) }
    });
}

#[test]
fn messages_of_resp3_are_shown_as_those_of_resp2() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    for version in ["-2", "-3"] {
        let shown = Running::start(node.port(), &[version, "psubscribe", "x*", "y*"]);
        assert_eq!(shown.lines(6), ["psubscribe", "x*", "1", "psubscribe", "y*", "2"]);
        let value = counter.ask("INCR x1");
        assert_eq!(shown.lines(4), ["pmessage", "x*", "x1", &value]);
        // Its server goes: that is told, and is no success.
        counter.ask("CLIENT KILL TYPE pubsub");
        let (code, _, errors) = shown.end();
        assert_eq!(code, Some(2));
        assert!(errors[0].contains("no more messages come"), "{errors:?}");
    }
}

#[test]
fn monitor_shows_what_others_ask() {
    let ground = Ground::new();
    let node = ground.start();
    let shown = Running::start(node.port(), &["monitor"]);
    assert_eq!(shown.line(), "OK");
    node.ask("INCRBY seen 3");
    assert!(shown.line().ends_with(r#""INCRBY" "seen" "3""#));
}

#[test]
fn a_line_of_the_input_may_subscribe_and_one_that_is_refused_stops_nothing() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    let mut shown = Running::start(node.port(), &[]);
    shown.feed(b"subscribe\nunsubscribe a b\nincr a\nunsubscribe\nincr a\nsubscribe a\nincr a\n");
    // Each reply stands behind its own command, however many that has.
    assert_eq!(shown.lines(6), ["unsubscribe", "a", "0", "unsubscribe", "b", "0"]);
    assert_eq!(shown.lines(5), ["1", "unsubscribe", "", "0", "2"]);
    assert_eq!(shown.lines(6), ["subscribe", "a", "1", "message", "a", "2"]);
    counter.ask("INCRBY a 3");
    assert_eq!(shown.lines(3), ["message", "a", "5"]);
    shown.interrupt();
    let (code, _, errors) = shown.end();
    assert_eq!(code, Some(130));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("line 1: ERR wrong number of arguments"), "{errors:?}");
}

#[test]
fn at_the_prompt_ctrl_c_ends_the_messages_and_not_the_client() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    counter.ask("INCRBY a 7");
    let mut prompt = Terminal::start(&["-p", &node.port().to_string()]);
    prompt.wait_for(0, "> ");
    for round in 0..2 {
        let mark = prompt.mark();
        prompt.press("subscribe a b\r");
        prompt.wait_for(mark, "Ctrl-C ends that");
        prompt.wait_for(mark, "\"message\"\r\n2) \"a\"\r\n3) ");
        let mark = prompt.mark();
        prompt.press(CTRL_C);
        prompt.wait_for(mark, &format!("{}> ", node.port()));
        let mark = prompt.mark();
        prompt.press("incr a\r");
        // Counted on a connection that is not a subscriber's.
        prompt.wait_for(mark, &format!("(integer) {}", 8 + round));
    }
    eventually("the subscription is undone", || {
        let info = counter.ask("INFO clients");
        if info.contains("pubsub_clients:0") { Ok(()) } else { Err(info) }
    });
    let mark = prompt.mark();
    prompt.press("subscribe\r");
    prompt.wait_for(mark, "(error) ERR wrong number");
    prompt.press("quit\r");
    assert_eq!(prompt.wait_for_end(), Some(0));
}

#[test]
fn what_a_server_says_moves_no_cursor() {
    let server = crate::answering::Server::start(|_| crate::answering::bytes("-ERR \x1b[2Jno\r\n"));
    for words in
        [&["-a", "x", "--no-auth-warning", "--scan"][..], &["export"], &["bench", "incr", "-n", "1", "-c", "1"]]
    {
        let (_, _, errors) = Running::start(server.port, words).end();
        assert!(errors[0].contains("ERR \\x1b[2Jno"), "{words:?}: {errors:?}");
    }
}
