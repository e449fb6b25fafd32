//! A request as SLOWLOG and MONITOR show it: bounded, and without passwords.

use super::clients::Client;
use super::table::Found;
use crate::resp::Arguments;

/// The most arguments of a request that are kept for SLOWLOG, and the most bytes of each.
const MAX_ARGUMENTS: usize = 32;
const MAX_ARGUMENT_BYTES: usize = 128;
/// What a password is shown as.
const REDACTED: &[u8] = b"(redacted)";

/// What is kept of a request.
#[derive(Clone, Debug)]
pub(super) struct ShownRequest {
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) client: String,
    pub(super) client_name: String,
}

impl ShownRequest {
    pub(super) fn new(found: Found, arguments: Arguments<'_>, client: &Client) -> Self {
        let surplus = arguments.len().checked_sub(MAX_ARGUMENTS).filter(|surplus| *surplus > 0);
        // The last place tells of those that are left out.
        let kept = if surplus.is_some() { MAX_ARGUMENTS - 1 } else { arguments.len() };
        let mut shown: Vec<Vec<u8>> = arguments_to_show(found, arguments).take(kept).map(cut).collect();
        if let Some(surplus) = surplus {
            shown.push(format!("... ({} more arguments)", surplus + 1).into_bytes());
        }
        Self { arguments: shown, client: client.remote().to_owned(), client_name: client.labels().name }
    }
}

fn cut(argument: &[u8]) -> Vec<u8> {
    match argument.split_at_checked(MAX_ARGUMENT_BYTES) {
        Some((front, rest)) if !rest.is_empty() => {
            let mut shown = front.to_vec();
            shown.extend_from_slice(format!("... ({} more bytes)", rest.len()).as_bytes());
            shown
        }
        _ => argument.to_vec(),
    }
}

/// The arguments, with passwords replaced.
pub(super) fn arguments_to_show<'a>(
    found: Found,
    arguments: Arguments<'a>,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let hidden = hidden_from(found, arguments);
    (0..arguments.len()).map(move |at| match hidden {
        Some((first, last)) if at >= first && at < last => REDACTED,
        _ => arguments.get(at).unwrap_or_default(),
    })
}

/// Which arguments hold a password or the like.
fn hidden_from(found: Found, arguments: Arguments<'_>) -> Option<(usize, usize)> {
    match (found.container.map(|container| container.name), found.specification.name) {
        (None, "auth") => Some((1, arguments.len())),
        (None, "hello") => hidden_from_hello(arguments),
        (Some("cluster"), "join") => Some((2, arguments.len())),
        // Which of the settings is a secret is not worth finding out.
        (Some("config"), "set") => Some((3, arguments.len())),
        // Rules hold passwords, and a name that is forgotten makes a rule of what follows.
        (Some("acl"), "setuser") => Some((2, arguments.len())),
        // A request in a request. What it hides by itself is not worth finding out.
        (Some("acl"), "dryrun") => Some((4, arguments.len())),
        (Some("command"), "getkeys" | "getkeysandflags") => Some((3, arguments.len())),
        _ => None,
    }
}

/// Takes the options apart as HELLO does: what is named AUTH need not be the option of that name.
fn hidden_from_hello(arguments: Arguments<'_>) -> Option<(usize, usize)> {
    let is = |at: usize, word: &[u8]| arguments.get(at).is_some_and(|argument| argument.eq_ignore_ascii_case(word));
    let (mut at, end) = (2, arguments.len());
    while is(at, b"SETNAME") {
        at += 2;
    }
    if at >= end {
        return None;
    }
    if !is(at, b"AUTH") {
        // HELLO refuses it, and nobody knows what was meant.
        return Some((at, end));
    }
    let only_a_name_follows = is(at + 3, b"SETNAME") && end == at + 5;
    Some((at + 1, if only_a_name_follows { at + 3 } else { end }))
}

