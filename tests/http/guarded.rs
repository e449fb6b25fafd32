//! Who is let in, on this machine and beyond it.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::client::{Answer, get_with, http_address, request, try_ask};
use crate::server_support::{Ground, Server, Start, eventually};
use crate::stream::Stream;
use crate::tls_support::{Authority, Files, TlsClient};

fn with_tls(start: Start, files: &Files) -> Start {
    start.set(format!("http.tls_cert={}", files.cert.display())).set(format!("http.tls_key={}", files.key.display()))
}

fn ask(server: &Server, ca: &Path, own: Option<&Files>, headers: &[&str]) -> Result<(Answer, Vec<u8>), String> {
    let mut client = TlsClient::connect(http_address(server), ca, own)?;
    let bytes = client.converse(&request("GET", "/livez", headers))?;
    Ok((Answer::read(&bytes)?, client.server_certificate()))
}

#[test]
fn beyond_this_machine_a_server_only_starts_guarded() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue("http");
    let token = ground.path("token");
    fs::write(&token, "s3cret\n").expect("written");
    let everywhere = |start: Start| start.set("http.listen=0.0.0.0:0");
    let refused = everywhere(ground.server()).run_refused();
    assert!(refused.errors.contains("http.listen") || refused.errors.contains("[http] listen"), "{}", refused.errors);
    let refused = everywhere(ground.server()).set(format!("http.token_file={}", token.display())).run_refused();
    assert!(refused.errors.contains("unless tls_cert and tls_key are set"), "{}", refused.errors);
    let refused = everywhere(with_tls(ground.server(), &files)).run_refused();
    assert!(refused.errors.contains("token_file or tls_ca_cert"), "{}", refused.errors);
    let guarded = everywhere(with_tls(ground.server(), &files)).set(format!("http.token_file={}", token.display()));
    assert!(guarded.run().report().contains("https://0.0.0.0:"));
}

#[test]
fn files_that_a_start_would_refuse_are_refused_by_check_config() {
    let ground = Ground::new();
    let start = || ground.server().set("http.token_file=/no/such/token");
    for start in [start().argument("--check-config"), start()] {
        let refused = start.run_refused();
        assert_eq!(refused.code, Some(1), "{}", refused.out);
        assert!(refused.errors.contains("[http] token_file = /no/such/token: it cannot be read"), "{}", refused.errors);
    }
    let off = start().set("http.listen=").argument("--check-config").run_refused();
    assert_eq!(off.code, Some(0), "nobody reads it: {}", off.errors);
}

#[test]
fn whoever_has_the_token_is_answered_over_tls() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let token = ground.path("token");
    fs::write(&token, "s3cret\n").expect("written");
    let start = with_tls(ground.server(), &authority.issue("http"));
    // The new token is said until it is right.
    let start = start.set("resp.max_login_failures=0");
    let server = start.set(format!("http.token_file={}", token.display())).run();
    let (answer, _) = ask(&server, &authority.file, None, &[]).expect("TLS");
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").is_some_and(|asked| asked.starts_with("bearer ")), "{}", answer.head);
    for wrong in ["Authorization: Bearer s3cre", "Authorization: Bearer s3cret2", "Authorization: Basic eDp5"] {
        assert_eq!(ask(&server, &authority.file, None, &[wrong]).expect("TLS").0.status, 401, "{wrong}");
    }
    let (answer, _) = ask(&server, &authority.file, None, &["Authorization: Bearer s3cret"]).expect("TLS");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    // Read again, the token is another, and the one before is worth nothing.
    fs::write(&token, "an0ther\n").expect("written");
    server.signal(Signal::HUP);
    eventually("the new token is taken", || {
        let (answer, _) = ask(&server, &authority.file, None, &["Authorization: Bearer an0ther"])?;
        (answer.status == 200).then_some(()).ok_or(answer.head)
    });
    assert_eq!(ask(&server, &authority.file, None, &["Authorization: Bearer s3cret"]).expect("TLS").0.status, 401);
    assert!(!server.log().contains("s3cret"));
}

