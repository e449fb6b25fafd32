//! Changes of the cluster that clients have asked for and the node has not answered yet.

use super::meetings::Meetings;
use crate::base::NodeId;
use crate::command::ClusterRequest;
use crate::node::RequestNumber;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Where the answer goes.
pub(super) type Answer = oneshot::Sender<Result<(), String>>;

/// What is to be done when there is a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Meeting,
    Forgetting { node: NodeId, ban: bool },
    Other,
}

impl From<&ClusterRequest> for Wanted {
    fn from(request: &ClusterRequest) -> Self {
        match request {
            ClusterRequest::Meet { .. } => Self::Meeting,
            ClusterRequest::Forget { node, ban } => Self::Forgetting { node: *node, ban: *ban },
            ClusterRequest::Reset { .. } | ClusterRequest::BeginBackup => Self::Other,
        }
    }
}

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    answers: HashMap<RequestNumber, (Answer, Wanted)>,
    meetings: Meetings,
}

impl Waiting {
    /// Meetings among them.
    pub(super) fn meetings(&self) -> Meetings {
        self.meetings.clone()
    }

    /// One more waits; `false` when it was refused and answered here.
    pub(super) fn begin(&mut self, number: RequestNumber, request: &ClusterRequest, answer: Answer) -> bool {
        let wanted = Wanted::from(request);
        let begun = match request {
            ClusterRequest::Meet { .. } => self.meetings.begin(),
            ClusterRequest::Reset { .. } => self.meetings.check_not_joining(),
            ClusterRequest::Forget { .. } | ClusterRequest::BeginBackup => Ok(()),
        };
        if let Err(reason) = begun {
            // A client that has gone needs no answer.
            let _ = answer.send(Err(reason));
            return false;
        }
        self.answers.insert(number, (answer, wanted));
        true
    }

    /// One has its result.
    pub(super) fn end(&mut self, number: RequestNumber, is_done: bool) -> Option<Answer> {
        let (answer, wanted) = self.answers.remove(&number)?;
        match wanted {
            Wanted::Meeting => self.meetings.end(),
            Wanted::Forgetting { node, ban } if is_done => tell_forgotten(node, ban),
            Wanted::Forgetting { .. } | Wanted::Other => {}
        }
        Some(answer)
    }
}

/// Only of what was done: who reads the log of what operators did goes by it.
fn tell_forgotten(node: NodeId, ban: bool) {
    let event = if ban { "node_banned" } else { "node_forgotten" };
    tracing::info!(target: "audit", event, %node, "CLUSTER FORGET of {node}{}", if ban { ", with its key banned" } else { "" });
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
        assert!(waiting.end(RequestNumber(2), true).is_some());
        assert!(waiting.meetings().begin_joining().is_err());
        assert!(waiting.end(RequestNumber(1), true).is_some() && waiting.end(RequestNumber(1), true).is_none());
        let _joining = waiting.meetings().begin_joining().expect("it was answered");
        let (answer, mut answered) = oneshot::channel();
        assert!(!waiting.begin(RequestNumber(3), &meet(), answer));
        assert!(matches!(answered.try_recv(), Ok(Err(reason)) if reason.contains("joining")));
        let (answer, mut answered) = oneshot::channel();
        assert!(!waiting.begin(RequestNumber(4), &ClusterRequest::Reset { hard: true }, answer));
        assert!(matches!(answered.try_recv(), Ok(Err(reason)) if reason.contains("joining")));
    }
}
