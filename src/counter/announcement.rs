//! What a node has to tell its peers: news about its own shares and registers, each under one number.

use super::assignment::{Assignment, PrecisionRegister};
use crate::base::{Location, ReplicaIndex, Total};
use std::sync::Arc;

/// One numbered piece of news, ready to leave.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Its place in the replica's sequence.
    pub number: u64,
    /// Where the counter lives in this node's table.
    pub location: Location,
    /// What it says.
    pub body: AnnouncementBody,
}

/// What a piece of news says.
#[derive(Clone, Debug)]
pub enum AnnouncementBody {
    /// The own share as of now; the announcement's number is its revision.
    Share {
        /// The counter's name, only with the first word of a life: later ones are found by location and birth.
        name: Option<Box<[u8]>>,
        /// The number at which this life began.
        born: u64,
        /// The exact total.
        total: Total,
        /// How it is expected to move, an amount a second; 0 for an exact announcement.
        rate: f32,
        /// Whether to extrapolate in whole steps.
        whole: bool,
    },
    /// A SET or DEL.
    Assignment {
        /// The counter's name.
        name: Box<[u8]>,
        /// The register.
        assignment: Arc<Assignment>,
    },
    /// A precision.
    Precision {
        /// The counter's name.
        name: Box<[u8]>,
        /// The register.
        register: PrecisionRegister,
    },
    /// A share of this node that was given up.
    Retirement {
        /// The counter's name.
        name: Box<[u8]>,
        /// Whose share it was.
        replica: ReplicaIndex,
        /// The life that is over.
        born: u64,
    },
}
