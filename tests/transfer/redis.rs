//! Imports from a real redis-server, and from what only looks like one.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::cli_support::{Server as Fake, bytes};
use super::server_support::{Client, Ground, eventually};
use super::{ask_all, client, request, run, run_well};

/// A redis-server that keeps nothing; killed when dropped.
struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    fn start(ground: &Ground) -> Self {
        // Somebody else may take the port before Redis does.
        eventually("redis-server runs", || Self::try_start(ground))
    }

    fn try_start(ground: &Ground) -> Result<Self, String> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", "s@cret"]);
        command.arg("--dir").arg(ground.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("redis-server is not installed; on Debian: apt-get install redis-server")
            }
            Err(error) => panic!("redis-server: {error}"),
        };
        let mut redis = Self { process, port };
        eventually("it answers or ends", || match redis.try_client() {
            Ok(_) => Ok(Ok(())),
            Err(error) => match redis.process.try_wait().expect("a child") {
                Some(status) => Ok(Err(format!("it ended with {status}"))),
                None => Err(error),
            },
        })?;
        Ok(redis)
    }

    fn try_client(&self) -> Result<Client, String> {
        let mut client = Client::connect(([127, 0, 0, 1], self.port).into())?;
        match client.try_ask("AUTH s@cret")?.as_str() {
            "OK" => Ok(client),
            other => Err(other.to_owned()),
        }
    }

    fn client(&self) -> Client {
        self.try_client().expect("it answered before")
    }

    fn uri(&self, database: u32) -> String {
        format!("redis://:s%40cret@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn numbers_are_imported_exactly_and_everything_else_is_left_out_and_counted() {
    let ground = Ground::new();
    let (redis, server) = (Redis::start(&ground), ground.start());
    let mut writer = redis.client();
    for (words, reply) in [
        ("SELECT 2", "OK"),
        ("INCRBY whole 9223372036854775807", "9223372036854775807"),
        ("INCRBYFLOAT part 10.25", "10.25"),
        ("SET exact -12345678901234567890.12345678901234567", "OK"),
        ("SET exponent 2.5e-4", "OK"),
        ("SET text hello", "OK"),
        ("SET large 1e21", "OK"),
        ("SET fine 0.123456789012345678", "OK"),
        ("SET passing 5 EX 1000", "OK"),
        ("LPUSH list 1", "1"),
        ("HSET hash a 1", "1"),
        ("SADD set 1", "1"),
        ("SADD set2 1", "1"),
        ("XADD stream 1-1 a 1", "1-1"),
    ] {
        assert_eq!(writer.ask(words), reply, "{words}");
    }
    let odd: [&[u8]; 3] = [b"a\r\nb", b"\0\xff", b""];
    let long = vec![b'x'; 513];
    let requests = odd.into_iter().chain([&long[..]]).map(|name| request(&[b"SET", name, b"3"])).collect::<Vec<_>>();
    ask_all(&mut writer, &requests);

    let uri = redis.uri(2);
    for _ in 0..2 {
        let (code, out, errors) = run(&mut client(&ground, server.port(), &["import", "--from-redis", &uri]));
        assert_eq!(code, 1, "{errors}");
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[0].starts_with("set 7 counters in 127.0.0.1:"), "{out}");
        assert_eq!(
            lines[1],
            "left out: beyond 1e20: 1, more than 17 digits after the point: 1, name that is empty or longer than 512 \
             bytes: 2, no number: 1, type hash: 1, type list: 1, type set: 2, type stream: 1"
        );
        assert_eq!(lines[2], "set though Redis lets them expire, which counters do not: 1");
        assert_eq!(errors, "discnt-cli: numbers that could not be imported: 4; --verbose lists them\n");
        let values = server.ask("MGET whole part exact exponent passing");
        assert_eq!(values, "[9223372036854775807 10.25 -12345678901234567890.12345678901234567 0.00025 5]");
        let mut reader = server.client();
        let binary = ask_all(&mut reader, &[request(&[b"MGET", b"a\r\nb", b"\0\xff"])]);
        assert_eq!(super::server_support::text_of(&binary[0]), "[3 3]");
        assert_eq!(server.ask("DBSIZE"), "7");
    }
    let words = ["import", "--from-redis", &uri, "--match", "*ing", "--skip-expiring", "-v"];
    let (code, out, errors) = run(&mut client(&ground, server.port(), &words));
    assert_eq!((code, errors.as_str()), (0, "discnt-cli: left out \"passing\": expires\n"), "{out}");
}

#[test]
fn many_keys_are_imported_and_those_that_exist_left_alone() {
    const KEYS: usize = 20_000;
    let ground = Ground::new();
    let (redis, server) = (Redis::start(&ground), ground.start());
    let requests: Vec<_> = (0..KEYS)
        .map(|number| request(&[b"SET", format!("name:{number}").as_bytes(), number.to_string().as_bytes()]))
        .collect();
    ask_all(&mut redis.client(), &requests);
    server.ask("SET name:7 0.5");
    let said = run_well(&ground, &server, &["import", "--from-redis", &redis.uri(0), "--skip-existing"]);
    assert!(said.contains("; left 1 alone that existed"), "{said}");
    assert_eq!(server.ask("DBSIZE"), KEYS.to_string());
    assert_eq!(server.ask("MGET name:0 name:7 name:19999"), "[0 0.5 19999]");
}

#[test]
fn a_wrong_password_and_a_wrong_database_are_told() {
    let ground = Ground::new();
    let (redis, server) = (Redis::start(&ground), ground.start());
    let wrong = format!("redis://:wrong@127.0.0.1:{}", redis.port);
    for (uri, word) in [(wrong.as_str(), "WRONGPASS"), (&redis.uri(99), "DB index is out of range")] {
        let (code, _, errors) = run(&mut client(&ground, server.port(), &["import", "--from-redis", uri]));
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains(word), "{errors}");
    }
    let (code, _, errors) = run(&mut client(&ground, redis.port, &["-a", "s@cret", "export"]));
    assert_eq!(code, 1);
    assert!(errors.contains("is no discnt-server (ERR"), "{errors}");
    let uri = format!("redis://127.0.0.1:{}", redis.port);
    let mut import = client(&ground, server.port(), &["import", "--from-redis", &uri]);
    let (code, out, errors) = run(import.env("DISCNT_CLI_FROM_AUTH", "s@cret"));
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
}

#[test]
fn where_keys_cannot_be_read_together_they_are_read_one_by_one() {
    let ground = Ground::new();
    let server = ground.start();
    let fake = Fake::start(|request| match request {
        "DBSIZE" => bytes(":3\r\n"),
        "SCAN 0 COUNT 2000" => bytes("*2\r\n$1\r\n0\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        "MGET a b c" => bytes("-CROSSSLOT Keys in request don't hash to the same slot\r\n"),
        "GET a" => bytes("$3\r\n1.5\r\n"),
        "GET b" => bytes("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        "GET c" => bytes("$-1\r\n"),
        "TYPE b" => bytes("+zset\r\n"),
        "TYPE c" => bytes("+none\r\n"),
        "PTTL a" => bytes(":-1\r\n"),
        _ => None,
    });
    let uri = format!("redis://127.0.0.1:{}", fake.port);
    let said = run_well(&ground, &server, &["import", "--from-redis", &uri]);
    assert!(said.starts_with("set 1 counter in "), "{said}");
    assert!(said.ends_with("\nleft out: gone meanwhile: 1, type zset: 1\n"), "{said}");
    assert_eq!(server.ask("GET a"), "1.5");
}
