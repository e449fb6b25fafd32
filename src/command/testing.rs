//! What the tests of commands have in common: an environment without a node, and requests as text.

use super::{
    Access, ClientAddress, ClusterRequest, Environment, Exclusion, Outcome, Pending, ProcessFigures, Session, Settings,
    Statistics, execute, execute_timed,
};
use crate::base::{Incarnation, Moment, Monotonic, NodeId, ReplicaId, ReplicaIndex, WallMillis};
use crate::counter::{self, Table, TableSettings};
use crate::node::{LinkView, MemberView};
use crate::resp::{Decoder, Limits, Protocol, Reply, encode};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Bench {
    pub(super) environment: Environment,
    pub(super) session: Session,
    pub(super) now: Moment,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let environment = Environment {
            table: Arc::new(Table::new(table_settings())),
            cluster: Arc::default(),
            clients: Arc::default(),
            subscriptions: Arc::default(),
            statistics: Arc::new(Statistics::new(2)),
            settings,
            process: Arc::new(ProcessFigures::default()),
            persistence: Arc::default(),
            observation: Arc::default(),
            exclusion: Arc::new(Exclusion::new(1)),
        };
        let now = Moment { monotonic: Monotonic::from_nanos(60_000_000_000), wall: WallMillis(1_700_000_000_123) };
        let session = Self::connect(&environment, now);
        Self { environment, session, now }
    }

    pub(super) fn with_max_counters(max_counters: u64) -> Self {
        let mut bench = Self::new();
        let mut settings = table_settings();
        settings.config.max_counters = max_counters;
        bench.environment.table = Arc::new(Table::new(settings));
        bench
    }

    pub(super) fn with_password(password: &str) -> Self {
        Self::with(Settings { access: Arc::new(Access::with_password(Some(password))), ..Settings::default() })
    }

    pub(super) fn connect(environment: &Environment, now: Moment) -> Session {
        let address = ClientAddress {
            remote: "127.0.0.1:40000".to_owned(),
            local: "127.0.0.1:5262".to_owned(),
            descriptor: 8,
            is_unix: false,
        };
        Session::new(environment, address, 0, now.monotonic)
    }

    /// Runs a request given as its arguments.
    pub(super) fn outcome(&mut self, arguments: &[&[u8]]) -> Outcome {
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            bytes.extend_from_slice(argument);
            bytes.extend_from_slice(b"\r\n");
        }
        let mut decoder = Decoder::new(Limits::default());
        let used = decoder.decode(&bytes).expect("a well-formed request");
        assert_eq!(used, Some(bytes.len()));
        let arguments = decoder.arguments(&bytes);
        execute(&self.environment, &mut self.session, arguments, self.now)
    }

    /// Runs a request given as words, alone, that takes so many microseconds.
    pub(super) fn run_for(&mut self, line: &str, micros: u64) -> Outcome {
        let bytes = format!("{line}\r\n").into_bytes();
        let mut decoder = Decoder::new(Limits::default());
        decoder.decode(&bytes).expect("a well-formed request");
        self.now.monotonic = self.now.monotonic.after(Duration::from_nanos(1));
        let end = self.now.monotonic.after(Duration::from_micros(micros));
        execute_timed(&self.environment, &mut self.session, decoder.arguments(&bytes), self.now, &|| end)
    }

    /// Runs a request given as words and returns the reply's value.
    pub(super) fn reply(&mut self, line: &str) -> Reply {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        match self.outcome(&words) {
            Outcome::Reply(reply) => reply,
            other => panic!("{line}: {other:?} is not a reply"),
        }
    }

    /// Runs a request given as words; what the connection would send, with spaces for line breaks.
    pub(super) fn run(&mut self, line: &str) -> String {
        let reply = self.reply(line);
        let mut bytes = Vec::new();
        encode(&reply, self.session.protocol(), &mut bytes);
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", " ");
        text.trim_end().to_owned()
    }

    /// The text of a bulk or verbatim reply.
    pub(super) fn text(&mut self, line: &str) -> String {
        match self.reply(line) {
            Reply::Verbatim(text) => text,
            Reply::Bulk(bytes) => String::from_utf8(bytes).expect("text"),
            Reply::Text(text) => text.to_owned(),
            other => panic!("{line}: {other:?} is not text"),
        }
    }

    /// What a request given as words waits for.
    pub(super) fn pending(&mut self, line: &str) -> Pending {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        match self.outcome(&words) {
            Outcome::Wait(pending) => pending,
            other => panic!("{line}: {other:?} does not wait"),
        }
    }

    pub(super) fn request(&mut self, line: &str) -> ClusterRequest {
        match self.pending(line) {
            Pending::Cluster(request) => request,
            other => panic!("{line}: {other:?} is no change of the cluster"),
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.session.protocol()
    }
}

/// A linked member; number 1 is this node.
pub(super) fn member(number: u8) -> MemberView {
    let (id, host) = (NodeId::new([number; 20]), format!("10.0.0.{number}"));
    let view = MemberView::myself(id, host, 7710 + u16::from(number), 8810 + u16::from(number));
    if number == 1 { view } else { MemberView { myself: false, link: LinkView::Linked, ..view } }
}

fn table_settings() -> TableSettings {
    TableSettings {
        config: counter::Config::default(),
        lease: Duration::from_secs(3),
        replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    }
}