#[test]
fn whoever_shows_a_certificate_is_answered_and_nobody_else() {
    let ground = Ground::new();
    let (authority, other) = (Authority::new(&ground.path(""), "ca"), Authority::new(&ground.path(""), "other"));
    let start = with_tls(ground.server(), &authority.issue("http"));
    let server = start.set(format!("http.tls_ca_cert={}", authority.file.display())).run();
    let own = authority.issue("monitoring");
    assert_eq!(ask(&server, &authority.file, Some(&own), &["Host: node1.example"]).expect("TLS").0.status, 200);
    assert!(ask(&server, &authority.file, None, &[]).is_err());
    assert!(ask(&server, &authority.file, Some(&other.issue("stranger")), &[]).is_err());
}

#[test]
fn where_clients_log_in_counters_are_told_to_who_has_a_token() {
    let ground = Ground::new();
    let server = ground.start();
    assert_eq!(get_with(&server, "/api/v1/summary", &[]).status, 200);
    assert_eq!(server.ask("CONFIG SET requirepass hunter2"), "OK");
    let refused = get_with(&server, "/api/v1/counters", &[]);
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("token_needed"), "{}", refused.body);
    // What tells of no counter is told as before.
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        assert_eq!(get_with(&server, path, &[]).status, 200, "{path}");
    }
    let token = ground.path("token");
    fs::write(&token, "s3cret\n").expect("written");
    let file = format!("http.token_file={}", token.display());
    let server = ground.server().set("resp.password=hunter2").set(file).run();
    assert_eq!(get_with(&server, "/api/v1/counters", &["Authorization: Bearer s3cret"]).status, 200);
    assert_eq!(get_with(&server, "/api/v1/counters", &[]).status, 401);
}

#[test]
fn counters_are_told_without_a_token_where_everybody_may_read_all_of_them() {
    let ground = Ground::new();
    let server = ground.start();
    server.ask("INCRBY secret 5");
    let status = || get_with(&server, "/api/v1/counters/secret", &[]).status;
    for (rules, expected) in [
        ("resetkeys ~pub:* -@all +get", 403),
        ("resetkeys ~pub:*", 403),
        ("resetkeys %W~*", 403),
        ("resetkeys %R~*", 200),
        ("resetkeys %R~pub:* (%R~* +@read)", 200),
        ("resetkeys %R~pub:* (%R~* +get)", 403),
        ("clearselectors allkeys -@all +get", 403),
        ("clearselectors allkeys -@all +@read", 200),
        ("clearselectors allkeys +@all -@write -@dangerous", 200),
        ("off", 403),
    ] {
        // As another user, or the rules could not be taken back.
        let mut client = server.client();
        assert_eq!(client.ask("ACL SETUSER operator on nopass ~* &* +@all"), "OK");
        assert_eq!(client.ask("AUTH operator any"), "OK");
        assert_eq!(client.ask(&format!("ACL SETUSER default on nopass allkeys +@all {rules}")), "OK", "{rules}");
        assert_eq!(status(), expected, "{rules}");
        assert_eq!(client.ask("ACL SETUSER default reset on nopass ~* &* +@all"), "OK");
    }
}

#[test]
fn where_clients_come_by_tls_alone_counters_are_told_to_who_has_a_token() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue("clients");
    let start = ground.server().set_all(&["resp.plaintext=false", "resp.tls_port=0"]);
    let start = start.set(format!("resp.tls_cert={}", files.cert.display()));
    let start = start.set(format!("resp.tls_key={}", files.key.display()));
    let start = start.set(format!("resp.tls_ca_cert={}", authority.file.display()));
    let server = start.set("resp.tls_client_certificates=required").run();
    let refused = get_with(&server, "/api/v1/counters?sort=name", &[]);
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("token_needed"), "{}", refused.body);
    assert_eq!(get_with(&server, "/metrics", &[]).status, 200);
}

