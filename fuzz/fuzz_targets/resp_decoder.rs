//! Any bytes from a client: the decoder must not panic, must keep its limits, and must find the same requests
//! (and the same violation) however the bytes are cut into pieces.
//!
//! The first two bytes of the input choose the limits and the pieces; the rest is what the client sends.

#![no_main]

use discnt::resp::{Decoder, Limits, ProtocolError};
use libfuzzer_sys::fuzz_target;

type Request = Vec<Vec<u8>>;

/// `$`, the ten digits of a length that may still be right, and its CR. Only a whole length shows that a request will
/// be too long, so this much may be waited for beyond the limit.
const LENGTH_BYTES: usize = 12;

/// Decodes bytes that arrive in pieces of `piece` bytes.
fn decode(limits: Limits, unauthenticated: bool, bytes: &[u8], piece: usize) -> (Vec<Request>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(limits);
    decoder.set_unauthenticated(unauthenticated);
    let mut requests = Vec::new();
    let (mut start, mut arrived) = (0, 0);
    while arrived < bytes.len() {
        arrived = bytes.len().min(arrived + piece);
        loop {
            let window = &bytes[start..arrived];
            match decoder.decode(window) {
                Ok(None) => break,
                Ok(Some(length)) => {
                    assert!(length > 0 && length <= window.len());
                    let arguments = decoder.arguments(window);
                    assert!(arguments.len() <= limits.max_arguments.max(limits.max_inline_bytes) as usize);
                    requests.push(arguments.iter().map(<[u8]>::to_vec).collect());
                    start += length;
                    decoder.release_memory();
                }
                Err(error) => return (requests, Some(error)),
            }
        }
        let longest = limits.max_request_bytes.max(limits.max_inline_bytes) as usize;
        assert!(arrived - start <= longest + LENGTH_BYTES + piece, "an endless request is waited for");
    }
    (requests, None)
}

fn encode(request: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
    for argument in request {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let [choice, piece, bytes @ ..] = data else {
        return;
    };
    let limits = if choice & 1 == 0 {
        Limits::default()
    } else {
        Limits { max_arguments: 8, max_bulk_bytes: 32, max_inline_bytes: 64, max_request_bytes: 128 }
    };
    let unauthenticated = choice & 2 != 0;
    let whole = decode(limits, unauthenticated, bytes, bytes.len().max(1));
    let pieces = decode(limits, unauthenticated, bytes, usize::from(*piece).max(1));
    assert_eq!(whole, pieces);
    for request in &whole.0 {
        let again = decode(Limits::default(), false, &encode(request), usize::MAX / 2);
        assert_eq!(again, (vec![request.clone()], None));
    }
});
