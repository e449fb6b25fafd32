//! A request that outlives the buffer that it arrived in.

use super::Arguments;
use super::arguments::Span;

/// The arguments of one request, copied.
#[derive(Clone, Debug)]
pub struct OwnedArguments {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedArguments {
    /// Copies the arguments, and nothing of what lay between them.
    pub fn new(arguments: Arguments<'_>) -> Self {
        let mut bytes = Vec::with_capacity(arguments.iter().map(<[u8]>::len).sum());
        let mut spans = Vec::with_capacity(arguments.len());
        for argument in arguments.iter() {
            // No request is as long as 32 bits count.
            let span = Span { start: bytes.len() as u32, length: argument.len() as u32 };
            bytes.extend_from_slice(argument);
            spans.push(span);
        }
        Self { bytes: bytes.into(), spans: spans.into() }
    }

    /// A request of these words.
    pub fn of(words: &[&[u8]]) -> Self {
        let mut spans = Vec::with_capacity(words.len());
        let mut start = 0;
        for word in words {
            spans.push(Span { start, length: word.len() as u32 });
            start += word.len() as u32;
        }
        Self { bytes: words.concat().into(), spans: spans.into() }
    }

    /// The arguments.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments::new(&self.bytes, &self.spans)
    }

    /// What it takes in memory, in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + size_of_val(&*self.spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Decoder, Limits};

    #[test]
    fn a_copy_has_the_same_arguments() {
        let bytes = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n";
        let mut decoder = Decoder::new(Limits::default());
        assert_eq!(decoder.decode(bytes), Ok(Some(bytes.len())));
        let copy = OwnedArguments::new(decoder.arguments(bytes));
        let arguments: Vec<&[u8]> = copy.arguments().iter().collect();
        assert_eq!(arguments, [&b"SET"[..], b"", b"\r\n"]);
        assert!(copy.memory() > 5 + 3 * 8);
    }
}
