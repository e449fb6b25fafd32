//! Looking after the node's certificate, and letting others join: what takes a network or a disk, beside the loop.

mod inviting;
mod looking;

use super::meetings::Meetings;
use super::run::{ClusterCall, DriverParts, NodeCall};
use crate::base::NodeId;
use crate::command::{ClusterRequest, IdentityRequest};
use crate::mesh::{Config as MeshConfig, Identity, Joined, Mesh, OpenedIdentity, Token, remember_to_meet};
use crate::node::{ClusterState, LinkView, MemberView};
use crate::storage::DataDirectory;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, oneshot};

const DAY_SECONDS: u64 = 86_400;

/// Who has asked for something, for whoever reads the log of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// The name of the user; empty where it was no client.
    pub user: String,
    /// The other end of the connection, or what it was that asked.
    pub peer: String,
}

/// A request about certificates.
#[derive(Debug)]
pub struct IdentityCall {
    /// Who wants it.
    pub requester: Requester,
    /// What is wanted.
    pub request: IdentityRequest,
    /// What was done, in words; dropped when the node stops first.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// What looks after the certificate. Clones are the same.
#[derive(Clone)]
pub(super) struct Care(Arc<Inner>);

struct Inner {
    mesh: Mesh,
    config: MeshConfig,
    directory: Arc<DataDirectory>,
    state: Arc<ClusterState>,
    node_calls: mpsc::Sender<NodeCall>,
    meetings: Meetings,
    current: Mutex<Identity>,
    /// Held by whoever changes files: one at a time.
    turn: tokio::sync::Mutex<()>,
    look: Notify,
}

impl Care {
    /// Begins, if there is an identity to look after.
    pub(super) fn begin(parts: &DriverParts, node_calls: mpsc::Sender<NodeCall>, meetings: Meetings) -> Option<Self> {
        let identity = parts.identity.clone()?;
        let care = Self(Arc::new(Inner {
            mesh: parts.mesh.clone(),
            config: parts.mesh_config.clone(),
            directory: Arc::clone(&parts.directory),
            state: parts.node.state(),
            node_calls,
            meetings,
            current: Mutex::new(identity.clone()),
            turn: tokio::sync::Mutex::new(()),
            look: Notify::new(),
        }));
        care.0.show(&identity);
        if let Err(error) = care.0.mesh.open_office(care.0.directory.path()) {
            tracing::error!(
                "nobody can join through this node, and it renews no other node's certificate, until that is put right and it is started again: {error}"
            );
        }
        Some(care)
    }

    /// The tasks that go on for as long as the node does.
    pub(super) fn start(&self) {
        let (looking, meeting) = (Arc::clone(&self.0), Arc::clone(&self.0));
        tokio::spawn(async move { looking.look_after().await });
        tokio::spawn(async move { meeting.meet_remembered().await });
    }

    /// The node has another identity, as CLUSTER RESET HARD gives it one.
    pub(super) fn replaced(&self, identity: &Identity) {
        self.0.show(identity);
        *self.0.current.lock() = identity.clone();
    }

    /// The node leaves its cluster, and is not to meet it again by itself.
    pub(super) fn leaving(&self) {
        if let Err(error) = remember_to_meet(self.0.directory.path(), &[]) {
            tracing::warn!("the next start may meet the cluster again that this node leaves: {error}");
        }
    }

    /// Whether CLUSTER RESET HARD can give the node a new identity: looked at before it leaves its cluster for that.
    pub(super) fn check_renewable(&self) -> Result<(), String> {
        let checked = Identity::check_renewable(&self.0.config, self.0.directory.path());
        checked.map_err(|error| format!("{error}; this node has left nothing"))
    }

    /// Somebody has told of an authority.
    pub(super) fn look_now(&self) {
        self.0.look.notify_one();
    }

    /// A link stands: whoever was away may not have heard of a new authority.
    pub(super) fn linked(&self, peer: NodeId) {
        if self.0.current.lock().has_news() {
            let inner = Arc::clone(&self.0);
            tokio::spawn(async move { inner.tell_of_authority(peer).await });
        }
    }

