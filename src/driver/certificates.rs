//! Looking after the node's certificate, and letting others join: what takes a network or a disk, beside the loop.

use super::run::{ClusterCall, DriverParts, NodeCall};
use crate::base::NodeId;
use crate::command::{ClusterRequest, IdentityRequest};
use crate::mesh::{
    Config as MeshConfig, Identity, IdentitySource, Invitation, Joined, Mesh, OpenedIdentity, Token, remember_to_meet,
    to_meet,
};
use crate::node::{ClusterState, LinkView, Phase};
use crate::storage::DataDirectory;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, oneshot};

/// How often the certificate is looked at.
const INTERVAL: Duration = Duration::from_secs(3600);
/// The same while it should have been renewed and could not, of which the log tells once in the time above.
const INTERVAL_WHEN_DUE: Duration = Duration::from_secs(15);
/// From so many days before the end on, the log warns once a day.
const WARNED_DAYS: u64 = 30;
const DAY_SECONDS: u64 = 86_400;
/// How long a member that was to be met is left alone, at first and at most.
const PAUSE_BEFORE_MEETING: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const PAUSE_BEFORE_SERVING: Duration = Duration::from_millis(100);
/// So many of these a peer may take to greet.
const GREETING_MAY_TAKE: u32 = 50;

/// A request about certificates.
#[derive(Debug)]
pub struct IdentityCall {
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
    current: Mutex<Identity>,
    /// Held by whoever changes files: one at a time.
    turn: tokio::sync::Mutex<()>,
    look: Notify,
}

impl Care {
    /// Begins, if there is an identity to look after.
    pub(super) fn begin(parts: &DriverParts, node_calls: mpsc::Sender<NodeCall>) -> Option<Self> {
        let identity = parts.identity.clone()?;
        let care = Self(Arc::new(Inner {
            mesh: parts.mesh.clone(),
            config: parts.mesh_config.clone(),
            directory: Arc::clone(&parts.directory),
            state: parts.node.state(),
            node_calls,
            current: Mutex::new(identity.clone()),
            turn: tokio::sync::Mutex::new(()),
            look: Notify::new(),
        }));
        care.0.show(&identity);
        if let Err(error) = care.0.mesh.open_office(care.0.directory.path()) {
            tracing::error!("nobody can join through this node: {error}");
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
            let result = inner.perform(call.request).await;
            // A client that has gone needs no answer.
            let _ = call.answer.send(result);
        });
    }
}

impl Inner {
    async fn perform(self: &Arc<Self>, request: IdentityRequest) -> Result<String, String> {
        match request {
            IdentityRequest::Invite { uses, lifetime, address } => self.invite(uses, lifetime, address).await,
            IdentityRequest::Invitations => Ok(self.list_invitations()),
            IdentityRequest::Uninvite { name } => self.uninvite(name).await,
            IdentityRequest::Join { token } => {
                let token = Token::parse(token.reveal()).map_err(|error| error.to_string())?;
                self.join(token).await
            }
            IdentityRequest::Rotate => self.rotate().await,
            IdentityRequest::RotateAuthority => self.rotate_authority().await,
            IdentityRequest::Reread => self.reread().await,
        }
    }

    async fn invite(
        self: &Arc<Self>,
        uses: u32,
        lifetime: Duration,
        address: Option<(String, u16)>,
    ) -> Result<String, String> {
        let addresses = address.map_or_else(|| self.own_addresses(), |address| vec![address]);
        let inner = Arc::clone(self);
        let invitation = Invitation { uses, lifetime, addresses };
        let token = blocking(move || inner.mesh.invite(&invitation)).await??;
        let expires = token.expires;
        tracing::info!(target: "audit", event = "invitation_made", uses, expires, "made an invitation for {uses} nodes");
        Ok(token.text())
    }

    /// Where this node is reached, then another member or two, should it be away.
    fn own_addresses(&self) -> Vec<(String, u16)> {
        let view = self.state.view();
        let myself = view.members.iter().find(|member| member.myself);
        let port = self.config.advertised().ok().flatten().map_or(self.mesh.local_address().port(), |(_, port)| port);
        let host = myself.map(|member| member.host.clone()).filter(|host| !host.is_empty());
        let host = host.or_else(|| crate::mesh::own_address().map(|address| address.to_string()));
        host.map(|host| (host, port)).into_iter().collect()
    }

