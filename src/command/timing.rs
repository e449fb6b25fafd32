//! Which requests are timed, and what is noted of how long they took.
//!
//! Reading the clock costs a tenth of an INCR. The first request of a batch begins when the batch did, so one that comes
//! alone is timed with a single look at the clock. Of the others in a batch, those whose cost depends on what is asked are
//! timed, too, and one in a few of the rest.

use super::environment::Environment;
use super::latency_monitor::LatencyEvent;
use super::outcome::{Outcome, Pending};
use super::session::Session;
use super::shown_request::ShownRequest;
use super::table::{self, Found};
use crate::base::{Moment, Monotonic};
use crate::resp::Arguments;

/// Of requests that cost a constant time, one in this many of a batch is timed.
const SAMPLED: u8 = 32;
/// A request with more arguments is timed whatever it is.
const FEW_ARGUMENTS: usize = 8;

/// Reads the monotonic clock.
pub type ReadClock<'a> = &'a dyn Fn() -> Monotonic;

/// Where a connection is in choosing the requests that are timed.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    batch: Monotonic,
    untimed: u8,
}

impl Sampling {
    /// When the next request began, if it is to be timed. Requests of one batch are run at one `now`.
    #[inline]
    pub(super) fn begin(
        &mut self,
        ordinal: u16,
        arguments: usize,
        now: Monotonic,
        clock: ReadClock<'_>,
    ) -> Option<Monotonic> {
        if now != self.batch {
            *self = Self { batch: now, untimed: 0 };
            return Some(now);
        }
        self.untimed += 1;
        let is_due = self.untimed >= SAMPLED || arguments > FEW_ARGUMENTS || !table::is_constant_time(ordinal);
        if !is_due {
            return None;
        }
        self.untimed = 0;
        Some(clock())
    }
}

/// Notes how long a request took.
pub(super) fn note(
    environment: &Environment,
    session: &Session,
    (found, arguments): (Found, Arguments<'_>),
    nanos: u64,
    now: Moment,
) {
    environment.statistics.count_time(session.lane(), found.ordinal, nanos);
    let observation = &environment.observation;
    if observation.slow_log.wants(nanos) {
        let request = ShownRequest::new(found, arguments, session.client());
        observation.slow_log.add(request, nanos, now.wall);
    }
    let event = if table::is_constant_time(found.ordinal) { LatencyEvent::FastCommand } else { LatencyEvent::Command };
    observation.latency.note(event, nanos, now.wall);
}

/// How long a request will have taken that was begun then and handed over now.
pub(super) fn took(began: Monotonic, ended: Monotonic, outcome: &Outcome) -> u64 {
    let sleep = match outcome {
        // Known beforehand, and what it is there for.
        Outcome::Wait(Pending::Sleep(time)) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        _ => 0,
    };
    ended.as_nanos().saturating_sub(began.as_nanos()).saturating_add(sleep)
}

#[cfg(test)]
mod tests {
    use super::super::table::find;
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_comes_alone_is_timed_and_of_a_batch_what_may_take_long() {
        let looks = Cell::new(0);
        let clock = || {
            looks.set(looks.get() + 1);
            Monotonic::from_nanos(1_000 + looks.get())
        };
        let mut sampling = Sampling::default();
        let mut begin = |name: &str, arguments, now| {
            let ordinal = find(name.as_bytes()).expect("a command").ordinal;
            sampling.begin(ordinal, arguments, Monotonic::from_nanos(now), &clock)
        };
        for now in 1..=5 {
            assert_eq!(begin("incr", 2, now), Some(Monotonic::from_nanos(now)));
        }
        assert_eq!(looks.get(), 0, "the clock was read for the batch");
        let timed = (0..640).filter(|_| begin("incr", 2, 5).is_some()).count();
        assert_eq!(timed, 20);
        assert!(begin("keys", 2, 5).is_some() && begin("mget", 3, 5).is_some() && begin("ping", 9, 5).is_some());
        assert!(begin("set", 3, 5).is_none());
    }
}
