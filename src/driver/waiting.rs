//! Changes of the cluster that clients have asked for and the node has not answered yet.

use super::meetings::Meetings;
use crate::command::ClusterRequest;
use crate::node::RequestNumber;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Where the answer goes.
pub(super) type Answer = oneshot::Sender<Result<(), String>>;

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    answers: HashMap<RequestNumber, (Answer, bool)>,
    meetings: Meetings,
}

impl Waiting {
    /// Meetings among them.
    pub(super) fn meetings(&self) -> Meetings {
        self.meetings.clone()
    }

    /// One more waits; `false` when it was refused and answered here.
    pub(super) fn begin(&mut self, number: RequestNumber, request: &ClusterRequest, answer: Answer) -> bool {
        let meets = matches!(request, ClusterRequest::Meet { .. });
        if meets && let Err(reason) = self.meetings.begin() {
            // A client that has gone needs no answer.
            let _ = answer.send(Err(reason));
            return false;
        }
        self.answers.insert(number, (answer, meets));
        true
    }

    /// One has its result.
    pub(super) fn end(&mut self, number: RequestNumber) -> Option<Answer> {
        let (answer, meets) = self.answers.remove(&number)?;
        if meets {
            self.meetings.end();
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet() -> ClusterRequest {
        ClusterRequest::Meet { host: "node.example".into(), port: 5262 }
    }

    #[test]
    fn a_meeting_is_open_until_it_is_answered() {
        let mut waiting = Waiting::default();
        let (answer, _answered) = oneshot::channel();
        assert!(waiting.begin(RequestNumber(1), &meet(), answer));
        let (answer, _answered) = oneshot::channel();
        assert!(waiting.begin(RequestNumber(2), &ClusterRequest::BeginBackup, answer));
        assert!(waiting.end(RequestNumber(2)).is_some());
        assert!(waiting.meetings().begin_joining().is_err());
        assert!(waiting.end(RequestNumber(1)).is_some() && waiting.end(RequestNumber(1)).is_none());
        let _joining = waiting.meetings().begin_joining().expect("it was answered");
        let (answer, mut answered) = oneshot::channel();
        assert!(!waiting.begin(RequestNumber(3), &meet(), answer));
        assert!(matches!(answered.try_recv(), Ok(Err(reason)) if reason.contains("joining")));
    }
}
