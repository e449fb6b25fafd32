//! Guesses at the token for HTTP: they are held up, noted and counted as wrong passwords are, and apart from those, so that
//! nobody is kept from logging in by them.

use super::accounts::client_info;
use super::audit::{AuditEvent, AuditRecord};
use super::denials::Denial;
use super::{Access, Reason};
use crate::base::Moment;
use crate::command::clients::Clients;
use crate::command::session::ClientAddress;
use std::net::SocketAddr;

/// The only user that there is.
const WHOEVER: &[u8] = b"";
const SUBJECT: &str = "http token";

/// What comes of a token that somebody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenVerdict {
    /// It is let in.
    Right,
    /// It is not.
    Wrong,
    /// It is not looked at: there were too many wrong ones.
    TooOften {
        /// When to try again.
        seconds: u64,
    },
}

impl Access {
    /// Judges a token that came from there, and was found right or not.
    pub fn judge_token(&self, peer: Option<SocketAddr>, is_right: bool, now: Moment) -> TokenVerdict {
        let address = peer.map(|peer| peer.ip());
        let mut throttle = self.token_throttle.lock();
        if let Some(waits) = address.and_then(|address| throttle.wait(address, WHOEVER, now.monotonic)) {
            return TokenVerdict::TooOften { seconds: waits.duration().as_secs() + 1 };
        }
        if is_right {
            if let Some(address) = address {
                throttle.succeeded(address, WHOEVER, now.monotonic);
            }
            return TokenVerdict::Right;
        }
        let has_to_wait = address.and_then(|address| throttle.failed(address, WHOEVER, now.monotonic)).is_some();
        drop(throttle);
        self.token_refused(peer, has_to_wait, now);
        TokenVerdict::Wrong
    }

    #[cold]
    fn token_refused(&self, peer: Option<SocketAddr>, has_to_wait: bool, now: Moment) {
        let remote = peer.map_or_else(String::new, |peer| peer.to_string());
        let address = ClientAddress { remote: remote.clone(), ..ClientAddress::default() };
        // Nobody is connected as this: it is for the line that clients take apart.
        let client = Clients::default().register(address, self.default_account(), now.monotonic);
        let (object, user) = (b"HTTP".to_vec(), Vec::new());
        let client = client_info(&client, now);
        let denial = Denial { reason: Reason::Auth, in_transaction: false, object, user, client };
        self.denials.lock().add(denial, now);
        let record = |event| AuditRecord { event, user: "", peer: &remote, subject: SUBJECT };
        self.note_refusal(record(AuditEvent::LoginRefused), "", now);
        if has_to_wait {
            self.note(record(AuditEvent::LoginThrottled));
        }
    }
}
