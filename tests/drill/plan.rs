//! Which faults happen when: all of it follows from the seed.

use std::fmt;
use std::time::Duration;

use crate::random::Random;

pub(crate) const NODES: usize = 5;
const LOSS_PERCENT: u32 = 30;
/// Within this long after a round's begin its faults begin.
const BEGIN_MS: u64 = 2000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Between two nodes, both ways.
    Cut(usize, usize),
    CutOneWay(usize, usize),
    /// A node from all others.
    Isolated(usize),
    /// So many of a hundred packets, everywhere.
    Loss(u32),
    /// SIGSTOP, then SIGCONT.
    Stopped(usize),
    /// SIGKILL, then a new process.
    Killed(usize),
}

/// A fault with its time within a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) begin: Duration,
    /// None: it lasts until the round's end, where all is healed.
    pub(crate) end: Option<Duration>,
}

/// One round: writers count while faults come and go.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) faults: Vec<Planned>,
    pub(crate) length: Duration,
}

#[derive(Clone, Copy)]
enum Kind {
    Cut,
    CutOneWay,
    Isolated,
    Loss,
    Stopped,
    KilledBriefly,
    Killed,
}

const KINDS: [Kind; 7] =
    [Kind::Cut, Kind::CutOneWay, Kind::Isolated, Kind::Loss, Kind::Stopped, Kind::KilledBriefly, Kind::Killed];

/// Three rounds in which each kind of fault happens once.
pub(crate) fn rounds(random: &mut Random, round: Duration, stop: Duration) -> Vec<Round> {
    let mut kinds = KINDS;
    for last in (1..kinds.len()).rev() {
        kinds.swap(last, random.below(last as u64 + 1) as usize);
    }
    let (first, rest) = kinds.split_at(3);
    let (second, third) = rest.split_at(2);
    [first, second, third].map(|kinds| one_round(random, kinds, round, stop)).into()
}

fn one_round(random: &mut Random, kinds: &[Kind], round: Duration, stop: Duration) -> Round {
    // No node is both killed and stopped in one round.
    let mut whole: Vec<usize> = (0..NODES).collect();
    let mut faults = Vec::new();
    let mut length = round;
    for kind in kinds {
        let begin = Duration::from_millis(random.below(BEGIN_MS));
        let mut take_whole = || whole.swap_remove(random.below(whole.len() as u64) as usize);
        let fault = match kind {
            Kind::Stopped => Fault::Stopped(take_whole()),
            Kind::KilledBriefly | Kind::Killed => Fault::Killed(take_whole()),
            Kind::Loss => Fault::Loss(LOSS_PERCENT),
            Kind::Isolated => Fault::Isolated(random.below(NODES as u64) as usize),
            Kind::Cut | Kind::CutOneWay => {
                let from = random.below(NODES as u64) as usize;
                let to = (from + random.between(1, NODES as u64 - 1) as usize) % NODES;
                if matches!(kind, Kind::Cut) { Fault::Cut(from, to) } else { Fault::CutOneWay(from, to) }
            }
        };
        let end = match kind {
            Kind::Stopped => {
                length = length.max(begin + stop);
                Some(begin + stop)
            }
            Kind::KilledBriefly => Some(begin),
            Kind::Killed => Some(begin + Duration::from_millis(random.between(2000, 5000))),
            _ if random.below(2) == 0 => None,
            _ => Some(begin + round.mul_f64(0.3 + 0.4 * random.unit())),
        };
        faults.push(Planned { fault, begin, end });
    }
    Round { faults, length }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(one, other) => write!(out, "cut {}-{}", one + 1, other + 1),
            Self::CutOneWay(from, to) => write!(out, "cut {}>{}", from + 1, to + 1),
            Self::Isolated(node) => write!(out, "isolate {}", node + 1),
            Self::Loss(percent) => write!(out, "lose {percent}%"),
            Self::Stopped(node) => write!(out, "stop {}", node + 1),
            Self::Killed(node) => write!(out, "kill {}", node + 1),
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.faults.iter().map(|planned| {
            let end = planned.end.map_or_else(String::new, |end| format!("-{:.1}", end.as_secs_f64()));
            format!("{} @{:.1}{end}", planned.fault, planned.begin.as_secs_f64())
        });
        write!(out, "{}", shown.collect::<Vec<_>>().join(", "))
    }
}
