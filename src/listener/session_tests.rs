use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::io::DuplexStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::*;
use crate::base::Moment;
use crate::listener::Connection;
use crate::resp::{Arguments, Protocol};

#[path = "session_manners_tests.rs"]
mod manners;

const PATIENCE: Duration = Duration::from_secs(10);
const REQUESTS_PER_TURN: u32 = 100;

/// A service of a few commands that show what a session does with replies.
#[derive(Default)]
struct TestService {
    executed: AtomicUsize,
    read: AtomicUsize,
    written: AtomicUsize,
    /// Lets WAIT go on.
    go: Notify,
    /// What HOLD changes is on disk once so many commits are.
    unfinished_commits: AtomicU64,
    commits: AtomicU64,
    /// How often a commit was asked for.
    asked: AtomicUsize,
    committed: Notify,
    /// Messages to whoever is connected, and who waits for them.
    messages: std::sync::Mutex<(Vec<&'static str>, Option<std::task::Waker>)>,
    /// PAUSABLE is put off.
    paused: AtomicBool,
    resumed: AtomicUsize,
    output_limit: AtomicU64,
    holding: std::sync::Mutex<Holding>,
}

impl TestService {
    /// CLOSE stands for the end.
    fn tell(&self, message: &'static str) {
        let mut messages = self.messages.lock().expect("no panic");
        messages.0.push(message);
        if let Some(waker) = messages.1.take() {
            waker.wake();
        }
    }

    /// Everything until now is on disk.
    fn commit(&self) {
        let commits = self.unfinished_commits.fetch_add(1, Ordering::Relaxed);
        self.commits.store(commits, Ordering::Relaxed);
        self.committed.notify_one();
    }
}

#[derive(Default)]
struct TestState {
    protocol: Protocol,
    unauthenticated: bool,
    held: Option<u64>,
    muted: u8,
}

impl Service for TestService {
    type Session = TestState;
    /// Whether the connection goes on.
    type Pending = bool;
    type Hold = u64;
    type Entry<'a> = ();

    fn open(&self, _: Connection) -> TestState {
        TestState::default()
    }

    fn refused(&self) {}

    fn protocol(&self, session: &TestState) -> Protocol {
        session.protocol
    }

    fn is_unauthenticated(&self, session: &TestState) -> bool {
        session.unauthenticated
    }

    fn now(&self) -> Moment {
        Moment::default()
    }

    fn enter(&self, _: &TestState) {}

    fn execute(&self, session: &mut TestState, arguments: Arguments<'_>, _: Moment) -> Response<bool> {
        self.executed.fetch_add(1, Ordering::Relaxed);
        let reply = match arguments.get(0).unwrap_or_default() {
            b"ECHO" => Reply::Bulk(arguments.get(1).unwrap_or_default().to_vec()),
            b"COUNT" => Reply::Integer(arguments.len() as i64),
            b"LARGE" => Reply::Bulk(vec![b'x'; 1000]),
            b"NULL" => Reply::Null,
            b"RESP3" => {
                session.protocol = Protocol::Resp3;
                Reply::Null
            }
            b"QUIT" => return Response::Close(Reply::Simple("OK")),
            b"WAIT" => return Response::Wait(true),
            b"END" => return Response::Wait(false),
            b"HOLD" => {
                session.held = Some(self.unfinished_commits.load(Ordering::Relaxed));
                Reply::Simple("HELD")
            }
            b"PAUSABLE" if self.paused.load(Ordering::Relaxed) => return Response::Paused,
            b"PAUSABLE" => {
                self.resumed.fetch_add(1, Ordering::Relaxed);
                Reply::Simple("RESUMED")
            }
            // Without its own reply, and those to the next two.
            b"MUTE" => {
                session.muted = 3;
                Reply::Simple("OK")
            }
            b"DEAUTHENTICATE" => {
                session.unauthenticated = true;
                Reply::Simple("OK")
            }
            _ => Reply::Simple("PONG"),
        };
        Response::Reply(reply)
    }

