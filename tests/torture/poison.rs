//! What is no request, or none that succeeds, with the error that it must be answered with.

use super::model::Model;
use super::plan::{MAX_ARGUMENTS, MAX_BULK_BYTES, MAX_INLINE_BYTES, MAX_REQUEST_BYTES};
use super::random::Random;
use super::requests::Request;

const MULTIBULK: &str = "Protocol error: invalid multibulk length";
const BULK: &str = "Protocol error: invalid bulk length";
const QUOTES: &str = "Protocol error: unbalanced quotes in request";
const UNTERMINATED: &str = "Protocol error: expected CRLF after a bulk string";

/// Bytes after which nobody knows where the next request begins, and the error.
pub(crate) fn malformed(random: &mut Random) -> (Vec<u8>, String) {
    let (bytes, error): (&[u8], &str) = random.pick(&[
        (b"*x\r\n", MULTIBULK),
        (b"*\r\n", MULTIBULK),
        (b"*+1\r\n", MULTIBULK),
        (b"*01\r\n", MULTIBULK),
        (b"*-0\r\n", MULTIBULK),
        (b"*--1\r\n", MULTIBULK),
        (b"* 1\r\n", MULTIBULK),
        (b"*1x\r\n", MULTIBULK),
        (b"*1\n$4\nPING\n", MULTIBULK),
        (b"*1\r\r\n", MULTIBULK),
        (b"*99999999999999999999999\r\n", MULTIBULK),
        (b"*1\r\n$x\r\n", BULK),
        (b"*1\r\n$\r\n", BULK),
        (b"*1\r\n$-1\r\n", BULK),
        (b"*1\r\n$04\r\nPING\r\n", BULK),
        (b"*2\r\n$4\r\nPING\r\n$-5\r\n", BULK),
        (b"*1\r\n$99999999999999999999999\r\n", BULK),
        (b"*1\r\n$4 \r\nPING\r\n", BULK),
        (b"*1\r\n$4\r\nPING\n\r\n", UNTERMINATED),
        (b"*1\r\n$3\r\nPING\r\n", UNTERMINATED),
        (b"*2\r\n$3\r\nGET\r\n$0\r\nx\r\n", UNTERMINATED),
        (b"*1\r\nPING\r\n", "Protocol error: expected '$', got 'P'"),
        (b"*1\r\n\r\n", "Protocol error: expected '$', got '\\r'"),
        (b"*1\r\n+PING\r\n", "Protocol error: expected '$', got '+'"),
        (b"*1\r\n:1\r\n", "Protocol error: expected '$', got ':'"),
        (b"*1\r\n\xffabc\r\n", "Protocol error: expected '$', got '\\xff'"),
        (b"*1\r\n\0\r\n", "Protocol error: expected '$', got '\\x00'"),
        (b"*2\r\n$3\r\nGET\r\n%1\r\n", "Protocol error: expected '$', got '%'"),
        (b"\"PING\r\n", QUOTES),
        (b"PING \"a\r\n", QUOTES),
        (b"PING 'a\r\n", QUOTES),
        (b"PING \"a\"b\r\n", QUOTES),
        (b"PING 'a''b'\r\n", QUOTES),
        (b"PING \"\\\"\r\n", QUOTES),
        (b"PING \"a\0\"\r\n", QUOTES),
    ]);
    (bytes.to_vec(), error.to_owned())
}

/// More than may be.
pub(crate) fn oversized(random: &mut Random) -> (Vec<u8>, String) {
    let beyond = random.between(1, 5000) as usize;
    match random.below(4) {
        0 => (format!("*{}\r\n", MAX_ARGUMENTS + beyond).into_bytes(), MULTIBULK.to_owned()),
        1 => (format!("*2\r\n$4\r\nECHO\r\n${}\r\n", MAX_BULK_BYTES + beyond).into_bytes(), BULK.to_owned()),
        2 => {
            let mut line = vec![b'x'; MAX_INLINE_BYTES + 1 + beyond];
            if random.below(2) == 0 {
                line.extend(b"\r\n");
            }
            (line, "Protocol error: too big inline request".to_owned())
        }
        _ => {
            let words = MAX_REQUEST_BYTES / MAX_BULK_BYTES + 1;
            let mut bytes = format!("*{words}\r\n").into_bytes();
            for _ in 0..words {
                bytes.extend(format!("${MAX_BULK_BYTES}\r\n").into_bytes());
                bytes.extend(std::iter::repeat_n(b'x', MAX_BULK_BYTES));
                bytes.extend(b"\r\n");
            }
            (bytes, "Protocol error: too big request".to_owned())
        }
    }
}

