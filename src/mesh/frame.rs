//! Messages on a stream: a length of four bytes, big-endian, then as many bytes.

use crate::base::MAX_MESSAGE_BYTES;
use bytes::Bytes;
use quinn::{ReadExactError, RecvStream, SendStream, WriteError};

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The stream or its connection ended between two messages.
    #[error("the stream ended")]
    Ended,
    /// The stream or its connection ended within a message.
    #[error("the stream ended within a message")]
    Cut,
    /// The sender announces more than is allowed.
    #[error("a message of {0} bytes was announced, at most {1} are allowed")]
    TooLong(usize, usize),
}

/// Writes one message; returns when the transport has all of it.
pub(super) async fn write(stream: &mut SendStream, message: Bytes) -> Result<(), WriteError> {
    let length = u32::try_from(message.len()).expect("messages are at most MAX_MESSAGE_BYTES long");
    let head = Bytes::copy_from_slice(&length.to_be_bytes());
    stream.write_all_chunks(&mut [head, message]).await
}

/// Reads one message of at most `limit` bytes. Not to be cancelled and called again.
pub(super) async fn read(stream: &mut RecvStream, limit: usize) -> Result<Bytes, FrameError> {
    debug_assert!(limit <= MAX_MESSAGE_BYTES);
    let mut head = [0; 4];
    match stream.read_exact(&mut head).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(1..)) => return Err(FrameError::Cut),
        Err(_) => return Err(FrameError::Ended),
    }
    // Lengths of 32 bits fit every usize this can run on.
    let length = u32::from_be_bytes(head) as usize;
    if length > limit {
        return Err(FrameError::TooLong(length, limit));
    }
    let mut message = vec![0; length];
    match stream.read_exact(&mut message).await {
        Ok(()) => Ok(message.into()),
        Err(_) => Err(FrameError::Cut),
    }
}