    fn transferred(&self, _: &TestState, read: usize, written: usize) {
        self.read.fetch_add(read, Ordering::Relaxed);
        self.written.fetch_add(written, Ordering::Relaxed);
    }

    fn poll_messages(&self, _: &TestState, context: &Context<'_>) -> Poll<()> {
        let mut messages = self.messages.lock().expect("no panic");
        if !messages.0.is_empty() {
            return Poll::Ready(());
        }
        messages.1 = Some(context.waker().clone());
        Poll::Pending
    }

    fn take_messages(&self, session: &TestState, limit: usize, out: &mut Vec<u8>) -> bool {
        let mut messages = self.messages.lock().expect("no panic");
        while out.len() < limit && !messages.0.is_empty() {
            match messages.0.remove(0) {
                "CLOSE" => return false,
                message => encode(&Reply::Push(vec![Reply::Text(message)]), session.protocol, out),
            }
        }
        true
    }

    async fn publish(&self) {}

    async fn wait(&self, _: &TestState, goes_on: bool) -> Option<Reply> {
        self.go.notified().await;
        goes_on.then_some(Reply::Simple("WAITED"))
    }

    fn takes_reply(&self, session: &mut TestState) -> bool {
        let is_muted = session.muted > 0;
        session.muted = session.muted.saturating_sub(1);
        !is_muted
    }

    fn holds(&self, _: &TestState, holding: Holding) {
        *self.holding.lock().expect("no panic") = holding;
    }

    fn output_limit(&self, _: &TestState) -> u64 {
        self.output_limit.load(Ordering::Relaxed)
    }

    async fn resumed(&self, _: &TestState) -> bool {
        self.go.notified().await;
        !self.paused.load(Ordering::Relaxed)
    }

    fn take_hold(&self, session: &mut TestState) -> Option<u64> {
        session.held.take()
    }

    fn is_released(&self, hold: u64) -> bool {
        self.commits.load(Ordering::Relaxed) >= hold
    }

    async fn released(&self, hold: u64) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        while !self.is_released(hold) {
            self.committed.notified().await;
        }
    }
}

struct Client {
    stream: DuplexStream,
    service: Arc<TestService>,
    pool: Arc<BufferPool>,
    stop: watch::Sender<Option<std::time::Instant>>,
    served: tokio::task::JoinHandle<io::Result<()>>,
}

/// A client with a session, over a pipe that holds `pipe_bytes` each way.
fn connect(pipe_bytes: usize) -> Client {
    let [client] = connect_all(pipe_bytes);
    client
}

/// Clients of one thread.
fn connect_all<const CLIENTS: usize>(pipe_bytes: usize) -> [Client; CLIENTS] {
    let service = Arc::new(TestService { unfinished_commits: AtomicU64::new(1), ..TestService::default() });
    let holds = Arc::new(Holds::default());
    tokio::spawn({
        let (service, holds) = (Arc::clone(&service), Arc::clone(&holds));
        async move { holds.release_all(&*service).await }
    });
    std::array::from_fn(|_| connect_to(&service, &holds, pipe_bytes))
}

