//! Invitations, and who makes them where this node cannot.

use super::{Inner, Requester, blocking};
use crate::mesh::{Identity, Invitation, OpenInvitation};
use crate::node::MemberView;
use std::sync::Arc;
use std::time::Duration;

/// For so long members are asked who holds the authority's key.
const ASKING_MAY_TAKE: Duration = Duration::from_secs(3);

impl Inner {
    pub(super) async fn invite(
        self: &Arc<Self>,
        uses: u32,
        lifetime: Duration,
        address: Option<(String, u16)>,
        Requester { user, peer }: &Requester,
    ) -> Result<String, String> {
        let addresses = address.map_or_else(|| self.own_addresses(), |address| vec![address]);
        let inner = Arc::clone(self);
        let invitation = Invitation { uses, lifetime, addresses };
        let token = match blocking(move || inner.mesh.invite(&invitation)).await? {
            Ok(token) => token,
            Err(reason) => return Err(self.with_who_can(reason).await),
        };
        let expires = token.expires;
        tracing::info!(target: "audit", event = "invitation_made", user, peer, uses, expires, "made an invitation for {uses} nodes");
        Ok(token.text())
    }

    /// Why this node invites nobody, and who does, if it is for the want of the authority's key.
    async fn with_who_can(self: &Arc<Self>, reason: String) -> String {
        let inner = Arc::clone(self);
        let issues = blocking(move || Identity::issues(&inner.config, inner.directory.path())).await;
        if self.is_configured() || issues.unwrap_or(true) {
            return reason;
        }
        let linked = self.linked_members();
        let (current, places) = (self.current.lock().clone(), self.members());
        let asked = tokio::time::timeout(ASKING_MAY_TAKE, current.find_issuer(&self.mesh, &places)).await;
        let place = asked.ok().flatten();
        let holder = linked.iter().find(|member| place.as_ref() == Some(&(member.host.clone(), member.mesh_port)));
        format!("{reason}; {}", who_can(holder))
    }

    /// Where this node is reached. No other member would do, as it alone knows the invitation.
    fn own_addresses(&self) -> Vec<(String, u16)> {
        let view = self.state.view();
        let myself = view.members.iter().find(|member| member.myself);
        let port = self.config.advertised().ok().flatten().map_or(self.mesh.local_address().port(), |(_, port)| port);
        let host = myself.map(|member| member.host.clone()).filter(|host| !host.is_empty());
        let host = host.or_else(|| crate::mesh::own_address().map(|address| address.to_string()));
        host.map(|host| (host, port)).into_iter().collect()
    }

    pub(super) fn list_invitations(&self) -> String {
        let line = |open: &OpenInvitation| format!("{} uses={} expires={}\n", open.name, open.uses_left, open.expires);
        self.mesh.invitations().iter().map(line).collect()
    }

    pub(super) async fn uninvite(
        self: &Arc<Self>,
        name: String,
        Requester { user, peer }: &Requester,
    ) -> Result<String, String> {
        let (inner, asked) = (Arc::clone(self), name.clone());
        match blocking(move || inner.mesh.take_back_invitations(&asked)).await?? {
            0 => Err(format!("no invitation has a name that begins with {name}; CLUSTER INVITATIONS lists them")),
            taken => {
                tracing::info!(target: "audit", event = "invitation_taken_back", user, peer, name, "took back {taken} invitations");
                Ok(format!("took back {taken}"))
            }
        }
    }
}

/// Whom to ask instead, or what to do where nobody is known that holds the key.
fn who_can(holder: Option<&MemberView>) -> String {
    match holder {
        Some(MemberView { id, host, client_port, .. }) => {
            format!("the member {id} does: discnt-cli -h {host} -p {client_port} cluster invite")
        }
        None => "no member that is linked says that it does: ask again when the one with the key is linked, or put ca.key beside ca.crt in [mesh] certs_dir of a member".to_owned(),
    }
}
