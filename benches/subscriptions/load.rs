//! Clients that increment counters at random.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::support::Outcome;

pub(crate) const CONNECTIONS: usize = 4;
pub(crate) const PIPELINE: usize = 64;

/// The name of a counter; those of a decade differ in the last digit.
pub(crate) fn name(number: usize) -> String {
    format!("counter:{number:07}")
}

/// Where to count, and on how many counters.
pub(crate) struct Load {
    port: u16,
    counters: usize,
}

impl Load {
    /// Makes the counters.
    pub(crate) fn new(port: u16, counters: usize) -> Outcome<Self> {
        let load = Self { port, counters };
        let mut client = load.client()?;
        for first in (0..counters).step_by(1000) {
            let names = first..counters.min(first + 1000);
            let requests = names.len();
            client.batch(names.map(name), requests)?;
        }
        Ok(load)
    }

    fn client(&self) -> Outcome<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client { stream, replies: vec![0; 64 << 10], requests: Vec::new() })
    }

    /// Counts for so long. Answers how many requests were answered, in how many seconds.
    pub(crate) fn run(&self, duration: Duration) -> Outcome<(u64, f64)> {
        let begun = Instant::now();
        let counted = thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS)
                .map(|seed| scope.spawn(move || self.count(seed as u64, begun + duration).map_err(|e| e.to_string())))
                .collect();
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked".to_owned())?).sum()
        });
        let counted: u64 = Result::<u64, String>::map_err(counted, |error| error)?;
        Ok((counted, begun.elapsed().as_secs_f64()))
    }

    fn count(&self, seed: u64, until: Instant) -> Outcome<u64> {
        let mut client = self.client()?;
        // Any spread of numbers will do.
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
        let mut counted = 0;
        while Instant::now() < until {
            let names = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                name((state % self.counters as u64) as usize)
            });
            client.batch(names.take(PIPELINE), PIPELINE)?;
            counted += PIPELINE as u64;
        }
        Ok(counted)
    }
}

struct Client {
    stream: TcpStream,
    replies: Vec<u8>,
    requests: Vec<u8>,
}

impl Client {
    /// Increments these and waits for all the replies, each of which is a line.
    fn batch(&mut self, names: impl Iterator<Item = String>, requests: usize) -> Outcome<()> {
        self.requests.clear();
        for name in names {
            write!(self.requests, "*2\r\n$4\r\nINCR\r\n${}\r\n{name}\r\n", name.len())?;
        }
        self.stream.write_all(&self.requests)?;
        let mut lines = 0;
        while lines < requests {
            let length = self.stream.read(&mut self.replies)?;
            let replies = &self.replies[..length];
            if length == 0 || replies.contains(&b'-') {
                return Err(format!("INCR was answered: {}", String::from_utf8_lossy(replies)).into());
            }
            lines += replies.iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(())
    }
}
