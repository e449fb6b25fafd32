//! The names before and after a run: made, so that reads find something, and deleted.

use super::ControlError;
use super::names::Names;
use crate::cli::connection::Connection;
use crate::cli::protocol::write_request;
use crate::cli::quote::printable;
use crate::cli::transfer::Interrupt;
use crate::cli::value::Value;

/// How many names go into one round trip.
const NAMES_AT_ONCE: u64 = 500;

/// Sets every name.
///
/// # Errors
/// [`ControlError`].
pub(super) fn fill(control: &mut Connection, names: &Names, interrupt: &Interrupt) -> Result<(), ControlError> {
    let (mut bytes, mut name) = (Vec::new(), Vec::new());
    for numbers in batches(names) {
        if interrupt.is_asked() {
            return Ok(());
        }
        bytes.clear();
        let count = numbers.end - numbers.start;
        for number in numbers {
            names.write(number, &mut name);
            write_request(&[&b"SET"[..], &name, b"1"], &mut bytes);
        }
        control.send(&bytes)?;
        let mut refused = None;
        for _ in 0..count {
            if let Value::Error(text) = control.receive(&mut |_| ())? {
                refused = Some(text);
            }
        }
        if let Some(text) = refused {
            return Err(ControlError::Refused(printable(&text)));
        }
    }
    Ok(())
}

/// Deletes every name, and says how many there were; also after an interrupt, of which a second one ends it.
///
/// # Errors
/// [`ControlError`].
pub(super) fn delete(control: &mut Connection, names: &Names) -> Result<u64, ControlError> {
    let mut deleted = 0;
    for numbers in batches(names) {
        let mut words = vec![b"DEL".to_vec()];
        words.extend(numbers.map(|number| {
            let mut name = Vec::new();
            names.write(number, &mut name);
            name
        }));
        match control.ask(&words, &mut |_| ())? {
            Value::Integer(count) => deleted += u64::try_from(count).unwrap_or(0),
            Value::Error(text) => return Err(ControlError::Refused(printable(&text))),
            _ => return Err(ControlError::Refused("no number of deleted names was answered to DEL".to_owned())),
        }
    }
    Ok(deleted)
}

fn batches(names: &Names) -> impl Iterator<Item = std::ops::Range<u64>> {
    let count = names.count();
    (0..count.div_ceil(NAMES_AT_ONCE)).map(move |at| at * NAMES_AT_ONCE..((at + 1) * NAMES_AT_ONCE).min(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_every_name_once() {
        for count in [1, 499, 500, 501, 1234] {
            let numbers: Vec<u64> = batches(&Names::new("b:", count)).flatten().collect();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        }
    }
}
