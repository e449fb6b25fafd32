//! One command from the command line: what is sent, what is printed, and how it ends.

mod cli_support;

use cli_support::{Server, bytes, closed_port, run};

/// Some replies of each kind.
fn server() -> Server {
    Server::start(|request| match request {
        "incrby test 0.1" => bytes("$3\r\n0.1\r\n"),
        "incr test" => bytes(":3\r\n"),
        "mget a b" => bytes("*2\r\n$1\r\n1\r\n$-1\r\n"),
        "HELLO 3" => bytes("%1\r\n$5\r\nproto\r\n:3\r\n"),
        "map" => bytes("%2\r\n$1\r\nb\r\n$3\r\n0.1\r\n$1\r\na\r\n#t\r\n"),
        "pushed" => bytes(">2\r\n$4\r\nnews\r\n$1\r\nx\r\n+OK\r\n"),
        "AUTH secret" | "AUTH app secret" => bytes("+OK\r\n"),
        "AUTH wrong" => bytes("-WRONGPASS invalid username-password pair\r\n"),
        "http" => bytes("HTTP/1.1 400 Bad Request\r\n"),
        "die" => None,
        _ => bytes("-ERR unknown command\r\n"),
    })
}

#[test]
fn into_a_pipe_goes_the_bare_value() {
    let server = server();
    for (words, expected) in
        [(vec!["incrby", "test", "0.1"], "0.1\n"), (vec!["incr", "test"], "3\n"), (vec!["mget", "a", "b"], "1\n\n")]
    {
        let ran = server.run(&words, b"");
        assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, expected, ""));
    }
}

#[test]
fn types_and_json_are_printed_on_request() {
    let server = server();
    for (words, expected) in [
        (vec!["--no-raw", "incrby", "test", "0.1"], "0.1\n"),
        (vec!["--no-raw", "incr", "test"], "(integer) 3\n"),
        (vec!["--no-raw", "mget", "a", "b"], "1) 1\n2) (nil)\n"),
        (vec!["-3", "--no-raw", "map"], "1# \"b\" => 0.1\n2# \"a\" => (true)\n"),
        (vec!["--json", "map"], "{\"b\":\"0.1\",\"a\":true}\n"),
        (vec!["--json", "mget", "a", "b"], "[\"1\",null]\n"),
        (vec!["--no-raw", "pushed"], "1> \"news\"\n2> \"x\"\nOK\n"),
    ] {
        let ran = server.run(&words, b"");
        assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, expected, ""));
    }
}

#[test]
fn an_error_reply_is_no_output_and_exits_with_1() {
    let ran = server().run(&["nothing"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.errors, "ERR unknown command\n");
    let ran = server().run(&["--json", "nothing"], b"");
    assert_eq!((ran.code, ran.errors.as_str()), (1, ""));
    assert_eq!(ran.out, "{\"error\":\"ERR unknown command\"}\n");
}

#[test]
fn without_a_server_the_exit_is_2_and_the_message_says_where_it_was_looked_for() {
    let port = closed_port();
    let ran = run(&["-p", &port, "get", "a"], &[], b"");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert_eq!(
        ran.errors,
        format!(
            "discnt-cli: could not connect to 127.0.0.1:{port}: Connection refused; is discnt-server running there?\n"
        )
    );
}

#[test]
fn a_server_that_never_answers_the_log_in_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let ran = run(&["-p", &port, "-t", "0.2", "-3", "get", "a"], &[], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("no answer in time"), "{}", ran.errors);
}

#[test]
fn a_command_whose_answer_is_lost_is_not_sent_again() {
    for (command, word) in [("die", "closed the connection"), ("http", "'H'")] {
        let server = server();
        let ran = server.run(&[command], b"");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.errors.contains("carried out is not known"), "{}", ran.errors);
        assert!(ran.errors.contains(word), "{}", ran.errors);
        assert_eq!(server.requests(), [command]);
    }
}

