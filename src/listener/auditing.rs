//! What sessions do that an auditor wants to know, and that is known to have been done only once it was waited for.

use super::commands::Commands;
use crate::base::Moment;
use crate::command::{self, AuditEvent, AuditRecord, ClusterRequest};
use crate::resp::Reply;
use std::time::Duration;

/// How long a backup waits for the data directory to take down that there is one. A disk that is only slow is quicker.
const BACKUP_PATIENCE: Duration = Duration::from_secs(20);

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
        let is_backup = matches!(request, ClusterRequest::BeginBackup);
        let reply = tokio::select! {
            biased;
            reply = self.change_cluster(request) => reply,
            () = tokio::time::sleep(BACKUP_PATIENCE), if is_backup => command::answer(Err(self.no_backup())),
        };
        if let (Some((event, subject)), Reply::Simple(_)) = (noted, &reply) {
            self.note(session, event, &subject);
        }
        reply
    }

    /// Why a backup is not begun. What is restored could be counted twice if this node did not know after a crash that it was copied.
    fn no_backup(&self) -> String {
        let failure = self.environment().persistence.failure();
        let why = failure.map_or_else(String::new, |failure| format!(" ({failure})"));
        let seconds = BACKUP_PATIENCE.as_secs();
        format!(
            "no backup was made: that there is one has to be written in the data directory first, and that took nothing for {seconds} s{why}; \
             `discnt-cli export` needs no disk of the server"
        )
    }

    /// Has it written down that somebody did something.
    pub(super) fn note(&self, session: &command::Session, event: AuditEvent, subject: &str) {
        let account = session.client().account();
        let record = AuditRecord { event, user: account.name(), peer: session.client().remote(), subject };
        self.environment().settings.access.note(record);
    }
}
