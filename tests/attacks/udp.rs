//! Whoever can send packets to the mesh's port, from any address, and has no certificate.

use crate::quic::first_packets;
use crate::server_support::{Ground, eventually, eventually_answers};
use crate::victim::{Noise, Victim};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A stranger's socket.
struct Stranger {
    socket: UdpSocket,
    sent: usize,
    received: usize,
}

impl Stranger {
    fn of(victim: &Victim) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.connect(victim.server.address()).expect("loopback");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, sent: 0, received: 0 }
    }

    fn send(&mut self, packet: &[u8]) {
        // What does not fit the receiver's buffer is lost, as on any network.
        if self.socket.send(packet).is_ok() {
            self.sent += packet.len();
        }
        self.take();
    }

    fn take(&mut self) {
        let mut packet = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut packet) {
            self.received += length;
        }
    }

    /// Hears all that the server says in that time, and answers nothing.
    fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.take();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn tell(&self, what: &str) {
        let ratio = self.received as f64 / self.sent.max(1) as f64;
        println!("attack: {what}: {} bytes sent, {} came back ({ratio:.2} for one)", self.sent, self.received);
    }
}

#[test]
fn garbage_is_dropped_and_answered_with_less_than_came() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let (mut stranger, mut noise) = (Stranger::of(&victim), Noise(1));
    for round in 0..20_000_usize {
        let length = match round % 4 {
            0 => 1200,
            1 => noise.next() as usize % 64,
            _ => noise.next() as usize % 1500,
        };
        let mut packet = noise.bytes(length);
        // Of every kind of header: long ones of known and unknown versions, and short ones.
        if let [first, version @ .., _, _] = packet.as_mut_slice()
            && version.len() >= 4
        {
            *first = [0xc0, 0xd3, 0xe0, 0xf0, 0x40, 0x00, 0x5f, 0xff][round % 8];
            if round % 3 == 0 {
                version[..4].copy_from_slice(&1_u32.to_be_bytes());
            }
        }
        stranger.send(&packet);
        if round % 200 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    stranger.listen(Duration::from_secs(1));
    stranger.tell("garbage by UDP");
    assert!(stranger.received <= stranger.sent);
    victim.survives("20,000 packets of garbage", 32 << 20, 60);
}

#[tokio::test]
async fn an_address_that_nobody_has_proven_is_sent_less_than_came_from_it() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let packets = first_packets(3).await;
    let mut once = Stranger::of(&victim);
    once.send(&packets[0]);
    // Longer than the handshake may take, so all that is said again is in it.
    once.listen(Duration::from_secs(7));
    once.tell("the first packet of a connection, and no other");
    assert!(once.received > 0, "it was well formed");
    assert!(once.received <= once.sent, "{} for {}", once.received, once.sent);
    let mut again = Stranger::of(&victim);
    for _ in 0..200 {
        again.send(&packets[1]);
    }
    again.listen(Duration::from_secs(7));
    again.tell("the same first packet 200 times");
    assert!(again.received <= again.sent, "{} for {}", again.received, again.sent);
    victim.survives("first packets and no more", 16 << 20, 20);
}

/// As the last word of a dial that was given up does: it looks like a first one, and is said again after every answer.
#[tokio::test]
async fn a_first_packet_that_is_said_again_after_each_answer_makes_no_storm() {
    const TIME: Duration = Duration::from_secs(1);
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let packets = first_packets(1).await;
    let mut stranger = Stranger::of(&victim);
    let (end, mut answers, mut heard) = (Instant::now() + TIME, 0, 0);
    stranger.send(&packets[0]);
    let mut last = Instant::now();
    while Instant::now() < end {
        stranger.take();
        if stranger.received > heard || last.elapsed() > Duration::from_millis(10) {
            answers += u32::from(stranger.received > heard);
            heard = stranger.received;
            stranger.send(&packets[0]);
            last = Instant::now();
        }
    }
    stranger.tell("a first packet after each answer");
    // One in a tenth of a second.
    assert!((2..=11).contains(&answers), "{answers} answers in {TIME:?}");
    victim.survives("an echo of first packets", 16 << 20, 20);
}

#[tokio::test]
async fn cut_and_changed_first_packets_are_not_answered_with_more_than_came() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let packets = first_packets(40).await;
    let (mut stranger, mut noise) = (Stranger::of(&victim), Noise(2));
    for packet in &packets {
        for length in (0..packet.len()).step_by(97) {
            stranger.send(&packet[..length]);
        }
        for _ in 0..20 {
            let mut changed = packet.clone();
            let at = noise.next() as usize % changed.len();
            changed[at] ^= 1 << (noise.next() % 8);
            stranger.send(&changed);
        }
    }
    stranger.listen(Duration::from_secs(2));
    stranger.tell("cut and changed first packets");
    assert!(stranger.received <= stranger.sent, "{} for {}", stranger.received, stranger.sent);
    victim.survives("cut and changed first packets", 32 << 20, 60);
}

#[tokio::test]
async fn a_flood_of_unfinished_handshakes_keeps_no_member_out() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let newcomer = ground.start();
    let packets = first_packets(600).await;
    let mut stranger = Stranger::of(&victim);
    let begin = Instant::now();
    let mut client = newcomer.client();
    client.send(&format!("CLUSTER MEET {} {}", victim.server.host(), victim.server.port())).expect("connected");
    let meeting = std::thread::spawn(move || crate::server_support::text_of(&client.reply().expect("an answer")));
    // All of them again and again, as many at a time as half-open ones may be.
    for round in 0.. {
        for packet in &packets {
            stranger.send(packet);
        }
        if begin.elapsed() > Duration::from_secs(8) && meeting.is_finished() {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "round {round}");
        std::thread::sleep(Duration::from_millis(100));
    }
    stranger.tell("600 unfinished handshakes, for 8 seconds");
    assert!(stranger.received <= stranger.sent);
    let answer = meeting.join().expect("an answer");
    println!("attack: a member met the server meanwhile and was told {answer}");
    eventually("it is met, if need be with another attempt", || {
        let words = format!("CLUSTER MEET {} {}", victim.server.host(), victim.server.port());
        let again = newcomer.try_client()?.try_ask(&words)?;
        if again == "OK" { Ok(()) } else { Err(again) }
    });
    assert_eq!(newcomer.ask("INCR across"), "1");
    eventually_answers(&victim.server, "GET across", "1");
    victim.survives("a flood of unfinished handshakes", 64 << 20, 120);
}
