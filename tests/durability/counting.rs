//! Clients that count until their node dies, and remember what they were told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::server_support::{Client, Server};

/// What one client asked for and was told of its own counter.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) name: String,
    /// Increments that were sent.
    pub(crate) asked: u64,
    /// When each was answered, in order.
    pub(crate) answered: Vec<Instant>,
}

impl Told {
    /// How many increments were answered so long before the end, or earlier.
    pub(crate) fn answered_before(&self, end: Instant, before: Duration) -> u64 {
        self.answered.iter().filter(|at| **at + before <= end).count() as u64
    }
}

/// Ends the counting, even if what it goes on beside panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts with so many clients at once until `end` returns; each adds one to its own counter again and again.
pub(crate) fn count_until<T>(server: &Server, clients: usize, end: impl FnOnce() -> T) -> (Vec<Told>, T) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let counting: Vec<_> = (0..clients)
            .map(|number| {
                let (client, is_over) = (server.client(), &is_over);
                scope.spawn(move || count(client, number, is_over))
            })
            .collect();
        let result = {
            let _over = Over(&is_over);
            end()
        };
        (counting.into_iter().map(|client| client.join().expect("a client")).collect(), result)
    })
}

fn count(mut client: Client, number: usize, is_over: &AtomicBool) -> Told {
    let mut told = Told { name: format!("own:{number}"), ..Told::default() };
    let before: u64 = client.ask(&format!("GET {}", told.name)).parse().expect("a whole number");
    while !is_over.load(Ordering::Relaxed) {
        told.asked += 1;
        match client.try_ask(&format!("INCR {}", told.name)) {
            Ok(reply) => {
                told.answered.push(Instant::now());
                assert_eq!(reply, (before + told.asked).to_string());
            }
            Err(_) => break,
        }
    }
    told
}

/// The value of a counter as a number.
pub(crate) fn value(server: &Server, name: &str) -> u64 {
    server.ask(&format!("GET {name}")).parse().expect("a whole number")
}
