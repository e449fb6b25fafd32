//! The words of the node in those of the mesh and of the log, and back.

use tracing::field::display;

use crate::mesh::{CloseReason, DownReason};
use crate::node::{CloseCause, Event, LinkEnd, Severity};

pub(super) fn link_end(reason: DownReason) -> LinkEnd {
    match reason {
        DownReason::ClosedByPeer(CloseReason::Shutdown) => LinkEnd::Goodbye,
        DownReason::ClosedByPeer(CloseReason::Left) => LinkEnd::Left,
        DownReason::ClosedByPeer(CloseReason::Forgotten) => LinkEnd::Forgotten,
        DownReason::ClosedByPeer(CloseReason::Twin(text)) => LinkEnd::Twin(text),
        DownReason::Closed(_) => LinkEnd::Closed,
        other => LinkEnd::Lost(other.to_string()),
    }
}

pub(super) fn close_reason(cause: CloseCause) -> CloseReason {
    match cause {
        CloseCause::Left => CloseReason::Left,
        CloseCause::Forgotten => CloseReason::Forgotten,
        CloseCause::Twin(text) => CloseReason::Twin(text),
        CloseCause::Stranger => CloseReason::Protocol("only CLUSTER MEET makes a member".to_owned()),
        CloseCause::Protocol => CloseReason::Protocol("the peer did not keep to the protocol".to_owned()),
    }
}

pub(super) fn tell(event: &Event) {
    let (name, peer) = (event.name(), event.peer().map(display));
    match event.severity() {
        Severity::Debug => tracing::debug!(target: "discnt::node", event = name, peer, "{event}"),
        Severity::Info => tracing::info!(target: "discnt::node", event = name, peer, "{event}"),
        Severity::Error => tracing::error!(target: "discnt::node", event = name, peer, "{event}"),
        Severity::Warning => tracing::warn!(target: "discnt::node", event = name, peer, "{event}"),
    }
}
