//! What sessions do that an auditor wants to know, and that is known to have been done only once it was waited for.

use super::commands::Commands;
use crate::base::Moment;
use crate::command::{self, AuditEvent, AuditRecord, ClusterRequest};
use crate::resp::Reply;

impl<C: Fn() -> Moment + Send + Sync + 'static> Commands<C> {
    /// Changes the cluster, and has it written down.
    pub(super) async fn change_cluster_for(&self, session: &command::Session, request: ClusterRequest) -> Reply {
        let noted = match &request {
            ClusterRequest::Meet { host, port } => Some((AuditEvent::MemberJoined, format!("{host}:{port}"))),
            ClusterRequest::Forget { node, ban: false } => Some((AuditEvent::MemberForgotten, node.to_string())),
            ClusterRequest::Forget { node, ban: true } => Some((AuditEvent::MemberBanned, node.to_string())),
            ClusterRequest::Reset { hard } => {
                let how = if *hard { "hard" } else { "soft" };
                Some((AuditEvent::ClusterReset, how.to_owned()))
            }
            ClusterRequest::BeginBackup => None,
        };
        let reply = self.change_cluster(request).await;
        if let (Some((event, subject)), Reply::Simple(_)) = (noted, &reply) {
            self.note(session, event, &subject);
        }
        reply
    }

    /// Has it written down that somebody did something.
    pub(super) fn note(&self, session: &command::Session, event: AuditEvent, subject: &str) {
        let account = session.client().account();
        let record = AuditRecord { event, user: account.name(), peer: session.client().remote(), subject };
        self.environment().settings.access.note(record);
    }
}
