//! The words of the node in those of the mesh and of the log, and back.

use tracing::field::display;

use crate::mesh::{CloseReason, DownReason, LinkFigures};
use crate::node::{CloseCause, ClusterView, Event, LinkCounts, LinkEnd, Severity};

pub(super) fn link_end(reason: DownReason) -> LinkEnd {
    match reason {
        DownReason::ClosedByPeer(CloseReason::Shutdown) => LinkEnd::Goodbye,
        DownReason::ClosedByPeer(CloseReason::Left) => LinkEnd::Left,
        DownReason::ClosedByPeer(CloseReason::Forgotten) => LinkEnd::Forgotten,
        DownReason::ClosedByPeer(CloseReason::Twin(text)) => LinkEnd::Twin(text),
        DownReason::ClosedByPeer(CloseReason::Anew(text)) => LinkEnd::Anew(text),
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
        CloseCause::Anew(text) => CloseReason::Anew(text.to_owned()),
        CloseCause::Full => CloseReason::TooManyLinks,
    }
}

pub(super) fn link_counts(figures: LinkFigures) -> LinkCounts {
    LinkCounts {
        datagrams_sent: figures.datagrams_sent,
        datagrams_received: figures.datagrams_received,
        packets_lost: figures.packets_lost,
        bytes_sent: figures.bytes_sent,
        bytes_received: figures.bytes_received,
    }
}

/// Into the log, with what the node that it is about is called.
pub(super) fn tell(event: &Event, view: &ClusterView) {
    let (name, peer) = (event.name(), event.peer().map(display));
    let member = event.peer().and_then(|peer| view.members.iter().find(|member| member.id == peer));
    let called = member.and_then(|member| member.labels.name.as_deref());
    match event.severity() {
        Severity::Debug => tracing::debug!(target: "discnt::node", event = name, peer, called, "{event}"),
        Severity::Info => tracing::info!(target: "discnt::node", event = name, peer, called, "{event}"),
        Severity::Error => tracing::error!(target: "discnt::node", event = name, peer, called, "{event}"),
        Severity::Warning => tracing::warn!(target: "discnt::node", event = name, peer, called, "{event}"),
    }
}
