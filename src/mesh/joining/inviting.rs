//! Making invitations.

use super::gate::{Gate, now_seconds};
use super::invitations::OpenInvitation;
use super::invited_key::InvitedKey;
use super::token::{MAX_ADDRESSES, SECRET_BYTES, Token};
use crate::mesh::certificate::fingerprint_of;
use crate::mesh::identity::Identity;
use ring::rand::{SecureRandom, SystemRandom};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const MOST_USES: u32 = 1000;

/// What an invitation is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// How many nodes may join with it.
    pub uses: u32,
    /// For how long.
    pub lifetime: Duration,
    /// Where members are: host and UDP port. The first of them is tried first.
    pub addresses: Vec<(String, u16)>,
}

impl Gate {
    /// Makes an invitation. It is on disk when this returns.
    pub(in crate::mesh) fn invite(&self, wanted: &Invitation) -> Result<Token, String> {
        let office = self
            .office()
            .ok_or("this node invites nobody, as its invitations could not be read at its start: its log says why")?;
        if !(1..=MOST_USES).contains(&wanted.uses) {
            return Err(format!("an invitation is for 1 to {MOST_USES} uses"));
        }
        if wanted.lifetime.is_zero() || wanted.lifetime > LONGEST {
            return Err("an invitation is good for 1 second to 30 days".into());
        }
        self.check_not_joining()?;
        let authority = Identity::issuer(&office.config, &office.data_directory)?;
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| "the system gives no random numbers")?;
        let key = InvitedKey::of(&secret).map_err(|error| error.to_string())?;
        let now = now_seconds();
        let expires = now.saturating_add(wanted.lifetime.as_secs().max(1));
        let mut addresses = wanted.addresses.clone();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err("nobody knows where others reach this node: set [mesh] advertise".into());
        }
        office.invitations.add(&key.hash(), wanted.uses, expires, now)?;
        Ok(Token { addresses, fingerprint: fingerprint_of(authority.certificate()), expires, secret })
    }

    /// The invitations that can be used.
    pub(in crate::mesh) fn invitations(&self) -> Vec<OpenInvitation> {
        self.office().map_or_else(Vec::new, |office| office.invitations.open(now_seconds()))
    }

    /// Takes back invitations whose name begins like this.
    pub(in crate::mesh) fn take_back(&self, name: &str) -> Result<usize, String> {
        self.office().map_or(Ok(0), |office| office.invitations.take_back(name))
    }
}

/// Where this machine is seen from outside, for a node that is bound to all addresses and was told of none. Nothing is
/// sent for it.
pub fn own_address() -> Option<IpAddr> {
    // Of a network for documentation, which is reached by the way to everywhere else.
    let outside = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(outside).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
}