/// Appends an argument in quotation marks, as Redis writes it.
pub(super) fn write_quoted(argument: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in argument {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', *byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            7 => line.extend_from_slice(b"\\a"),
            8 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(*byte),
            other => line.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::table::find_full;
    use super::super::testing::Bench;
    use super::*;
    use crate::resp::{Decoder, Limits};

    /// What is kept of a request in one line.
    fn shown(line: &str) -> Vec<String> {
        let bench = Bench::new();
        let bytes = format!("{line}\r\n").into_bytes();
        let mut decoder = Decoder::new(Limits::default());
        decoder.decode(&bytes).expect("a well-formed request");
        let words: Vec<&str> = line.split(' ').collect();
        let name = words[0].to_lowercase();
        let found = find_full(name.as_bytes()).expect("a command");
        let found =
            words.get(1).and_then(|word| super::super::table::find_subcommand(found, word.as_bytes())).unwrap_or(found);
        let request = ShownRequest::new(found, decoder.arguments(&bytes), bench.session.client());
        request.arguments.into_iter().map(|argument| String::from_utf8(argument).expect("text")).collect()
    }

    #[test]
    fn passwords_are_not_shown() {
        for (line, expected) in [
            ("GET a", "GET a"),
            ("AUTH secret", "AUTH (redacted)"),
            ("AUTH me secret", "AUTH (redacted) (redacted)"),
            ("HELLO 3 AUTH me secret SETNAME x", "HELLO 3 AUTH (redacted) (redacted) SETNAME x"),
            ("HELLO 3", "HELLO 3"),
            ("HELLO 3 SETNAME x", "HELLO 3 SETNAME x"),
            ("HELLO 3 SETNAME x AUTH me secret", "HELLO 3 SETNAME x AUTH (redacted) (redacted)"),
            ("HELLO 3 SETNAME auth AUTH me secret", "HELLO 3 SETNAME auth AUTH (redacted) (redacted)"),
            (
                "HELLO 3 AUTH me secret AUTH me secret",
                "HELLO 3 AUTH (redacted) (redacted) (redacted) (redacted) (redacted)",
            ),
            ("HELLO 3 AUTH me setname secret x", "HELLO 3 AUTH (redacted) (redacted) (redacted) (redacted)"),
            ("HELLO 3 ATUH me secret", "HELLO 3 (redacted) (redacted) (redacted)"),
            ("HELLO AUTH me secret", "HELLO AUTH (redacted) (redacted)"),
            ("CLUSTER JOIN discnt1-abc", "CLUSTER JOIN (redacted)"),
            ("CLUSTER FORGET abc", "CLUSTER FORGET abc"),
            ("ACL DRYRUN u AUTH secret", "ACL DRYRUN u AUTH (redacted)"),
            ("ACL DRYRUN u ACL SETUSER q >secret", "ACL DRYRUN u ACL (redacted) (redacted) (redacted)"),
            ("COMMAND GETKEYS AUTH secret", "COMMAND GETKEYS AUTH (redacted)"),
            ("COMMAND GETKEYSANDFLAGS AUTH secret", "COMMAND GETKEYSANDFLAGS AUTH (redacted)"),
        ] {
            assert_eq!(shown(line).join(" "), expected);
        }
    }

    #[test]
    fn a_long_request_is_cut() {
        let long = "x".repeat(200);
        assert_eq!(shown(&format!("GET {long}"))[1], format!("{}... (72 more bytes)", "x".repeat(128)));
        assert_eq!(shown(&format!("GET {}", "x".repeat(128)))[1].len(), 128);
        let many = shown(&format!("MGET{}", " a".repeat(40)));
        assert_eq!((many.len(), many[31].as_str()), (32, "... (10 more arguments)"));
        assert_eq!(shown(&format!("MGET{}", " a".repeat(31))).len(), 32);
    }

    #[test]
    fn quotation_marks_hold_any_byte() {
        let mut line = Vec::new();
        write_quoted(b"a\"\\\r\n\t\x07\x08\x00\xff z", &mut line);
        assert_eq!(line, br#""a\"\\\r\n\t\a\b\x00\xff z""#);
    }
}
