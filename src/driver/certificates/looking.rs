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
        let mut pause = PAUSE_BEFORE_MEETING;
        loop {
            while self.state.phase() != Phase::Serving {
                tokio::time::sleep(PAUSE_BEFORE_SERVING).await;
            }
            // Read anew, as CLUSTER RESET has the node meet nobody any more.
            let members = to_meet(self.directory.path());
            if members.is_empty() {
                return;
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
        let (own, authority) = {
            let current = self.current.lock();
            (days_left(current.expires_seconds()), days_left(current.authorities_expire_seconds()))
        };
        let warnings = warnings(own, authority, self.is_configured());
        if !warnings.is_empty() && is_time(warned_at, Duration::from_secs(DAY_SECONDS)) {
            for warning in warnings {
                tracing::warn!(days = own, authority_days = authority, "{warning}");
            }
        }
    }
}

/// What is to be said of certificates that are near their end.
fn warnings(own_days: u64, authority_days: u64, is_configured: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if own_days <= WARNED_DAYS {
        warnings.push(format!(
            "this node's certificate ends in {own_days} days, and no other node takes it after that; `discnt-cli certs rotate` has it made anew"
        ));
    }
    if authority_days <= WARNED_DAYS {
        let remedy = if is_configured {
            "put the certificate of another one into the file of [mesh] ca_cert on all nodes, beside this one's, before certificates of that one are used"
        } else {
            "`discnt-cli certs rotate --authority`, said to a member that holds its key, puts another in its place"
        };
        warnings.push(format!(
            "the cluster's authority ends in {authority_days} days, and with it the certificate of every node; {remedy}"
        ));
    }
    warnings
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thirty_days_of_a_certificate_and_of_the_authority_are_warned_of() {
        assert_eq!(warnings(31, 31, false), Vec::<String>::new());
        let own = warnings(30, 31, false);
        assert!(own.len() == 1 && own[0].starts_with("this node's certificate ends in 30 days"), "{own:?}");
        for (is_configured, remedy) in [(false, "certs rotate --authority"), (true, "[mesh] ca_cert")] {
            let authority = warnings(60, 12, is_configured);
            assert!(authority.len() == 1 && authority[0].starts_with("the cluster's authority ends in 12 days"));
            assert!(authority[0].contains(remedy), "{authority:?}");
        }
        assert_eq!(warnings(0, 0, false).len(), 2);
    }
}