/// Lists in lists, a few or very many.
pub(crate) fn nested(random: &mut Random) -> (Vec<u8>, String) {
    let depth = random.pick(&[2, 3, 10, 1000, 10_000]);
    let list = random.pick(&["*1\r\n", "*2\r\n", "*256\r\n"]);
    (list.repeat(depth).into_bytes(), "Protocol error: expected '$', got '*'".to_owned())
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// What is refused before it is run, within a transaction too.
pub(crate) fn refused(random: &mut Random) -> Request {
    let (line, error) = random.pick(&[
        ("NOSUCH", "ERR unknown command 'NOSUCH', with args beginning with: "),
        ("nosuch a bc", "ERR unknown command 'nosuch', with args beginning with: 'a' 'bc' "),
        ("GET", "ERR wrong number of arguments for 'get' command"),
        ("incrby x", "ERR wrong number of arguments for 'incrby' command"),
        ("DEL", "ERR wrong number of arguments for 'del' command"),
        ("CLIENT NOSUCH", "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."),
        ("CONFIG GET", "ERR wrong number of arguments for 'config|get' command"),
        ("SUBSCRIBE", "ERR wrong number of arguments for 'subscribe' command"),
    ]);
    Request::Refused(words(line), error.to_owned())
}

/// What fails when it is run.
pub(crate) fn failing(random: &mut Random) -> Request {
    let (line, error) = random.pick(&[
        ("INCRBY x 1x", "ERR value is not a valid decimal number ('incrby' command)"),
        ("INCRBY x nan", "ERR value is not a valid decimal number ('incrby' command)"),
        ("SELECT 1", "ERR DB index is out of range ('select' command)"),
        ("CLIENT KILL 1.2.3.4:5", "ERR No such client ('client|kill' command)"),
        ("CLIENT PAUSE x", "ERR timeout is not an integer or out of range ('client|pause' command)"),
        ("CLIENT LIST TYPE x", "ERR Unknown client type 'x' ('client|list' command)"),
        ("MINCRBYEACH x 1 y", "ERR wrong number of arguments for 'mincrbyeach' command"),
        (
            "CONFIG SET port 1 port 2",
            "ERR CONFIG SET failed (possibly related to argument 'port') - duplicate parameter; nothing was changed",
        ),
        ("CONFIG SET nosuch 1", "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
        ("SLOWLOG GET -2", "ERR count should be greater than or equal to -1 ('slowlog|get' command)"),
    ]);
    Request::Failing(words(line), error.to_owned())
}

/// What is allowed again once there are no subscriptions.
pub(crate) fn not_while_subscribed(model: &Model) -> Request {
    let error = "ERR Can't execute 'get': only (P|I)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    Request::Refused(model.words(&Request::Get(0)), error.to_owned())
}

/// What shows something that is not looked at.
pub(crate) fn shown(random: &mut Random) -> Request {
    Request::Shown(
        random
            .pick(&[
                &["CLIENT", "LIST"][..],
                &["CLIENT", "INFO"],
                &["INFO", "clients"],
                &["CONFIG", "GET", "max*"],
                &["SLOWLOG", "GET"],
                &["LATENCY", "LATEST"],
                &["COMMAND", "INFO", "get"],
                &["PUBSUB", "CHANNELS", "t0*"],
                &["MEMORY", "USAGE", "shared"],
                &["CLIENT", "PAUSE", "1", "WRITE"],
                &["CLIENT", "PAUSE", "1"],
                &["CLIENT", "UNPAUSE"],
                &["WAIT", "0", "1"],
                &["SCAN", "0", "COUNT", "10"],
            ])
            .to_vec(),
    )
}

/// Any bytes, up to as many as an argument may have.
pub(crate) fn message(random: &mut Random) -> Vec<u8> {
    let length = match random.below(40) {
        0 => MAX_BULK_BYTES as u64,
        _ => random.below(40),
    };
    (0..length).map(|_| random.next() as u8).collect()
}

/// A request as a line.
pub(crate) fn write_inline(words: &[Vec<u8>], random: &mut Random, out: &mut Vec<u8>) {
    for (at, word) in words.iter().enumerate() {
        if at > 0 || random.below(8) == 0 {
            out.extend(random.pick(&[&b" "[..], b"  ", b"\t"]));
        }
        let is_plain =
            !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b":.-?*".contains(byte));
        // A star or the like at the front would begin a list.
        if is_plain && word[0].is_ascii_alphanumeric() {
            out.extend(word);
            continue;
        }
        out.push(b'"');
        for byte in word {
            out.extend(format!("\\x{byte:02x}").into_bytes());
        }
        out.push(b'"');
    }
    out.extend(random.pick(&[&b"\r\n"[..], b"\n"]));
}
