//! Heartbeats: that a node lives, up to where it has told everything, and how its clock stands to the receiver's.

use super::error::WireError;
use super::ids::read_array;
use super::packer::sealed;
use super::record::HEARTBEAT;
use crate::base::Incarnation;
use minicbor::Decoder;
use minicbor::data::Type;

/// A sign of life, several times a second. Clocks are microseconds on the sender's monotonic clock, of which only
/// differences mean anything to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which life of the sender's speaks.
    pub incarnation: Incarnation,
    /// When this was said.
    pub clock: u64,
    /// The last number that the sender has drawn.
    pub newest: u64,
    /// What was counted until then is in the announcements up to `newest`, to within the sender's bands.
    pub told_until: u64,
    /// Over how many members the sender has split precision at least since then.
    pub members: u32,
    /// A hash of who the members are, as the sender knows them, itself included.
    pub cluster: u64,
    /// The clock of the last heartbeat that came from the receiver, and how many microseconds ago that was.
    pub echo: Option<(u64, u64)>,
}

impl Heartbeat {
    /// The heartbeat as a datagram.
    pub fn encode(&self) -> Vec<u8> {
        sealed(HEARTBEAT, |out| {
            let _ = out.u64(self.incarnation.0).and_then(|out| {
                out.u64(self.clock)?.u64(self.newest)?.u64(self.told_until)?.u32(self.members)?.u64(self.cluster)
            });
            let _ = match self.echo {
                Some((clock, held_micros)) => out.array(2).and_then(|out| out.u64(clock)?.u64(held_micros)),
                None => out.null(),
            };
        })
    }

    /// Decodes what follows the kind.
    pub(super) fn decode(input: &mut Decoder<'_>) -> Result<Self, WireError> {
        let incarnation = Incarnation(input.u64()?);
        let (clock, newest, told_until, members) = (input.u64()?, input.u64()?, input.u64()?, input.u32()?);
        let cluster = input.u64()?;
        let echo = match input.datatype()? {
            Type::Null => {
                input.null()?;
                None
            }
            _ => Some(read_array(input, 2, |input| Ok((input.u64()?, input.u64()?)))?),
        };
        Ok(Self { incarnation, clock, newest, told_until, members, cluster, echo })
    }
}
