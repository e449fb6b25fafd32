//! Whoever sits on the path between two members: sees every packet, and can hold it back, say it again and change it.

use crate::server_support::{Ground, eventually, eventually_answers, eventually_linked};
use crate::victim::{Noise, Victim};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Passes packets between whoever spoke first and a server, adding to them.
struct OnPath {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    added: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl OnPath {
    fn to(server: SocketAddr) -> Self {
        let here = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let there = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        for socket in [&here, &there] {
            socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a socket");
        }
        let address = here.local_addr().expect("bound");
        let (stop, added) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&added));
        let thread = std::thread::spawn(move || {
            let (mut noise, mut member, mut packet) = (Noise(3), None, [0; 2048]);
            while !ended.load(Ordering::Relaxed) {
                if let Ok((length, from)) = here.recv_from(&mut packet) {
                    member = Some(from);
                    let packet = &mut packet[..length];
                    let _ = there.send_to(packet, server);
                    // Again, at once and from another address, and changed.
                    for _ in 0..3 {
                        let _ = there.send_to(packet, server);
                        let _ = elsewhere.send_to(packet, server);
                        let at = noise.next() as usize % packet.len().max(1);
                        packet[at] ^= 1 << (noise.next() % 8);
                        let _ = there.send_to(packet, server);
                        packet[at] ^= 0x55;
                        count.fetch_add(3, Ordering::Relaxed);
                    }
                }
                if let (Ok((length, _)), Some(member)) = (there.recv_from(&mut packet), member) {
                    let packet = &mut packet[..length];
                    for _ in 0..3 {
                        let _ = here.send_to(packet, member);
                    }
                    let at = noise.next() as usize % packet.len().max(1);
                    packet[at] ^= 1;
                    let _ = here.send_to(packet, member);
                    count.fetch_add(3, Ordering::Relaxed);
                }
            }
        });
        Self { address, stop, added, thread }
    }
}

#[test]
fn what_is_said_again_or_changed_on_the_path_is_counted_once_or_not_at_all() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let member = ground.start();
    let path = OnPath::to(victim.server.address());
    eventually("the member is met through the path", || {
        let words = format!("CLUSTER MEET {} {}", path.address.ip(), path.address.port());
        let answer = member.try_client()?.try_ask(&words)?;
        if answer == "OK" { Ok(()) } else { Err(answer) }
    });
    eventually_linked(&[&victim.server, &member]);
    let mut client = member.client();
    for number in 1..=2000 {
        assert_eq!(client.ask("INCR on-path"), number.to_string());
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(6));
        }
    }
    eventually_answers(&victim.server, "GET on-path", "2000");
    path.stop.store(true, Ordering::Relaxed);
    path.thread.join().expect("the path did not fail");
    let added = path.added.load(Ordering::Relaxed);
    println!("attack: {added} packets said again, changed or sent from elsewhere on the path: counted once");
    assert!(added > 500, "{added}");
    let info = victim.server.ask("INFO mesh");
    assert!(info.contains("mesh_messages_refused:0\r\n"), "{info}");
    victim.survives("a path that says again and changes", 64 << 20, 40);
}
