//! Why a connection did not come to stand, in words for people.

use super::error::DialError;
use super::event::CloseReason;
use quinn::ConnectionError;
use std::net::SocketAddr;

/// What ended a connection before it was a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// This node does not accept the other: "its certificate ...".
    NotAccepted(String),
    /// The other does not accept this node: "this node's certificate ...".
    Refused(String),
    /// The other closed it on purpose.
    ClosedByPeer(CloseReason),
    /// This node closed it on purpose.
    ClosedHere,
    /// Nothing came.
    NoAnswer,
    /// It broke.
    Lost(String),
}

/// The codes of TLS alerts within QUIC's transport errors (RFC 9001, section 4.8).
const FIRST_ALERT_CODE: u64 = 0x100;
const LAST_ALERT_CODE: u64 = 0x1ff;
/// QUIC's code for a server that takes no connection now.
const CONNECTION_REFUSED: u64 = 0x2;

impl Failure {
    /// Sorts what the transport says.
    pub(super) fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::TransportError(local) => {
                let code = u64::from(local.code);
                match alert(code) {
                    Some(alert) => Self::NotAccepted(alert_text(alert, "its", &local.reason)),
                    None => Self::Lost(error.to_string()),
                }
            }
            ConnectionError::ConnectionClosed(remote) => {
                let code = u64::from(remote.error_code);
                let text = String::from_utf8_lossy(&remote.reason);
                match alert(code) {
                    Some(alert) => Self::Refused(alert_text(alert, "this node's", &text)),
                    None if code == CONNECTION_REFUSED => Self::Refused("it takes no connections for now".into()),
                    None => Self::Lost(error.to_string()),
                }
            }
            ConnectionError::ApplicationClosed(close) => {
                Self::ClosedByPeer(CloseReason::from_wire(close.error_code.into_inner(), &close.reason))
            }
            ConnectionError::VersionMismatch => {
                Self::Refused("it speaks no version of QUIC that this node knows".into())
            }
            ConnectionError::TimedOut => Self::NoAnswer,
            ConnectionError::LocallyClosed => Self::ClosedHere,
            ConnectionError::Reset => Self::Lost("the peer restarted".into()),
            ConnectionError::CidsExhausted => Self::Lost(error.to_string()),
        }
    }

    /// The words for whoever was refused or refused us, unless it is everyday business.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::NotAccepted(reason) => Some(reason.clone()),
            Self::Refused(reason) => Some(format!("it refused this node: {reason}")),
            Self::NoAnswer => Some("it did not finish the handshake in time".into()),
            // Code 0 is what a dialler leaves behind that got through on another address.
            Self::ClosedByPeer(reason @ (CloseReason::Protocol(_) | CloseReason::Unknown { code: 1.., .. })) => {
                Some(format!("it closed the connection: {reason}"))
            }
            Self::ClosedByPeer(_) | Self::ClosedHere | Self::Lost(_) => None,
        }
    }

    /// The error of a dial that ended so.
    pub(super) fn into_dial_error(self, address: SocketAddr, hint: &str) -> DialError {
        match self {
            Self::NotAccepted(reason) => DialError::NotAccepted { address, reason },
            Self::Refused(reason) => DialError::Refused { address, reason },
            Self::ClosedByPeer(CloseReason::SelfConnection) => DialError::SelfConnection { address },
            Self::ClosedByPeer(reason) => DialError::Refused { address, reason: reason.to_string() },
            Self::ClosedHere => DialError::Closing,
            Self::NoAnswer => DialError::NoAnswer { address, hint: hint.to_owned() },
            Self::Lost(reason) => DialError::Lost { address, reason },
        }
    }
}

fn alert(code: u64) -> Option<u8> {
    (FIRST_ALERT_CODE..=LAST_ALERT_CODE).contains(&code).then(|| (code - FIRST_ALERT_CODE) as u8)
}

/// The alerts of TLS (RFC 8446, section 6) that a node can cause; `whose` is "its" or "this node's".
fn alert_text(alert: u8, whose: &str, detail: &str) -> String {
    match alert {
        // A signature that does not verify is what an authority of the same name gives.
        48 | 51 => format!("{whose} certificate is of another authority"),
        45 => format!("{whose} certificate has expired or is not valid yet, or a clock is wrong"),
        44 => format!("{whose} key was barred from the cluster for good"),
        42 | 43 | 46 => format!("{whose} certificate is not one of a node"),
        116 if whose == "its" => "it presented no certificate".into(),
        116 => "it asks for a certificate and got none".into(),
        120 => "it does not speak discnt/1".into(),
        other => {
            let detail: String = detail.chars().filter(|c| !c.is_control()).take(200).collect();
            format!("the TLS handshake failed with alert {other} ({detail})")
        }
    }
}
