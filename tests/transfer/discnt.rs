//! Imports from a node that answers as the C program does.

use super::cli_support::{Server as Fake, bytes};
use super::server_support::Ground;
use super::{client, run, run_well};

#[test]
fn every_counter_of_a_node_with_the_replies_of_the_c_program_is_taken_over() {
    let ground = Ground::new();
    let (old, new) = (ground.server().set("resp.replies=discnt").run(), ground.start());
    let mut counting = old.client();
    for number in 0..5_000 {
        counting.send(&format!("INCRBY name:{number} {number}.25")).expect("sent");
    }
    for _ in 0..5_000 {
        counting.reply().expect("a reply");
    }
    old.ask("SET whole 12");
    let place = format!("127.0.0.1:{}", old.port());
    for _ in 0..2 {
        let said = run_well(&ground, &new, &["import", "--from-discnt", &place]);
        assert!(said.starts_with("set 5,001 counters in "), "{said}");
        assert_eq!(new.ask("MGET name:0 name:4999 whole"), "[0.25 4999.25 12]");
        assert_eq!(new.ask("DBSIZE"), "5001");
    }
    let said = run_well(&ground, &new, &["import", "--from-discnt", &place, "--match", "who*", "--skip-existing"]);
    assert!(said.starts_with("set 0 counters in ") && said.contains("; left 1 alone that existed"), "{said}");
}

#[test]
fn values_are_texts_with_zeros_behind_and_what_is_no_number_is_told() {
    let ground = Ground::new();
    let server = ground.start();
    let fake = Fake::start(|request| match request {
        "AUTH secret" => bytes("+OK\r\n"),
        "KEYS *" => bytes("*4\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nbad\r\n$4\r\nlong\r\n"),
        "GET a" => bytes("$8\r\n12.34000\r\n"),
        "GET b" => bytes("$8\r\n-0.00000\r\n"),
        "GET bad" => bytes("$3\r\nnan\r\n"),
        "GET long" => bytes("$20\r\n0.300000000000000044\r\n"),
        _ => None,
    });
    let place = format!("127.0.0.1:{}", fake.port);
    let mut import = client(&ground, server.port(), &["import", "--from-discnt", &place, "--verbose"]);
    let (code, out, errors) = run(import.env("DISCNT_CLI_FROM_AUTH", "secret"));
    assert_eq!(code, 1, "{errors}");
    assert!(out.starts_with("set 2 counters in "), "{out}");
    assert!(errors.contains("left out \"bad\" = \"nan\""), "{errors}");
    assert!(errors.contains("left out \"long\" = \"0.300000000000000044\": more than 17 digits"), "{errors}");
    assert_eq!(server.ask("KEYS *"), "[a b]");
    assert_eq!(server.ask("MGET a b"), "[12.34 0]");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let ground = Ground::new();
    let server = ground.start();
    let nowhere = format!("127.0.0.1:{}", super::cli_support::closed_port());
    let (code, _, errors) = run(&mut client(&ground, server.port(), &["import", "--from-discnt", &nowhere]));
    assert_eq!(code, 2);
    assert_eq!(errors, format!("discnt-cli: could not connect to {nowhere} to import from it: Connection refused\n"));
}
