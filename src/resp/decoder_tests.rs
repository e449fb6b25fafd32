use super::*;
use proptest::prelude::*;

type Request = Vec<Vec<u8>>;

/// All requests in `bytes`, fed in pieces that end at the given places, and how it ended.
fn decode_in_pieces(
    limits: Limits,
    bytes: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> (Vec<Request>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(limits);
    let mut requests = Vec::new();
    let mut start = 0;
    for end in ends.into_iter().chain([bytes.len()]) {
        loop {
            let window = &bytes[start..end.max(start)];
            match decoder.decode(window) {
                Ok(None) => break,
                Ok(Some(length)) => {
                    let arguments = decoder.arguments(window);
                    requests.push(arguments.iter().map(<[u8]>::to_vec).collect());
                    start += length;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fn decode_whole(bytes: &[u8]) -> (Vec<Request>, Option<ProtocolError>) {
    decode_in_pieces(Limits::default(), bytes, [])
}

fn error_of(limits: Limits, bytes: &[u8]) -> Option<ProtocolError> {
    let whole = decode_in_pieces(limits, bytes, []);
    let bytewise = decode_in_pieces(limits, bytes, 0..bytes.len());
    assert_eq!(whole, bytewise, "{}", bytes.escape_ascii());
    whole.1
}

fn encode_request(request: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
    for argument in request {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn words(request: &[&str]) -> Request {
    request.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn arrays_and_inline_requests_may_follow_each_other() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*1\r\n$4\r\nQUIT\r\nECHO 'a b'\n";
    assert_eq!(
        decode_whole(bytes),
        (vec![words(&["GET", "a"]), words(&["PING"]), words(&["QUIT"]), words(&["ECHO", "a b"]),], None)
    );
}

#[test]
fn arguments_may_hold_any_bytes() {
    let request = vec![b"GET".to_vec(), b"\r\n$1\r\n\0\xff*".to_vec(), Vec::new()];
    assert_eq!(decode_whole(&encode_request(&request)), (vec![request], None));
}

#[test]
fn empty_requests_are_consumed_and_have_no_arguments() {
    let (requests, error) = decode_whole(b"\r\n\n  \r\n*0\r\n*-1\r\n*-5\r\nPING\r\n");
    assert_eq!(error, None);
    assert_eq!(requests, [vec![], vec![], vec![], vec![], vec![], vec![], words(&["PING"])]);
}

#[test]
fn an_incomplete_request_is_waited_for() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    for end in 0..bytes.len() {
        assert_eq!(decode_whole(&bytes[..end]), (vec![], None), "{end}");
    }
}

#[test]
fn each_violation_has_its_words() {
    for (bytes, text) in [
        (&b"*a\r\n"[..], "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*1\n", "invalid multibulk length"),
        (b"*1\rx", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*99999999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$1048577\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551617\r\n", "invalid bulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*1\r\n\r\n", "expected '$', got '\\r'"),
        (b"*1\r\n$1\r\nabc", "expected CRLF after a bulk string"),
        (b"*1\r\n$1\r\na\rb", "expected CRLF after a bulk string"),
        (b"GET \"a\r\n", "unbalanced quotes in request"),
    ] {
        let error = error_of(Limits::default(), bytes);
        assert_eq!(error.map(|e| e.to_string()), Some(format!("Protocol error: {text}")), "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_reaches_a_limit_passes_and_what_is_beyond_does_not() {
    let limits = Limits { max_arguments: 3, max_bulk_bytes: 5, max_inline_bytes: 8, max_request_bytes: 30 };
    for (bytes, expected) in [
        (&b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"[..], None),
        (b"*4\r\n", Some(ProtocolError::InvalidMultibulkLength)),
        (b"*1\r\n$5\r\nabcde\r\n", None),
        (b"*1\r\n$6\r\n", Some(ProtocolError::InvalidBulkLength)),
        (b"12345678\n", None),
        (b"123456789\n", Some(ProtocolError::TooBigInline)),
        (b"123456789", Some(ProtocolError::TooBigInline)),
        (b"*2\r\n$5\r\nabcde\r\n$5\r\nabcde\r\n", None),
        (b"*3\r\n$5\r\nabcde\r\n$5\r\nabcde\r\n$0\r\n\r\n", Some(ProtocolError::TooBigRequest)),
    ] {
        assert_eq!(error_of(limits, bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_client_without_the_password_may_send_little() {
    let fails_with = |unauthenticated, bytes: &[u8]| {
        let mut decoder = Decoder::new(Limits::default());
        decoder.set_unauthenticated(unauthenticated);
        decoder.decode(bytes).err()
    };
    assert_eq!(fails_with(true, b"*10\r\n$16384\r\n"), None);
    assert_eq!(fails_with(true, b"*11\r\n"), Some(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(fails_with(true, b"*1\r\n$16385\r\n"), Some(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(fails_with(false, b"*11\r\n$16385\r\n"), None);
}

#[test]
fn a_large_announcement_allocates_nothing() {
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.decode(b"*1048576\r\n$1048576\r\n"), Ok(None));
    assert_eq!(decoder.spans.capacity(), 0);
}

#[test]
fn memory_of_a_large_request_is_given_back_between_requests() {
    let request: Request = (0..10_000).map(|_| b"x".to_vec()).collect();
    let bytes = encode_request(&request);
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.decode(&bytes), Ok(Some(bytes.len())));
    decoder.release_memory();
    assert!(decoder.spans.capacity() <= IDLE_SPANS);
    // In the middle of a request everything stays.
    assert_eq!(decoder.decode(b"*2\r\n$1\r\na\r\n$1"), Ok(None));
    decoder.release_memory();
    assert_eq!(decoder.decode(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"), Ok(Some(18)));
    assert_eq!(decoder.arguments(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n").len(), 2);
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let argument =
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), "[a-z]{1,12}".prop_map(String::into_bytes),];
    prop_oneof![
        4 => proptest::collection::vec(argument, 0..6).prop_map(|request| encode_request(&request)),
        1 => "[a-z]{1,8}( [a-z]{1,8}| \"[a-z ]{0,5}\"){0,3}\r?\n".prop_map(String::into_bytes),
    ]
}

/// Bytes that look enough like requests to get past the first check.
fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"*".to_vec()),
        Just(b"$".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"-".to_vec()),
        (0_u32..4).prop_map(|n| n.to_string().into_bytes()),
        any::<u32>().prop_map(|n| n.to_string().into_bytes()),
        (0_usize..4).prop_map(|n| format!("${n}\r\n{}\r\n", &"abcd"[..n]).into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..5),
        any_request(),
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn requests_come_out_as_they_went_in(
        requests in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6), 0..5)
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(|r| encode_request(r)).collect();
        prop_assert_eq!(decode_whole(&bytes), (requests, None));
    }

    #[test]
    fn no_split_of_the_bytes_changes_what_is_decoded(
        bytes in prop_oneof![
            proptest::collection::vec(any_request(), 1..5).prop_map(|requests| requests.concat()),
            nearly_requests(),
        ],
        ends in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let limits = Limits { max_arguments: 64, max_bulk_bytes: 100, max_inline_bytes: 60, max_request_bytes: 400 };
        let mut ends: Vec<usize> = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        let whole = decode_in_pieces(limits, &bytes, []);
        prop_assert_eq!(&decode_in_pieces(limits, &bytes, ends), &whole);
        prop_assert_eq!(&decode_in_pieces(limits, &bytes, 0..bytes.len()), &whole);
    }

    #[test]
    fn garbage_never_panics_and_consumes_no_more_than_there_is(
        bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), nearly_requests()]
    ) {
        let mut decoder = Decoder::new(Limits::default());
        let mut start = 0;
        while let Ok(Some(length)) = decoder.decode(&bytes[start..]) {
            prop_assert!(length > 0 && start + length <= bytes.len());
            start += length;
        }
    }
}
