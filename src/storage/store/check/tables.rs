//! The engine's tables and the lists of them, checked before the engine reads them.
//!
//! A tree's `current` names its list of tables and that list's checksum; the list names each table and its checksum. So
//! from 25 bytes on, everything is proven.

use super::{damaged, read_file};
use crate::storage::StorageError;
use crate::storage::checked_file::io_error;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Version, checksum and the checksum's kind.
const CURRENT_BYTES: usize = 25;
/// One table in the list: number, kind of checksum, checksum, first batch.
const TABLE_BYTES: usize = 33;
const READ_BYTES: usize = 1 << 20;

/// One table and what it must be.
#[derive(Clone, Debug)]
pub(in super::super) struct TableFile {
    pub(in super::super) path: PathBuf,
    pub(in super::super) checksum: u128,
    /// Added to the number of every batch in it.
    pub(in super::super) first_number: u64,
}

/// The tables of one tree, as its list has them.
pub(in super::super) fn list(tree: &Path) -> Result<Vec<TableFile>, StorageError> {
    let current_path = tree.join("current");
    let current = read_file(&current_path)?;
    if current.len() != CURRENT_BYTES || current[CURRENT_BYTES - 1] != 0 {
        return Err(damaged(&current_path, format!("it has {} bytes where 25 known ones should be", current.len())));
    }
    let (version, checksum) = (number(&current[..8]) as u64, number(&current[8..24]));
    let list_path = tree.join(format!("v{version}"));
    let list = read_file(&list_path)?;
    if xxh3_128(&list) != checksum {
        return Err(damaged(&list_path, "its checksum is not the one that the file current beside it tells".into()));
    }
    // From here on, the bytes are those that the engine wrote.
    let archive = sfa::Reader::from_reader(&mut Cursor::new(&list))
        .map_err(|error| damaged(&list_path, format!("the list of tables: {error:?}")))?;
    let unknown = || damaged(&list_path, "it is not laid out as expected".into());
    let section = archive.toc().section(b"tables").ok_or_else(unknown)?;
    let from = usize::try_from(section.pos()).map_err(|_| unknown())?;
    let bytes = list.get(from..from + section.len() as usize).ok_or_else(unknown)?;
    parse(bytes, &tree.join("tables")).ok_or_else(unknown)
}

fn parse(bytes: &[u8], folder: &Path) -> Option<Vec<TableFile>> {
    let mut rest = bytes;
    let mut take = |length: usize| {
        let (field, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(field)
    };
    let mut tables = Vec::new();
    let levels = take(1)?[0];
    for _ in 0..levels {
        let runs = take(1)?[0];
        for _ in 0..runs {
            let count = number(take(4)?);
            for _ in 0..count {
                let table = take(TABLE_BYTES)?;
                if table[8] != 0 {
                    return None;
                }
                tables.push(TableFile {
                    path: folder.join(number(&table[..8]).to_string()),
                    checksum: number(&table[9..25]),
                    first_number: number(&table[25..]) as u64,
                });
            }
        }
    }
    Some(tables)
}

/// A little-endian number.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Reads a table and compares its checksum.
pub(in super::super) fn check(table: &TableFile) -> Result<(), StorageError> {
    let mut file = match File::open(&table.path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged(&table.path, "it is missing".into()));
        }
        Err(error) => return Err(io_error("open", &table.path)(error)),
    };
    let (mut hasher, mut buffer) = (Xxh3::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer).map_err(io_error("read", &table.path))? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    if hasher.digest128() == table.checksum {
        return Ok(());
    }
    Err(damaged(&table.path, "its checksum is not the one that it was written with".into()))
}
