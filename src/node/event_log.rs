//! What happened lately, for those who look and do not read the log.

use super::event::{Event, Severity};
use crate::base::{NodeId, WallMillis};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// So many are kept; the oldest go first.
const KEPT: usize = 512;
const REPAIRS_KEPT: usize = 256;

/// A repair that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedRepair {
    /// One more than that of the one before.
    pub sequence: u64,
    /// When it ended.
    pub at: WallMillis,
    /// From whom.
    pub peer: NodeId,
    /// How many items.
    pub items: u64,
    /// In how many milliseconds.
    pub milliseconds: u64,
    /// Whether it is the first since the two were linked.
    pub is_first: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedEvent {
    /// One more than that of the one before.
    pub sequence: u64,
    /// When.
    pub at: WallMillis,
    /// Which kind of event it is, in a word that stays the same from version to version.
    pub kind: &'static str,
    /// How loud it is.
    pub severity: Severity,
    /// The other node that it is about, where it is about one.
    pub peer: Option<NodeId>,
    /// What an operator wants to read.
    pub text: String,
}

/// The last events. Written a few times a minute at most, as a rule.
#[derive(Debug, Default)]
pub struct EventLog(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    last: u64,
    kept: VecDeque<NotedEvent>,
    /// From whom a repair is under way that was told of.
    repairing: Option<NodeId>,
    last_repair: u64,
    repairs: VecDeque<NotedRepair>,
}

impl EventLog {
    /// Notes what the node has told of, unless it is only of use when something is looked for.
    pub fn note(&self, event: &Event, at: WallMillis) {
        let mut ring = self.0.lock();
        if let Event::Repaired { peer, items, milliseconds, is_first } = *event {
            ring.push_repair(NotedRepair { sequence: 0, at, peer, items, milliseconds, is_first });
        }
        let kind = match event {
            // That one goes on is told again and again.
            Event::Repairing { peer, .. } if ring.repairing.replace(*peer) == Some(*peer) => return,
            Event::Repairing { .. } => "repair_began",
            Event::Repaired { peer, .. } => {
                let was_told = ring.repairing.take_if(|from| from == peer).is_some();
                if !was_told && event.severity() == Severity::Debug {
                    return;
                }
                "repair_ended"
            }
            other if other.severity() == Severity::Debug => return,
            other => other.name(),
        };
        ring.push(kind, event.severity(), event.peer(), event.to_string(), at);
    }

    /// Notes what somebody else has to tell of this node.
    pub fn note_other(&self, kind: &'static str, severity: Severity, text: String, at: WallMillis) {
        self.0.lock().push(kind, severity, None, text, at);
    }

    /// The repairs that are kept with a larger number, the oldest first, also those that are not worth a word.
    pub fn repairs_after(&self, sequence: u64) -> Vec<NotedRepair> {
        let ring = self.0.lock();
        let first = ring.repairs.partition_point(|repair| repair.sequence <= sequence);
        ring.repairs.range(first..).cloned().collect()
    }

    /// The number of the last one; 0 before the first.
    pub fn last(&self) -> u64 {
        self.0.lock().last
    }

    /// Those that are kept with a larger number, the oldest first.
    pub fn after(&self, sequence: u64) -> Vec<NotedEvent> {
        let ring = self.0.lock();
        let first = ring.kept.partition_point(|event| event.sequence <= sequence);
        ring.kept.range(first..).cloned().collect()
    }
}

impl Ring {
    fn push_repair(&mut self, repair: NotedRepair) {
        if self.repairs.len() == REPAIRS_KEPT {
            self.repairs.pop_front();
        }
        self.last_repair += 1;
        self.repairs.push_back(NotedRepair { sequence: self.last_repair, ..repair });
    }

    fn push(&mut self, kind: &'static str, severity: Severity, peer: Option<NodeId>, text: String, at: WallMillis) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.last += 1;
        self.kept.push_back(NotedEvent { sequence: self.last, at, kind, severity, peer, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId::new([1; 20]);

    fn kinds(log: &EventLog, after: u64) -> Vec<&'static str> {
        log.after(after).iter().map(|event| event.kind).collect()
    }

    #[test]
    fn events_are_numbered_and_asked_for_from_a_number_on() {
        let log = EventLog::default();
        assert_eq!((log.last(), log.after(0)), (0, Vec::new()));
        log.note(&Event::Joined(PEER), WallMillis(5));
        log.note(&Event::DialFailed { peer: PEER, reason: "no".to_owned() }, WallMillis(6));
        log.note(&Event::Failed(PEER), WallMillis(7));
        assert_eq!(kinds(&log, 0), ["joined", "failed"]);
        let failed = &log.after(1)[0];
        assert_eq!((failed.sequence, failed.at, failed.peer), (2, WallMillis(7), Some(PEER)));
        assert_eq!((log.after(2), log.after(99)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_repair_begins_once_and_ends_once() {
        let log = EventLog::default();
        let repairing = |items| Event::Repairing { peer: PEER, items, estimated: 100 };
        let repaired = |is_first| Event::Repaired { peer: PEER, items: 1, milliseconds: 1, is_first };
        log.note(&repaired(false), WallMillis(1));
        for items in [1, 2, 3] {
            log.note(&repairing(items), WallMillis(2));
        }
        log.note(&repaired(false), WallMillis(3));
        log.note(&repaired(true), WallMillis(4));
        assert_eq!(kinds(&log, 0), ["repair_began", "repair_ended", "repair_ended"]);
        let repairs: Vec<(u64, u64)> =
            log.repairs_after(1).iter().map(|repair| (repair.sequence, repair.at.0)).collect();
        assert_eq!((log.repairs_after(0).len(), repairs), (3, vec![(2, 3), (3, 4)]));
    }

    #[test]
    fn the_oldest_make_way() {
        let log = EventLog::default();
        for number in 1..=KEPT as u64 + 10 {
            log.note_other("refusing_writes", Severity::Error, number.to_string(), WallMillis(number));
        }
        let kept = log.after(0);
        assert_eq!((kept.len(), kept[0].sequence, log.last()), (KEPT, 11, KEPT as u64 + 10));
        assert_eq!(log.after(KEPT as u64 + 9).len(), 1);
    }
}
