//! Room for datagrams on links that send only once this thread does something else.
//!
//! A flush that comes late has more to say than a link takes in at once, and what is dropped is seen by the peer only after the next digest.
//! So a turn makes way for the links' own work where one is full: for a few looks, and for a few milliseconds in all. A link that
//! stays full is as slow as it is, and must never hold up the others.

use crate::base::NodeId;
use crate::mesh::{Mesh, SendError};
use std::time::Duration;
use tokio::time::Instant;

/// What one turn waits at most for links to send what fills them.
const LONGEST_WAIT: Duration = Duration::from_millis(5);
/// A link that has no more room after so many looks is not waited for again in this turn.
const LOOKS: usize = 4;

/// What one turn may still wait for.
pub(super) struct Room {
    until: Instant,
    full: Vec<NodeId>,
}

impl Room {
    /// At the beginning of a turn.
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + LONGEST_WAIT, full: Vec::new() }
    }

    /// Sends a datagram, or waits for room and sends it then. Answers whether it is on its way; else it is dropped.
    pub(super) async fn send(&mut self, mesh: &Mesh, to: NodeId, bytes: bytes::Bytes) -> bool {
        for look in 0.. {
            match mesh.send_datagram(to, bytes.clone()) {
                Err(SendError::Full(_)) if self.full.contains(&to) || Instant::now() >= self.until => break,
                Err(SendError::Full(_)) if look == LOOKS => {
                    self.full.push(to);
                    break;
                }
                Err(SendError::Full(_)) => tokio::task::yield_now().await,
                sent => return sent.is_ok(),
            }
        }
        false
    }
}
