//! Why a counter could not be changed. Whatever is returned, nothing was changed.

use crate::base::AmountError;

/// The text is what a client is told after `ERR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CounterError {
    /// The value or the sum of this node's increments would leave the range.
    #[error("increment or decrement would overflow: a counter holds -1e20 to 1e20; the value is unchanged")]
    Range(#[from] AmountError),
    /// More SETs, DELs and PRECISIONs than can be announced are waiting.
    #[error("too many assignments are waiting to be announced; nothing was changed, try again")]
    Busy,
    /// The table holds as many counters as it may.
    #[error(
        "command not allowed when there are more than 'max_counters' = {0} counters: no new counter was made; those that exist count on"
    )]
    Full(u64),
    /// The process uses as much memory as it may.
    #[error(
        "command not allowed when used memory > 'maxmemory' = {0} bytes: no new counter was made; those that exist count on"
    )]
    OutOfMemory(u64),
}

impl CounterError {
    /// Whether there is no room for one more counter.
    pub fn is_want_of_memory(&self) -> bool {
        matches!(self, Self::Full(_) | Self::OutOfMemory(_))
    }
}
