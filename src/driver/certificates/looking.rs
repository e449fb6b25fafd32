//! What goes on by itself: meeting whom the node was to meet, renewing its certificate, telling others of an authority.

use super::{DAY_SECONDS, Inner, days_left};
use crate::base::NodeId;
use crate::mesh::{IdentitySource, remember_to_meet, to_meet};
use crate::node::{LinkView, Phase};
use std::sync::Arc;
use std::time::Duration;

/// How often the certificate is looked at.
const INTERVAL: Duration = Duration::from_secs(3600);
/// The same while it should have been renewed and could not, of which the log tells once in the time above.
const INTERVAL_WHEN_DUE: Duration = Duration::from_secs(15);
/// From so many days before the end on, the log warns once a day.
const WARNED_DAYS: u64 = 30;
/// How long a member that was to be met is left alone, at first and at most.
const PAUSE_BEFORE_MEETING: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const PAUSE_BEFORE_SERVING: Duration = Duration::from_millis(100);
/// So many of these a peer may take to greet.
const GREETING_MAY_TAKE: u32 = 50;

impl Inner {
    /// Meets whom the node was to meet when it was certified before it was started.
    pub(super) async fn meet_remembered(self: Arc<Self>) {
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

    pub(super) async fn tell_of_authority(&self, peer: NodeId) {
        for _ in 0..GREETING_MAY_TAKE {
            let view = self.state.view();
            let greeted = view.members.iter().find(|member| member.id == peer && member.link == LinkView::Linked);
            if let Some(member) = greeted {
                let current = self.current.lock().clone();
                let told = current.tell_authorities(&self.mesh, &[(member.host.clone(), member.mesh_port)]).await;
                tracing::debug!(%peer, ?told, "told of the authority");
                return;
            }
            tokio::time::sleep(PAUSE_BEFORE_SERVING).await;
        }
    }

    /// Looks at the certificate now and then, for ever.
    pub(super) async fn look_after(self: Arc<Self>) {
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
