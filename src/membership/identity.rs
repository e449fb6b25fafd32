//! Who a member is, and which of two things said about one member is the later.

use super::MembershipError;
use crate::base::NodeId;

/// The longest host name or address that a node can be told to have, in bytes.
pub const MAX_HOST_BYTES: usize = 255;

/// The highest generation a node may claim. Far beyond any count of starts; leaves room to renew above it.
pub const MAX_GENERATION: u64 = 1 << 62;

/// One member as it presents itself to the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberIdentity {
    /// The node, by its certificate.
    pub node: NodeId,
    /// Grows with each start and with each renewal; of two identities of one node the higher generation holds.
    pub generation: u64,
    /// Host name or address for clients and for the mesh; empty means "as you see me".
    pub host: String,
    /// TCP port for clients.
    pub client_port: u16,
    /// UDP port of the mesh.
    pub mesh_port: u16,
}

impl MemberIdentity {
    /// Whether other nodes will accept this identity.
    ///
    /// # Errors
    /// [`MembershipError::Host`] or [`MembershipError::Generation`].
    pub fn check(&self) -> Result<(), MembershipError> {
        if !is_host(&self.host) {
            return Err(MembershipError::Host(self.host.clone()));
        }
        if self.generation > MAX_GENERATION {
            return Err(MembershipError::Generation(self.generation));
        }
        Ok(())
    }
}

/// Empty, or something that can be shown on one line of `CLUSTER NODES` and in a log without escaping.
pub fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:_%[]".contains(&byte);
    text.len() <= MAX_HOST_BYTES && text.bytes().all(allowed)
}

/// An identity as it travels: with whether its node has said goodbye.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Announced {
    pub(super) identity: MemberIdentity,
    pub(super) leaving: bool,
}

impl Announced {
    pub(super) fn present(identity: MemberIdentity) -> Self {
        Self { identity, leaving: false }
    }

    /// A stand-in for a node of which only the id is known yet; any true identity replaces it.
    pub(super) fn unknown(node: NodeId) -> Self {
        Self::present(MemberIdentity { node, generation: 0, host: String::new(), client_port: 0, mesh_port: 0 })
    }

    pub(super) fn node(&self) -> NodeId {
        self.identity.node
    }

    pub(super) fn with_generation(&self, generation: u64) -> Self {
        let mut renewed = self.clone();
        renewed.identity.generation = generation;
        renewed
    }

    /// A total order, so that all nodes keep the same one of two identities even if both claim one generation.
    /// A goodbye is later than what the same generation said before it.
    fn precedence(&self) -> (u64, bool, &str, u16, u16) {
        let MemberIdentity { node: _, generation, host, client_port, mesh_port } = &self.identity;
        (*generation, self.leaving, host, *client_port, *mesh_port)
    }
}

impl foca::Identity for Announced {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        let generation = self.identity.generation + 1;
        (generation <= MAX_GENERATION).then(|| self.with_generation(generation))
    }

    fn addr(&self) -> NodeId {
        self.identity.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.precedence() > adversary.precedence()
    }
}

#[cfg(test)]
mod tests {
    use foca::Identity;

    use super::*;

    fn announced(generation: u64, host: &str, leaving: bool) -> Announced {
        let mut announced = Announced::unknown(NodeId::new([7; 20])).with_generation(generation);
        announced.identity.host = host.into();
        announced.leaving = leaving;
        announced
    }

    #[test]
    fn the_later_generation_holds_and_a_goodbye_beats_only_its_own() {
        assert!(announced(2, "a", false).win_addr_conflict(&announced(1, "b", true)));
        assert!(announced(1, "a", true).win_addr_conflict(&announced(1, "b", false)));
        assert!(!announced(1, "a", true).win_addr_conflict(&announced(2, "a", false)));
    }

    #[test]
    fn of_two_identities_of_one_generation_exactly_one_holds() {
        let (a, b) = (announced(1, "a", false), announced(1, "b", false));
        assert!(b.win_addr_conflict(&a) && !a.win_addr_conflict(&b));
    }

    #[test]
    fn a_renewed_identity_wins_and_the_last_generation_cannot_renew() {
        let old = announced(4, "a", false);
        let new = old.renew().expect("far below the highest generation");
        assert!(new.win_addr_conflict(&old));
        assert_eq!(new.identity.generation, 5);
        assert_eq!(announced(MAX_GENERATION, "a", false).renew(), None);
    }

    #[test]
    fn hosts_that_would_break_a_line_are_refused() {
        for host in ["", "127.0.0.1", "::1", "fe80::1%eth0", "node-1.example_net"] {
            assert_eq!(announced(1, host, false).identity.check(), Ok(()), "{host}");
        }
        for host in ["a b", "a\nb", "a,b", "é", "a@b", &"h".repeat(256)] {
            assert_eq!(announced(1, host, false).identity.check(), Err(MembershipError::Host(host.into())));
        }
        assert_eq!(announced(u64::MAX, "a", false).identity.check(), Err(MembershipError::Generation(u64::MAX)));
    }
}