#[test]
fn a_new_certificate_is_shown_after_a_sighup() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue("http");
    let server = with_tls(ground.server(), &files).run();
    let before = ask(&server, &authority.file, None, &[]).expect("TLS").1;
    let fresh = authority.issue("fresh");
    fs::copy(&fresh.cert, &files.cert).expect("copied");
    // A key that is not the certificate's changes nothing.
    server.signal(Signal::HUP);
    server.eventually_logs(&["nothing was changed", "the key is not the one of the certificate"]);
    assert_eq!(ask(&server, &authority.file, None, &[]).expect("TLS").1, before);
    fs::copy(&fresh.key, &files.key).expect("copied");
    server.signal(Signal::HUP);
    eventually("the new certificate is shown", || {
        let shown = ask(&server, &authority.file, None, &[])?.1;
        (shown != before).then_some(()).ok_or("the old one".to_owned())
    });
}

#[test]
fn live_values_end_with_what_they_were_told_by() {
    let ground = Ground::new();
    let server = ground.start();
    let address = http_address(&server);
    let mut stream = Stream::open(address, "/api/v1/stream");
    stream.until("summary", |_| true);
    assert_eq!(server.ask("CONFIG SET requirepass hunter2"), "OK");
    stream.ends();
    let token = ground.path("token");
    fs::write(&token, "s3cret-s3cret-s3cret\n").expect("written");
    let server = ground.server().set(format!("http.token_file={}", token.display())).run();
    let follow = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        Stream::try_open_with(http_address(&server), "/api/v1/stream", &header).expect("a stream")
    };
    let mut stream = follow("s3cret-s3cret-s3cret");
    server.signal(Signal::HUP);
    server.eventually_logs(&["the configuration was read again"]);
    // The same token is worth the same, whoever read it again.
    let at = stream.until("summary", |_| true)["node"]["uptime_seconds"].as_u64();
    stream.until("summary", |summary| summary["node"]["uptime_seconds"].as_u64() > at.map(|at| at + 1));
    fs::write(&token, "another-another-another\n").expect("written");
    server.signal(Signal::HUP);
    stream.ends();
    follow("another-another-another").until("summary", |_| true);
}

#[test]
fn connections_end_with_the_authority_that_vouched_for_them() {
    let ground = Ground::new();
    let (authority, other) = (Authority::new(&ground.path(""), "ca"), Authority::new(&ground.path(""), "other"));
    let trusted = ground.path("trusted.crt");
    fs::copy(&authority.file, &trusted).expect("copied");
    let start = with_tls(ground.server(), &authority.issue("http"));
    let server = start.set(format!("http.tls_ca_cert={}", trusted.display())).run();
    let own = authority.issue("monitoring");
    let mut client = TlsClient::connect(http_address(&server), &authority.file, Some(&own)).expect("TLS");
    let follows = std::thread::spawn(move || client.converse(&request("GET", "/api/v1/stream", &[])));
    eventually("it follows", || {
        let told = ask(&server, &authority.file, Some(&own), &[]).map(|(answer, _)| answer.status)?;
        (told == 200 && !follows.is_finished()).then_some(()).ok_or(told.to_string())
    });
    fs::copy(&other.file, &trusted).expect("copied");
    server.signal(Signal::HUP);
    eventually("its connection is ended", || follows.is_finished().then_some(()).ok_or("it goes on".to_owned()));
    assert!(ask(&server, &authority.file, Some(&own), &[]).is_err());
}

#[test]
fn no_sighup_takes_tls_away() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let (files, config, token) = (authority.issue("http"), ground.path("discnt.toml"), ground.path("token"));
    fs::write(&token, "s3cret-s3cret-s3cret\n").expect("written");
    let guarded = format!("[http]\ntoken_file = {token:?}\n");
    let with_tls = format!("{guarded}tls_cert = {:?}\ntls_key = {:?}\n", files.cert, files.key);
    for (before, after, words) in
        [(&with_tls, &guarded, "started with TLS"), (&guarded, &with_tls, "started without TLS")]
    {
        fs::write(&config, before).expect("written");
        let server = ground.server().argument("--config").argument(&config).run();
        fs::write(&config, after).expect("written");
        server.signal(Signal::HUP);
        server.eventually_logs(&["nothing was changed", words]);
        let token = "Authorization: Bearer s3cret-s3cret-s3cret";
        let by_tls = ask(&server, &authority.file, None, &[token]).map(|(answer, _)| answer.status);
        assert_eq!(by_tls.is_ok(), before == &with_tls, "{by_tls:?}");
        let in_plain = try_ask(http_address(&server), "GET", "/livez", &[token]).map(|answer| answer.status);
        assert_eq!(in_plain.is_ok(), before == &guarded, "{in_plain:?}");
    }
}

