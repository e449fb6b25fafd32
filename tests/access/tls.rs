//! RESP over TLS: who is trusted, who a certificate is, new certificates while clients stay, and handshakes that never end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};

use crate::server_support::{Ground, PATIENCE, Start, eventually, run};
use crate::tls_support::{Authority, Files, TlsClient, is_closed, tls_address};

fn with_tls(start: Start, files: &Files) -> Start {
    start
        .set("resp.tls_port=0")
        .set(format!("resp.tls_cert={}", files.cert.display()))
        .set(format!("resp.tls_key={}", files.key.display()))
}

fn with_authority(start: Start, authority: &Authority, certificates: &str) -> Start {
    start
        .set(format!("resp.tls_ca_cert={}", authority.file.display()))
        .set(format!("resp.tls_client_certificates={certificates}"))
}

#[test]
fn clients_that_people_have_are_served_over_tls() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let server = with_tls(ground.server(), &authority.issue("server")).run();
    let (port, ca) = (tls_address(&server).port().to_string(), authority.file.display().to_string());
    let mut redis_cli = Command::new("redis-cli");
    let ran = run(redis_cli.args(["-p", &port, "--tls", "--cacert", &ca, "INCRBY", "a", "5"]));
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "5"), "{}", ran.errors);
    let ran = ground.cli(&["-p", &port, "--tls", "--cacert", &ca, "INCR", "a"]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "6"), "{}", ran.errors);
    assert_eq!(server.ask("GET a"), "6", "without TLS as well");
    assert_eq!(server.ask("CONFIG GET tls-port").matches(&port).count(), 1);
}

#[test]
fn a_long_pipeline_and_long_replies_pass_whole() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let server = with_tls(ground.server(), &authority.issue("server")).run();
    let mut client = TlsClient::connect(tls_address(&server), &authority.file, None).expect("connected");
    let text = "x".repeat(700_000);
    let reply = format!("${}\r\n{text}\r\n", text.len());
    let request = format!("*2\r\n$4\r\nECHO\r\n{reply}");
    assert_eq!(client.exchange(request.as_bytes(), reply.len()), reply.as_bytes());
    let requests = "INCR a\r\n".repeat(20_000);
    let expected: String = (1..=20_000).map(|number| format!(":{number}\r\n")).collect();
    assert_eq!(client.exchange(requests.as_bytes(), expected.len()), expected.as_bytes());
}

#[test]
fn only_the_present_version_of_tls_is_spoken_and_no_plain_text() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let server = with_tls(ground.server(), &authority.issue("server")).run();
    let address = tls_address(&server);
    let refused = TlsClient::connect_with(address, &authority.file, None, &[&rustls::version::TLS12]);
    let refused = refused.err().expect("an old version");
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let mut plain = TcpStream::connect(address).expect("connected");
    plain.write_all(b"INCR a\r\n").expect("sent");
    let mut told = Vec::new();
    plain.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // An alert, or nothing; and then the end.
    let _ = plain.read_to_end(&mut told);
    assert!(!told.contains(&b':'), "{told:?}");
    assert_eq!(server.ask("GET a"), "0");
}

