//! Which request is next, and when it is due: shared by all clients.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::TICK;

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// After so many requests.
    Requests(u64),
    /// After so long.
    After(Duration),
}

/// Numbers of requests that are handed out once each.
pub(super) struct Tickets {
    next: AtomicU64,
    /// How many there are; with a rate, also where the time is what ends the run.
    total: u64,
    begin: Instant,
    deadline: Option<Instant>,
    /// Requests a second, where they are due at fixed times.
    rate: Option<f64>,
    stopped: AtomicBool,
}

impl Tickets {
    /// None handed out yet; time begins now.
    pub(super) fn new(end: End, rate: Option<f64>) -> Self {
        let begin = Instant::now();
        let (total, deadline) = match (end, rate) {
            (End::Requests(count), _) => (count, None),
            (End::After(time), None) => (u64::MAX, Some(begin + time)),
            (End::After(time), Some(rate)) => ((rate * time.as_secs_f64()).ceil() as u64, Some(begin + time)),
        };
        Self { next: AtomicU64::new(0), total, begin, deadline, rate, stopped: AtomicBool::new(false) }
    }

    /// When it began.
    pub(super) fn begin(&self) -> Instant {
        self.begin
    }

    /// Ends the run now.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more is to be sent.
    pub(super) fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The part that is done, from 0 to 1, where that can be told.
    pub(super) fn part(&self) -> f64 {
        match self.deadline {
            Some(deadline) => {
                self.begin.elapsed().as_secs_f64() / deadline.duration_since(self.begin).as_secs_f64().max(1e-9)
            }
            None => self.next.load(Ordering::Relaxed).min(self.total) as f64 / self.total.max(1) as f64,
        }
        .min(1.0)
    }

    /// When this request is due.
    pub(super) fn due(&self, number: u64) -> Option<Instant> {
        self.rate.map(|rate| self.begin + Duration::from_secs_f64(number as f64 / rate))
    }

    /// Waits for the next request that is to be sent and takes it, with up to `most` in all that are due as well. Puts
    /// their numbers into `taken`; none are the end.
    pub(super) fn take(&self, most: u32, taken: &mut Vec<u64>) {
        taken.clear();
        if self.is_over() {
            return;
        }
        let Some(rate) = self.rate else {
            let first = self.next.fetch_add(u64::from(most), Ordering::Relaxed);
            taken.extend(first..self.total.min(first.saturating_add(u64::from(most))));
            return;
        };
        let Some(first) = self.take_below(self.total) else {
            return;
        };
        if !self.wait_for(first) {
            // Nobody will send it: it is one of those that were never sent.
            self.give_back();
            return;
        }
        taken.push(first);
        let due = ((self.begin.elapsed().as_secs_f64() * rate) as u64 + 1).min(self.total);
        while taken.len() < most as usize {
            let Some(number) = self.take_below(due) else {
                return;
            };
            taken.push(number);
        }
    }

    /// How many requests were due before the end and never taken, by a run that is over: the last so many of them.
    pub(super) fn unsent(&self) -> std::ops::Range<u64> {
        match self.rate {
            Some(rate) if !self.stopped.load(Ordering::Relaxed) => {
                let due = ((self.begin.elapsed().as_secs_f64() * rate) as u64).min(self.total);
                self.next.load(Ordering::Relaxed).min(due)..due
            }
            _ => 0..0,
        }
    }

    fn take_below(&self, bound: u64) -> Option<u64> {
        let step = |next| (next < bound).then_some(next + 1);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()
    }

    fn give_back(&self) {
        self.next.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers whether the run goes on then.
    fn wait_for(&self, number: u64) -> bool {
        let Some(due) = self.due(number) else { return true };
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return !self.is_over();
            }
            if self.is_over() {
                return false;
            }
            thread::sleep(left.min(TICK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u64; 0] = [];

    fn take(tickets: &Tickets, most: u32) -> Vec<u64> {
        let mut taken = vec![99];
        tickets.take(most, &mut taken);
        taken
    }

    #[test]
    fn a_number_of_requests_is_handed_out_once_each() {
        let tickets = Tickets::new(End::Requests(5), None);
        assert_eq!(take(&tickets, 2), [0, 1]);
        assert_eq!(take(&tickets, 2), [2, 3]);
        assert_eq!(take(&tickets, 2), [4]);
        assert_eq!(take(&tickets, 2), NONE);
        assert_eq!(tickets.unsent(), 0..0);
    }

    #[test]
    fn with_a_rate_nothing_goes_out_before_it_is_due() {
        let tickets = Tickets::new(End::Requests(20), Some(1000.0));
        let mut seen = Vec::new();
        loop {
            let taken = take(&tickets, 4);
            if taken.is_empty() {
                break;
            }
            let last = tickets.due(taken[taken.len() - 1]).expect("a rate");
            assert!(last <= Instant::now(), "{taken:?}");
            seen.extend(taken);
        }
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        assert!(tickets.begin().elapsed() >= Duration::from_millis(19));
    }

    #[test]
    fn what_was_due_and_never_sent_is_known() {
        let tickets = Tickets::new(End::After(Duration::from_millis(20)), Some(1000.0));
        assert_eq!(take(&tickets, 1), [0]);
        while !tickets.is_over() {
            thread::yield_now();
        }
        assert_eq!(take(&tickets, 1), NONE);
        assert_eq!(tickets.unsent(), 1..20);
    }

    #[test]
    fn a_stop_ends_it_at_once() {
        let tickets = Tickets::new(End::After(Duration::from_secs(3600)), None);
        assert_eq!(take(&tickets, 1).len(), 1);
        tickets.stop();
        assert_eq!(take(&tickets, 1), NONE);
        let slow = Tickets::new(End::Requests(5), Some(0.001));
        assert_eq!(take(&slow, 1), [0]);
        slow.stop();
        assert_eq!(take(&slow, 1), NONE);
        assert_eq!(slow.unsent(), 0..0);
    }
}
