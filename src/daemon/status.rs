//! What the service manager shows of a server that serves, in one line.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::manager;
use crate::counter::Table;
use crate::node::{ClusterState, ClusterView, LinkView};

/// How often it is looked whether the members are as they were told.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Counters change all the time: so often at most they are a reason to tell again.
const COUNTERS_INTERVAL: Duration = Duration::from_secs(60);

/// What the line is made of.
#[derive(Default)]
pub(super) struct Status {
    node: OnceLock<(Arc<Table>, Arc<ClusterState>)>,
    /// Why the last reload was refused, if it was.
    refusal: Mutex<Option<String>>,
}

impl Status {
    /// The node is there.
    pub(super) fn begin(&self, table: Arc<Table>, state: Arc<ClusterState>) {
        // There is one node.
        let _ = self.node.set((table, state));
    }

    /// The configuration was read again, or was refused for this reason.
    pub(super) fn reloaded(&self, refusal: Option<String>) {
        *self.refusal.lock() = refusal;
    }

    /// The line as of now.
    pub(super) fn line(&self) -> String {
        let (counters, members) = match self.node.get() {
            Some((table, state)) => (table.len(), members(&state.view())),
            None => (0, String::new()),
        };
        words(counters, &members, self.refusal.lock().as_deref())
    }

    /// Tells the line whenever there is news, for ever. To be begun when the server serves.
    pub(super) async fn keep_telling(&self) {
        let (mut told, mut told_at) = (String::new(), None::<Instant>);
        loop {
            // First a pause: the manager is told how much was loaded, too.
            tokio::time::sleep(LOOK_INTERVAL).await;
            if let Some((_, state)) = self.node.get() {
                let members = members(&state.view());
                if told != members || told_at.is_none_or(|at| at.elapsed() >= COUNTERS_INTERVAL) {
                    manager::tell_status(&self.line());
                    (told, told_at) = (members, Some(Instant::now()));
                }
            }
        }
    }
}

fn members(view: &ClusterView) -> String {
    let others = || view.members.iter().filter(|member| !member.myself);
    let linked = others().filter(|member| member.link == LinkView::Linked).count();
    match (others().count(), linked) {
        (0, _) => "no other members".to_owned(),
        (all, linked) if all == linked => format!("all {all} other members linked"),
        (all, linked) => format!("{linked} of {all} other members linked"),
    }
}

fn words(counters: u64, members: &str, refusal: Option<&str>) -> String {
    let line = format!("serving {counters} counters; {members}");
    match refusal {
        None => line,
        // One line, as the manager takes no more.
        Some(refusal) => {
            let refusal: Vec<&str> = refusal.split_whitespace().collect();
            format!("{line}; NOT RELOADED: {}", refusal.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeId;
    use crate::node::MemberView;

    #[test]
    fn members_that_are_not_linked_are_seen() {
        let member = |at: u8| MemberView::myself(NodeId::new([at; 20]), String::new(), 1, 1);
        let other = |at, link| MemberView { myself: false, link, ..member(at) };
        let view = |others: Vec<MemberView>| {
            let members = std::iter::once(member(0)).chain(others).collect();
            super::members(&ClusterView { members, ..ClusterView::default() })
        };
        assert_eq!(view(vec![]), "no other members");
        assert_eq!(view(vec![other(1, LinkView::Linked), other(2, LinkView::Linked)]), "all 2 other members linked");
        assert_eq!(
            view(vec![other(1, LinkView::Linked), other(2, LinkView::Handshake)]),
            "1 of 2 other members linked"
        );
    }

    #[test]
    fn a_refusal_stays_in_the_line_and_is_one_line() {
        let line = words(3, "no other members", Some("not valid:\n  a.toml, line 2: no"));
        assert_eq!(line, "serving 3 counters; no other members; NOT RELOADED: not valid: a.toml, line 2: no");
        let status = Status::default();
        status.reloaded(Some("why".to_owned()));
        assert!(status.line().contains("NOT RELOADED: why"));
        status.reloaded(None);
        assert!(!status.line().contains("why"));
    }
}
