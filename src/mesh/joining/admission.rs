//! A node that joins a cluster lets nobody join itself meanwhile: its authority is about to be another.

use crate::base::NodeId;
use std::time::Duration;
use tokio::time::Instant;

/// For so long somebody who was certified is waited for.
const ARRIVAL_TAKES: Duration = Duration::from_secs(10);
/// What those are told who want something of a node that joins.
pub(super) const JOINING: &str = "this node is joining a cluster itself with a token: try again when it has";

/// Whether this node takes others in, or is being taken in.
#[derive(Debug, Default)]
pub(super) struct Admission {
    is_joining: bool,
    /// Who was certified last and is not linked yet.
    expected: Option<(NodeId, Instant)>,
}

impl Admission {
    pub(super) const fn is_joining(&self) -> bool {
        self.is_joining
    }

    /// This node begins to join a cluster.
    pub(super) fn begin(&mut self, now: Instant) -> Result<(), String> {
        if self.is_joining {
            return Err(JOINING.into());
        }
        if let Some((node, since)) = self.expected
            && now.saturating_duration_since(since) < ARRIVAL_TAKES
        {
            return Err(format!(
                "node {node} has just joined this one, and is about to meet it: try again in 10 seconds"
            ));
        }
        self.is_joining = true;
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.is_joining = false;
    }

    /// A node with an invitation is about to be certified.
    pub(super) fn expect(&mut self, node: NodeId, now: Instant) -> Result<(), String> {
        if self.is_joining {
            return Err(JOINING.into());
        }
        self.expected = Some((node, now));
        Ok(())
    }

    /// A node is linked, or was not certified after all.
    pub(super) fn settled(&mut self, node: NodeId) {
        self.expected.take_if(|(expected, _)| *expected == node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_certified_by_a_node_that_joins_and_none_joins_that_has_just_certified_somebody() {
        let (mut admission, now, node) = (Admission::default(), Instant::now(), NodeId::new([1; 20]));
        admission.begin(now).expect("nobody is expected");
        assert!(admission.is_joining() && admission.begin(now).is_err() && admission.expect(node, now).is_err());
        admission.end();
        admission.expect(node, now).expect("it joins no more");
        assert!(admission.begin(now).is_err_and(|reason| reason.contains("just joined")));
        admission.settled(NodeId::new([2; 20]));
        assert!(admission.begin(now).is_err());
        admission.settled(node);
        admission.begin(now).expect("it is linked");
        admission.end();
        admission.expect(node, now).expect("it joins no more");
        admission.begin(now + ARRIVAL_TAKES).expect("it does not come any more");
    }
}
