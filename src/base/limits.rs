//! The fixed bounds of the system. Those that a user may change are settings of the floor they bound.

/// The longest counter name, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// The most nodes a cluster is tested with; links beyond it are refused.
pub const MAX_PEERS: usize = 32;

/// The most nodes that one node remembers as parted from and not met again.
pub const MAX_PARTED: usize = 1024;

/// The most replicas (nodes and their earlier lives) that one assignment or digest may speak of.
pub const MAX_CONTEXT_REPLICAS: usize = 4096;

/// The longest message on a stream of the mesh, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Repair is sent in messages of about this many bytes, so that nothing else waits long behind one.
pub const REPAIR_CHUNK_BYTES: usize = 48 << 10;
