//! `--scan`: the names of all counters.

use std::thread;
use std::time::Duration;

use super::begin::connect;
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, output_ended, warn};
use crate::cli::value::Value;

/// How much of its table the server looks at for each request, where the user does not say.
const PLACES: u32 = 1000;

/// Which names, and how they are asked for.
pub(super) struct Wanted {
    /// Those that match.
    pub(super) pattern: Option<Vec<u8>>,
    /// How much of its table the server looks at for each request.
    pub(super) count: Option<u32>,
    /// The time between two requests.
    pub(super) pause: Option<Duration>,
}

/// Prints them as they are found.
pub(super) fn run(mut client: Client, output: Output, wanted: Wanted) -> Exit {
    if !connect(&mut client) {
        return Exit::Unusable;
    }
    let mut cursor = b"0".to_vec();
    loop {
        let request = request(&cursor, &wanted);
        let reply = match client.run(&request, &mut |_| ()) {
            Ok(reply) => reply,
            Err(error) => {
                warn(error);
                return Exit::Unusable;
            }
        };
        if reply.is_error() {
            return match output.reply(&reply, &request, &"") {
                Ok(()) => Exit::Failed,
                Err(error) => output_ended(&error),
            };
        }
        let Some((next, names)) = page(reply) else {
            warn("the server answered SCAN with something else than a cursor and names");
            return Exit::Failed;
        };
        if let Err(error) = output.list(&names) {
            return output_ended(&error);
        }
        if next == b"0" {
            return Exit::Answered;
        }
        cursor = next;
        wanted.pause.into_iter().for_each(thread::sleep);
    }
}

fn request(cursor: &[u8], wanted: &Wanted) -> Vec<Vec<u8>> {
    let count = wanted.count.unwrap_or(PLACES).to_string();
    let mut words = vec![b"SCAN".to_vec(), cursor.to_vec(), b"COUNT".to_vec(), count.into_bytes()];
    if let Some(pattern) = &wanted.pattern {
        words.extend([b"MATCH".to_vec(), pattern.clone()]);
    }
    words
}

/// The next cursor and the names of a reply to SCAN.
pub(super) fn page(reply: Value) -> Option<(Vec<u8>, Vec<Value>)> {
    let Value::Array(parts) = reply else { return None };
    let [cursor, Value::Array(names)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    Some((cursor.bytes()?.to_vec(), names))
}
