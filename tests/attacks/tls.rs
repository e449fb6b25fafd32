//! Whoever can connect to the port for clients that speak TLS.

use crate::server_support::{Ground, eventually};
use crate::tls_support::{Authority, TlsClient, is_closed, tls_address};
use crate::victim::{Noise, Victim};
use socket2::{Domain, Socket, Type};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a port for TLS, and the authority that its clients go by.
fn victim(ground: &Ground, more: &[&str]) -> (Victim, Authority) {
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue("server");
    let settings = [
        "resp.tls_port=0".to_owned(),
        "resp.tls_handshake_seconds=2".to_owned(),
        format!("resp.tls_cert={}", files.cert.display()),
        format!("resp.tls_key={}", files.key.display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).chain(more.iter().copied()).collect();
    (Victim::start(ground, &settings), authority)
}

/// A connection from one of this machine's own addresses.
fn connect_from(host: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((host, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

#[test]
fn what_is_no_greeting_of_tls_ends_the_connection_and_takes_no_memory() {
    let ground = Ground::new();
    let (victim, authority) = victim(&ground, &[]);
    let address = tls_address(&victim.server);
    let mut noise = Noise(11);
    // A record of a handshake that says to be 16 MiB long, and goes on and on.
    let endless =
        [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 16_380], &[22, 3, 1, 0x40, 0], &[0; 16_384]].concat();
    let attempts: Vec<(&str, Vec<u8>)> = vec![
        ("noise", noise.bytes(8192)),
        ("plain text", b"*1\r\n$4\r\nPING\r\n".repeat(100)),
        ("a request of HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a record of 65,535 bytes", [&[22, 3, 1, 0xff, 0xff][..], &noise.bytes(65_535)].concat()),
        ("a greeting that never ends", endless.repeat(64)),
        ("a greeting of noise", [&[22, 3, 1, 2, 4, 1, 0, 2, 0][..], &noise.bytes(512)].concat()),
        ("data before any greeting", [&[23, 3, 3, 1, 0][..], &noise.bytes(256)].concat()),
        ("alerts", [21, 3, 1, 0, 2, 1, 0].repeat(5000)),
        ("records with nothing in them", [22, 3, 1, 0, 0].repeat(20_000)),
        ("a greeting of version 2", vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]),
        ("half a greeting", vec![22, 3, 1, 2, 0]),
    ];
    for _ in 0..10 {
        for (what, bytes) in &attempts {
            let mut stream = TcpStream::connect(address).expect("it listens");
            stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
            // The server may close before it has all.
            let _ = stream.write_all(bytes);
            // An alert may come first.
            let is_over = (0..4).any(|_| is_closed(&mut stream, PATIENCE));
            assert!(is_over, "{what}: the connection goes on");
        }
        if noise.next().is_multiple_of(2) {
            let mut client = TlsClient::connect(address, &authority.file, None).expect("others are served");
            assert_eq!(client.ask("PING"), Ok("+PONG".to_owned()));
        }
    }
    victim.survives("110 connections that are no TLS", 48 << 20, 20);
}

#[test]
fn one_address_that_begins_handshakes_and_never_ends_them_keeps_no_other_out() {
    let ground = Ground::new();
    let (victim, authority) = victim(&ground, &["resp.tls_max_handshakes=20"]);
    let address = tls_address(&victim.server);
    let (stop, held) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut open: Vec<TcpStream> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                for stream in (0..40).filter_map(|_| connect_from([127, 0, 0, 2], address).ok()) {
                    let mut stream = stream;
                    let _ = stream.write_all(&[22, 3, 1, 2, 0]);
                    open.push(stream);
                }
                open.retain_mut(|stream| !is_closed(stream, Duration::from_millis(1)));
                held.fetch_max(open.len(), Ordering::Relaxed);
            }
        });
        let served = std::panic::catch_unwind(|| {
            eventually("it holds all that it gets", || match held.load(Ordering::Relaxed) {
                10.. => Ok(()),
                fewer => Err(format!("{fewer} handshakes")),
            });
            for turn in 0..50 {
                let client = TlsClient::connect(address, &authority.file, None);
                let mut client = client.unwrap_or_else(|error| panic!("turn {turn}: {error}"));
                assert_eq!(client.ask("INCR by-tls"), Ok(format!(":{}", turn + 1)));
            }
        });
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = served {
            std::panic::resume_unwind(panic);
        }
    });
    println!("attack: one address held {} handshakes of 20 at once", held.load(Ordering::Relaxed));
    victim.survives("handshakes that never end, from one address", 32 << 20, 20);
}
