use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::io::DuplexStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::*;
use crate::base::Moment;
use crate::listener::Connection;
use crate::resp::{Arguments, Protocol};

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
            Session::new(&*service, TestState::default(), server, (pool, holds), settings)
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

#[tokio::test]
async fn all_replies_of_a_batch_are_held_until_what_one_of_them_tells_is_safe() {
    let mut client = connect(4096);
    client.send(b"PING\r\nHOLD\r\nECHO a\r\n").await;
    assert_eq!(client.settle().await, 3);
    assert_eq!(client.service.written.load(Ordering::Relaxed), 0);
    // What comes meanwhile waits, too.
    client.send(b"ECHO b\r\n").await;
    assert_eq!(client.settle().await, 3);
    client.service.commit();
    client.expect(b"+PONG\r\n+HELD\r\n$1\r\na\r\n$1\r\nb\r\n").await;
}

#[tokio::test]
async fn one_commit_is_asked_for_what_all_clients_of_a_thread_changed_in_one_turn() {
    let mut clients = connect_all::<5>(4096);
    for client in &mut clients {
        client.send(b"HOLD\r\n").await;
    }
    assert_eq!(clients[0].settle().await, 5);
    assert_eq!(clients[0].service.asked.load(Ordering::Relaxed), 1);
    clients[0].service.commit();
    for client in &mut clients {
        client.expect(b"+HELD\r\n").await;
    }
    clients[3].send(b"HOLD\r\n").await;
    assert_eq!(clients[3].settle().await, 6);
    assert_eq!(clients[3].service.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn replies_that_belong_to_a_later_commit_are_held_on() {
    let [mut early, mut late] = connect_all(4096);
    early.send(b"HOLD\r\n").await;
    assert_eq!(early.settle().await, 1);
    // It has begun; what is changed now is not in it.
    early.service.unfinished_commits.store(2, Ordering::Relaxed);
    late.send(b"HOLD\r\n").await;
    assert_eq!(late.settle().await, 2);
    early.service.commits.store(1, Ordering::Relaxed);
    early.service.committed.notify_one();
    early.expect(b"+HELD\r\n").await;
    assert_eq!(late.service.written.load(Ordering::Relaxed), b"+HELD\r\n".len());
    late.service.commit();
    late.expect(b"+HELD\r\n").await;
}

#[tokio::test]
async fn a_client_that_is_cut_off_while_its_replies_are_held_holds_up_nobody() {
    let [mut gone, mut stays] = connect_all(4096);
    gone.send(b"HOLD\r\n").await;
    assert_eq!(gone.settle().await, 1);
    stays.send(b"HOLD\r\n").await;
    assert_eq!(stays.settle().await, 2);
    gone.served.abort();
    stays.service.commit();
    stays.expect(b"+HELD\r\n").await;
}

#[tokio::test]
async fn the_reply_speaks_the_version_that_the_request_chose() {
    let mut client = connect(4096);
    client.send(b"NULL\r\nRESP3\r\nNULL\r\n").await;
    client.expect(b"$-1\r\n_\r\n_\r\n").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_held_back_and_loses_nothing() {
    let client = connect(4096);
    let requests = 3000;
    // The pipe and the input buffer take the first requests; then the session must stop taking more.
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let written = Arc::new(AtomicUsize::new(0));
    let sending = tokio::spawn({
        let written = Arc::clone(&written);
        async move {
            for _ in 0..requests {
                writer.write_all(b"LARGE\r\n").await.expect("connected");
                written.fetch_add(1, Ordering::Relaxed);
            }
            writer
        }
    });
    let mut last = usize::MAX;
    while last != written.load(Ordering::Relaxed) {
        last = written.load(Ordering::Relaxed);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert!(last < requests, "all {requests} requests were taken");
    // 4096 bytes of replies are the bound; one more reply may have been begun before it was reached, and the
    // pipe holds another 4096.
    let executed = client.service.executed.load(Ordering::Relaxed);
    assert!(executed <= 10, "{executed} requests were run for a client that reads nothing");

    let reply_bytes = b"$1000\r\n".len() + 1002;
    let mut replies = vec![0; requests * reply_bytes];
    timeout(PATIENCE, reader.read_exact(&mut replies)).await.expect("all replies arrive").expect("connected");
    assert!(replies.chunks(reply_bytes).all(|reply| reply.starts_with(b"$1000\r\nxxx")));
    sending.await.expect("no panic");
    client.stop.send_replace(Some(std::time::Instant::now()));
    client.served.await.expect("no panic").expect("in good order");
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffers() {
    let mut client = connect(1 << 20);
    client.send(b"PING\r\n").await;
    client.expect(b"+PONG\r\n").await;
    client.settle().await;
    // Both buffers are back where the next session finds them.
    assert_eq!(client.pool.spare(), (1, 1));
    client.send(b"PI").await;
    client.settle().await;
    assert_eq!(client.pool.spare().0, 0, "half a request is held");
    client.send(b"NG\r\n").await;
    client.expect(b"+PONG\r\n").await;
    client.settle().await;
    assert_eq!(client.pool.spare(), (1, 1));
}

#[tokio::test]
async fn stopping_answers_what_has_arrived_and_closes() {
    let mut client = connect(4096);
    client.send(b"ECHO last\r\nPI").await;
    client.stop.send_replace(Some(std::time::Instant::now()));
    client.expect(b"$4\r\nlast\r\n").await;
    client.expect_end().await;
    client.served.await.expect("no panic").expect("in good order");
}

#[tokio::test]
async fn a_client_without_the_password_may_send_little() {
    let mut client = connect(4096);
    client.send(b"DEAUTHENTICATE\r\n*11\r\n").await;
    client.expect(b"+OK\r\n-ERR Protocol error: unauthenticated multibulk length\r\n").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_refused_client_is_told_even_if_it_has_already_sent() {
    let (mut client, server) = tokio::io::duplex(64);
    let refused = tokio::spawn(refuse(server, "ERR no room"));
    client.write_all(b"PING\r\n").await.expect("connected");
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.expect("connected");
    assert_eq!(said, b"-ERR no room\r\n");
    drop(client);
    refused.await.expect("no panic").expect("in good order");
}

#[tokio::test]
async fn messages_are_sent_without_a_request_and_behind_the_replies_of_one() {
    let mut client = connect(4096);
    client.settle().await;
    client.service.tell("one");
    client.expect(b"*1\r\n$3\r\none\r\n").await;
    client.send(b"PING\r\nRESP3\r\nWAIT\r\n").await;
    client.expect(b"+PONG\r\n_\r\n").await;
    client.service.tell("two");
    assert_eq!(client.settle().await, 3);
    client.service.go.notify_one();
    client.expect(b"+WAITED\r\n>1\r\n$3\r\ntwo\r\n").await;
    let written = client.service.written.load(Ordering::Relaxed);
    assert_eq!(written, 13 + 10 + 9 + 13, "messages count as what was written");
}

#[tokio::test]
async fn a_session_that_is_to_get_no_more_messages_is_closed() {
    let mut client = connect(4096);
    client.send(b"PING\r\n").await;
    client.expect(b"+PONG\r\n").await;
    client.service.tell("CLOSE");
    client.expect_end().await;
}

#[tokio::test]
async fn a_request_that_is_put_off_is_run_once_when_requests_may_go_on() {
    let mut client = connect(4096);
    client.service.paused.store(true, Ordering::Relaxed);
    client.send(b"ECHO a\r\nPAUSABLE\r\nECHO b\r\n").await;
    client.expect(b"$1\r\na\r\n").await;
    client.settle().await;
    client.service.paused.store(false, Ordering::Relaxed);
    client.service.go.notify_one();
    client.expect(b"+RESUMED\r\n$1\r\nb\r\n").await;
    assert_eq!(client.service.resumed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_that_is_put_off_for_good_closes_the_connection() {
    let mut client = connect(4096);
    client.service.paused.store(true, Ordering::Relaxed);
    client.send(b"PAUSABLE\r\nPING\r\n").await;
    client.settle().await;
    client.service.go.notify_one();
    client.expect_end().await;
    assert_eq!(client.service.resumed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_long_pipeline_leaves_the_others_their_turns() {
    let [mut greedy, mut modest] = connect_all(1 << 20);
    let requests = 50 * REQUESTS_PER_TURN as usize;
    greedy.send(&b"PING\r\n".repeat(requests)).await;
    modest.send(b"PING\r\n").await;
    modest.expect(b"+PONG\r\n").await;
    let run = modest.service.executed.load(Ordering::Relaxed);
    assert!(run <= 4 * REQUESTS_PER_TURN as usize, "{run} requests were run before the other's one");
    greedy.expect(&b"+PONG\r\n".repeat(requests)).await;
}

#[tokio::test]
async fn replies_that_nobody_wants_are_not_sent() {
    let mut client = connect(4096);
    client.send(b"MUTE\r\nECHO a\r\nWAIT\r\nECHO b\r\n").await;
    client.settle().await;
    client.service.go.notify_one();
    client.expect(b"$1\r\nb\r\n").await;
}

#[tokio::test]
async fn a_client_whose_replies_pass_its_limit_is_cut_off() {
    let mut client = connect(1 << 20);
    client.service.output_limit.store(2500, Ordering::Relaxed);
    client.send(b"LARGE\r\nLARGE\r\n").await;
    client.expect(&format!("$1000\r\n{}\r\n", "x".repeat(1000)).repeat(2).into_bytes()).await;
    client.send(b"LARGE\r\nLARGE\r\nLARGE\r\n").await;
    client.expect_end().await;
}

#[tokio::test]
async fn what_a_client_leaves_unread_is_told() {
    let mut client = connect(64);
    client.send(b"LARGE\r\n").await;
    client.settle().await;
    let told = *client.service.holding.lock().expect("no panic");
    assert_eq!(told.output, 1009 - 64);
    let mut rest = vec![0; 1009];
    timeout(PATIENCE, client.stream.read_exact(&mut rest)).await.expect("all of it").expect("connected");
    client.settle().await;
    assert_eq!(*client.service.holding.lock().expect("no panic"), Holding::default());
    client.send(b"PIN").await;
    client.settle().await;
    assert_eq!(client.service.holding.lock().expect("no panic").query, 3);
}
