use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::base::{Durability, Incarnation, NodeId, ReplicaId, ReplicaIndex, WallMillis};
use crate::command::{Access, Account, Exclusion, PersistenceFigures, Settings, Statistics};
use crate::counter::{Table, TableSettings};
use crate::listener::UserFile;
use crate::listener::{Config, DiskFuture};
use crate::resp::{Decoder, Limits};

const PATIENCE: Duration = Duration::from_secs(10);

/// A disk that a test lets go on, or makes fail.
#[derive(Default)]
struct TestDisk {
    tickets: std::sync::Mutex<Vec<u64>>,
    go: Notify,
    saves: AtomicUsize,
    fails: AtomicBool,
}

impl Disk for TestDisk {
    fn committed(&self, ticket: u64) -> DiskFuture<'_, ()> {
        self.tickets.lock().expect("no panic").push(ticket);
        Box::pin(self.go.notified())
    }

    fn save(&self) -> DiskFuture<'_, Result<(), String>> {
        self.saves.fetch_add(1, Ordering::Relaxed);
        let failed = self.fails.load(Ordering::Relaxed);
        Box::pin(async move { if failed { Err("no space".to_owned()) } else { Ok(()) } })
    }

    fn reload(&self) -> DiskFuture<'_, Result<(), String>> {
        self.save()
    }

    fn begin_save(&self) {
        self.saves.fetch_add(1, Ordering::Relaxed);
    }
}

/// A file of users that cannot be read.
struct NoUsers;

impl UserFile for NoUsers {
    fn load(&self, _: &Access) -> Result<Vec<Arc<Account>>, String> {
        Err("there is none".to_owned())
    }

    fn save(&self, _: &Access) -> Result<(), String> {
        Ok(())
    }
}

/// What a service is made of, and the other ends of its ways.
struct Bench<C> {
    commands: Commands<C>,
    calls: mpsc::Receiver<NodeCall>,
    shutdowns: mpsc::Receiver<Shutdown>,
    stopping: watch::Sender<bool>,
    disk: Arc<TestDisk>,
}

fn bench(settings: Settings) -> Bench<impl Fn() -> Moment> {
    bench_with(settings, PersistenceFigures::default())
}

fn bench_with(settings: Settings, persistence: PersistenceFigures) -> Bench<impl Fn() -> Moment> {
    let environment = Environment {
        table: Arc::new(table()),
        cluster: Arc::default(),
        clients: Arc::default(),
        subscriptions: Arc::default(),
        statistics: Arc::new(Statistics::new(1)),
        settings,
        process: Arc::default(),
        persistence: Arc::new(persistence),
        observation: Arc::default(),
        exclusion: Arc::new(Exclusion::new(1)),
    };
    let (node_calls, calls) = mpsc::channel(1);
    let (sender, shutdowns) = mpsc::channel(1);
    let (stopping, is_stopping) = watch::channel(false);
    let disk = Arc::new(TestDisk::default());
    let ways = Ways {
        node_calls,
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        live: Arc::new(Live::new(&Config::default())),
        users: Arc::new(NoUsers),
        shutdowns: sender,
        stopping: is_stopping,
    };
    Bench { commands: Commands::new(environment, Moment::default, ways), calls, shutdowns, stopping, disk }
}

fn table() -> Table {
    Table::new(TableSettings {
        config: crate::counter::Config::default(),
        lease: std::time::Duration::from_secs(3),
        replica: ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(1) },
        replica_index: ReplicaIndex::default(),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    })
}

fn connection() -> Connection {
    let end = |port: u16| Endpoint::Tcp(([127, 0, 0, 1], port).into());
    Connection { peer: end(40_000), local: end(5262), descriptor: 8, thread: 0, certificate_user: None }
}

fn run<C: Fn() -> Moment + Send + Sync + 'static>(
    commands: &Commands<C>,
    session: &mut command::Session,
    line: &str,
) -> Response<Pending> {
    let line = format!("{line}\r\n");
    let mut decoder = Decoder::new(Limits::default());
    decoder.decode(line.as_bytes()).expect("well-formed");
    commands.execute(session, decoder.arguments(line.as_bytes()), commands.now())
}

/// Runs a request that takes time, and waits for its end.
async fn finish<C: Fn() -> Moment + Send + Sync + 'static>(commands: &Commands<C>, line: &str) -> Option<Reply> {
    let mut session = commands.open(connection());
    let Response::Wait(pending) = run(commands, &mut session, line) else { panic!("{line} takes time") };
    timeout(PATIENCE, commands.wait(&session, pending)).await.unwrap_or_else(|_| panic!("{line} has no end"))
}

fn refusal(text: &str) -> Option<Reply> {
    Some(command::answer(Err(text.to_owned())))
}

