//! What the service manager is told of the server, where one asked for it by `NOTIFY_SOCKET`.

use sd_notify::NotifyState;

/// What the server is doing, in a line for people.
pub(super) fn tell_status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Clients are served from now on.
pub(super) fn tell_ready(counters: u64) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving; {counters} counters were loaded"))]);
}

/// The server is about to end.
pub(super) fn tell_stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(states: &[NotifyState<'_>]) {
    // Nobody's counts depend on it.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager could not be told: {error}");
    }
}
