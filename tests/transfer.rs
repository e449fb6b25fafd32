//! Counters between servers and files: what is exported, imported, refused, interrupted and gone on with.

#[path = "transfer/backups.rs"]
mod backups;
#[path = "cli_support/mod.rs"]
mod cli_support;
#[path = "transfer/crashes.rs"]
mod crashes;
#[path = "transfer/discnt.rs"]
mod discnt;
#[path = "transfer/files.rs"]
mod files;
#[path = "transfer/interruptions.rs"]
mod interruptions;
#[path = "transfer/redis.rs"]
mod redis;
#[path = "server_support/mod.rs"]
mod server_support;

use std::collections::BTreeMap;
use std::process::Command;

use redis_protocol::resp2::types::OwnedFrame;
use server_support::{Client, Ground, Server};

/// Names and values, as texts.
type Counters = BTreeMap<Vec<u8>, String>;

/// A request as it is sent, of any bytes.
fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The replies to many requests, some at a time.
fn ask_all(client: &mut Client, requests: &[Vec<u8>]) -> Vec<OwnedFrame> {
    let mut replies = Vec::new();
    for some in requests.chunks(500) {
        client.send_bytes(&some.concat()).expect("sent");
        replies.extend(some.iter().map(|_| client.reply().expect("a reply")));
    }
    replies
}

fn set_all(client: &mut Client, counters: &Counters) {
    let requests: Vec<_> = counters.iter().map(|(name, value)| request(&[b"SET", name, value.as_bytes()])).collect();
    for reply in ask_all(client, &requests) {
        assert_eq!(server_support::text_of(&reply), "OK");
    }
}

/// What a server has of these counters.
fn read_all(server: &Server, names: impl IntoIterator<Item = Vec<u8>>) -> Counters {
    let names: Vec<Vec<u8>> = names.into_iter().collect();
    let requests: Vec<_> = names.iter().map(|name| request(&[b"GET", name])).collect();
    let replies = ask_all(&mut server.client(), &requests);
    names.into_iter().zip(replies.iter().map(server_support::text_of)).collect()
}

/// The client with these words behind the port of a server, in the directory of the test.
fn client(ground: &Ground, port: u16, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-cli"));
    command.arg("-p").arg(port.to_string()).args(words).current_dir(ground.path(""));
    for variable in ["DISCNT_CLI_AUTH", "REDISCLI_AUTH", "DISCNT_CLI_FROM_AUTH"] {
        command.env_remove(variable);
    }
    command
}

/// How a run of the client ended: status, output, error output.
type Ended = (i32, String, String);

fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the client runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn run_well(ground: &Ground, server: &Server, words: &[&str]) -> String {
    let (code, out, errors) = run(&mut client(ground, server.port(), words));
    assert_eq!((code, errors.as_str()), (0, ""), "{words:?}: {out}");
    out
}
