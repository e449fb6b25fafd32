//! What an auditor wants to know, as events of the log with the target `audit`, and fields that never change their names.

use crate::command::{AuditRecord, Auditor};

/// Writes to the log.
#[derive(Debug)]
pub(super) struct Log;

impl Auditor for Log {
    fn note(&self, record: AuditRecord<'_>) {
        let AuditRecord { event, user, peer, subject } = record;
        let name = event.name();
        if event.is_refusal() {
            tracing::warn!(target: "audit", event = name, user, peer, subject, "{name}");
        } else {
            tracing::info!(target: "audit", event = name, user, peer, subject, "{name}");
        }
    }
}