    /// Does what was asked for, and answers when it is done.
    pub(super) fn take(&self, call: IdentityCall) {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let result = inner.perform(call.request, &call.requester).await;
            // A client that has gone needs no answer.
            let _ = call.answer.send(result);
        });
    }
}

impl Inner {
    async fn perform(self: &Arc<Self>, request: IdentityRequest, by: &Requester) -> Result<String, String> {
        match request {
            IdentityRequest::Invite { uses, lifetime, address } => self.invite(uses, lifetime, address, by).await,
            IdentityRequest::Invitations => Ok(self.list_invitations()),
            IdentityRequest::Uninvite { name } => self.uninvite(name, by).await,
            IdentityRequest::Join { token } => {
                let token = Token::parse(token.reveal()).map_err(|error| error.to_string())?;
                self.join(token, by).await
            }
            IdentityRequest::Rotate => self.rotate(by).await,
            IdentityRequest::RotateAuthority => self.rotate_authority(by).await,
            IdentityRequest::Reread => self.reread(by).await,
        }
    }

    async fn join(self: &Arc<Self>, token: Token, by: &Requester) -> Result<String, String> {
        // Until the member is met: whoever joins next must see it.
        let _turn = self.turn.lock().await;
        let joining = self.meetings.begin_joining()?;
        self.check_alone()?;
        let closed = self.mesh.begin_joining()?;
        let certified = Identity::ask_to_join(&self.config, self.directory.path(), &token, false).await;
        let certified = certified.map_err(|error| error.to_string())?;
        // A greeting may have been under way.
        self.check_alone()?;
        let inner = Arc::clone(self);
        let joined = blocking(move || certified.keep(&inner.config, inner.directory.path())).await?;
        let Joined { opened, member: (host, port) } = joined.map_err(|error| error.to_string())?;
        let node = opened.identity.id;
        let Requester { user, peer } = by;
        tracing::info!(target: "audit", event = "joined", user, peer, %node, host, port, "certified by the member at {host} port {port}");
        self.adopt(opened).await?;
        drop((joining, closed));
        let met = self.meet(host.clone(), port).await;
        met.map_err(|reason| {
            format!("this node has its certificate, but could not meet {host} port {port}: {reason}; say CLUSTER MEET")
        })?;
        Ok(format!(
            "joined by way of {host} port {port}: this node is still {node}, and what it had counted is added up with the cluster's"
        ))
    }

    /// Whether this node is the only one of its cluster.
    fn check_alone(&self) -> Result<(), String> {
        match self.state.view().members.iter().filter(|member| !member.myself).count() {
            0 => Ok(()),
            others => Err(format!(
                "this node is in a cluster with {others} other members: CLUSTER RESET has it leave that, then it can join another"
            )),
        }
    }

    async fn meet(&self, host: String, port: u16) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let call = NodeCall::Change(ClusterCall { request: ClusterRequest::Meet { host, port }, answer });
        let stopping = || "the node is stopping".to_owned();
        self.node_calls.send(call).await.map_err(|_| stopping())?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    async fn rotate(self: &Arc<Self>, Requester { user, peer }: &Requester) -> Result<String, String> {
        let _turn = self.turn.lock().await;
        let opened = if self.is_configured() { self.open().await? } else { self.renew().await? };
        let days = days_left(opened.identity.expires_seconds());
        let node = opened.identity.id;
        self.adopt(opened).await?;
        tracing::info!(target: "audit", event = "certificate_rotated", user, peer, %node, days, "the node's certificate was made anew");
        Ok(format!(
            "the certificate of {node} is good for {days} days; its key and its id are as they were, and links stay"
        ))
    }

    /// A new certificate from the node's own hands, or from a member's.
    async fn renew(self: &Arc<Self>) -> Result<OpenedIdentity, String> {
        let inner = Arc::clone(self);
        let certify = move || {
            inner.refuse_lost_authorities()?;
            Identity::certify_oneself(&inner.config, inner.directory.path()).map_err(|error| error.to_string())
        };
        if let Some(opened) = blocking(certify).await?? {
            return Ok(opened);
        }
        let current = self.current.lock().clone();
        let renewed = current.renew_from(&self.mesh, &self.config, self.directory.path(), &self.members()).await;
        renewed.map_err(|error| format!("no member could renew this node's certificate: {error}"))
    }

