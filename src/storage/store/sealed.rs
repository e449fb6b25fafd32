//! A value with a checksum over itself and its key: what the disk or the engine below mixes up is noticed.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The bytes of the checksum before the value.
pub(super) const SEAL_BYTES: usize = 8;

/// What most values take, so that they do not move while they grow.
pub(super) const USUAL_BYTES: usize = 192;

/// Makes a sealed value of what `write` appends.
pub(super) fn seal(key: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    bytes.extend_from_slice(&[0; SEAL_BYTES]);
    write(&mut bytes);
    let checksum = checksum(key, &bytes[SEAL_BYTES..]).to_le_bytes();
    bytes[..SEAL_BYTES].copy_from_slice(&checksum);
    bytes
}

/// The value, if it is what was sealed under this key.
pub(super) fn unseal<'a>(key: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (seal, value) = bytes.split_first_chunk::<SEAL_BYTES>()?;
    (u64::from_le_bytes(*seal) == checksum(key, value)).then_some(value)
}

/// The checksum of a value, from its key's length as 8 bytes, the key and the value in one piece.
pub(super) fn checksum_of(length_key_value: &[u8]) -> [u8; SEAL_BYTES] {
    xxh3_64(length_key_value).to_le_bytes()
}

fn checksum(key: &[u8], value: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    // The length keeps a byte from moving between the two unnoticed.
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_key_or_value_breaks_the_seal() {
        let sealed = seal(b"clicks", |out| out.extend_from_slice(b"value"));
        assert_eq!(unseal(b"clicks", &sealed), Some(&b"value"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"clicks", &flipped), None, "{bit}");
        }
        assert_eq!(unseal(b"clicjs", &sealed), None);
        for length in 0..sealed.len() {
            assert_eq!(unseal(b"clicks", &sealed[..length]), None);
        }
    }
}
