//! What is done once, right before the first request for a counter passes.

use parking_lot::Mutex;
use std::fmt;

type Action = Box<dyn FnOnce() + Send>;

/// An action that waits for its time.
#[derive(Default)]
pub(super) struct BeforeServing(Mutex<Option<Action>>);

impl BeforeServing {
    /// This is to be done, instead of what was before.
    pub(super) fn set(&self, action: Action) {
        *self.0.lock() = Some(action);
    }

    /// It is time.
    pub(super) fn run(&self) {
        let action = self.0.lock().take();
        if let Some(action) = action {
            action();
        }
    }
}

impl fmt::Debug for BeforeServing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.lock().is_some() { "BeforeServing(waits)" } else { "BeforeServing(none)" })
    }
}
