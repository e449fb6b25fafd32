//! The kinds of datagrams and messages, for counting them without decoding them.

use super::ids::expect_open_array;
use super::record::decode_head;
use super::version::ProtocolVersion;
use minicbor::Decoder;

/// One line a kind: its number on the wire, the version of the protocol that brought it, and what it is called in figures.
macro_rules! kinds {
    ($($kind:ident = $number:literal, $since:literal, $name:literal, $meaning:literal;)*) => {
        /// What a datagram or message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum MessageKind {
            $(#[doc = $meaning] $kind = $number,)*
        }

        impl MessageKind {
            /// Every kind, by number.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The first version of the protocol that has it.
            pub const fn since(self) -> ProtocolVersion {
                match self {
                    $(Self::$kind => ProtocolVersion($since),)*
                }
            }

            /// What it is called in figures.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Records = 1, 1, "records", "News of the sender's own replica.";
    Membership = 2, 1, "membership", "The membership protocol's own bytes.";
    NamesWanted = 3, 1, "names_wanted", "Asks for the names of counters.";
    Heartbeat = 4, 1, "heartbeat", "A sign of life, and up to when the sender has told everything.";
    Hello = 16, 1, "hello", "The greeting.";
    Digest = 17, 1, "digest", "What the sender has of every replica.";
    Pull = 18, 1, "pull", "Asks for what the sender lacks.";
    RepairItems = 19, 1, "repair_items", "A part of what was asked for.";
    Admissions = 21, 1, "admissions", "Who was forgotten, and who was met again.";
    RepairBegin = 22, 1, "repair_begin", "How much there will be of what was asked for.";
    Partings = 27, 1, "partings", "From whom the sender was parted.";
    RepairEnd = 20, 1, "repair_end", "The end of what was asked for.";
    TellPredictions = 23, 1, "tell_predictions", "Asks for the forecasts of the receiver's shares.";
    PredictionsTold = 24, 1, "predictions_told", "The end of the forecasts that were asked for.";
    DigestWanted = 25, 1, "digest_wanted", "Asks for a digest as soon as the receiver has so much on disk.";
    DigestGiven = 26, 1, "digest_given", "Says which request the digest before it answers.";
    Bans = 29, 1, "bans", "Whose keys are banned.";
    Leaving = 28, 1, "leaving", "The sender leaves the cluster.";
}

impl MessageKind {
    /// The kind of an encoded datagram or message, if this version knows it.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut input = Decoder::new(bytes);
        expect_open_array(&mut input).ok()?;
        let number = decode_head(&mut input).ok()?;
        Self::ALL.iter().copied().find(|kind| *kind as u8 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Datagram, FORMAT_VERSION, Message, WireError, encode_membership};
    use super::*;

    #[test]
    fn every_kind_that_is_decoded_is_counted() {
        for number in 0..=u8::MAX {
            let mut bytes = Vec::new();
            let mut out = minicbor::Encoder::new(&mut bytes);
            out.begin_array().and_then(|out| out.u8(FORMAT_VERSION)?.u8(number)?.end()).expect("a vector takes all");
            let of_datagram = Datagram::decode(&bytes).err() == Some(WireError::Kind(number));
            let of_message = Message::decode(&bytes).err() == Some(WireError::Kind(number));
            let is_known = !(of_datagram && of_message);
            assert_eq!(
                MessageKind::of(&bytes).is_some(),
                is_known,
                "kind {number} has no line in the table, or no use"
            );
        }
    }

    #[test]
    fn what_is_no_message_is_of_no_kind() {
        assert_eq!(MessageKind::of(&encode_membership(b"x")), Some(MessageKind::Membership));
        for bytes in [&[][..], b"\x9f", b"\x9f\x01", b"\x9f\x02\x01\xff", b"\x80", b"GET / HTTP/1.1"] {
            assert_eq!(MessageKind::of(bytes), None);
        }
    }
}
