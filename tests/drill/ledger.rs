//! What clients were told, and what the counters may therefore be.

use std::time::{Duration, Instant};

/// What a node that is killed may take with it of what it acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// Nothing.
    Always,
    /// The last second.
    EverySecond,
    /// Whatever no other node heard: it leaves within a flush interval, but reaches nobody while the node is cut off, and
    /// while packets are lost only when repair has come round.
    Memory,
}

impl Durability {
    pub(crate) const ALL: [Self; 3] = [Self::Always, Self::EverySecond, Self::Memory];
    /// Of a killed node's last words so many may be lost with `everysec`.
    const LAST: Duration = Duration::from_secs(1);

    /// As the configuration has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::Memory => "memory",
        }
    }

    /// Whether an acknowledgement may be lost: none where its node's life has not ended.
    fn is_at_risk(self, acknowledged: Instant, end_of_life: Option<Instant>) -> bool {
        end_of_life.is_some_and(|end| match self {
            Self::Always => false,
            Self::EverySecond => acknowledged + Self::LAST > end,
            Self::Memory => true,
        })
    }
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Acknowledged,
    /// The connection broke, or the client gave up, before the answer.
    Indeterminate,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) counter: usize,
    pub(crate) node: usize,
    /// The node's life in which it was asked.
    pub(crate) life: u64,
    /// In thousandths.
    pub(crate) amount: i64,
    pub(crate) outcome: Outcome,
    /// When it ended.
    pub(crate) at: Instant,
}

/// What one counter may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) lowest: i64,
    pub(crate) highest: i64,
}

/// What a round's requests come to.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) acknowledged: u64,
    pub(crate) indeterminate: u64,
    /// Acknowledged by a node that was killed later in the round.
    pub(crate) at_risk: u64,
}

/// The ranges of all counters, out of their values before, the requests since and when each node's lives ended.
pub(crate) fn ranges(
    before: &[i64],
    requests: &[Request],
    ends: &[Vec<Instant>],
    durability: Durability,
) -> (Vec<Range>, Figures) {
    let mut ranges: Vec<Range> = before.iter().map(|value| Range { lowest: *value, highest: *value }).collect();
    let mut figures = Figures::default();
    for request in requests {
        figures.requests += 1;
        let range = &mut ranges[request.counter];
        let end_of_life = ends[request.node].get(request.life as usize).copied();
        let is_at_risk = durability.is_at_risk(request.at, end_of_life);
        let is_sure = request.outcome == Outcome::Acknowledged && !is_at_risk;
        match request.outcome {
            Outcome::Acknowledged => figures.acknowledged += 1,
            Outcome::Indeterminate => figures.indeterminate += 1,
        }
        figures.at_risk += u64::from(request.outcome == Outcome::Acknowledged && is_at_risk);
        if is_sure || request.amount < 0 {
            range.lowest += request.amount;
        }
        if is_sure || request.amount > 0 {
            range.highest += request.amount;
        }
    }
    (ranges, figures)
}

/// What was lost of one writer's own counter: so many acknowledged increments, which are the last before the kill, and how
/// long it took to make them.
pub(crate) fn lost(before: i64, requests: &[Request], value: i64) -> (usize, Duration) {
    let acknowledged: Vec<&Request> =
        requests.iter().filter(|request| request.outcome == Outcome::Acknowledged).collect();
    let told: i64 = before + acknowledged.iter().map(|request| request.amount).sum::<i64>();
    let lost = usize::try_from((told - value) / 1000).unwrap_or(0);
    let present = acknowledged.iter().map(|request| request.life).max().unwrap_or(0);
    let ended = acknowledged.iter().rev().filter(|request| request.life < present);
    let last: Vec<Instant> = ended.take(lost).map(|request| request.at).collect();
    let stretch = last.first().zip(last.last()).map_or(Duration::ZERO, |(last, first)| last.duration_since(*first));
    (lost, stretch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(life: u64, amount: i64, outcome: Outcome, at: Instant) -> Request {
        Request { counter: 0, node: 0, life, amount, outcome, at }
    }

    #[test]
    fn what_is_sure_counts_once_and_the_rest_at_most_once() {
        let begin = Instant::now();
        let killed = begin + Duration::from_secs(10);
        let requests = [
            request(0, 5, Outcome::Acknowledged, begin),
            request(0, -3, Outcome::Acknowledged, killed - Duration::from_millis(500)),
            request(1, 100, Outcome::Acknowledged, killed + Duration::from_secs(1)),
            request(1, 20, Outcome::Indeterminate, killed + Duration::from_secs(1)),
            request(1, -10, Outcome::Indeterminate, killed + Duration::from_secs(1)),
        ];
        for (durability, lowest, highest, at_risk) in [
            (Durability::Memory, 1000 - 3 + 100 - 10, 1000 + 5 + 100 + 20, 2),
            (Durability::EverySecond, 1000 + 5 - 3 + 100 - 10, 1000 + 5 + 100 + 20, 1),
            (Durability::Always, 1000 + 5 - 3 + 100 - 10, 1000 + 5 - 3 + 100 + 20, 0),
        ] {
            let (ranges, figures) = ranges(&[1000], &requests, &[vec![killed]], durability);
            assert_eq!(ranges, [Range { lowest, highest }], "{durability:?}");
            assert_eq!((figures.requests, figures.acknowledged), (5, 3));
            assert_eq!((figures.indeterminate, figures.at_risk), (2, at_risk), "{durability:?}");
        }
    }

    #[test]
    fn without_a_kill_acknowledged_requests_leave_no_room() {
        let now = Instant::now();
        let requests = [request(0, 5, Outcome::Acknowledged, now), request(0, -7, Outcome::Acknowledged, now)];
        for durability in Durability::ALL {
            let ranges = ranges(&[0], &requests, &[Vec::new()], durability).0;
            assert_eq!(ranges, [Range { lowest: -2, highest: -2 }]);
        }
    }

    #[test]
    fn what_is_lost_are_the_last_words_before_the_kill() {
        let begin = Instant::now();
        let told = |life, milliseconds| {
            request(life, 1000, Outcome::Acknowledged, begin + Duration::from_millis(milliseconds))
        };
        let requests = [told(0, 10), told(0, 20), told(0, 50), told(1, 90)];
        assert_eq!(lost(5000, &requests, 7000), (2, Duration::from_millis(30)));
        assert_eq!(lost(5000, &requests, 9000), (0, Duration::ZERO));
    }
}
