//! Clients that wait until members have what was counted here.

use super::run::AcknowledgementCall;
use crate::node::RequestNumber;
use std::collections::HashMap;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// One that waits.
#[derive(Debug)]
struct Waiting {
    /// So many members are enough.
    nodes: u64,
    /// So many have said that they have it.
    members: u64,
    /// When it is told what there is; none is never.
    until: Option<Instant>,
    answer: oneshot::Sender<u64>,
}

impl Waiting {
    fn is_over(&self, now: Instant) -> bool {
        self.members >= self.nodes || self.until.is_some_and(|until| until <= now) || self.answer.is_closed()
    }
}

/// All who wait, by the number under which the node knows them.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    waiting: HashMap<RequestNumber, Waiting>,
}

impl Confirmations {
    /// Somebody waits from now on.
    pub(super) fn begin(&mut self, request: RequestNumber, call: AcknowledgementCall, now: Instant) {
        let AcknowledgementCall { request: wanted, answer } = call;
        let until = wanted.timeout.map(|timeout| now + timeout);
        self.waiting.insert(request, Waiting { nodes: wanted.nodes, members: 0, until, answer });
    }

    /// So many members have it.
    pub(super) fn confirmed(&mut self, request: RequestNumber, members: u64) {
        if let Some(waiting) = self.waiting.get_mut(&request) {
            waiting.members = members;
        }
    }

    /// When somebody's time is over; none while nobody's ever is.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|waiting| waiting.until).min()
    }

    /// Answers those who have what they want, or no more time. The node need not follow these up any more.
    pub(super) fn answer_due(&mut self, now: Instant) -> Vec<RequestNumber> {
        let due: Vec<RequestNumber> =
            self.waiting.iter().filter(|(_, waiting)| waiting.is_over(now)).map(|(request, _)| *request).collect();
        for request in &due {
            if let Some(waiting) = self.waiting.remove(request) {
                // A client that has gone needs no answer.
                let _ = waiting.answer.send(waiting.members);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::AcknowledgementRequest;
    use std::time::Duration;

    fn begin(
        all: &mut Confirmations,
        number: u64,
        nodes: u64,
        timeout: Option<Duration>,
        now: Instant,
    ) -> oneshot::Receiver<u64> {
        let (answer, answered) = oneshot::channel();
        let request = AcknowledgementRequest { local: None, nodes, timeout };
        all.begin(RequestNumber(number), AcknowledgementCall { request, answer }, now);
        answered
    }

    #[test]
    fn who_waits_is_answered_when_enough_have_it_or_the_time_is_over_or_it_has_gone() {
        let (mut all, now) = (Confirmations::default(), Instant::now());
        let second = Duration::from_secs(1);
        let mut enough = begin(&mut all, 1, 2, None, now);
        let mut late = begin(&mut all, 2, 2, Some(second), now);
        let gone = begin(&mut all, 3, 2, None, now);
        assert_eq!(all.next_deadline(), Some(now + second));
        for request in 1..=3 {
            all.confirmed(RequestNumber(request), 1);
        }
        assert_eq!(all.answer_due(now), []);
        assert!(enough.try_recv().is_err());
        drop(gone);
        assert_eq!(all.answer_due(now), [RequestNumber(3)]);
        all.confirmed(RequestNumber(1), 2);
        assert_eq!(all.answer_due(now), [RequestNumber(1)]);
        assert_eq!(enough.try_recv(), Ok(2));
        assert_eq!(all.answer_due(now + second), [RequestNumber(2)]);
        assert_eq!(late.try_recv(), Ok(1));
        // What the node still says of them means nothing.
        all.confirmed(RequestNumber(2), 2);
        assert_eq!((all.next_deadline(), all.answer_due(now + second)), (None, vec![]));
    }
}
