//! Counters one behind the other, as a backup has them: `[length of the name, name, length of the state, state]`, the
//! lengths as numbers of 2 and of 4 bytes, the more significant first.

use super::error::WireError;
use super::stored::encode_stored_counter;
use crate::base::Name;
use crate::counter::StoredCounter;

/// Appends a counter.
pub fn encode_backup_entry(name: &[u8], counter: &StoredCounter, out: &mut Vec<u8>) {
    // A name has at most 512 bytes.
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(name);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    encode_stored_counter(counter, out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Reads the first counter off: its name and what [`super::decode_stored_counter`] reads. `None` at the end.
///
/// # Errors
/// [`WireError`] where less follows than is said, or the name is none.
pub fn take_backup_entry<'a>(bytes: &mut &'a [u8]) -> Result<Option<(Name<'a>, &'a [u8])>, WireError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut take = |length: usize| {
        let (taken, rest) =
            bytes.split_at_checked(length).ok_or(WireError::Bounds("the length of a backup's entry"))?;
        *bytes = rest;
        Ok::<&'a [u8], WireError>(taken)
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
    let length = number(take(2)?);
    let name = Name::new(take(length)?).map_err(|_| WireError::Bounds("a name"))?;
    let length = number(take(4)?);
    Ok(Some((name, take(length)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Total;
    use crate::counter::Share;
    use crate::wire::decode_stored_counter;

    #[test]
    fn entries_are_read_in_their_order_and_cut_ones_refused() {
        let share = Share { born: 1, revision: 2, total: Total::from_units(3) };
        let counter = StoredCounter { own: Some(share), ..StoredCounter::default() };
        let mut bytes = Vec::new();
        encode_backup_entry(b"a", &counter, &mut bytes);
        encode_backup_entry(&[0xff; 512], &StoredCounter::default(), &mut bytes);
        let mut rest = &bytes[..];
        let (name, state) = take_backup_entry(&mut rest).expect("well formed").expect("a first");
        assert_eq!((name.as_bytes(), decode_stored_counter(state, &[])), (&b"a"[..], Ok(counter)));
        let (name, _) = take_backup_entry(&mut rest).expect("well formed").expect("a second");
        assert_eq!(name.as_bytes(), [0xff; 512]);
        assert_eq!(take_backup_entry(&mut rest), Ok(None));
        for length in 1..bytes.len() {
            let mut cut = &bytes[..length];
            let read = std::iter::from_fn(|| take_backup_entry(&mut cut).transpose());
            let whole = read.take(3).all(|entry| entry.is_ok());
            assert_eq!(whole, length == bytes.len() - 512 - 6 - 2, "{length}");
        }
    }
}
