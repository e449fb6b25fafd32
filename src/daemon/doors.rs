//! When clients are let in: at once where there is something to load, as they are told how far that is, and when the node
//! serves where it starts for the first time or sockets were passed on to it, or its disk takes long. Until then they can connect, and wait.

use std::cell::RefCell;
use std::sync::Arc;

use super::serve::ServeError;
use crate::listener::{Listener, Running, Service};

/// The sockets for clients.
pub(super) struct Doors<S> {
    service: Arc<S>,
    state: RefCell<State>,
}

enum State {
    Closed(Box<Listener>),
    Open(Running),
    Gone,
}

impl<S: Service> Doors<S> {
    pub(super) fn new(listener: Listener, service: Arc<S>) -> Self {
        Self { service, state: RefCell::new(State::Closed(Box::new(listener))) }
    }

    /// Lets clients in, unless they are let in already.
    ///
    /// # Errors
    /// [`ServeError::Listener`]; nobody is served then.
    pub(super) fn open(&self) -> Result<(), ServeError> {
        let before = self.state.replace(State::Gone);
        let after = match before {
            State::Closed(listener) => State::Open(listener.serve(Arc::clone(&self.service))?),
            other => other,
        };
        self.state.replace(after);
        Ok(())
    }

    /// What serves clients, if anything does. Those who wait for it are sent away.
    pub(super) fn into_running(self) -> Option<Running> {
        match self.state.into_inner() {
            State::Open(running) => Some(running),
            State::Closed(_) | State::Gone => None,
        }
    }
}
