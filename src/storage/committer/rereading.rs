//! Reading back what is on disk, and holding it against what is in memory. Nothing is written meanwhile.

use super::cycle::Cycles;
use super::{CommitError, Commits};
use crate::base::ReplicaIndex;
use crate::counter::{Agreement, Difference};
use crate::storage::StorageError;
use std::num::NonZero;
use tokio::sync::oneshot;

/// Why what is on disk was not found to be what is in memory, which was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RereadError {
    /// It could not be brought there.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not be read.
    #[error("what is on disk cannot be read back, and memory was not changed: {0}")]
    Unreadable(String),
    /// It is another.
    #[error("what is on disk is not what is in memory, which was not changed: {0}")]
    Differs(String),
}

/// Where the answer to one who asked goes.
pub(super) type Reader = oneshot::Sender<Result<Agreement, RereadError>>;

impl Commits {
    /// Brings everything until now onto disk, reads all that is there with the checks of a start, and holds it against the
    /// table. No other cycle is written until it is done.
    ///
    /// # Errors
    /// [`RereadError`].
    pub async fn read_again(&self) -> Result<Agreement, RereadError> {
        let (answer, answered) = oneshot::channel();
        self.shared.tell(|control| control.readers.push(answer));
        self.request();
        answered.await.unwrap_or_else(|_| Err(CommitError("the server is stopping".into()).into()))
    }
}

impl Cycles {
    /// Answers those who asked before a cycle that has been written, or not.
    pub(super) fn answer(&mut self, readers: Vec<Reader>, written: &Result<bool, StorageError>) {
        if readers.is_empty() {
            return;
        }
        let result = match written {
            Ok(_) => self.read_again(),
            Err(error) => Err(CommitError(error.to_string()).into()),
        };
        for reader in readers {
            // Who has gone needs no answer.
            let _ = reader.send(result.clone());
        }
    }

    fn read_again(&mut self) -> Result<Agreement, RereadError> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let own = self.store.record().and_then(|record| record.index_of(record.own));
        let comparison = self.table.compare(own.unwrap_or(ReplicaIndex(u32::MAX)));
        let read = self.store.read_again(threads, |name, counter| comparison.take(name, &counter));
        read.map_err(|error| RereadError::Unreadable(error.to_string()))?;
        comparison.finish().map_err(|difference: Difference| RereadError::Differs(difference.to_string()))
    }
}
