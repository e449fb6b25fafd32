//! `discnt-cli backup`: all that a node holds into a directory, for `discnt-server --restore`.

use std::fs;
use std::io::{self, BufWriter};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::arguments::Backup;
use super::error::TransferError;
use super::interrupt::Interrupt;
use super::output_file::OutputFile;
use super::pipeline::Pipeline;
use super::progress::{Progress, counters};
use super::scan::size;
use crate::cli::exit::Exit;
use crate::cli::output::{output_ended, say, warn};
use crate::cli::settings::Settings;
use crate::cli::value::Value;
use crate::storage::{BACKUP_FILE, BackupWriter};

/// How often a node that is short of numbers is asked again, and after which pause.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Makes a backup.
pub(super) fn run(settings: &Settings, arguments: &Backup) -> Exit {
    let interrupt = Interrupt::listen();
    match backup(settings, &arguments.directory, &interrupt) {
        Ok(()) => Exit::Answered,
        Err(TransferError::Output(error)) => output_ended(&error),
        Err(error) => {
            warn(format_args!("{error}; no backup was made"));
            error.exit()
        }
    }
}

fn backup(settings: &Settings, directory: &Path, interrupt: &Interrupt) -> Result<(), TransferError> {
    let path = directory.join(BACKUP_FILE);
    let failed = |error| TransferError::File { path: path.clone(), error };
    let mut pipeline = Pipeline::open(settings)?;
    pipeline.ask(&["BACKUP", "BEGIN"])?;
    let before = record(&mut pipeline)?;
    fs::create_dir_all(directory).map_err(failed)?;
    if fs::read_dir(directory).map_err(failed)?.next().is_some() {
        return Err(TransferError::Given(format!("{} is not empty", directory.display())));
    }
    let mut progress = Progress::new("counters", size(&mut pipeline)?);
    let file = OutputFile::create(&path)?;
    interrupt.set_last_words(format!("no backup was made, {} is of no use", file.place()));
    let mut writer = BackupWriter::begin(BufWriter::new(file), &before).map_err(failed)?;
    let mut cursor = b"0".to_vec();
    loop {
        let (next, entries) = read(&mut pipeline, &cursor)?;
        progress.at(writer.add(&entries).map_err(failed)?);
        if next == b"0" {
            break;
        }
        if interrupt.is_asked() {
            return Err(TransferError::Interrupted);
        }
        cursor = next;
    }
    let after = record(&mut pipeline)?;
    let (out, count) = writer.finish(&after).map_err(failed)?;
    out.into_inner().map_err(io::Error::from).map_err(failed)?.keep()?;
    progress.clear();
    let seconds = progress.elapsed().as_secs_f64();
    let text = format!("backed up {} to {} in {seconds:.1} s", counters(count), directory.display());
    say(text).map_err(TransferError::Output)
}

fn record(pipeline: &mut Pipeline) -> Result<Vec<u8>, TransferError> {
    let reply = pipeline.ask(&["BACKUP", "RECORD"])?;
    let bytes = reply.bytes().map(<[u8]>::to_vec);
    bytes.ok_or_else(|| pipeline.unexpected("BACKUP RECORD", &reply))
}

/// The next cursor, and counters.
fn read(pipeline: &mut Pipeline, cursor: &[u8]) -> Result<(Vec<u8>, Vec<u8>), TransferError> {
    for attempt in 1.. {
        let reply = match pipeline.ask(&[&b"BACKUP"[..], b"READ", cursor]) {
            // It had no number to tell a count under before it hands it out.
            Err(TransferError::Refused { reason, .. }) if reason.contains("try again") && attempt < ATTEMPTS => {
                thread::sleep(PAUSE);
                continue;
            }
            other => other?,
        };
        let parts = match reply.elements() {
            Some([Value::Bulk(next), Value::Bulk(entries)]) => Some((next.clone(), entries.clone())),
            _ => None,
        };
        return parts.ok_or_else(|| pipeline.unexpected("BACKUP READ", &reply));
    }
    Err(TransferError::Given("the node has no numbers".to_owned()))
}
