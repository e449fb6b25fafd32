//! Floor 1: what a counter means. Shares, assignments, predictions, and the table that holds millions of them.
//!
//! Pure: time comes in as an argument, nothing here does IO, and no rule of convergence uses an extrapolated figure.

mod active;
mod announcement;
mod announcing;
mod arrivals;
mod assignment;
mod attached;
mod band;
mod beginning;
#[cfg(test)]
mod behaviour_tests;
mod bounded;
#[cfg(test)]
mod bounded_tests;
mod collecting;
#[cfg(test)]
mod collecting_tests;
mod commits;
mod comparing;
mod config;
mod copying;
mod default_precision;
mod dropping;
mod entry;
mod error;
mod examination;
mod excess;
mod extrapolated;
mod fingerprint;
#[cfg(test)]
mod fingerprint_tests;
mod forecast;
#[cfg(test)]
mod giving_up_tests;
mod index;
mod knowledge;
mod label;
mod marks;
mod memory;
mod narrow_share;
mod observing;
mod outcomes;
mod predicted;
mod prediction;
mod prefetching;
mod progress;
mod registers;
mod remote;
mod room;
mod sampling;
mod saving;
mod saving_anew;
#[cfg(test)]
mod saving_tests;
mod seen;
mod shard;
mod share;
mod shared;
mod slab;
mod slot_set;
mod standing;
mod state;
#[cfg(test)]
mod state_cases_tests;
#[cfg(test)]
mod state_tests;
mod stored;
mod table;
#[cfg(test)]
mod table_tests;
mod tending;
mod timing;
mod watching;
#[cfg(test)]
mod watching_tests;

pub use announcement::{Announcement, AnnouncementBody};
pub use assignment::{Assignment, Context, PrecisionRegister};
pub use band::{Band, Precision, PrecisionError};
pub use commits::CommitClock;
pub use comparing::{Agreement, Comparison, Difference, Discord};
pub use config::{Config, ConfigError};
pub use error::CounterError;
pub use examination::Examination;
pub use fingerprint::Fingerprint;
pub use forecast::Forecast;
pub use knowledge::PredictorKnowledge;
pub use observing::{Observation, ObservedArrivals};
pub use outcomes::PredictionOutcomes;
pub use predicted::Predicted;
pub use prediction::{Look, Predictor};
pub use progress::Progress;
pub use remote::IncomingShare;
pub use seen::Seen;
pub use share::{Retired, Share};
pub use shared::Wake;
pub use standing::{BoundedReading, MemberStanding, Standings, Told};
pub use state::{CounterState, HeldShare, NumberedItem};
pub use stored::{Remainder, StoredCounter};
pub use table::{Table, TableSettings};
pub use tending::{Stability, Tended};
pub use watching::Changed;
