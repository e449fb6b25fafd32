//! Buffers that sessions of one thread lend each other, so that idle connections hold none.

use parking_lot::Mutex;

/// A fresh input buffer: many requests of a pipeline fit.
const INPUT_BYTES: usize = 16 << 10;
/// Output buffers above this size are given back to the system.
const KEPT_OUTPUT_BYTES: usize = 64 << 10;
/// Buffers of either kind that one thread keeps for the next session that needs one.
const KEPT_BUFFERS: usize = 32;

/// The spare buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct BufferPool {
    inputs: Mutex<Vec<Vec<u8>>>,
    outputs: Mutex<Vec<Vec<u8>>>,
}

impl BufferPool {
    fn take_input(&self) -> Vec<u8> {
        self.inputs.lock().pop().unwrap_or_else(|| vec![0; INPUT_BYTES])
    }

    fn give_input(&self, bytes: Vec<u8>) {
        let mut inputs = self.inputs.lock();
        if bytes.len() == INPUT_BYTES && inputs.len() < KEPT_BUFFERS {
            inputs.push(bytes);
        }
    }

    /// An empty buffer for replies.
    pub(super) fn take_output(&self) -> Vec<u8> {
        self.outputs.lock().pop().unwrap_or_default()
    }

    /// Takes back a buffer for replies that were all written.
    pub(super) fn give_output(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut outputs = self.outputs.lock();
        if bytes.capacity() <= KEPT_OUTPUT_BYTES && outputs.len() < KEPT_BUFFERS {
            outputs.push(bytes);
        }
    }

    /// How many inputs and outputs are spare.
    #[cfg(test)]
    pub(super) fn spare(&self) -> (usize, usize) {
        (self.inputs.lock().len(), self.outputs.lock().len())
    }
}

/// Bytes that have arrived and were not yet used. Owns a buffer only while there are any, or while reading.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// All of it is initialised; what arrived is `start..end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// What has arrived.
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How much has arrived, and how much of it and what comes there is room for, in bytes.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.end - self.start, self.bytes.len())
    }

    /// Drops `length` bytes from the front of what has arrived.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end);
    }

    /// Where the next bytes go; never empty. Moves what is pending to the front before it grows the buffer, and
    /// then doubles it, so that a byte is moved a constant number of times on average.
    pub(super) fn room(&mut self, pool: &BufferPool) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = pool.take_input();
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.bytes.len() {
            if self.start >= self.bytes.len() / 2 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                self.bytes.resize(self.bytes.len() * 2, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Says that `length` bytes were written into [`room`](Self::room).
    pub(super) fn filled(&mut self, length: usize) {
        self.end += length;
        debug_assert!(self.end <= self.bytes.len());
    }

    /// Gives the buffer back if nothing is pending.
    pub(super) fn release(&mut self, pool: &BufferPool) {
        if self.start == self.end && !self.bytes.is_empty() {
            pool.give_input(std::mem::take(&mut self.bytes));
            self.start = 0;
            self.end = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(input: &mut Input, pool: &BufferPool, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = input.room(pool);
            let length = room.len().min(rest.len());
            room[..length].copy_from_slice(&rest[..length]);
            input.filled(length);
            rest = &rest[length..];
        }
    }

    #[test]
    fn an_idle_input_holds_no_buffer_and_a_large_one_is_not_kept() {
        let pool = BufferPool::default();
        let mut input = Input::default();
        write(&mut input, &pool, b"abc");
        input.release(&pool);
        assert_eq!(input.pending(), b"abc");
        input.consume(3);
        input.release(&pool);
        assert_eq!(input.bytes.capacity(), 0);
        assert_eq!(pool.inputs.lock().len(), 1);

        let large = vec![b'x'; 10 * INPUT_BYTES];
        write(&mut input, &pool, &large);
        assert_eq!(input.pending(), large);
        input.consume(large.len());
        input.release(&pool);
        assert_eq!(input.bytes.capacity(), 0);
        assert_eq!(pool.inputs.lock().len(), 0);
    }

    #[test]
    fn a_large_output_is_not_kept() {
        let pool = BufferPool::default();
        pool.give_output(Vec::with_capacity(KEPT_OUTPUT_BYTES + 1));
        assert_eq!(pool.outputs.lock().len(), 0);
        pool.give_output(b"abc".to_vec());
        assert_eq!(pool.take_output(), b"");
    }

    proptest! {
        #[test]
        fn bytes_come_out_in_order_however_they_are_used(
            steps in proptest::collection::vec((0_usize..40_000, 0_usize..60_000, any::<bool>()), 1..12)
        ) {
            let pool = BufferPool::default();
            let mut input = Input::default();
            let mut model: Vec<u8> = Vec::new();
            let mut next = 0_u8;
            for (written, used, release) in steps {
                let bytes: Vec<u8> = (0..written).map(|_| { next = next.wrapping_add(1); next }).collect();
                write(&mut input, &pool, &bytes);
                model.extend_from_slice(&bytes);
                let used = used.min(model.len());
                model.drain(..used);
                input.consume(used);
                if release {
                    input.release(&pool);
                }
                prop_assert_eq!(input.pending(), &model[..]);
            }
        }
    }
}