#[test]
fn who_shows_no_certificate_that_is_good_never_reaches_the_protocol() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let start = with_authority(with_tls(ground.server(), &authority.issue("server")), &authority, "required");
    let server = start.run();
    let address = tls_address(&server);
    let attempt = |own: Option<&Files>| {
        TlsClient::connect(address, &authority.file, own).and_then(|mut client| client.ask("INCR a"))
    };
    let good = authority.issue("good");
    assert_eq!(attempt(Some(&good)), Ok(":1".to_owned()));
    let stranger = Authority::new(&ground.path(""), "stranger").issue("other");
    let expired = authority.issue_with("expired", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let for_servers = authority
        .issue_with("servers", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    for (own, what) in [
        (None, "none"),
        (Some(&stranger), "a stranger's"),
        (Some(&expired), "expired"),
        (Some(&for_servers), "a server's"),
    ] {
        let refused = attempt(own).expect_err(what);
        assert!(
            refused.contains("ertificate") || refused.contains("alert") || refused.contains("closed"),
            "{what}: {refused}"
        );
    }
    assert_eq!(server.ask("GET a"), "1");
    for reason in ["none was shown", "it is of another authority", "it has expired", "it is not one of a client"] {
        let subject = format!("subject=\"{reason}\"");
        server.eventually_logs(&[
            "WARN",
            "audit",
            "event=\"client_certificate_refused\"",
            "peer=\"127.0.0.1:",
            &subject,
        ]);
    }
    // Of many a bounded part is written down.
    for _ in 0..60 {
        assert!(attempt(None).is_err());
    }
    let told = server.log().lines().filter(|line| line.contains("client_certificate_refused")).count();
    assert!((4..=45).contains(&told), "{told}");
}

#[test]
fn a_certificate_says_who_the_client_is_where_that_is_wanted() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let (files, ann, nobody) = (authority.issue("server"), authority.issue("ann"), authority.issue("nobody"));
    let by_uri = authority.issue_with("third", |params| {
        params.subject_alt_names.push(SanType::URI("app:ann".try_into().expect("a URI")));
    });
    let users = "[users.ann]\ncommands = [\"+@read\", \"+acl|whoami\"]\ncounters = [\"~ads:*\"]\n\
                 [users.\"app:ann\"]\ncommands = [\"+acl|whoami\"]\n[users.default]\n";
    fs::write(ground.path("users.toml"), users).expect("written");
    let start = |name: &str| {
        let start = ground.server().argument("--config").argument(ground.path("users.toml"));
        let start = with_authority(with_tls(start, &files), &authority, "optional");
        start.set(format!("resp.tls_certificate_user={name}")).run()
    };
    let server = start("common_name");
    let ask = |own: Option<&Files>, request: &str| {
        let client = TlsClient::connect(tls_address(&server), &authority.file, own);
        client.and_then(|mut client| client.ask(request)).expect("an answer")
    };
    assert_eq!(ask(Some(&ann), "ACL WHOAMI"), "$3\r\nann");
    assert_eq!(ask(Some(&ann), "GET ads:1"), "$1\r\n0");
    assert_eq!(ask(Some(&ann), "GET other"), "-NOPERM No permissions to access a key");
    for other in [None, Some(&nobody)] {
        assert_eq!(ask(other, "GET ads:1"), "-NOAUTH Authentication required.", "there is no such user");
    }
    let server = start("uri");
    let client = TlsClient::connect(tls_address(&server), &authority.file, Some(&by_uri));
    assert_eq!(client.and_then(|mut client| client.ask("ACL WHOAMI")), Ok("$7\r\napp:ann".to_owned()));
}

#[test]
fn who_is_locked_out_gets_no_more_rights_by_its_certificate() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let (files, ads) = (authority.issue("server"), authority.issue("ads"));
    let server = with_authority(with_tls(ground.server(), &files), &authority, "required")
        .set("resp.tls_certificate_user=common_name")
        .run();
    let ask = |request: &str| {
        let client = TlsClient::connect(tls_address(&server), &authority.file, Some(&ads));
        client.and_then(|mut client| client.ask(request)).expect("an answer")
    };
    assert_eq!(server.ask("ACL SETUSER ads on +@read ~*"), "OK");
    assert_eq!(ask("FLUSHALL"), "-NOPERM User ads has no permissions to run the 'flushall' command");
    for lock_out in ["ACL SETUSER ads off", "ACL DELUSER ads"] {
        server.ask(lock_out);
        assert_eq!(ask("FLUSHALL"), "-NOAUTH Authentication required.", "{lock_out}");
    }
    server.eventually_logs(&["audit", "event=\"login_refused\"", "user=\"ads\"", "subject=\"certificate\""]);
}

#[test]
fn a_new_certificate_is_shown_to_who_comes_and_cuts_nobody_off() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue("server");
    let server = with_tls(ground.server(), &files).run();
    let address = tls_address(&server);
    let connect = || TlsClient::connect(address, &authority.file, None).expect("connected");
    let mut old = connect();
    let before = old.server_certificate();
    let read_again = |way: &str| {
        if way == "SIGHUP" {
            server.signal(rustix::process::Signal::HUP);
            return "OK".to_owned();
        }
        server.ask(&format!("CONFIG SET tls-cert-file {} tls-key-file {}", files.cert.display(), files.key.display()))
    };
    let mut last = before;
    for way in ["SIGHUP", "CONFIG SET"] {
        authority.issue("server");
        assert_eq!(read_again(way), "OK");
        last = eventually(&format!("the new one is shown after {way}"), || {
            let shown = connect().server_certificate();
            if shown == last { Err("the old one".to_owned()) } else { Ok(shown) }
        });
        assert!(old.ask("INCR a").is_ok(), "who was there is served");
    }
    // A key of another: the old certificate stays, and the reason is told.
    fs::copy(authority.issue("another").key, &files.key).expect("copied");
    let refused = read_again("CONFIG SET");
    assert!(refused.contains("the key is not the one of the certificate"), "{refused}");
    fs::write(&files.cert, "no certificate").expect("written");
    read_again("SIGHUP");
    server.eventually_logs(&["reload_refused", "tls_cert", "no certificate"]);
    assert_eq!(connect().server_certificate(), last);
    // Nor does one take its place that no client takes.
    authority.issue_with("server", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let refused = read_again("CONFIG SET");
    assert!(refused.contains("the certificate expired on"), "{refused}");
    read_again("SIGHUP");
    server.eventually_logs(&["reload_refused", "tls_cert", "the certificate expired on"]);
    assert_eq!(connect().server_certificate(), last);
    assert!(server.ask("INFO clients").contains("tls_certificate_days_left:"), "{}", server.ask("INFO clients"));
}