    fn list_invitations(&self) -> String {
        let line = |open: &crate::mesh::OpenInvitation| {
            format!("{} uses={} expires={}\n", open.name, open.uses_left, open.expires)
        };
        self.mesh.invitations().iter().map(line).collect()
    }

    async fn uninvite(self: &Arc<Self>, name: String) -> Result<String, String> {
        let (inner, asked) = (Arc::clone(self), name.clone());
        match blocking(move || inner.mesh.take_back_invitations(&asked)).await?? {
            0 => Err(format!("no invitation has a name that begins with {name}; CLUSTER INVITATIONS lists them")),
            taken => {
                tracing::info!(target: "audit", event = "invitation_taken_back", name, "took back {taken} invitations");
                Ok(format!("took back {taken}"))
            }
        }
    }

    async fn join(self: &Arc<Self>, token: Token) -> Result<String, String> {
        let turn = self.turn.lock().await;
        let others = self.state.view().members.iter().filter(|member| !member.myself).count();
        if others > 0 {
            return Err(format!(
                "this node is in a cluster with {others} other members: CLUSTER RESET has it leave that, then it can join another"
            ));
        }
        let joined = Identity::join(&self.config, self.directory.path(), &token, false).await;
        let Joined { opened, member: (host, port) } = joined.map_err(|error| error.to_string())?;
        let node = opened.identity.id;
        tracing::info!(target: "audit", event = "joined", %node, host, port, "certified by the member at {host} port {port}");
        self.adopt(opened).await?;
        drop(turn);
        let met = self.meet(host.clone(), port).await;
        met.map_err(|reason| {
            format!("this node has its certificate, but could not meet {host} port {port}: {reason}; say CLUSTER MEET")
        })?;
        Ok(format!(
            "joined by way of {host} port {port}: this node is still {node}, and what it had counted is added up with the cluster's"
        ))
    }

