//! A member that has gone bad: a valid certificate, let in, and what it says is up to it.

use crate::server_support::{Ground, PATIENCE, Server};
use crate::victim::{Noise, Victim};
use bytes::Bytes;
use discnt::base::{
    Amount, HybridTime, Incarnation, Labels, Location, MAX_MESSAGE_BYTES, Name, NodeId, ReplicaId, Total,
};
use discnt::counter::Precision;
use discnt::mesh::{Config, DialId, Identity, Mesh, MeshEvent, SendError, bind_socket};
use discnt::wire::{
    AssignmentBody, DigestLine, Heartbeat, HeldLine, Hello, Message, Packed, ProtocolVersion, PullLine, Record,
    RecordPacker, encode_membership, encode_names_wanted,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The bad member's end.
struct Rude {
    mesh: Mesh,
    events: mpsc::Receiver<MeshEvent>,
    server: NodeId,
    /// How many messages it has said.
    said: u64,
    /// Why the link went down.
    ended: Option<String>,
}

fn hello(host: &str) -> Hello {
    Hello {
        incarnation: Incarnation(1),
        host: host.to_owned(),
        client_port: 1,
        mesh_port: 1,
        meet: true,
        you: String::new(),
        instance: 1,
        default_precision: Precision::ONE,
        drawn_before: 0,
        labels: Labels::default(),
    }
}

impl Rude {
    /// Joins, as any node of the authority can.
    async fn join(ground: &Ground, server: &Server) -> Self {
        let config = Config { certs_dir: ground.path("certs"), port: 0, ..Config::default() };
        let directory = ground.path("rude");
        std::fs::create_dir_all(&directory).expect("a directory");
        let identity = Identity::open(&config, &directory).expect("an identity").identity;
        let (sender, mut events) = mpsc::channel(4096);
        let socket = bind_socket(&config).expect("a socket");
        let mesh = Mesh::bind(config, socket, &identity, sender).expect("the mesh starts");
        mesh.dial(DialId(1), &server.host(), server.port());
        let server = loop {
            match tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event") {
                Some(MeshEvent::LinkUp { peer, .. }) => break peer,
                Some(MeshEvent::DialFailed { error, .. }) => panic!("{error}"),
                _ => {}
            }
        };
        let mut rude = Self { mesh, events, server, said: 0, ended: None };
        rude.say(Message::encode_hello(&hello("127.0.0.1"), ProtocolVersion(2))).await;
        loop {
            match tokio::time::timeout(PATIENCE, rude.events.recv()).await.expect("an event") {
                Some(MeshEvent::Message { bytes, .. }) if matches!(Message::decode(&bytes), Ok(Message::Hello(_))) => {
                    return rude;
                }
                Some(MeshEvent::LinkDown { reason, .. }) => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn own(&self) -> ReplicaId {
        ReplicaId { node: self.mesh.id(), incarnation: Incarnation(1) }
    }

    /// Reads whatever there is, so that the link stays open both ways.
    fn read(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            if let MeshEvent::LinkDown { reason, .. } = event {
                self.ended = Some(reason.to_string());
            }
        }
    }

    async fn say(&mut self, bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.read();
            if self.ended.is_some() {
                return;
            }
            match self.mesh.send_message(self.server, bytes.clone()) {
                Ok(_) => {
                    self.said += 1;
                    return;
                }
                Err(SendError::Full(_) | SendError::NotLinked(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < deadline, "the server takes nothing any more");
        }
    }

    async fn cast(&mut self, bytes: Vec<u8>) {
        self.read();
        if self.mesh.send_datagram(self.server, Bytes::from(bytes)).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until the server has taken all that was said before.
    async fn is_heard(&mut self, server: &Server) {
        let deadline = Instant::now() + PATIENCE;
        while field(&server.ask("INFO mesh"), "mesh_messages_received") < self.said {
            self.read();
            assert_eq!(self.ended, None);
            assert!(
                Instant::now() < deadline,
                "the server has not taken {} messages: {}",
                self.said,
                server.ask("INFO mesh")
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn field(info: &str, name: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// One message with all of these.
fn packed(incarnation: u64, records: Vec<(u64, Record<'_>)>) -> Vec<u8> {
    let (mut packer, mut ready) =
        (RecordPacker::new(Incarnation(incarnation), 1, MAX_MESSAGE_BYTES - 1024), Vec::new());
    for (number, record) in records {
        packer.push(number, &record, &mut ready);
    }
    packer.finish(&mut ready);
    match ready.pop() {
        Some(Packed::Datagram(bytes, _) | Packed::Message(bytes)) if ready.is_empty() => bytes,
        other => panic!("{other:?} and {} more", ready.len()),
    }
}

fn share(place: u32, total: i128, rate: f32, age: Duration, name: &[u8]) -> Record<'_> {
    Record::Share {
        location: Location(place),
        born: 1,
        total: Total::from_units(total),
        rate,
        age,
        whole: true,
        name: Some(Name::new(name).expect("short")),
    }
}

#[tokio::test]
async fn garbage_on_a_link_is_ignored_counted_and_told_of_now_and_then() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let mut rude = Rude::join(&ground, &victim.server).await;
    let mut noise = Noise(4);
    let sound = Message::encode_digest(5, &[DigestLine { replica: rude.own(), received: 1, durable: 1, beyond: 0 }]);
    for round in 0..10_000_usize {
        let mut bytes = match round % 3 {
            0 => {
                let length = noise.next() as usize % 1000;
                noise.bytes(length)
            }
            1 => sound[..noise.next() as usize % sound.len()].to_vec(),
            _ => {
                let mut changed = sound.clone();
                let at = noise.next() as usize % changed.len();
                changed[at] = noise.next() as u8;
                changed
            }
        };
        bytes.truncate(1000);
        if round % 2 == 0 { rude.say(bytes).await } else { rude.cast(bytes).await }
    }
    // As large as may be, and nothing in it.
    for fill in [0x9f, 0xff, 0x81, 0x00] {
        rude.say(vec![fill; MAX_MESSAGE_BYTES]).await;
    }
    rude.is_heard(&victim.server).await;
    let refused = field(&victim.server.ask("INFO mesh"), "mesh_messages_refused");
    println!("attack: {refused} datagrams and messages of a member were refused");
    assert!(refused > 3000, "{refused}");
    victim.survives("10,000 words of garbage from a member", 64 << 20, 30);
}

#[tokio::test]
async fn absurd_figures_of_a_member_spoil_what_it_speaks_of_and_nothing_else() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    for (key, value) in [("mine", "5"), ("also", "7")] {
        assert_eq!(victim.server.ask(&format!("SET {key} {value}")), "OK");
    }
    let mut rude = Rude::join(&ground, &victim.server).await;
    let extremes = [i128::MAX, i128::MIN, -1, Amount::MAX.units(), Amount::MIN.units()];
    let mut records = Vec::new();
    for (at, total) in extremes.into_iter().enumerate() {
        for (rate, age) in [(f32::MAX, Duration::MAX), (-f32::MAX, Duration::ZERO), (f32::MIN_POSITIVE, Duration::MAX)]
        {
            let place = records.len() as u32;
            records.push((u64::MAX - 100 + u64::from(place), (place, total, rate, age, format!("absurd-{at}-{rate}"))));
        }
    }
    for (number, (place, total, rate, age, name)) in &records {
        rude.say(packed(1, vec![(*number, share(*place, *total, *rate, *age, name.as_bytes()))])).await;
    }
    let assignment = |time| Record::Assignment {
        name: Name::new(b"also").expect("short"),
        body: AssignmentBody { time: HybridTime(time), base: Amount::MAX, deleted: false, observed: Vec::new() },
    };
    rude.say(packed(1, vec![(u64::MAX - 1, assignment(u64::MAX))])).await;
    rude.say(packed(u64::MAX, vec![(1, share(1, 1, 0.0, Duration::ZERO, b"later life"))])).await;
    let heartbeat = Heartbeat {
        incarnation: Incarnation(1),
        clock: u64::MAX,
        newest: u64::MAX,
        told_until: u64::MAX,
        members: u32::MAX,
        cluster: u64::MAX,
        echo: Some((u64::MAX, u64::MAX)),
    };
    rude.cast(heartbeat.encode()).await;
    rude.say(Message::encode_hello(
        &Hello { drawn_before: u64::MAX, instance: 2, ..hello("127.0.0.1") },
        ProtocolVersion(2),
    ))
    .await;
    let line = |received| DigestLine { replica: rude.own(), received, durable: received, beyond: u64::MAX };
    let digest = Message::encode_digest(u64::MAX, &[line(u64::MAX)]);
    rude.say(digest).await;
    let held =
        HeldLine { replica: rude.own(), contiguous: u64::MAX, ranges: vec![(5, 1), (u64::MAX, u64::MAX), (0, 0)] };
    rude.say(Message::encode_pull(&[PullLine { held: held.clone(), until: u64::MAX }])).await;
    rude.say(Message::encode_repair_begin(u64::MAX)).await;
    rude.say(Message::encode_repair_end(HybridTime(u64::MAX), &[held])).await;
    rude.is_heard(&victim.server).await;
    // Its own counters are what they were, and are counted on.
    let server = &victim.server;
    assert_eq!(server.ask("GET mine"), "5");
    assert_eq!(server.ask("INCR mine"), "6");
    for (.., name) in records.iter().map(|(_, record)| record) {
        let answer = server.ask(&format!("GET {name}"));
        assert!(!answer.is_empty(), "{name}");
        let counted = server.ask(&format!("INCR {name}"));
        println!("attack: a member says {name}: GET answers {answer}, INCR {counted}");
    }
    let set = (server.ask("SET also 3"), server.ask("GET also"));
    println!("attack: a member's SET from the end of time, then SET also 3: {set:?}");
    assert_eq!(set.0, "OK");
    for request in ["KEYS *", "INFO", "CLUSTER NODES", "SAVE", "GET also BOUND", "GET absurd-0-1 STATE"] {
        assert!(!server.ask(request).is_empty(), "{request}");
    }
    let log_lines = 60;
    let server = victim.survives("absurd figures from a member", 64 << 20, log_lines);
    // What it wrote down of that does not keep it from starting again.
    let again = server.stop(rustix::process::Signal::TERM).run();
    assert_eq!(again.ask("GET mine"), "6");
}

#[tokio::test]
async fn a_member_cannot_speak_for_another_or_put_lines_into_lists() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let other = ground.start();
    crate::server_support::link(&[&victim.server, &other]);
    let mut rude = Rude::join(&ground, &victim.server).await;
    let before = victim.server.ask("CLUSTER NODES").lines().count();
    // A host name that would be two lines, and one that would colour a terminal.
    for host in ["a\nb", "a b", "\x1b[31mred", &"h".repeat(256)] {
        rude.say(Message::encode_hello(&hello(host), ProtocolVersion(2))).await;
    }
    // The failure detector's words in the other's name: that it has left, and a later life of it.
    let id: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&other.id()[at * 2..at * 2 + 2], 16).expect("hexadecimal")).collect();
    let header = [
        &[1, 0x84, 0x86, 0x54][..],
        &id,
        &[0x18, 99, 0x60, 0, 0, 0xf5, 0, 0x86, 0x54],
        &id,
        &[0, 0x60, 0, 0, 0xf4, 0x81, 8],
    ]
    .concat();
    for _ in 0..100 {
        rude.say(encode_membership(&header)).await;
        rude.cast(encode_membership(&header)).await;
    }
    rude.is_heard(&victim.server).await;
    let nodes = victim.server.ask("CLUSTER NODES");
    assert_eq!(nodes.lines().count(), before, "{nodes}");
    assert!(nodes.lines().all(|line| line.split(' ').count() >= 8 && !line.contains('\x1b')), "{nodes}");
    let line = nodes.lines().find(|line| line.starts_with(&other.id())).expect("a member");
    assert!(line.contains(" noflags ") && line.contains(" connected "), "{line}");
    assert_eq!(other.ask("INCR still-a-member"), "1");
    crate::server_support::eventually_answers(&victim.server, "GET still-a-member", "1");
    let log = victim.server.log();
    println!("attack: a member in another's name: {:?}", log.lines().rfind(|line| line.contains("ignored what")));
    victim.survives("a member that speaks for another", 32 << 20, 40);
}

#[tokio::test]
async fn a_member_that_makes_counters_fills_memory_as_counting_does_and_holds_nobody_up() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &["counters.max_counters=1000", "storage.durability=memory"]);
    let mut rude = Rude::join(&ground, &victim.server).await;
    const COUNTERS: u64 = 300_000;
    const A_MESSAGE: u64 = 10_000;
    for first in (1..=COUNTERS).step_by(A_MESSAGE as usize) {
        let names: Vec<String> = (first..first + A_MESSAGE).map(|number| format!("made-up-name-{number}")).collect();
        let records = names.iter().zip(first..);
        let records = records.map(|(name, number)| {
            (number, share(number as u32, Amount::from(1).units(), 0.0, Duration::ZERO, name.as_bytes()))
        });
        rude.say(packed(1, records.collect())).await;
    }
    rude.is_heard(&victim.server).await;
    let deadline = Instant::now() + PATIENCE;
    while victim.server.ask("DBSIZE") != (COUNTERS + 1).to_string() {
        assert!(Instant::now() < deadline, "{}", victim.server.ask("DBSIZE"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The limit is for what clients make: what members hold must be held, or the cluster would not agree.
    let refused = victim.server.ask("INCR one-more");
    assert!(refused.starts_with("-OOM "), "{refused}");
    victim.survives("300,000 counters that a member makes up", 400 * COUNTERS, 40);
}

#[tokio::test]
async fn thousands_of_lives_and_requests_of_a_member_are_bounded() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    for number in 0..2000 {
        if number % 500 == 0 {
            assert_eq!(victim.server.ask(&format!("INCR stock:{number}")), "1");
        }
    }
    let mut rude = Rude::join(&ground, &victim.server).await;
    for life in 2..6000 {
        rude.say(packed(life, vec![(1, share(1, 1, 0.0, Duration::ZERO, b"lives"))])).await;
    }
    rude.is_heard(&victim.server).await;
    println!("attack: 6,000 lives of a member: {}", victim.server.ask("CLUSTER INFO").lines().nth(4).unwrap_or(""));
    assert!(field(&victim.server.ask("CLUSTER INFO"), "cluster_known_replicas") <= 4096);
    for token in 0..3000_u64 {
        rude.say(Message::encode_pull(&[])).await;
        rude.say(Message::encode_digest_wanted(token, u64::MAX)).await;
        rude.say(Message::encode_tell_predictions()).await;
        rude.cast(encode_names_wanted(&vec![(Location(token as u32), 1); 150])).await;
    }
    // Who asks faster than it takes the answers loses the link: queues are bounded.
    let deadline = Instant::now() + PATIENCE;
    while rude.ended.is_none() && field(&victim.server.ask("INFO mesh"), "mesh_messages_received") < rude.said {
        rude.read();
        assert!(Instant::now() < deadline, "the server has not taken {} messages", rude.said);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("attack: 12,000 requests of a member: {:?}", rude.ended.as_deref().unwrap_or("all were taken"));
    victim.survives("6,000 lives and 12,000 requests of a member", 96 << 20, 60);
}