#[test]
fn requests_reach_the_commands_and_sessions_are_listed_while_they_last() {
    let bench = bench(Settings::default());
    let commands = &bench.commands;
    let mut session = commands.open(connection());
    assert_eq!(commands.environment().clients.len(), 1);
    assert!(!commands.is_unauthenticated(&session));
    assert!(matches!(run(commands, &mut session, "INCR a"), Response::Reply(Reply::Integer(1))));
    assert!(matches!(run(commands, &mut session, "QUIT"), Response::Close(Reply::Simple("OK"))));
    run(commands, &mut session, "HELLO 3");
    assert_eq!(commands.protocol(&session), Protocol::Resp3);
    commands.transferred(&session, 7, 4);
    assert_eq!(commands.environment().statistics.input_bytes(), 7);
    assert_eq!(commands.environment().statistics.output_bytes(), 4);
    drop(session);
    assert!(commands.environment().clients.is_empty());
}

#[test]
fn a_session_from_before_the_node_was_there_counts_in_the_nodes_table() {
    let bench = bench(Settings::default());
    let commands = &bench.commands;
    commands.environment().persistence.set_stage(Stage::Loading);
    let mut session = commands.open(connection());
    assert!(matches!(run(commands, &mut session, "INCR a"), Response::Reply(Reply::Error(_))));
    assert!(matches!(run(commands, &mut session, "PING"), Response::Reply(_)));
    let the_nodes = Arc::new(table());
    commands.begin(Arc::clone(&the_nodes), Arc::default());
    commands.environment().persistence.set_stage(Stage::Serving);
    assert!(matches!(run(commands, &mut session, "INCR a"), Response::Reply(Reply::Integer(1))));
    assert_eq!(the_nodes.len(), 1);
    assert_eq!(commands.environment().clients.len(), 1);
}

#[test]
fn a_session_is_unauthenticated_until_it_gives_the_password() {
    let bench = bench(Settings { access: Arc::new(Access::with_password(Some("secret"))), ..Settings::default() });
    let mut session = bench.commands.open(connection());
    assert!(bench.commands.is_unauthenticated(&session));
    run(&bench.commands, &mut session, "AUTH secret");
    assert!(!bench.commands.is_unauthenticated(&session));
}

#[tokio::test]
async fn a_change_of_the_cluster_is_handed_over_and_its_result_is_the_reply() {
    let mut bench = bench(Settings::default());
    for result in [Ok(()), Err("no route".to_owned())] {
        let expected = command::answer(result.clone());
        let driver = async {
            let Some(NodeCall::Change(call)) = bench.calls.recv().await else { panic!("no change") };
            let meet = ClusterRequest::Meet { host: "127.0.0.1".to_owned(), port: 7712 };
            assert_eq!(call.request, meet);
            call.answer.send(result).expect("the session waits");
        };
        let (reply, ()) = tokio::join!(finish(&bench.commands, "CLUSTER MEET 127.0.0.1 7712"), driver);
        assert_eq!(reply, Some(expected));
    }
}

#[tokio::test]
async fn a_change_that_nobody_makes_any_more_is_an_error() {
    let Bench { commands, mut calls, stopping, .. } = bench(Settings::default());
    let (reply, ()) = tokio::join!(finish(&commands, "CLUSTER RESET"), async {
        drop(calls.recv().await);
    });
    assert_eq!(reply, refusal("the node is stopping"));
    drop(calls);
    let reply = finish(&commands, "CLUSTER RESET").await;
    assert_eq!(reply, refusal("the node is stopping; nothing was changed"));
    drop(stopping);
}

#[tokio::test]
async fn nobody_waits_for_a_change_once_the_server_stops() {
    let bench = bench(Settings::default());
    let meet = finish(&bench.commands, "CLUSTER MEET 127.0.0.1 7712");
    let (reply, _) = tokio::join!(meet, async { bench.stopping.send_replace(true) });
    assert_eq!(reply, refusal("the node is stopping, and did not wait for the end of this"));
}

