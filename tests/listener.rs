//! Clients over real sockets: accepting, refusing, stopping.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use discnt::base::Moment;
use discnt::listener::{Config, Connection, Listener, Response, Running, Service};
use discnt::resp::{Arguments, Protocol, Reply};

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers LARGE with a megabyte and everything else with the number of its arguments.
#[derive(Default)]
struct Counting {
    opened: AtomicUsize,
    refused: AtomicUsize,
    read: AtomicUsize,
    written: AtomicUsize,
    /// One bit for each thread that a connection was dealt to.
    threads: AtomicUsize,
}

impl Service for Counting {
    type Session = ();
    type Pending = std::convert::Infallible;
    type Hold = std::convert::Infallible;
    type Entry<'a> = ();

    fn open(&self, connection: Connection) {
        assert_ne!(connection.peer, connection.local);
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.threads.fetch_or(1 << connection.thread, Ordering::SeqCst);
    }

    fn refused(&self) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }

    fn protocol(&self, (): &()) -> Protocol {
        Protocol::Resp2
    }

    fn is_unauthenticated(&self, (): &()) -> bool {
        false
    }

    fn now(&self) -> Moment {
        Moment::default()
    }

    fn enter(&self, (): &()) {}

    fn execute(&self, (): &mut (), arguments: Arguments<'_>, _: Moment) -> Response<Self::Pending> {
        Response::Reply(match arguments.get(0) {
            Some(b"LARGE") => Reply::Bulk(vec![b'x'; 1 << 20]),
            _ => Reply::Integer(arguments.len() as i64),
        })
    }

    fn transferred(&self, (): &(), read: usize, written: usize) {
        self.read.fetch_add(read, Ordering::Relaxed);
        self.written.fetch_add(written, Ordering::Relaxed);
    }

    fn poll_messages(&self, _: &Self::Session, _: &Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn take_messages(&self, _: &Self::Session, _: usize, _: &mut Vec<u8>) -> bool {
        true
    }

    async fn publish(&self) {}

    async fn wait(&self, (): &(), pending: Self::Pending) -> Option<Reply> {
        match pending {}
    }

    fn take_hold(&self, (): &mut ()) -> Option<Self::Hold> {
        None
    }

    fn is_released(&self, hold: Self::Hold) -> bool {
        match hold {}
    }

    async fn released(&self, hold: Self::Hold) {
        match hold {}
    }
}

struct Server {
    service: Arc<Counting>,
    running: Running,
    addresses: Vec<SocketAddr>,
}

fn start(config: Config) -> Server {
    let listener = Listener::bind(&Config { port: 0, ..config }).expect("a free port");
    let addresses = listener.local_addresses().to_vec();
    let service = Arc::new(Counting::default());
    let running = listener.serve(Arc::clone(&service)).expect("threads");
    Server { service, running, addresses }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("connected");
    let mut reply = [0; 64];
    let length = stream.read(&mut reply).expect("a reply");
    String::from_utf8_lossy(&reply[..length]).into_owned()
}

fn read_to_end(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("closed in good order");
    String::from_utf8_lossy(&rest).into_owned()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn clients_on_all_threads_and_addresses_are_served() {
    let server = start(Config { bind: "127.0.0.1 127.0.0.2".to_owned(), threads: 3, ..Config::default() });
    let mut clients: Vec<TcpStream> = (0..12).map(|n| connect(server.addresses[n % server.addresses.len()])).collect();
    for round in 0..3 {
        for client in &mut clients {
            assert_eq!(ask(client, "a b c\r\n"), ":3\r\n", "round {round}");
        }
    }
    assert_eq!(server.running.clients(), 12);
    assert_eq!(server.service.opened.load(Ordering::SeqCst), 12);
    assert_eq!(server.service.threads.load(Ordering::SeqCst), 0b111);
    assert_eq!(server.service.read.load(Ordering::SeqCst), 12 * 3 * 7);
    wait_until("all replies are counted", || server.service.written.load(Ordering::SeqCst) == 12 * 3 * 4);
    drop(clients);
    wait_until("everyone has left", || server.running.clients() == 0);
    assert_eq!(server.running.stop(PATIENCE).clients_cut_off, 0);
}

#[test]
fn both_families_of_addresses_are_served_on_one_port() {
    let server = start(Config { bind: "0.0.0.0,::".to_owned(), ..Config::default() });
    let port = server.addresses[0].port();
    for host in ["127.0.0.1", "[::1]"] {
        let address: SocketAddr = format!("{host}:{port}").parse().expect("an address");
        assert_eq!(ask(&mut connect(address), "a\r\n"), ":1\r\n", "{host}");
    }
}

#[test]
fn a_client_too_many_is_told_so_and_its_place_can_be_taken_later() {
    let server = start(Config { max_clients: 2, ..Config::default() });
    let address = server.addresses[0];
    let mut first = connect(address);
    let mut second = connect(address);
    assert_eq!(ask(&mut first, "a\r\n"), ":1\r\n");
    assert_eq!(ask(&mut second, "a\r\n"), ":1\r\n");
    let third = connect(address);
    assert_eq!(read_to_end(third), "-ERR max number of clients reached\r\n");
    assert_eq!(server.service.refused.load(Ordering::SeqCst), 1);
    drop(first);
    wait_until("there is room again", || server.running.clients() == 1);
    assert_eq!(ask(&mut connect(address), "a\r\n"), ":1\r\n");
}

#[test]
fn a_client_that_closed_its_sending_half_gets_its_replies() {
    let server = start(Config::default());
    let mut client = connect(server.addresses[0]);
    client.write_all(b"a\r\nb c\r\n").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(read_to_end(client), ":1\r\n:2\r\n");
}

#[test]
fn the_reason_for_closing_arrives_even_if_the_client_goes_on_sending() {
    let server = start(Config::default());
    let mut client = connect(server.addresses[0]);
    let mut bytes = b"*x\r\n".to_vec();
    bytes.resize(1 << 20, b'x');
    client.write_all(&bytes).expect("the server reads on for a while");
    assert_eq!(read_to_end(client), "-ERR Protocol error: invalid multibulk length\r\n");
}

#[test]
fn stopping_closes_idle_clients_at_once_and_accepts_nobody() {
    let server = start(Config::default());
    let address = server.addresses[0];
    let mut idle = connect(address);
    assert_eq!(ask(&mut idle, "a\r\n"), ":1\r\n");
    let started = Instant::now();
    assert_eq!(server.running.stop(PATIENCE).clients_cut_off, 0);
    assert!(started.elapsed() < PATIENCE, "waited for the deadline");
    assert_eq!(read_to_end(idle), "");
    let refused = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn stopping_cuts_off_a_client_that_does_not_read_at_the_deadline() {
    let server = start(Config::default());
    let mut stuck = connect(server.addresses[0]);
    stuck.write_all("LARGE\r\n".repeat(50).as_bytes()).expect("connected");
    let mut first = [0; 1];
    stuck.read_exact(&mut first).expect("the replies have begun");
    let stopped = server.running.stop(Duration::from_millis(100));
    assert_eq!(stopped.clients_cut_off, 1);
}

#[test]
fn a_server_that_is_dropped_stops() {
    let server = start(Config::default());
    let mut client = connect(server.addresses[0]);
    assert_eq!(ask(&mut client, "a\r\n"), ":1\r\n");
    drop(server.running);
    let mut rest = Vec::new();
    // A reset is as good an end as an orderly one here.
    let _ = client.read_to_end(&mut rest);
    assert!(rest.is_empty());
}