    async fn meet(&self, host: String, port: u16) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let call = NodeCall::Change(ClusterCall { request: ClusterRequest::Meet { host, port }, answer });
        let stopping = || "the node is stopping".to_owned();
        self.node_calls.send(call).await.map_err(|_| stopping())?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Meets whom the node was to meet when it was certified before it was started.
    async fn meet_remembered(self: Arc<Self>) {
        let members = to_meet(self.directory.path());
        let mut pause = PAUSE_BEFORE_MEETING;
        while !members.is_empty() {
            while self.state.phase() != Phase::Serving {
                tokio::time::sleep(PAUSE_BEFORE_SERVING).await;
            }
            for (host, port) in &members {
                match self.meet(host.clone(), *port).await {
                    Ok(()) => {
                        tracing::info!("met the cluster at {host} port {port}, as this node was to do since it joined");
                        return self.forget_to_meet();
                    }
                    Err(reason) => tracing::warn!("the cluster is still to be met at {host} port {port}: {reason}"),
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn forget_to_meet(&self) {
        if let Err(error) = remember_to_meet(self.directory.path(), &[]) {
            tracing::warn!("the next start will meet the cluster once more: {error}");
        }
    }

    async fn rotate(self: &Arc<Self>) -> Result<String, String> {
        let _turn = self.turn.lock().await;
        let opened = if self.is_configured() { self.open().await? } else { self.renew().await? };
        let days = days_left(opened.identity.expires_seconds());
        let node = opened.identity.id;
        self.adopt(opened).await?;
        tracing::info!(target: "audit", event = "certificate_rotated", %node, days, "the node's certificate was made anew");
        Ok(format!(
            "the certificate of {node} is good for {days} days; its key and its id are as they were, and links stay"
        ))
    }

    /// A new certificate from the node's own hands, or from a member's.
    async fn renew(self: &Arc<Self>) -> Result<OpenedIdentity, String> {
        let inner = Arc::clone(self);
        let own = blocking(move || Identity::certify_oneself(&inner.config, inner.directory.path())).await?;
        if let Some(opened) = own.map_err(|error| error.to_string())? {
            return Ok(opened);
        }
        let current = self.current.lock().clone();
        let renewed = current.renew_from(&self.config, self.directory.path(), &self.members()).await;
        renewed.map_err(|error| format!("no member could renew this node's certificate: {error}"))
    }

    async fn rotate_authority(self: &Arc<Self>) -> Result<String, String> {
        let _turn = self.turn.lock().await;
        let inner = Arc::clone(self);
        let opened = blocking(move || Identity::replace_authority(&inner.config, inner.directory.path())).await??;
        self.adopt(opened).await?;
        tracing::info!(target: "audit", event = "authority_rotated", "a new authority took the place of the cluster's");
        let (current, members) = (self.current.lock().clone(), self.members());
        let told = current.tell_authorities(&members).await;
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

    async fn tell_of_authority(&self, peer: NodeId) {
        for _ in 0..GREETING_MAY_TAKE {
            let view = self.state.view();
            let greeted = view.members.iter().find(|member| member.id == peer && member.link == LinkView::Linked);
            if let Some(member) = greeted {
                let current = self.current.lock().clone();
                let told = current.tell_authorities(&[(member.host.clone(), member.mesh_port)]).await;
                tracing::debug!(%peer, ?told, "told of the authority");
                return;
            }
            tokio::time::sleep(PAUSE_BEFORE_SERVING).await;
        }
    }

    async fn reread(self: &Arc<Self>) -> Result<String, String> {
        let _turn = self.turn.lock().await;
        let opened = self.open().await?;
        let days = days_left(opened.identity.expires_seconds());
        if opened.identity.is_same_as(&self.current.lock()) {
            return Ok(format!("the certificates are as they were, and good for {days} days"));
        }
        self.adopt(opened).await?;
        tracing::info!(target: "audit", event = "certificate_reread", days, "read the node's certificates again");
        Ok(format!("read the certificates again; they are good for {days} days"))
    }

    async fn open(self: &Arc<Self>) -> Result<OpenedIdentity, String> {
        let inner = Arc::clone(self);
        let opened = blocking(move || Identity::open(&inner.config, inner.directory.path())).await?;
        let opened = opened.map_err(|error| error.to_string())?;
        let id = self.mesh.id();
        if opened.identity.id != id {
            return Err(format!(
                "the key there is that of another node ({}), and this one is {id}: give it back its own key, or start it anew as that node; nothing was changed",
                opened.identity.id
            ));
        }
        Ok(opened)
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

    /// Where linked members are.
    fn members(&self) -> Vec<(String, u16)> {
        let view = self.state.view();
        let linked = view.members.iter().filter(|member| member.link == LinkView::Linked);
        linked.map(|member| (member.host.clone(), member.mesh_port)).collect()
    }

    /// Looks at the certificate now and then, for ever.
    async fn look_after(self: Arc<Self>) {
        let (mut warned_at, mut told_at) = (None, None);
        loop {
            while self.state.phase() != Phase::Serving {
                tokio::time::sleep(PAUSE_BEFORE_SERVING).await;
            }
            let interval = match self.look_once().await {
                Ok(()) => INTERVAL,
                Err(reason) => {
                    if is_time(&mut told_at, INTERVAL) {
                        tracing::warn!("this node's certificate is to be made anew and could not be: {reason}");
                    }
                    INTERVAL_WHEN_DUE
                }
            };
            self.warn_of_end(&mut warned_at);
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = self.look.notified() => {}
            }
        }
    }

    async fn look_once(self: &Arc<Self>) -> Result<(), String> {
        if self.is_configured() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        // Others may have changed files, and a node with the authority's key renews itself in this.
        let opened = self.open().await?;
        if !opened.identity.is_same_as(&self.current.lock()) {
            self.adopt(opened.clone()).await?;
        }
        let issues = !matches!(opened.source, IdentitySource::Joined { issues: false, .. });
        let is_due = opened.identity.is_due() || opened.identity.is_of_older_authority(self.directory.path());
        if issues || !is_due {
            return Ok(());
        }
        let renewed = self.renew().await?;
        let (node, days) = (renewed.identity.id, days_left(renewed.identity.expires_seconds()));
        self.adopt(renewed).await?;
        tracing::info!(target: "audit", event = "certificate_rotated", %node, days, "the node's certificate was made anew by itself");
        Ok(())
    }

    fn warn_of_end(&self, warned_at: &mut Option<tokio::time::Instant>) {
        let days = days_left(self.current.lock().expires_seconds());
        if days <= WARNED_DAYS && is_time(warned_at, Duration::from_secs(DAY_SECONDS)) {
            tracing::warn!(
                days,
                "this node's certificate ends in {days} days, and no other node takes it after that; `discnt-cli certs rotate` has it made anew"
            );
        }
    }
}

/// Whether something was last done so long ago, or never; it is done now, then.
fn is_time(last: &mut Option<tokio::time::Instant>, interval: Duration) -> bool {
    let now = tokio::time::Instant::now();
    let is_time = last.is_none_or(|last| now.duration_since(last) >= interval);
    if is_time {
        *last = Some(now);
    }
    is_time
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