fn connect_to(service: &Arc<TestService>, holds: &Arc<Holds<u64>>, pipe_bytes: usize) -> Client {
    let (stream, server) = tokio::io::duplex(pipe_bytes);
    let (service, holds) = (Arc::clone(service), Arc::clone(holds));
    let pool = Arc::new(BufferPool::default());
    let (stop, signal) = watch::channel(None);
    let served = tokio::spawn({
        let (service, pool) = (Arc::clone(&service), Arc::clone(&pool));
        async move {
            let settings = SessionSettings {
                limits: Limits::default(),
                output_buffer_bytes: 4096,
                requests_per_turn: REQUESTS_PER_TURN,
            };
            Session::new(&*service, TestState::default(), server, (pool, holds, Arc::default()), settings)
                .run(StopSignal::new(signal))
                .await
        }
    });
    Client { stream, service, pool, stop, served }
}

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("connected");
    }

    async fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        timeout(PATIENCE, self.stream.read_exact(&mut got))
            .await
            .unwrap_or_else(|_| panic!("no {}", bytes.escape_ascii()))
            .expect("connected");
        assert_eq!(got.escape_ascii().to_string(), bytes.escape_ascii().to_string());
    }

    async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest))
            .await
            .expect("the connection is closed")
            .expect("closed in good order");
        assert_eq!(rest.escape_ascii().to_string(), "");
    }

    /// Waits until the session has run this many requests, then makes sure that it runs no more by itself.
    async fn settle(&self) -> usize {
        let mut last = usize::MAX;
        for _ in 0..1000 {
            let now = self.service.executed.load(Ordering::Relaxed);
            if now == last {
                return now;
            }
            last = now;
            // The session's task is woken before this one again on a current-thread runtime.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        panic!("the session does not come to rest");
    }
}

#[tokio::test]
async fn requests_that_arrive_together_are_answered_in_order() {
    let mut client = connect(4096);
    client.send(b"PING\r\n*2\r\n$4\r\nECHO\r\n$1\r\na\r\n\r\n*0\r\nECHO b\nCOUNT 1 2").await;
    client.expect(b"+PONG\r\n$1\r\na\r\n$1\r\nb\r\n").await;
    client.send(b" 3\r\n").await;
    client.expect(b":4\r\n").await;
}

#[tokio::test]
async fn a_request_that_arrives_byte_by_byte_is_answered_once() {
    let mut client = connect(4096);
    for byte in b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n" {
        client.send(&[*byte]).await;
        client.settle().await;
    }
    client.expect(b"$3\r\na\r\n\r\n").await;
    assert_eq!(client.settle().await, 1);
    assert_eq!(client.service.read.load(Ordering::Relaxed), 23);
    assert_eq!(client.service.written.load(Ordering::Relaxed), 9);
}

#[tokio::test]
async fn a_request_larger_than_the_buffer_is_answered() {
    let mut client = connect(4096);
    let mut bytes = b"*100001\r\n$5\r\nCOUNT\r\n".to_vec();
    for _ in 0..100_000 {
        bytes.extend_from_slice(b"$3\r\nabc\r\n");
    }
    client.send(&bytes).await;
    client.expect(b":100001\r\n").await;
}

#[tokio::test]
async fn a_client_that_has_closed_its_sending_half_gets_its_replies() {
    let mut client = connect(4096);
    client.send(b"PING\r\nECHO last\r\n").await;
    client.stream.shutdown().await.expect("connected");
    client.expect(b"+PONG\r\n$4\r\nlast\r\n").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_violation_is_answered_after_the_requests_before_it_and_closes() {
    let mut client = connect(4096);
    client.send(b"PING\r\n*x\r\nPING\r\n").await;
    client.expect(b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n").await;
    client.expect_end().await;
    assert_eq!(client.service.executed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn quitting_answers_and_closes_without_running_what_follows() {
    let mut client = connect(4096);
    client.send(b"QUIT\r\nPING\r\n").await;
    client.expect(b"+OK\r\n").await;
    client.expect_end().await;
    assert_eq!(client.service.executed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_that_takes_time_holds_up_this_connection_alone() {
    let mut client = connect(4096);
    client.send(b"PING\r\nWAIT\r\nECHO after\r\n").await;
    client.expect(b"+PONG\r\n").await;
    assert_eq!(client.settle().await, 2);
    client.service.go.notify_one();
    client.expect(b"+WAITED\r\n$5\r\nafter\r\n").await;
}

#[tokio::test]
async fn an_answer_may_be_the_end_without_a_word() {
    let mut client = connect(4096);
    client.send(b"PING\r\nEND\r\nECHO after\r\n").await;
    client.service.go.notify_one();
    client.expect(b"+PONG\r\n").await;
    client.expect_end().await;
    assert_eq!(client.service.executed.load(Ordering::Relaxed), 2);
}
