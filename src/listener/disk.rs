//! What sessions ask of whoever writes counters to disk.

use std::pin::Pin;

/// A future of a [`Disk`].
pub type DiskFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whoever writes counters to disk.
pub trait Disk: Send + Sync + 'static {
    /// Completes when the commit cycle of this number, and all before it, are on disk; asks for it to be written.
    fn committed(&self, ticket: u64) -> DiskFuture<'_, ()>;

    /// Writes the commit cycle of this number on this thread, if that is the quickest way. Answers whether it is on disk. For
    /// one who waits for all clients of a thread.
    fn commit_here(&self, _ticket: u64) -> bool {
        false
    }

    /// Writes everything that changed before this call; done when it is on disk, or with a line for an operator.
    fn save(&self) -> DiskFuture<'_, Result<(), String>>;

    /// Writes everything that changed before this call, reads all that is on disk back, and holds it against what is in
    /// memory; done when they agree, or with a line for an operator.
    fn reload(&self) -> DiskFuture<'_, Result<(), String>>;

    /// Begins what [`Disk::save`] does.
    fn begin_save(&self);
}
