//! Keeps the members across restarts: a thread that writes, so that no datagram ever waits for a disk.

use crate::node::KnownMember;
use crate::storage::{DataDirectory, KeptOut, RememberedMember, StorageError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// How a request of a client ended.
type RequestResult = Result<(), String>;

enum Order {
    Members(Vec<KnownMember>),
    KeptOut(KeptOut),
    Answer(oneshot::Sender<RequestResult>, RequestResult),
}

/// Writes what it is given, in order. What is newer replaces what still waits, so the queue stays short.
pub struct Keeper {
    orders: Option<Sender<Order>>,
    writer: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(directory: Arc<DataDirectory>) -> std::io::Result<Self> {
        let (orders, received) = channel();
        let writer = std::thread::Builder::new()
            .name("discnt-keeper".to_owned())
            .spawn(move || write_all(&directory, &received))?;
        Ok(Self { orders: Some(orders), writer: Some(writer) })
    }

    /// Remembers the members.
    pub fn remember(&self, members: Vec<KnownMember>) {
        self.order(Order::Members(members));
    }

    /// Remembers who is kept out.
    pub fn keep_out(&self, kept_out: KeptOut) {
        self.order(Order::KeptOut(kept_out));
    }

    /// Answers a request once all that was ordered before is written, so that no crash takes back what a client was
    /// told is done.
    pub fn answer(&self, answer: oneshot::Sender<RequestResult>, result: RequestResult) {
        self.order(Order::Answer(answer, result));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The writer only ends when this sender is gone.
            let _ = orders.send(order);
        }
    }

    /// Waits until all is written.
    pub fn finish(&mut self) {
        self.orders = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.finish();
    }
}

fn write_all(directory: &DataDirectory, orders: &Receiver<Order>) {
    // Why the newest of each is not on disk.
    let (mut members_missing, mut barred_missing) = (None, None);
    while let Ok(first) = orders.recv() {
        let (mut members, mut barred, mut answers) = (None, None, Vec::new());
        for order in std::iter::once(first).chain(orders.try_iter()) {
            match order {
                Order::Members(list) => members = Some(list),
                Order::KeptOut(list) => barred = Some(list),
                Order::Answer(answer, result) => answers.push((answer, result)),
            }
        }
        if let Some(list) = members {
            let list: Vec<RememberedMember> = list.into_iter().map(to_remembered).collect();
            members_missing = tell(directory.save_members(&list), "members");
        }
        if let Some(list) = barred {
            barred_missing = tell(directory.save_kept_out(&list), "barred nodes");
        }
        for (answer, result) in answers {
            let missing = members_missing.clone().or_else(|| barred_missing.clone());
            let result = result.and_then(|()| missing.map_or(Ok(()), Err));
            // A client that has gone needs no answer.
            let _ = answer.send(result);
        }
    }
}

/// Logs why something was not written, and answers the same for a client.
fn tell(result: Result<(), StorageError>, what: &str) -> Option<String> {
    let error = result.err()?;
    tracing::error!("the {what} could not be written and will not be remembered: {error}");
    Some(format!("it is done, but a restart forgets it: the {what} could not be written: {error}"))
}

fn to_remembered(member: KnownMember) -> RememberedMember {
    RememberedMember { id: member.id, host: member.host, client_port: member.client_port, mesh_port: member.mesh_port }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeId;

    fn member(number: u8) -> KnownMember {
        let id = NodeId::new([number; 20]);
        KnownMember { id, host: "127.0.0.1".to_owned(), client_port: 1, mesh_port: 2 }
    }

    #[test]
    fn an_answer_comes_when_what_was_ordered_before_is_written() {
        let path = tempfile::tempdir().expect("a directory");
        let directory = Arc::new(DataDirectory::open(path.path()).expect("a data directory"));
        let keeper = Keeper::start(Arc::clone(&directory)).expect("a thread");
        for number in 1..=20 {
            keeper.remember(vec![member(number)]);
            keeper.keep_out(KeptOut { barred: vec![member(number).id], admissions: Vec::new() });
            let (answer, answered) = oneshot::channel();
            keeper.answer(answer, Ok(()));
            assert_eq!(answered.blocking_recv(), Ok(Ok(())));
            assert_eq!(directory.load_members().expect("a list")[0].id, member(number).id);
            assert_eq!(directory.load_kept_out().expect("a list").barred, [member(number).id]);
        }
        let (answer, answered) = oneshot::channel();
        keeper.answer(answer, Err("no".to_owned()));
        assert_eq!(answered.blocking_recv(), Ok(Err("no".to_owned())));
    }

    #[test]
    fn what_could_not_be_written_is_no_success() {
        let path = tempfile::tempdir().expect("a directory");
        let directory = Arc::new(DataDirectory::open(path.path()).expect("a data directory"));
        let keeper = Keeper::start(directory).expect("a thread");
        path.close().expect("removed");
        let (answer, answered) = oneshot::channel();
        keeper.remember(vec![member(1)]);
        keeper.answer(answer, Ok(()));
        let error = answered.blocking_recv().expect("an answer").expect_err("there is no directory");
        assert!(error.contains("a restart forgets it"), "{error}");
    }
}
