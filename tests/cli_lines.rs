//! Commands from the input, one a line.

mod cli_support;

use std::sync::atomic::{AtomicI64, Ordering};

use cli_support::{Server, bytes, closed_port, run};

/// Counts `incr`s, whatever the counter.
fn server() -> Server {
    let count = AtomicI64::new(0);
    Server::start(move |request| match request {
        "die" => None,
        "fail" => bytes("-ERR no\r\n"),
        _ if request.starts_with("incr ") => {
            let value = count.fetch_add(1, Ordering::Relaxed) + 1;
            bytes(&format!(":{value}\r\n"))
        }
        _ => bytes("+OK\r\n"),
    })
}

#[test]
fn each_line_is_a_command_and_empty_ones_are_left_out() {
    let server = server();
    let input = b"incr a\n\n   \nincr \"a b\\x00\"\r\n  incr 'c d'  \nset x y";
    let ran = server.run(&[], input);
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "1\n2\n3\nOK\n", ""));
    assert_eq!(server.requests(), ["incr a", "incr a b\\x00", "incr c d", "set x y"]);
}

#[test]
fn errors_are_told_with_their_line_and_the_rest_is_run() {
    let server = server();
    let ran = server.run(&[], b"incr a\nfail\nincr \"a\npsync\nincr a\n");
    assert_eq!((ran.code, ran.out.as_str()), (1, "1\n2\n"));
    let lines: Vec<&str> = ran.errors.lines().collect();
    assert_eq!(lines[0], "line 2: ERR no");
    assert!(lines[1].starts_with("discnt-cli: line 3: invalid argument(s)"), "{}", lines[1]);
    assert!(lines[2].starts_with("discnt-cli: line 4: PSYNC"), "{}", lines[2]);
    assert_eq!(server.requests(), ["incr a", "fail", "incr a"]);
}

#[test]
fn a_lost_connection_ends_it_before_later_lines() {
    let server = server();
    let ran = server.run(&[], b"incr a\ndie\nincr a\n");
    assert_eq!((ran.code, ran.out.as_str()), (2, "1\n"));
    assert!(ran.errors.contains("line 2: the connection"), "{}", ran.errors);
    assert!(ran.errors.contains("later lines were not sent"), "{}", ran.errors);
    assert_eq!(server.requests(), ["incr a", "die"]);
}

#[test]
fn quit_ends_it() {
    let server = server();
    let ran = server.run(&["--json"], b"incr a\nQUIT\nincr a\n");
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "1\n", ""));
}

#[test]
fn without_a_server_nothing_is_run() {
    let port = closed_port();
    let ran = run(&["-p", &port], &[], b"incr a\n");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.errors.contains("is discnt-server running there?"), "{}", ran.errors);
}
