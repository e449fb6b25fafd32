//! The end of the server: what calls for it, and what is said of the counters then.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::node_thread::NodeThread;
use super::report::StartReport;
use super::serve::ServeError;
use super::storing::Storing;
use crate::base::Durability;
use crate::command::Shutdown;
use crate::driver::LastCommit;
use crate::listener::Running;
use crate::node::{ClusterState, LinkView};

/// How long clients may take to read their last replies.
const CLIENTS_MAY_TAKE: Duration = Duration::from_secs(3);

/// What calls for the end.
pub(super) struct End<'a> {
    pub(super) signals: &'a mut Signals,
    pub(super) shutdown: mpsc::Receiver<Shutdown>,
}

/// How the end was called for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    /// SHUTDOWN NOSAVE: nothing is to be written by a node that only writes when it is told to, and no other waits for its
    /// disk.
    is_unsaved: bool,
}

impl End<'_> {
    /// Waits for the end.
    pub(super) async fn wait(&mut self, storing: &Storing) -> Ended {
        tokio::select! {
            name = self.signals.wait() => {
                tracing::info!("{name} received: stopping");
                Ended::default()
            }
            Some(shutdown) = self.shutdown.recv() => {
                tracing::info!("SHUTDOWN received: stopping");
                if !shutdown.save {
                    storing.abandon();
                }
                Ended { is_unsaved: !shutdown.save }
            }
        }
    }
}

/// Signals that stop the server.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, ServeError> {
        let catch = |kind| signal(kind).map_err(|error| ServeError::System { what: "a signal handler", error });
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Finishes replies, says goodbye to the peers, writes what is to be written, and says what was kept.
///
/// # Errors
/// [`ServeError::LastCommit`].
pub(super) fn stop(
    running: Option<Running>,
    node: Option<NodeThread>,
    report: &StartReport,
    ended: Ended,
) -> Result<(), ServeError> {
    let cut_off = running.map_or(0, |running| running.stop(CLIENTS_MAY_TAKE).clients_cut_off);
    if cut_off > 0 {
        tracing::warn!("{cut_off} clients did not read their last replies in time");
    }
    let Some(node) = node else {
        tracing::info!("stopped before anything was loaded; no counter on disk was changed");
        return Ok(());
    };
    let view = node.state.view();
    // CLUSTER RESET HARD has changed it, perhaps.
    let id = view.members.iter().find(|member| member.myself).map_or(report.node, |member| member.id);
    let linked = linked(&node.state);
    let (counters, table) = (node.table.len(), Arc::clone(&node.table));
    // A driver that is gone needs no word.
    let _ = node.stop.send(());
    let last = node.thread.join().unwrap_or_else(|_| {
        tracing::error!("the mesh's thread ended with a panic");
        LastCommit::Left
    });
    // What a last commit did not write has changed still.
    let unsaved = table.unsaved();
    let directory = report.data_directory.display();
    tracing::info!("the identity and the members of node {id} are saved in {directory}");
    tell(&last, ended, report, (counters, unsaved), linked);
    tracing::info!("stopped");
    match last {
        LastCommit::Failed(error) => Err(ServeError::LastCommit(error)),
        LastCommit::Written | LastCommit::Left => Ok(()),
    }
}

/// Says what is on disk of how many counters; `unsaved` of them are in memory alone.
fn tell(last: &LastCommit, ended: Ended, report: &StartReport, (counters, unsaved): (u64, u64), linked: usize) {
    let directory = report.data_directory.display();
    match last {
        LastCommit::Written if ended.is_unsaved => tracing::info!(
            "{counters} counters are saved in {directory}: NOSAVE leaves nothing out with durability = \"{}\"",
            report.durability
        ),
        LastCommit::Written => tracing::info!("{counters} counters are saved in {directory}"),
        LastCommit::Left if ended.is_unsaved && report.durability == Durability::Memory => tracing::warn!(
            "what changed in {unsaved} counters was not saved, as SHUTDOWN NOSAVE said: in {directory} is what was saved before{}",
            held_by(linked, report.durability)
        ),
        LastCommit::Left => tracing::info!("nothing was written to {directory}: the node had not begun to serve"),
        LastCommit::Failed(error) if ended.is_unsaved => tracing::warn!(
            "what changed in {unsaved} counters could not be saved, and SHUTDOWN NOSAVE ends the server all the same: in {directory} is what was committed before{}: {error}",
            held_by(linked, report.durability)
        ),
        LastCommit::Failed(error) => tracing::error!(
            "what changed in {unsaved} counters could not be saved: in {directory} is what was committed before{}: {error}",
            held_by(linked, report.durability)
        ),
    }
}

fn linked(state: &ClusterState) -> usize {
    state.view().members.iter().filter(|member| member.link == LinkView::Linked).count()
}

fn held_by(linked: usize, durability: Durability) -> String {
    match linked {
        _ if durability == Durability::Always => ", and no other node has heard of the rest".to_owned(),
        0 => ", and no other node was linked".to_owned(),
        1 => "; the other node that was linked holds all of them".to_owned(),
        nodes => format!("; the {nodes} other nodes that were linked hold all of them"),
    }
}
