//! A node joins one cluster at a time: what meets and what joins with a token keep out of each other's way.
//!
//! A node that met somebody under one authority while it is certified by another would tie both clusters together for good.

use parking_lot::Mutex;
use std::sync::Arc;

const MEETING: &str = "a CLUSTER MEET of this node is not answered yet: say CLUSTER JOIN again when it is";
const JOINING: &str =
    "this node is joining a cluster with a token: say CLUSTER MEET or CLUSTER RESET again when that is answered";
const RENEWING: &str = "this node is just becoming another one: say CLUSTER JOIN again when CLUSTER RESET is answered";

#[derive(Debug, Default)]
struct Open {
    meetings: usize,
    is_joining: bool,
    is_renewing: bool,
}

/// Which meetings are open. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Meetings(Arc<Mutex<Open>>);

/// The node is being certified by a cluster; it is not any more when this is dropped.
#[derive(Debug)]
pub(super) struct Joining(Meetings);

/// The node is getting another key; it has it when this is dropped.
#[derive(Debug)]
pub(super) struct Renewing(Meetings);

impl Meetings {
    /// Why the node cannot leave now, if that is so.
    pub(super) fn check_not_joining(&self) -> Result<(), String> {
        if self.0.lock().is_joining { Err(JOINING.into()) } else { Ok(()) }
    }

    /// Somebody is to be met. Said again with [`Self::end`] when that is answered.
    pub(super) fn begin(&self) -> Result<(), String> {
        let mut open = self.0.lock();
        if open.is_joining {
            return Err(JOINING.into());
        }
        open.meetings += 1;
        Ok(())
    }

    /// Whatever came of it.
    pub(super) fn end(&self) {
        let mut open = self.0.lock();
        open.meetings = open.meetings.saturating_sub(1);
    }

    /// Nobody is met until what is answered is dropped.
    pub(super) fn begin_joining(&self) -> Result<Joining, String> {
        let mut open = self.0.lock();
        if open.is_joining {
            return Err("this node is joining a cluster already".into());
        }
        if open.meetings > 0 {
            return Err(MEETING.into());
        }
        if open.is_renewing {
            return Err(RENEWING.into());
        }
        open.is_joining = true;
        Ok(Joining(self.clone()))
    }

    /// Nobody has the node's key certified until what is answered is dropped.
    pub(super) fn begin_renewing(&self) -> Result<Renewing, String> {
        let mut open = self.0.lock();
        if open.is_joining {
            return Err(JOINING.into());
        }
        open.is_renewing = true;
        Ok(Renewing(self.clone()))
    }
}

impl Drop for Renewing {
    fn drop(&mut self) {
        self.0.0.lock().is_renewing = false;
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        self.0.0.lock().is_joining = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_joins_while_a_meeting_is_open_and_nobody_is_met_while_it_joins() {
        let meetings = Meetings::default();
        meetings.begin().expect("nothing is open");
        assert!(meetings.begin_joining().is_err_and(|reason| reason.contains("CLUSTER MEET")));
        meetings.end();
        let joining = meetings.clone().begin_joining().expect("the meeting is over");
        assert!(meetings.begin().is_err_and(|reason| reason.contains("joining")));
        assert!(meetings.begin_joining().is_err(), "one at a time");
        assert!(meetings.check_not_joining().is_err() && meetings.begin_renewing().is_err());
        drop(joining);
        assert_eq!(meetings.check_not_joining(), Ok(()));
        let renewing = meetings.begin_renewing().expect("it has joined");
        assert!(meetings.begin_joining().is_err_and(|reason| reason.contains("CLUSTER RESET")));
        drop(renewing);
        drop(meetings.begin_joining().expect("it has its key"));
        meetings.begin().expect("it has joined");
    }
}
