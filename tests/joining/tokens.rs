//! Tokens that are of no use, and what is said of them on both sides.

use crate::machines::{invite, join, join_before_start, machine};
use crate::server_support::{Ground, Server, eventually, eventually_linked};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

/// The place of the first byte of the secret within a token: behind the format, the expiry and the fingerprint.
const SECRET_AT: usize = 1 + 8 + 32;
const EXPIRY_AT: usize = 1;

/// The token with one byte turned, and a checksum that is right again: what somebody makes who tries secrets.
fn forged(token: &str, at: usize) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("discnt1-").expect("a token")).expect("base64");
    bytes.truncate(bytes.len() - 4);
    bytes[at] ^= 1;
    let checksum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(&checksum.as_ref()[..4]);
    format!("discnt1-{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn refusals(member: &Server) -> usize {
    member.log().lines().filter(|line| line.contains("join_refused")).count()
}

#[test]
fn a_used_token_is_refused_on_both_sides_and_after_a_restart_too() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    let token = invite(&first, "");
    let second = machine(&ground, "second").run();
    assert!(join(&second, &token).starts_with("joined"));
    let first = first.kill().run();
    let prepared = join_before_start(&ground, "third", &[&token]);
    assert_eq!(prepared.code, Some(1), "{prepared:?}");
    assert!(prepared.errors.contains("the token has been used"), "{prepared:?}");
    first.eventually_logs(&["audit", "join_refused", "has been used"]);
    eventually_linked(&[&first, &second]);
}

#[test]
fn an_expired_token_is_refused_by_whoever_has_it_and_by_the_member_whatever_it_says_itself() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    let token = invite(&first, "TTL 1");
    let made = std::time::Instant::now();
    let second = machine(&ground, "second").run();
    // Before that it would be taken.
    eventually("its second is over", || match made.elapsed().as_secs() {
        0 | 1 => Err("not yet".to_owned()),
        _ => Ok(()),
    });
    eventually("the token has expired", || {
        let refused = join(&second, &token);
        match refused.starts_with("-ERR the token expired") {
            true => Ok(()),
            false => Err(refused),
        }
    });
    // The highest byte of the time: it is good for ever, by its own word.
    let refused = join(&second, &forged(&token, EXPIRY_AT));
    assert!(refused.contains("the token has expired"), "{refused}");
    first.eventually_logs(&["audit", "join_refused", "expired"]);
}

#[test]
fn an_altered_token_is_refused_and_so_is_one_that_was_taken_back() {
    let ground = Ground::new();
    let (first, second) = (machine(&ground, "first").run(), machine(&ground, "second").run());
    let token = invite(&first, "");
    let refused = join(&second, &token[..token.len() - 3]);
    assert!(refused.starts_with("-ERR the token was cut off or altered"), "{refused}");
    assert!(join(&second, "hello").starts_with("-ERR this is no token"));
    assert_eq!(refusals(&first), 0, "what is not whole never leaves the machine");
    let refused = join(&second, &forged(&token, SECRET_AT));
    assert!(refused.contains("it knows no such invitation"), "{refused}");
    first.eventually_logs(&["audit", "join_refused", "no invitation of this node"]);
    // Another fingerprint: the member is not believed.
    let refused = join(&second, &forged(&token, SECRET_AT - 1));
    assert!(refused.contains("not of the authority"), "{refused}");
    let name = first.ask("CLUSTER INVITATIONS");
    let name = name.split(' ').next().expect("a name").to_owned();
    assert_eq!(first.ask(&format!("CLUSTER UNINVITE {name}")), "took back 1");
    assert!(first.ask(&format!("CLUSTER UNINVITE {name}")).starts_with("-ERR no invitation"));
    let refused = join(&second, &token);
    assert!(refused.contains("it knows no such invitation"), "{refused}");
    // None of that has made the node anything else than it was.
    assert_eq!(second.ask("INCR a"), "1");
    let second = second.kill().run();
    assert_eq!(second.ask("PING"), "PONG");
}

#[test]
fn guesses_are_soon_not_looked_at_any_more_and_members_are_not_held_up_by_them() {
    let ground = Ground::new();
    let (first, second) = (machine(&ground, "first").run(), machine(&ground, "second").run());
    let member = machine(&ground, "member").run();
    assert!(join(&member, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &member]);
    let token = invite(&first, "");
    let mut last = String::new();
    for guess in 0..8 {
        last = join(&second, &forged(&token, SECRET_AT + guess));
    }
    assert!(last.contains("too many wrong attempts"), "{last}");
    assert!(refusals(&first) < 8, "{}", first.log());
    // Not even with the right one, for a while; nodes with certificates come and go.
    assert!(join(&second, &token).contains("too many wrong attempts"));
    // A member behind the same address has its certificate made anew as ever.
    let rotated = ground.cli(&["-p", &member.port().to_string(), "certs", "rotate"]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    assert!(join(&second, &token).contains("too many wrong attempts"), "meanwhile");
    eventually("the time is over", || {
        let answer = join(&second, &token);
        if answer.starts_with("joined") { Ok(()) } else { Err(answer) }
    });
    eventually_linked(&[&first, &second, &member]);
}

#[test]
fn nodes_with_configured_certificates_have_no_tokens() {
    let ground = Ground::new();
    for words in
        [&["certs", "init", "--dir", "ca"][..], &["certs", "issue", "--dir", "ca", "--out", "one", "--name", "one"]]
    {
        assert_eq!(ground.cli(words).code, Some(0));
    }
    let path = |name: &str| ground.path(name).display().to_string();
    let settings = [
        format!("mesh.ca_cert={}", path("ca/ca.crt")),
        format!("mesh.cert={}", path("one/one.crt")),
        format!("mesh.key={}", path("one/one.key")),
    ];
    let node = machine(&ground, "one").set_all(&settings.each_ref().map(String::as_str)).run();
    let asked = node.ask("CLUSTER INVITE");
    assert!(asked.contains("discnt-cli certs issue"), "{asked}");
    let other = machine(&ground, "two").run();
    let refused = join(&node, &invite(&other, ""));
    assert!(refused.contains("[mesh] ca_cert"), "{refused}");
}
