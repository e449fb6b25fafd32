//! Floor 1: counters as values.

mod arrivals;
mod band;
mod forecast;
mod prediction;

pub use band::{Band, Precision, PrecisionError};
pub use forecast::Forecast;
pub use prediction::{Look, Predictor};