#[test]
fn guesses_at_the_token_are_held_up_counted_and_noted() {
    let ground = Ground::new();
    let token = ground.path("token");
    fs::write(&token, "s3cret\n").expect("written");
    let server = ground.server().set(format!("http.token_file={}", token.display())).run();
    server.eventually_logs(&["the token for HTTP has less than 16 bytes"]);
    let ask_with = |token: &str| get_with(&server, "/metrics", &[&format!("Authorization: Bearer {token}")]);
    assert_eq!(ask_with("s3cret").status, 200);
    for _ in 0..3 {
        assert_eq!(get_with(&server, "/metrics", &[]).status, 401, "who says none does not guess");
    }
    let statuses: Vec<u16> = (0..30).map(|number| ask_with(&format!("guess-{number}")).status).collect();
    assert_eq!(statuses[..10], [401; 10]);
    let held_up = statuses.iter().filter(|status| **status == 429).count();
    assert!(held_up >= 15, "{statuses:?}");
    let refused = eventually("the right one waits, too", || {
        ask_with("guess");
        let answer = ask_with("s3cret");
        if answer.status == 429 { Ok(answer) } else { Err(answer.head) }
    });
    assert!(refused.header("retry-after").and_then(|after| after.parse::<u64>().ok()).is_some_and(|after| after < 70));
    for path in ["/", "/livez"] {
        assert_eq!(get_with(&server, path, &["Authorization: Bearer s3cret"]).status, 200, "{path}");
    }
    server.eventually_logs(&["login_refused", "http token"]);
    let log = server.log();
    assert!(log.contains("login_throttled") && !log.contains("guess-") && !log.contains("s3cret"), "{log}");
    let noted = server.ask("ACL LOG");
    assert!(noted.contains("HTTP") && noted.contains("addr=127.0.0.1:"), "{noted}");
    // Clients log in as ever.
    assert_eq!(server.ask("ACL SETUSER ann on >pw"), "OK");
    assert_eq!(server.ask("AUTH ann pw"), "OK");
    let answer = eventually("it is let in again", || {
        let answer = ask_with("s3cret");
        if answer.status == 200 { Ok(answer) } else { Err(answer.head) }
    });
    let denied = answer.body.lines().find(|line| line.starts_with("discnt_access_denied_total{kind=\"login\"}"));
    let denied = denied.and_then(|line| line.split(' ').next_back()?.parse::<f64>().ok());
    assert!(denied >= Some(10.0), "{denied:?}");
}

#[test]
fn a_page_of_another_site_is_not_answered() {
    let ground = Ground::new();
    let server = ground.start();
    let image = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"];
    let refused = get_with(&server, "/api/v1/counters", &image);
    assert!(refused.status == 403 && refused.body.contains("other_site"), "{}", refused.body);
    let link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    assert_eq!(get_with(&server, "/", &link).status, 200);
    assert_eq!(get_with(&server, "/api/v1/counters", &["Sec-Fetch-Site: same-origin"]).status, 200);
}

#[test]
fn a_page_of_another_site_cannot_read_by_a_name_of_its_own() {
    let ground = Ground::new();
    let server = ground.start();
    let answer = get_with(&server, "/metrics", &["Host: rebound.example:15262"]);
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("unknown_host"), "{}", answer.body);
    assert_eq!(get_with(&server, "/metrics", &["Host: 127.0.0.1:15262"]).status, 200);
}
