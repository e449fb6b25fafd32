//! How the busiest counters are found: by reading some of the names twice, an interval apart, and then the next ones.
//!
//! A subscription to everything would have the server tell of each counter that changes, the more of them the busier it
//! is. This way it reads a bounded number of counters each interval, however many there are and however busy they are, in requests
//! that are short enough to hold nobody up; and here no more than those are remembered. Those that changed are followed, read each
//! time, while there are not enough that change more.

use std::thread;
use std::time::{Duration, Instant};

use super::busiest::{Busiest, FOLLOWED, Mover};
use super::events::{Event, Sender};
use super::names::page;
use crate::base::Amount;
use crate::cli::connection::Connection;
use crate::cli::reason::describe;
use crate::cli::settings::Settings;
use crate::cli::value::Value;

/// How many places of its table the server looks at for one SCAN, and how many SCANs there are each interval.
const PLACES_A_PAGE: &str = "1000";
const PAGES: usize = 20;
/// How many counters are read with one MGET.
const NAMES_A_READ: usize = 500;
/// The part of an interval that may be spent on new names: reading them again takes about as long.
const PART_FOR_NEW: f64 = 0.3;
/// How long a server that is gone is left alone.
const RECONNECT: Duration = Duration::from_secs(1);

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// The busiest, the fastest first.
    pub(super) movers: Vec<Mover>,
    /// How many counters there are.
    pub(super) total: u64,
    /// How many were looked at for the first time in this interval.
    pub(super) looked_at: usize,
    /// How long it took to look at all of them once, where that has happened.
    pub(super) round: Option<Duration>,
    /// Whether some were read twice, so that something could be found.
    pub(super) is_informed: bool,
}

/// Counters that were read once.
struct Look {
    names: Vec<Vec<u8>>,
    values: Vec<Option<Amount>>,
    read: Instant,
}

/// Finds them, by a thread of its own, and reports each interval. The first connection is there already.
pub(super) fn start(
    first: Connection,
    settings: Settings,
    pattern: Option<Vec<u8>>,
    interval: Duration,
    events: Sender,
) {
    let _ = thread::Builder::new().name("survey".to_owned()).spawn(move || {
        let mut survey = Survey::new(first, pattern, interval);
        loop {
            let begin = Instant::now();
            match survey.run_interval() {
                Ok(report) => {
                    if !events.send(Event::Found(Box::new(report))) {
                        return;
                    }
                    thread::sleep(interval.saturating_sub(begin.elapsed()));
                }
                Err(Trouble::Refused(text)) => {
                    events.send(Event::Refused(text));
                    return;
                }
                Err(Trouble::Lost(text)) => {
                    events.send(Event::Silence(text));
                    survey.connection = loop {
                        thread::sleep(RECONNECT);
                        match Connection::open(&settings) {
                            Ok((connection, _)) => break connection,
                            Err(error) => drop(events.send(Event::Silence(error.to_string()))),
                        }
                    };
                    events.send(Event::Connected);
                }
            }
        }
    });
}

enum Trouble {
    /// The server is gone.
    Lost(String),
    /// The server does not do what is asked.
    Refused(String),
}

struct Survey {
    connection: Connection,
    pattern: Option<Vec<u8>>,
    interval: Duration,
    cursor: Vec<u8>,
    round_began: Instant,
    round: Option<Duration>,
    /// What is to be read again.
    looks: Vec<Look>,
    busiest: Busiest,
    is_informed: bool,
}

impl Survey {
    fn new(connection: Connection, pattern: Option<Vec<u8>>, interval: Duration) -> Self {
        Self {
            connection,
            pattern,
            interval,
            cursor: b"0".to_vec(),
            round_began: Instant::now(),
            round: None,
            looks: Vec::new(),
            busiest: Busiest::default(),
            is_informed: false,
        }
    }

    fn run_interval(&mut self) -> Result<Report, Trouble> {
        // Before others are found, or what was just read would be read again.
        for names in self.busiest.names().chunks(NAMES_A_READ) {
            let values = self.read(names)?;
            let now = Instant::now();
            names.iter().zip(values).for_each(|(name, value)| self.busiest.read(name, value, now));
        }
        for look in std::mem::take(&mut self.looks) {
            let values = self.read(&look.names)?;
            let now = Instant::now();
            for ((name, before), value) in look.names.iter().zip(look.values).zip(values) {
                // One that came meanwhile began at nothing; one that went is none.
                if let Some(value) = value {
                    self.busiest.offer(name, (before.unwrap_or(Amount::from(0)), look.read), (value, now));
                }
            }
            self.is_informed = true;
        }
        self.busiest.trim();
        let looked_at = self.look_further()?;
        let total = match self.ask(&[b"DBSIZE".to_vec()])? {
            Value::Integer(count) => u64::try_from(count).unwrap_or(0),
            _ => 0,
        };
        Ok(Report {
            movers: self.busiest.best(FOLLOWED),
            total,
            looked_at,
            round: self.round,
            is_informed: self.is_informed,
        })
    }

    /// Reads the next names for the first time. Answers how many.
    fn look_further(&mut self) -> Result<usize, Trouble> {
        let begin = Instant::now();
        let mut count = 0;
        for _ in 0..PAGES {
            let mut words = vec![b"SCAN".to_vec(), self.cursor.clone(), b"COUNT".to_vec(), PLACES_A_PAGE.into()];
            if let Some(pattern) = &self.pattern {
                words.extend([b"MATCH".to_vec(), pattern.clone()]);
            }
            let reply = self.ask(&words)?;
            let Some((cursor, names)) = page(reply) else {
                return Err(Trouble::Refused("the server answered SCAN with something unexpected".to_owned()));
            };
            let names: Vec<Vec<u8>> = names.iter().filter_map(Value::bytes).map(<[u8]>::to_vec).collect();
            for names in names.chunks(NAMES_A_READ) {
                let values = self.read(names)?;
                self.looks.push(Look { names: names.to_vec(), values, read: Instant::now() });
                count += names.len();
            }
            let is_round = cursor == b"0";
            self.cursor = cursor;
            if is_round {
                self.round = Some(self.round_began.elapsed());
                self.round_began = Instant::now();
                break;
            }
            if begin.elapsed() >= self.interval.mul_f64(PART_FOR_NEW) {
                break;
            }
        }
        Ok(count)
    }

    /// What these counters stand at.
    fn read(&mut self, names: &[Vec<u8>]) -> Result<Vec<Option<Amount>>, Trouble> {
        let words = [vec![b"MGET".to_vec()], names.to_vec()].concat();
        let reply = self.ask(&words)?;
        let values = reply.elements().unwrap_or_default();
        Ok(values.iter().map(|value| Amount::parse(value.bytes()?).ok()).collect())
    }

    fn ask(&mut self, words: &[Vec<u8>]) -> Result<Value, Trouble> {
        let reply = self.connection.ask(words, &mut |_| ()).map_err(|error| Trouble::Lost(describe(&error)))?;
        if reply.is_error() {
            let name = String::from_utf8_lossy(&words[0]).into_owned();
            let text = super::refusal(&name, &reply);
            // A node that was started again is as good as gone until it has its counters.
            return Err(if super::is_loading(&reply) { Trouble::Lost(text) } else { Trouble::Refused(text) });
        }
        Ok(reply)
    }
}
