//! One mix, sent by all clients.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use super::mix::{Mix, Requests};
use super::names::Names;
use super::report::progress_line;
use super::tickets::{End, Tickets};
use super::{BenchError, TICK};
use crate::cli::connection::Connection;
use crate::cli::exit::Exit;
use crate::cli::protocol::ReplyError;
use crate::cli::quote::printable;
use crate::cli::reason::describe;
use crate::cli::settings::Settings;
use crate::cli::transfer::Interrupt;
use crate::cli::value::Value;

/// What a thread needs beside the connection's own buffer: replies are read by a function that calls itself.
const STACK_BYTES: usize = 512 << 10;

/// What is to be sent, and how.
pub(super) struct Load<'a> {
    pub(super) settings: &'a Settings,
    pub(super) mix: Mix,
    pub(super) names: &'a Names,
    pub(super) clients: u32,
    pub(super) pipeline: u32,
    pub(super) rate: Option<f64>,
    pub(super) end: End,
    pub(super) seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How long requests took that were answered, and how long those waited that were never sent.
    pub(super) latencies: Histogram,
    /// How many were answered.
    pub(super) answered: u64,
    /// How many were due and never sent.
    pub(super) unsent: u64,
    /// Error replies by their first word: how many, and one of them.
    pub(super) errors: BTreeMap<String, (u64, String)>,
    /// Why connections were lost.
    pub(super) lost: Vec<String>,
    /// From the first request to the last answer, or to the end that was asked for.
    pub(super) elapsed: Duration,
}

impl Tally {
    /// How many were answered with an error.
    pub(super) fn errors(&self) -> u64 {
        self.errors.values().map(|(count, _)| count).sum()
    }

    /// Answers a second.
    pub(super) fn a_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// How it went.
    pub(super) fn exit(&self) -> Exit {
        match (self.lost.is_empty(), self.errors.is_empty()) {
            (false, _) => Exit::Unusable,
            (true, false) => Exit::Failed,
            (true, true) => Exit::Answered,
        }
    }

    fn take_in(&mut self, other: Self) {
        self.latencies.take_in(&other.latencies);
        self.answered += other.answered;
        for (word, (count, example)) in other.errors {
            self.errors.entry(word).or_insert((0, example)).0 += count;
        }
        self.lost.extend(other.lost);
    }
}

impl Load<'_> {
    /// Sends it. All clients are connected before the first of them sends.
    ///
    /// # Errors
    /// [`BenchError`], where a client could not connect; a connection that is lost later is part of the tally.
    pub(super) fn run(&self, interrupt: &Interrupt) -> Result<Tally, BenchError> {
        let opened = (0..self.clients).map(|_| Connection::open(self.settings).map(|(connection, _)| connection));
        let connections = opened.collect::<Result<Vec<_>, _>>()?;
        let tickets = Tickets::new(self.end, self.rate);
        let answered = AtomicU64::new(0);
        let whole = Mutex::new(Tally::default());
        thread::scope(|scope| -> io::Result<()> {
            let mut threads = Vec::with_capacity(connections.len());
            for (at, connection) in connections.into_iter().enumerate() {
                let (tickets, answered, whole) = (&tickets, &answered, &whole);
                let client = move || {
                    let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(at as u64);
                    let mut client = Client {
                        connection,
                        requests: Requests::new(self.mix, self.names, seed),
                        tickets,
                        answered,
                        tally: Tally::default(),
                    };
                    client.run(self.pipeline);
                    whole.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take_in(client.tally);
                };
                let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, client);
                // Those that run already would wait for their requests in vain.
                threads.push(thread.inspect_err(|_| tickets.stop())?);
            }
            self.watch(&threads, &tickets, &answered, interrupt);
            Ok(())
        })
        .map_err(BenchError::Thread)?;
        let mut tally = whole.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.elapsed = tickets.begin().elapsed();
        if let End::After(time) = self.end
            && !interrupt.is_asked()
            && tally.lost.is_empty()
        {
            // With a rate the last answer comes before the next request is due, and so before the end.
            tally.elapsed = tally.elapsed.max(time);
        }
        let end = Instant::now();
        for number in tickets.unsent() {
            let waited = tickets.due(number).map_or(Duration::ZERO, |due| end.saturating_duration_since(due));
            tally.latencies.add(nanos(waited));
            tally.unsent += 1;
        }
        Ok(tally)
    }

    /// Shows how it goes until all have ended.
    fn watch(
        &self,
        threads: &[thread::ScopedJoinHandle<'_, ()>],
        tickets: &Tickets,
        answered: &AtomicU64,
        interrupt: &Interrupt,
    ) {
        let is_shown = io::stderr().is_terminal();
        let (mut then, mut seen) = (Instant::now(), 0);
        while threads.iter().any(|thread| !thread.is_finished()) {
            if interrupt.is_asked() {
                tickets.stop();
            }
            if is_shown && then.elapsed() >= TICK * 2 {
                let now = answered.load(Ordering::Relaxed);
                let rate = (now - seen) as f64 / then.elapsed().as_secs_f64();
                let line = progress_line(self.mix, tickets.part(), now, rate);
                // A terminal that takes nothing is no reason to stop.
                let _ = write!(io::stderr().lock(), "\r{line}\x1b[K");
                (then, seen) = (Instant::now(), now);
            }
            // Short runs are not made longer than they are.
            thread::sleep(Duration::from_millis(2));
        }
        if is_shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

struct Client<'a> {
    connection: Connection,
    requests: Requests<'a>,
    tickets: &'a Tickets,
    answered: &'a AtomicU64,
    tally: Tally,
}

impl Client<'_> {
    fn run(&mut self, pipeline: u32) {
        let (mut taken, mut bytes) = (Vec::new(), Vec::new());
        loop {
            self.tickets.take(pipeline, &mut taken);
            if taken.is_empty() {
                return;
            }
            bytes.clear();
            taken.iter().for_each(|number| self.requests.write(*number, &mut bytes));
            if let Err(error) = self.exchange(&taken, &bytes) {
                self.tally.lost.push(describe(&error));
                return;
            }
        }
    }

    fn exchange(&mut self, taken: &[u64], bytes: &[u8]) -> Result<(), ReplyError> {
        let sent = Instant::now();
        self.connection.send(bytes)?;
        for number in taken {
            let reply = self.connection.receive(&mut |_| ())?;
            let from = self.tickets.due(*number).unwrap_or(sent);
            self.tally.latencies.add(nanos(from.elapsed()));
            self.tally.answered += 1;
            self.answered.fetch_add(1, Ordering::Relaxed);
            if let Value::Error(text) = reply {
                self.count_error(&text);
            }
        }
        Ok(())
    }

    fn count_error(&mut self, text: &[u8]) {
        let text = printable(text);
        let word = text.split(' ').next().unwrap_or("").to_owned();
        self.tally.errors.entry(word).or_insert((0, text)).0 += 1;
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
