//! Some replies, for people: what CLUSTER NODES, CLUSTER INFO and INFO say, in tables and groups, with what is wrong first.
//!
//! What is not understood is shown as the server said it: another server may have other columns.

mod info;
mod nodes;
mod table;

use std::time::{SystemTime, UNIX_EPOCH};

use super::colour::Paint;
use super::quote::printable;
use super::value::Value;

/// The reply for a person, with the line end; nothing where the reply is best shown as it is.
pub(super) fn render<A: AsRef<[u8]>>(command: &[A], reply: &Value, paint: Paint) -> Option<String> {
    let word = |at: usize| command.get(at).map(|word| word.as_ref().to_ascii_lowercase());
    let text = printable(reply.bytes()?);
    match (word(0)?.as_slice(), word(1).as_deref(), command.len()) {
        (b"cluster", Some(b"nodes"), 2) => nodes::render(&text, now_millis(), paint),
        (b"cluster", Some(b"info"), 2) => info::render(&text, paint),
        (b"info", ..) => info::render(&text, paint),
        _ => None,
    }
}

/// By the clock of this machine. Where the server is on another one with another time, ages are wrong by as much.
fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
