//! A load with a fixed schedule: requests are sent when their time has come, whether or not the server has answered those before.
//! A latency is counted from that time, so a server that falls silent is charged for every request that had to wait meanwhile,
//! and not for one of each client.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::random::Random;
use crate::replies::Replies;
use crate::support::Outcome;

/// Whoever has not answered so long after the last request was sent has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 64 << 10;

/// When requests are sent.
#[derive(Clone, Copy)]
pub(crate) enum Spacing {
    /// And each connection in its turn.
    Even,
    /// As independent clients make it: the gaps are exponentially distributed, and the next request is on any connection.
    Poisson,
}

/// Writes one request into the buffer.
pub(crate) type Request<'a> = &'a (dyn Fn(&mut Random, &mut Vec<u8>) + Sync);

/// What to send, where, and when.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    /// The servers; each connection is to the next one in turn.
    pub(crate) ports: &'a [u16],
    pub(crate) connections: u32,
    /// So many requests are sent at once, on one connection.
    pub(crate) pipeline: u32,
    pub(crate) requests_per_second: f64,
    pub(crate) spacing: Spacing,
    pub(crate) duration: Duration,
    /// What is sent before this is not in the figures.
    pub(crate) warm_up: Duration,
    pub(crate) request: Request<'a>,
}

/// What came of it.
pub(crate) struct Measured {
    /// Nanoseconds from the time at which a request was to be sent to its reply.
    pub(crate) latencies: Histogram<u64>,
    /// Nanoseconds by which it was sent later than that: the generator's own part.
    pub(crate) lateness: Histogram<u64>,
    /// All that were answered, the warm-up included.
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
}

impl Measured {
    pub(crate) fn millis(&self, part: f64) -> f64 {
        self.latencies.value_at_quantile(part) as f64 / 1e6
    }

    pub(crate) fn most_millis(&self) -> f64 {
        self.latencies.max() as f64 / 1e6
    }
}

/// One of the connections.
struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
    replies: Replies,
    /// When the requests that wait for a reply were to be sent, and how many at once.
    waiting: VecDeque<(Duration, u64)>,
}

impl Connection {
    fn open(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, unsent: Vec::new(), replies: Replies::new(), waiting: VecDeque::new() })
    }

    /// Sends as much as the system takes.
    fn send(&mut self) -> Outcome<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// How many replies there were to read.
    fn receive(&mut self, buffer: &mut [u8]) -> Outcome<u64> {
        let mut replies = 0;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(length) => {
                    replies += self.replies.take(&buffer[..length]);
                    if length < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.replies.errors > 0 {
            return Err(format!("the server answered: {}", self.replies.first_error).into());
        }
        Ok(replies)
    }
}

/// Carries the load out, or as much of it as there is time for until `stop`.
pub(crate) fn run(load: &Load, stop: &AtomicBool) -> Outcome<Measured> {
    let mut generator = Generator::new(load)?;
    loop {
        let now = generator.begin.elapsed();
        let is_over = generator.due >= load.duration || stop.load(Ordering::Relaxed);
        if is_over && generator.unanswered == 0 {
            break;
        }
        if is_over && now > generator.due + PATIENCE {
            return Err(format!("{} requests have not been answered", generator.unanswered).into());
        }
        if !is_over && generator.due <= now {
            generator.send(now)?;
            // What came meanwhile is looked at now and then, even when sending is late.
            let is_late = generator.due <= generator.begin.elapsed();
            if is_late && !generator.turn.is_multiple_of(generator.connections.len()) {
                continue;
            }
        }
        let until_due = generator.due.saturating_sub(generator.begin.elapsed());
        generator.receive(if is_over { Duration::from_millis(100) } else { until_due })?;
    }
    generator.measured.seconds = generator.begin.elapsed().as_secs_f64();
    Ok(generator.measured)
}

/// A load that is being carried out.
struct Generator<'a> {
    load: &'a Load<'a>,
    connections: Vec<Connection>,
    random: Random,
    begin: Instant,
    /// When the next requests are to be sent, and on which connection.
    due: Duration,
    turn: usize,
    unanswered: u64,
    buffer: Vec<u8>,
    measured: Measured,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load<'a>) -> Outcome<Self> {
        let ports = load.ports.iter().cycle().take(load.connections as usize);
        let connections = ports.map(|port| Connection::open(*port)).collect::<Outcome<_>>()?;
        let histogram = || Histogram::<u64>::new_with_bounds(1_000, 3_600_000_000_000, 3);
        Ok(Self {
            load,
            connections,
            random: Random::new(u64::from(load.pipeline)),
            begin: Instant::now(),
            due: Duration::ZERO,
            turn: 0,
            unanswered: 0,
            buffer: vec![0; READ_BYTES],
            measured: Measured { latencies: histogram()?, lateness: histogram()?, requests: 0, seconds: 0.0 },
        })
    }

    /// Sends what is due.
    fn send(&mut self, now: Duration) -> Outcome<()> {
        let (load, count) = (self.load, self.connections.len());
        let at = match load.spacing {
            Spacing::Even => self.turn % count,
            Spacing::Poisson => self.random.below(count as u64) as usize,
        };
        let connection = &mut self.connections[at];
        (0..load.pipeline).for_each(|_| (load.request)(&mut self.random, &mut connection.unsent));
        connection.waiting.push_back((self.due, u64::from(load.pipeline)));
        connection.send()?;
        self.unanswered += u64::from(load.pipeline);
        if self.due >= load.warm_up {
            self.measured.lateness.saturating_record((now - self.due).as_nanos() as u64);
        }
        self.turn += 1;
        let pause = f64::from(load.pipeline) / load.requests_per_second;
        self.due += Duration::from_secs_f64(match load.spacing {
            Spacing::Even => pause,
            Spacing::Poisson => -self.random.uniform().ln() * pause,
        });
        Ok(())
    }

    /// Waits for replies, no longer than this, and takes those that are there.
    fn receive(&mut self, patience: Duration) -> Outcome<()> {
        for at in ready(&self.connections, patience)? {
            let connection = &mut self.connections[at];
            connection.send()?;
            let mut replies = connection.receive(&mut self.buffer)?;
            self.unanswered -= replies;
            self.measured.requests += replies;
            let now = self.begin.elapsed();
            while replies > 0 {
                let (due, left) = connection.waiting.front_mut().ok_or("a reply that nobody asked for")?;
                let taken = replies.min(*left);
                (*left, replies) = (*left - taken, replies - taken);
                if *due >= self.load.warm_up {
                    self.measured.latencies.saturating_record_n((now - *due).as_nanos() as u64, taken);
                }
                if *left == 0 {
                    connection.waiting.pop_front();
                }
            }
        }
        Ok(())
    }
}

/// Waits until some of them can be read, or take what is unsent.
fn ready(connections: &[Connection], patience: Duration) -> Outcome<Vec<usize>> {
    let wanted = |connection: &Connection| {
        if connection.unsent.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    };
    let mut polled: Vec<PollFd> =
        connections.iter().map(|connection| PollFd::new(&connection.stream, wanted(connection))).collect();
    let patience = Timespec::try_from(patience)?;
    match poll(&mut polled, Some(&patience)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_ready = |(at, polled): (usize, &PollFd)| (!polled.revents().is_empty()).then_some(at);
    Ok(polled.iter().enumerate().filter_map(is_ready).collect())
}
