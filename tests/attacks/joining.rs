//! Whoever reaches the mesh's port and wants a certificate: with no right to ask for one, or asking for nonsense.

use crate::certificates::{Authority, self_signed};
use crate::quic::{Papers, client};
use crate::server_support::{Ground, Start};
use crate::victim::{Noise, Victim};
use discnt::wire::{CertifyRequest, OfferedAuthority};
use std::time::Duration;

const PROTOCOL: &[u8] = b"discnt-certify/1";
const PATIENCE: Duration = Duration::from_secs(30);

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Says that on a connection of its own, and waits until the server has ended it. Whether it answered something.
async fn say(victim: &Victim, papers: &Papers, bytes: &[u8]) -> bool {
    let endpoint = client(Some((papers.0.clone(), papers.1.clone_key())), PROTOCOL);
    let connecting = endpoint.connect(victim.server.address(), "discnt").expect("the address is good");
    let connection = tokio::time::timeout(PATIENCE, connecting).await.expect("in time").expect("a node's certificate");
    if let Ok(mut stream) = connection.open_uni().await {
        let _ = stream.write_all(bytes).await;
        let _ = stream.finish();
    }
    let answer = async {
        let mut stream = connection.accept_uni().await.ok()?;
        stream.read_to_end(1 << 20).await.ok()
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("it answers, or ends it");
    // Whoever has its answer goes.
    connection.close(1_u32.into(), b"");
    answer.is_some()
}

#[tokio::test]
async fn nonsense_to_who_gives_certificates_is_refused_and_nobody_is_held_up() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &["mesh.handshake_timeout_ms=2000"]);
    let papers = Authority::of(&ground.path("certs")).issue(|_| ());
    let mut noise = Noise(7);
    let offered = OfferedAuthority { certificate: noise.bytes(900), voucher: noise.bytes(900) };
    let whole = CertifyRequest::Authorities(vec![offered; 8]).encode();
    let mut attempts: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a length and nothing", vec![0, 0, 1, 0]),
        ("a length of 4 GiB", vec![0xff; 64]),
        ("a request for a certificate of noise", framed(&CertifyRequest::Certificate(noise.bytes(1000)).encode())),
        ("authorities of noise", framed(&whole)),
        ("half a request", framed(&whole[..whole.len() / 2])),
        ("a request of an unknown kind", framed(b"\x9f\x01\x18\x63\xff")),
        ("arrays in arrays", framed(&[&b"\x9f\x01\x02"[..], &[0x9f; 60_000]].concat())),
    ];
    attempts.extend((0..20).map(|_| ("noise", framed(&noise.bytes(2000)))));
    for (what, bytes) in &attempts {
        let is_answered = say(&victim, &papers, bytes).await;
        println!(
            "attack: {what}, to who gives certificates: {}",
            if is_answered { "refused in words" } else { "closed" }
        );
    }
    // Somebody who has a right to it is let in as ever.
    let other = Start::new("other", ground.path("other"), ground.path("other/certs")).run();
    let token = victim.server.ask("CLUSTER INVITE");
    let joined = other.ask(&format!("CLUSTER JOIN {token}"));
    assert!(joined.starts_with("joined"), "{joined}");
    let nodes = victim.server.ask("CLUSTER INFO");
    assert!(nodes.contains("cluster_known_nodes:2\r\n"), "{nodes}");
    victim.survives("nonsense to who gives certificates", 64 << 20, 60);
}

#[tokio::test]
async fn guesses_at_a_token_are_few_and_fill_no_log() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let token = victim.server.ask("CLUSTER INVITE");
    assert!(token.starts_with("discnt1-"), "{token}");
    let mut refused = 0;
    // Each has a key of its own, as each guess at the secret gives another.
    for guess in 0..200 {
        let endpoint = client((guess % 2 == 0).then(self_signed), PROTOCOL);
        let connecting = endpoint.connect(victim.server.address(), "discnt").expect("the address is good");
        let connection = tokio::time::timeout(PATIENCE, connecting).await.expect("in time");
        let is_ended = match connection {
            Err(_) => true,
            Ok(connection) => tokio::time::timeout(PATIENCE, connection.closed()).await.is_ok(),
        };
        refused += u32::from(is_ended);
    }
    assert_eq!(refused, 200);
    let log = victim.server.log();
    let told = log.lines().filter(|line| line.contains("join_refused")).count();
    println!("attack: 200 guesses at a token from one address: {told} were looked at");
    // Five, and one for each 12 seconds that it took.
    assert!((1..=15).contains(&told), "{log}");
    assert!(victim.server.ask("CLUSTER INVITATIONS").contains("uses=1"), "nobody has used it");
    victim.survives("200 guesses at a token", 32 << 20, 30);
}
