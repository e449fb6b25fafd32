//! What one connection sees of others, and does to them.

use std::io::Read;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::server_support::{Ground, PATIENCE, eventually, text_of};
use crate::{eventually_closed, eventually_lists, field, leave_unread};

#[test]
fn a_connection_is_listed_with_what_it_holds() {
    let ground = Ground::new();
    let server = ground.start();
    let (mut watcher, mut other) = (server.client(), server.client());
    other.ask("CLIENT SETNAME other");
    other.send_bytes(b"*2\r\n$3\r\nGET\r\n$100\r\nhalf").expect("connected");
    let line = eventually_lists(&mut watcher, &[" name=other ", " qbuf=23 "]);
    assert_eq!(field(&line, "laddr"), server.address().to_string());
    assert!(field(&line, "fd").parse::<u32>().is_ok_and(|fd| fd > 2), "{line}");
    assert_eq!((field(&line, "flags").as_str(), field(&line, "cmd").as_str()), ("N", "client|setname"));
    assert_eq!(field(&line, "qbuf-free"), ((16 << 10) - 23).to_string());
}

#[test]
fn a_killed_connection_is_closed_whatever_it_is_in() {
    let ground = Ground::new();
    let server = ground.start();
    let mut killer = server.client();
    let (mut idle, mut waiting, mut half) = (server.client(), server.client(), server.client());
    idle.ask("CLIENT SETNAME idle");
    waiting.ask("CLIENT SETNAME waiting");
    waiting.send("WAIT 1 0").expect("connected");
    half.ask("CLIENT SETNAME half");
    half.send_bytes(b"*2\r\n$3\r\nGET\r\n").expect("connected");
    for (name, flags, client) in [("idle", "N", &mut idle), ("waiting", "b", &mut waiting), ("half", "N", &mut half)] {
        let line = eventually_lists(&mut killer, &[&format!(" name={name} "), &format!(" flags={flags} ")]);
        let id = field(&line, "id");
        assert_eq!(killer.ask(&format!("CLIENT KILL ID {id}")), "1");
        eventually_closed(client);
        assert_eq!(killer.ask(&format!("CLIENT LIST ID {id}")), "");
    }
    let mut by_address = server.client();
    let address = field(&by_address.ask("CLIENT INFO"), "addr");
    assert_eq!(killer.ask(&format!("CLIENT KILL {address}")), "OK");
    eventually_closed(&mut by_address);
    // One that does not read what it asked for.
    killer.ask("SET big 12345678901234567890");
    let mut deaf = leave_unread(&server);
    let line = eventually_lists(&mut killer, &[" events=rw "]);
    assert!(field(&line, "obl").parse::<u64>().is_ok_and(|unread| unread > 0), "{line}");
    assert_eq!(killer.ask(&format!("CLIENT KILL ID {}", field(&line, "id"))), "1");
    deaf.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut bytes = vec![0; 1 << 20];
    // What was on its way arrives, then the connection ends, in good order or not.
    while let Ok(1..) = deaf.read(&mut bytes) {}
    eventually("it is gone", || match killer.try_ask("CLIENT LIST")? {
        list if list.lines().count() == 1 => Ok(()),
        list => Err(list),
    });
    assert_eq!(killer.ask("CLIENT KILL TYPE normal SKIPME no"), "1");
    eventually_closed(&mut killer);
}

#[test]
fn a_waiting_connection_is_unblocked_with_what_there_is_or_with_an_error() {
    let ground = Ground::new();
    let server = ground.start();
    let (mut operator, mut waiting) = (server.client(), server.client());
    let id = waiting.ask("CLIENT ID");
    for (how, request, reply) in [
        ("", "WAIT 1 0", "0"),
        (" TIMEOUT", "WAITAOF 0 1 0", "[0 0]"),
        (" ERROR", "WAIT 1 0", "-UNBLOCKED client unblocked via CLIENT UNBLOCK"),
    ] {
        assert_eq!(operator.ask(&format!("CLIENT UNBLOCK {id}{how}")), "0");
        waiting.send("INCR a").expect("connected");
        waiting.reply().expect("a reply");
        waiting.send(request).expect("connected");
        eventually_lists(&mut operator, &[&format!("id={id} "), " flags=b "]);
        eventually("it is unblocked", || match operator.try_ask(&format!("CLIENT UNBLOCK {id}{how}"))?.as_str() {
            "1" => Ok(()),
            other => Err(other.to_owned()),
        });
        let answer = text_of(&waiting.reply().expect("a reply"));
        // The disk may have been quicker.
        assert!(answer == reply || (reply == "[0 0]" && answer == "[1 0]"), "{request}: {answer}");
        assert_eq!(waiting.ask("PING"), "PONG");
    }
}

#[test]
fn a_pause_holds_requests_up_until_its_end() {
    let ground = Ground::new();
    let server = ground.start();
    let (mut operator, mut writer, mut reader) = (server.client(), server.client(), server.client());
    assert_eq!(operator.ask("CLIENT PAUSE 600000 WRITE"), "OK");
    writer.send_bytes(b"PING\r\nINCR a\r\nINCR a\r\n").expect("connected");
    assert_eq!(text_of(&writer.reply().expect("the first is no write")), "PONG");
    eventually_lists(&mut operator, &[" flags=b "]);
    assert_eq!(reader.ask("GET a"), "0");
    assert_eq!(operator.ask("CLIENT UNPAUSE"), "OK");
    for value in ["1", "2"] {
        assert_eq!(text_of(&writer.reply().expect("a reply")), value);
    }
    let begin = Instant::now();
    assert_eq!(operator.ask("CLIENT PAUSE 300"), "OK");
    assert_eq!(reader.ask("GET a"), "2");
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
}

#[test]
fn a_paused_server_stops_and_runs_nothing_of_what_waited() {
    let ground = Ground::new();
    let server = ground.start();
    let (mut operator, mut writer) = (server.client(), server.client());
    assert_eq!(operator.ask("CLIENT PAUSE 600000 WRITE"), "OK");
    writer.send("INCR a").expect("connected");
    eventually_lists(&mut operator, &[" flags=b "]);
    let begin = Instant::now();
    let start = server.stop(Signal::TERM);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(start.run().ask("EXISTS a"), "0");
}

#[test]
fn replies_are_left_out_as_asked() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    client.send_bytes(b"CLIENT REPLY OFF\r\nINCR a\r\nWAIT 0 0\r\nnosuch\r\nCLIENT REPLY ON\r\n").expect("connected");
    assert_eq!(text_of(&client.reply().expect("a reply")), "OK");
    client.send_bytes(b"CLIENT REPLY SKIP\r\nINCR a\r\nINCR a\r\n").expect("connected");
    assert_eq!(text_of(&client.reply().expect("a reply")), "3");
}