#[test]
fn the_password_goes_first_wherever_it_comes_from() {
    let server = server();
    let port = server.port.to_string();
    let uri = format!("redis://app:secret@127.0.0.1:{port}");
    let environment = [("REDISCLI_AUTH", "wrong"), ("DISCNT_CLI_AUTH", "secret")];
    for (words, environment) in [
        (vec!["-p", &port, "-a", "secret", "--no-auth-warning", "incr", "test"], &environment[..1]),
        (vec!["-p", &port, "incr", "test"], &environment),
        (vec!["-p", &port, "--user", "app", "incr", "test"], &environment),
        (vec!["-u", &uri, "--no-auth-warning", "incr", "test"], &environment),
    ] {
        let ran = run(&words, environment, b"");
        assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "3\n", ""));
    }
    let (plain, named) = ("AUTH secret", "AUTH app secret");
    let expected = [plain, "incr test", plain, "incr test", named, "incr test", named, "incr test"];
    assert_eq!(server.requests(), expected);
}

#[test]
fn a_refused_password_is_told_and_the_server_decides_about_the_command() {
    let ran = server().run(&["-a", "wrong", "incr", "test"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "3\n"));
    assert!(ran.errors.contains("did not take the password: WRONGPASS"), "{}", ran.errors);
}

#[test]
fn json_does_with_a_server_that_knows_resp2_only() {
    let old = Server::start(|request| match request {
        "HELLO 3" => bytes("-NOPROTO unsupported protocol version\r\n"),
        _ => bytes("*2\r\n$1\r\na\r\n:1\r\n"),
    });
    let ran = old.run(&["--json", "x"], b"");
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "[\"a\",1]\n", ""));
    let ran = old.run(&["-3", "x"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "a\n1\n"));
    assert!(ran.errors.contains("NOPROTO"), "{}", ran.errors);
}

#[test]
fn the_last_argument_comes_from_the_input_byte_for_byte() {
    let server = server();
    server.run(&["-x", "get"], b"a\0\xff \r\n");
    assert_eq!(server.requests(), ["get a\\x00\\xff \\r\\n"]);
}

#[test]
fn a_command_is_repeated_on_one_connection() {
    let server = server();
    let ran = server.run(&["-a", "secret", "-r", "3", "-i", "0.01", "incr", "test"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "3\n3\n3\n"));
    assert_eq!(server.requests(), ["AUTH secret", "incr test", "incr test", "incr test"]);
}

#[test]
fn a_command_that_answers_with_a_stream_of_data_is_not_sent() {
    let server = server();
    let ran = server.run(&["sync"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.errors.contains("SYNC"), "{}", ran.errors);
    assert!(server.requests().is_empty());
}

#[test]
fn wrong_usage_exits_with_2_and_help_and_version_with_0() {
    for words in [&["--nonsense"][..], &["-p", "x", "get"], &["certs", "what"]] {
        let ran = run(words, &[], b"");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words:?}");
        assert!(ran.errors.contains("--help"), "{}", ran.errors);
    }
    let version = run(&["--version"], &[], b"");
    assert_eq!((version.code, version.errors.as_str()), (0, ""));
    assert_eq!(version.out, concat!("discnt-cli ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(run(&["--help"], &[], b"").code, 0);
    assert_eq!(run(&["certs", "issue", "--help"], &[], b"").code, 0);
}

#[test]
fn certificates_are_made_without_a_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_str().expect("UTF-8");
    let made = run(&["certs", "init", "--dir", place], &[], b"");
    assert_eq!((made.code, made.errors.as_str()), (0, ""));
    let again = run(&["certs", "init", "--dir", place], &[], b"");
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    let issued = run(&["certs", "issue", "--dir", place], &[], b"");
    assert!(issued.out.contains("\n[mesh]\nca_cert = \""), "{}", issued.out);
    let file = format!("{place}/node.crt");
    let shown = run(&["certs", "show", &file], &[], b"");
    assert!(shown.out.contains("\nnode id "), "{}", shown.out);
}
