//! What the failure detector asks for while it handles one input, collected to be carried out right after.

use std::time::Duration;

use foca::{Notification, Timer};

use super::identity::Announced;
use super::packet;
use crate::base::NodeId;

/// Emptied after each call. Bounded by what one packet or timer can cause: a few sends for each member.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) sends: Vec<(NodeId, Vec<u8>)>,
    pub(super) timers: Vec<(Duration, Timer<Announced>)>,
    pub(super) defunct: bool,
}

impl foca::Runtime<Announced> for Collected {
    fn notify(&mut self, notification: Notification<'_, Announced>) {
        // Changes of members are found by comparing states, which sees suspicions too.
        if notification == Notification::Defunct {
            self.defunct = true;
        }
    }

    fn send_to(&mut self, to: Announced, data: &[u8]) {
        self.sends.push((to.node(), packet::frame(data)));
    }

    fn submit_after(&mut self, event: Timer<Announced>, after: Duration) {
        self.timers.push((after, event));
    }
}