    async fn rotate_authority(self: &Arc<Self>, Requester { user, peer }: &Requester) -> Result<String, String> {
        let _turn = self.turn.lock().await;
        let inner = Arc::clone(self);
        let replace = move || {
            inner.refuse_lost_authorities()?;
            Identity::replace_authority(&inner.config, inner.directory.path())
        };
        let opened = blocking(replace).await??;
        self.adopt(opened).await?;
        tracing::info!(target: "audit", event = "authority_rotated", user, peer, "a new authority took the place of the cluster's");
        let (current, members) = (self.current.lock().clone(), self.members());
        let told = current.tell_authorities(&self.mesh, &members).await;
        let failures = told.map_err(|error| error.to_string())?;
        let mut text = format!(
            "a new authority took the place of the old; both are trusted for 30 days. {} of {} members were told",
            members.len() - failures.len(),
            members.len()
        );
        for failure in failures {
            text += &format!("; {failure}");
        }
        Ok(text)
    }

    async fn reread(self: &Arc<Self>, Requester { user, peer }: &Requester) -> Result<String, String> {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                tracing::info!(
                    "the node's certificate is just being made, as in joining a cluster: its files are read again when that is done"
                );
                self.turn.lock().await
            }
        };
        let opened = self.open().await?;
        let days = days_left(opened.identity.expires_seconds());
        if opened.identity.is_same_as(&self.current.lock()) {
            return Ok(format!("the certificates are as they were, and good for {days} days"));
        }
        self.adopt(opened).await?;
        tracing::info!(target: "audit", event = "certificate_reread", user, peer, days, "read the node's certificates again");
        Ok(format!("read the certificates again; they are good for {days} days"))
    }

    async fn open(self: &Arc<Self>) -> Result<OpenedIdentity, String> {
        let inner = Arc::clone(self);
        let open = move || {
            inner.refuse_lost_authorities()?;
            Identity::open(&inner.config, inner.directory.path()).map_err(|error| error.to_string())
        };
        let opened = blocking(open).await??;
        let id = self.mesh.id();
        if opened.identity.id != id {
            return Err(format!(
                "the key there is that of another node ({}), and this one is {id}: give it back its own key, or start it anew as that node; nothing was changed",
                opened.identity.id
            ));
        }
        Ok(opened)
    }

    /// What is known of the cluster's authorities may have gone from the disk.
    fn refuse_lost_authorities(&self) -> Result<(), String> {
        match self.directory.load_members().map_err(|error| error.to_string())?.is_empty() {
            true => Ok(()),
            false => Identity::refuse_lost_authorities(&self.config, self.directory.path())
                .map_err(|error| error.to_string()),
        }
    }

    /// The node goes by this from now on, without closing a link.
    async fn adopt(&self, opened: OpenedIdentity) -> Result<(), String> {
        self.mesh.replace_certificate(&opened.identity).map_err(|error| error.to_string())?;
        self.show(&opened.identity);
        *self.current.lock() = opened.identity;
        Ok(())
    }

    fn show(&self, identity: &Identity) {
        self.state.certificate_ends.store(identity.expires_seconds(), Ordering::Relaxed);
        self.state.authorities_end.store(identity.authorities_expire_seconds(), Ordering::Relaxed);
    }

    fn is_configured(&self) -> bool {
        self.config.certificate_files().is_ok_and(|files| files.is_some())
    }

    fn linked_members(&self) -> Vec<MemberView> {
        let view = self.state.view();
        view.members.iter().filter(|member| member.link == LinkView::Linked).cloned().collect()
    }

    /// Where linked members are.
    fn members(&self) -> Vec<(String, u16)> {
        self.linked_members().into_iter().map(|member| (member.host, member.mesh_port)).collect()
    }
}

/// Keys that were banned, by the word of the whole cluster.
pub(super) fn banned(admissions: &[crate::membership::Admission]) -> std::collections::BTreeSet<NodeId> {
    admissions.iter().filter(|admission| admission.banned).map(|admission| admission.node).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|_| "it ended with a panic, see the log".to_owned())
}

fn days_left(end_seconds: u64) -> u64 {
    // A clock before 1970 has no seconds since then.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    end_seconds.saturating_sub(now) / DAY_SECONDS
}