#[tokio::test]
async fn a_save_is_answered_when_it_is_written_or_with_why_it_is_not() {
    let bench = bench(Settings::default());
    assert_eq!(finish(&bench.commands, "SAVE").await, Some(Reply::Simple("OK")));
    bench.disk.fails.store(true, Ordering::Relaxed);
    assert_eq!(finish(&bench.commands, "SAVE").await, refusal("no space"));
    assert_eq!(finish(&bench.commands, "BGSAVE").await, Some(BACKGROUND_SAVE_STARTED));
    assert_eq!(bench.disk.saves.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_shutdown_saves_and_stops_and_closes_without_a_reply() {
    for (line, saves) in [("SHUTDOWN", 1), ("SHUTDOWN NOSAVE", 0)] {
        let mut bench = bench(Settings::default());
        let server = async {
            let shutdown = bench.shutdowns.recv().await.expect("the server is told");
            assert_eq!((shutdown.save, shutdown.force), (saves == 1, false));
            bench.stopping.send_replace(true);
        };
        let (reply, ()) = tokio::join!(finish(&bench.commands, line), server);
        assert_eq!(reply, None);
        assert_eq!(bench.disk.saves.load(Ordering::Relaxed), saves);
    }
}

#[tokio::test]
async fn a_shutdown_that_cannot_save_stops_nothing_unless_it_is_forced() {
    let mut bench = bench(Settings::default());
    bench.disk.fails.store(true, Ordering::Relaxed);
    let why = "Errors trying to SHUTDOWN: no space; the server goes on, SHUTDOWN FORCE stops it";
    assert_eq!(finish(&bench.commands, "SHUTDOWN").await, refusal(why));
    assert!(bench.shutdowns.try_recv().is_err());
    let server = async {
        assert!(bench.shutdowns.recv().await.is_some_and(|shutdown| shutdown.force));
        bench.stopping.send_replace(true);
    };
    assert_eq!(tokio::join!(finish(&bench.commands, "SHUTDOWN FORCE"), server).0, None);
    // Nothing has been counted while the counters are loaded.
    bench.commands.environment().persistence.set_stage(Stage::Loading);
    assert_eq!(finish(&bench.commands, "SHUTDOWN").await, None);
    assert_eq!(bench.disk.saves.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn replies_to_changes_are_held_until_their_commit_with_always_alone() {
    let free = bench(Settings::default());
    let mut session = free.commands.open(connection());
    run(&free.commands, &mut session, "INCR a");
    assert_eq!(free.commands.take_hold(&mut session), None);
    let bench =
        bench_with(Settings::default(), PersistenceFigures::new(Durability::Always, Some(std::time::Duration::ZERO)));
    let mut session = bench.commands.open(connection());
    run(&bench.commands, &mut session, "GET a");
    assert_eq!(bench.commands.take_hold(&mut session), None);
    run(&bench.commands, &mut session, "INCR a");
    let hold = bench.commands.take_hold(&mut session).expect("it changed something");
    assert_eq!(hold, bench.commands.environment().table.commits().ticket());
    assert_eq!(bench.commands.take_hold(&mut session), None);
    let released = async {
        bench.disk.go.notify_one();
        timeout(PATIENCE, bench.commands.released(hold)).await.expect("released");
    };
    released.await;
    assert_eq!(*bench.disk.tickets.lock().expect("no panic"), [hold]);
    let commits = bench.commands.environment().table.commits();
    assert!(!bench.commands.is_released(hold), "nothing was committed, whatever this disk says");
    commits.finish(commits.begin());
    assert!(bench.commands.is_released(hold));
}

#[tokio::test]
async fn acknowledgements_are_counted_here_and_elsewhere_until_the_time_is_over() {
    let mut bench = bench_with(Settings::default(), PersistenceFigures::new(Durability::EverySecond, None));
    for (line, nodes, expected) in [
        ("WAIT 2 0", 2, Reply::Integer(2)),
        ("WAITAOF 0 1 0", 1, Reply::Array(vec![Reply::Integer(0), Reply::Integer(1)])),
        // The disk does not get to it.
        ("WAITAOF 1 1 20", 1, Reply::Array(vec![Reply::Integer(0), Reply::Integer(1)])),
    ] {
        let node = async {
            let Some(NodeCall::Acknowledgement(call)) = bench.calls.recv().await else { panic!("no question") };
            call.answer.send(nodes).expect("the session waits");
        };
        assert_eq!(tokio::join!(finish(&bench.commands, line), node).0, Some(expected), "{line}");
    }
    let commits = bench.commands.environment().table.commits();
    let node = async {
        let Some(NodeCall::Acknowledgement(call)) = bench.calls.recv().await else { panic!("no question") };
        call.answer.send(0).expect("the session waits");
        commits.finish(commits.begin());
        bench.disk.go.notify_one();
    };
    let (reply, ()) = tokio::join!(finish(&bench.commands, "WAITAOF 1 0 0"), node);
    assert_eq!(reply, Some(Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)])));
    assert_eq!(bench.commands.environment().persistence.last_save(), WallMillis(0));
}

#[tokio::test]
async fn a_certificate_of_a_user_that_there_is_not_begins_as_nobody() {
    let bench = bench(Settings::default());
    let named = Connection { certificate_user: Some("ads".to_owned()), ..connection() };
    assert!(bench.commands.is_unauthenticated(&bench.commands.open(named)));
    assert!(!bench.commands.is_unauthenticated(&bench.commands.open(connection())));
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_refused_with_the_reason_when_the_data_directory_takes_nothing() {
    let persistence = PersistenceFigures::default();
    persistence.commits_fail("No space left on device", crate::base::Monotonic::ZERO);
    let bench = bench_with(Settings::default(), persistence);
    let session = bench.commands.open(connection());
    let reply = bench.commands.change_cluster_for(&session, ClusterRequest::BeginBackup).await;
    let Reply::Error(error) = reply else { panic!("{reply:?}") };
    let text = error.to_string();
    assert!(text.contains("no backup was made") && text.contains("No space left on device"), "{text}");
}
