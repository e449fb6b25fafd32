//! How likely what is, in one history.

use crate::random::Random;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) struct Odds {
    pub(crate) loss: f64,
    /// The longest that a datagram takes.
    pub(crate) slowest: Duration,
    pub(crate) crash: f64,
    pub(crate) cut: f64,
    pub(crate) flap: f64,
    pub(crate) pause: f64,
    /// That a node is forgotten or leaves.
    pub(crate) part: f64,
    pub(crate) assign: f64,
    pub(crate) delete: f64,
    pub(crate) precision: f64,
    pub(crate) stream: f64,
    /// Amounts that often add up to nothing.
    pub(crate) small: bool,
    /// Operations gather around the instants at which nodes tell each other what they have.
    pub(crate) crowded: bool,
}

impl Odds {
    pub(crate) fn draw(random: &mut Random) -> Self {
        Self {
            loss: random.pick(&[0.0, 0.05, 0.3]),
            slowest: Duration::from_millis(random.pick(&[6, 6, 60, 600])),
            crash: random.pick(&[0.0, 0.0, 0.01, 0.03]),
            cut: random.pick(&[0.0, 0.02, 0.05]),
            flap: random.pick(&[0.0, 0.02]),
            pause: random.pick(&[0.0, 0.0, 0.01, 0.02]),
            assign: random.pick(&[0.0, 0.01, 0.05, 0.1]),
            delete: random.pick(&[0.0, 0.02, 0.15, 0.3]),
            precision: random.pick(&[0.0, 0.05, 0.15]),
            stream: random.pick(&[0.0, 0.03, 0.1]),
            small: random.unit() < 0.4,
            crowded: random.unit() < 0.4,
            part: random.pick(&[0.0, 0.0, 0.01, 0.03]),
        }
    }
}