#[test]
fn a_server_starts_with_a_certificate_that_has_expired_and_says_so_and_a_check_refuses_it() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue_with("server", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let server = with_tls(ground.server(), &files).run();
    server.eventually_logs(&["WARN", "tls_cert", "has expired"]);
    assert_eq!(server.ask("INCR a"), "1", "who does not speak TLS is served");
    assert!(server.ask("INFO clients").contains("tls_certificate_days_left:0\r\n"));
    // What else is in the configuration can be read again all the while.
    server.signal(rustix::process::Signal::HUP);
    server.eventually_logs(&["the certificate as it is now"]);
    let mut check = Command::new(env!("CARGO_BIN_EXE_discnt-server"));
    check.args(["--check-config", "--set", "resp.tls_port=1"]).current_dir(ground.path(""));
    for (key, path) in [("tls_cert", &files.cert), ("tls_key", &files.key)] {
        check.arg("--set").arg(format!("resp.{key}={}", path.display()));
    }
    let checked = run(&mut check);
    assert!(checked.code == Some(1) && checked.errors.contains("the certificate expired on"), "{checked:?}");
    // One that is good takes its place.
    authority.issue("server");
    server.signal(rustix::process::Signal::HUP);
    eventually("the new one is shown", || TlsClient::connect(tls_address(&server), &authority.file, None).map(drop));
}

#[test]
fn handshakes_that_are_never_ended_are_few_and_short() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let start = with_tls(ground.server(), &authority.issue("server"));
    let server = start.set("resp.tls_max_handshakes=2").set("resp.tls_handshake_seconds=2").run();
    let address = tls_address(&server);
    let mut silent: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).expect("connected")).collect();
    // Half a greeting is not more than none.
    silent[0].write_all(&[22, 3, 1, 2, 0]).expect("sent");
    eventually("a third is closed at once", || {
        let mut third = TcpStream::connect(address).expect("connected");
        if is_closed(&mut third, Duration::from_millis(200)) { Ok(()) } else { Err("it is open".to_owned()) }
    });
    for stream in &mut silent {
        assert!(is_closed(stream, PATIENCE), "it had its time");
    }
    let client = eventually("there is room again", || TlsClient::connect(address, &authority.file, None));
    drop(client);
    assert!(server.ask("INFO stats").contains("rejected_connections:"), "they are counted");
}

#[test]
fn a_server_may_have_no_port_without_tls() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let server = with_tls(ground.server(), &authority.issue("server")).set("resp.plaintext=false").run();
    assert!(!server.report().contains("(TCP"), "{}", server.report());
    let address = tls_address(&server);
    let mut client = TlsClient::connect(address, &authority.file, None).expect("connected");
    assert_eq!(client.ask("PING"), Ok("+PONG".to_owned()));
    let mut plain = TcpStream::connect(address).expect("connected");
    plain.write_all(b"PING\r\n").expect("sent");
    plain.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut told = Vec::new();
    let _ = plain.read_to_end(&mut told);
    assert!(!told.starts_with(b"+PONG"));
    assert_eq!(server.reported("connect"), format!("discnt-cli -p {} --tls --cacert FILE", address.port()));
}

#[test]
fn files_that_do_not_fit_keep_the_server_from_starting() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let (files, other) = (authority.issue("server"), authority.issue("other"));
    let mixed = Files { cert: files.cert.clone(), key: other.key };
    let missing = Files { cert: ground.path("missing"), key: files.key.clone() };
    for (files, words) in
        [(&mixed, "the key is not the one of the certificate in tls_cert"), (&missing, "no certificate was read")]
    {
        let refused = with_tls(ground.server(), files).run_refused();
        assert!(refused.errors.contains(words), "{}", refused.errors);
        assert_ne!(refused.code, Some(0));
    }
    for (settings, words) in [
        (&["resp.tls_port=0"][..], "[resp] tls_cert = not set"),
        (&["resp.plaintext=false"], "true, unless tls_port is set"),
    ] {
        let refused = ground.server().set_all(settings).run_refused();
        assert!(refused.errors.contains(words), "{}", refused.errors);
    }
}
