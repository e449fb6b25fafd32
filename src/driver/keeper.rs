//! Keeps the members across restarts: a thread that writes, so that no datagram ever waits for a disk.

use crate::base::NodeId;
use crate::node::KnownMember;
use crate::storage::{DataDirectory, RememberedMember, StorageError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

enum Order {
    Members(Vec<KnownMember>),
    Barred(Vec<NodeId>),
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
    pub fn bar(&self, barred: Vec<NodeId>) {
        self.order(Order::Barred(barred));
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
    while let Ok(first) = orders.recv() {
        let (mut members, mut barred) = (None, None);
        for order in std::iter::once(first).chain(orders.try_iter()) {
            match order {
                Order::Members(list) => members = Some(list),
                Order::Barred(list) => barred = Some(list),
            }
        }
        if let Some(list) = members {
            let list: Vec<RememberedMember> = list.into_iter().map(to_remembered).collect();
            tell(directory.save_members(&list), "members");
        }
        if let Some(list) = barred {
            tell(directory.save_barred(&list), "barred nodes");
        }
    }
}

fn tell(result: Result<(), StorageError>, what: &str) {
    if let Err(error) = result {
        tracing::error!("the {what} could not be written and will not be remembered: {error}");
    }
}

fn to_remembered(member: KnownMember) -> RememberedMember {
    RememberedMember { id: member.id, host: member.host, client_port: member.client_port, mesh_port: member.mesh_port }
}
