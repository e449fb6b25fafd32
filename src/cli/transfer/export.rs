//! `discnt-cli export`: all counters of a server into a file.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::arguments::Export;
use super::error::TransferError;
use super::format::{Format, Writer};
use super::interrupt::Interrupt;
use super::output_file::OutputFile;
use super::pipeline::{Pipeline, unexpected};
use super::progress::{Progress, counters};
use super::record::{Record, shown};
use super::scan::{Scan, size};
use crate::base::Amount;
use crate::cli::exit::Exit;
use crate::cli::output::{output_ended, say, warn};
use crate::cli::settings::Settings;
use crate::cli::value::Value;

/// Writes all counters.
pub(super) fn run(settings: &Settings, arguments: &Export) -> Exit {
    let interrupt = Interrupt::listen();
    match export(settings, arguments, &interrupt) {
        Ok(()) => Exit::Answered,
        Err(TransferError::Output(error)) => output_ended(&error),
        Err(error) => {
            let what = match &arguments.output {
                Some(path) => format!("{} was not written", path.display()),
                None => "what was written is not all, and has no last line".to_owned(),
            };
            warn(format_args!("{error}; {what}"));
            error.exit()
        }
    }
}

fn export(settings: &Settings, arguments: &Export, interrupt: &Interrupt) -> Result<(), TransferError> {
    let mut pipeline = Pipeline::open(settings)?;
    let named = arguments.output.as_deref().and_then(Format::of_path);
    let format = arguments.format.or(named).unwrap_or(Format::Csv);
    let total = if arguments.pattern.is_none() { size(&mut pipeline)? } else { 0 };
    warn_if_inconsistent(&mut pipeline)?;
    let seconds = |progress: &Progress| format!("{:.1} s", progress.elapsed().as_secs_f64());
    match &arguments.output {
        Some(path) => {
            let mut progress = Progress::new("counters", total);
            let file = OutputFile::create(path)?;
            interrupt.set_last_words(format!("{} was not written, {} is of no use", path.display(), file.place()));
            let failed = |error| TransferError::File { path: path.clone(), error };
            let writer = Writer::begin(BufWriter::new(file), format).map_err(failed)?;
            let writer = walk(&mut pipeline, arguments, interrupt, &mut progress, writer, &failed)?;
            let count = writer.counters();
            let file = writer.finish().and_then(|file| file.into_inner().map_err(io::Error::from)).map_err(failed)?;
            file.keep()?;
            progress.clear();
            let text = format!("exported {} to {} in {}", counters(count), path.display(), seconds(&progress));
            say(text).map_err(TransferError::Output)
        }
        None => {
            let out = io::stdout();
            let is_terminal = out.is_terminal();
            let mut progress =
                if is_terminal { Progress::hidden("counters", total) } else { Progress::new("counters", total) };
            interrupt.set_last_words("what was written is not all, and has no last line".to_owned());
            let writer = Writer::begin(BufWriter::new(out.lock()), format).map_err(TransferError::Output)?;
            let writer = walk(&mut pipeline, arguments, interrupt, &mut progress, writer, &TransferError::Output)?;
            let count = writer.counters();
            writer.finish().map_err(TransferError::Output)?;
            progress.clear();
            warn(format_args!("exported {} in {}", counters(count), seconds(&progress)));
            Ok(())
        }
    }
}

/// What a node cannot hear of is not in its values.
fn warn_if_inconsistent(pipeline: &mut Pipeline) -> Result<(), TransferError> {
    let reply = match pipeline.ask(&["GET", "discnt-cli export", "STATE"]) {
        // It knows GET, but not this one.
        Err(TransferError::Refused { address, reason, .. }) if reason.starts_with("ERR") => {
            let text = format!("{address} is no discnt-server ({reason}); 'import' takes counters from other servers");
            return Err(TransferError::Given(text));
        }
        other => other?,
    };
    match reply.elements() {
        Some([_, state]) if state.text() == Some("CONSISTENT") => {}
        Some([_, _]) => warn("not all members of the cluster can be reached: the values are what this node knows"),
        _ => return Err(pipeline.unexpected("GET STATE", &reply)),
    }
    Ok(())
}

fn walk<W: Write>(
    pipeline: &mut Pipeline,
    arguments: &Export,
    interrupt: &Interrupt,
    progress: &mut Progress,
    mut writer: Writer<W>,
    failed: &dyn Fn(io::Error) -> TransferError,
) -> Result<Writer<W>, TransferError> {
    let mut scan = Scan::new(arguments.pattern.clone());
    while let Some(names) = scan.next(pipeline)? {
        for record in read(pipeline, names)? {
            writer.write(&record).map_err(failed)?;
        }
        progress.at(writer.counters());
        if interrupt.is_asked() {
            return Err(TransferError::Interrupted);
        }
    }
    Ok(writer)
}

/// The counters of these names that still exist.
fn read(pipeline: &mut Pipeline, names: Vec<Vec<u8>>) -> Result<Vec<Record>, TransferError> {
    for name in &names {
        pipeline.add(&[b"GET", &name[..], b"ENTRY"]);
    }
    let address = pipeline.address().to_owned();
    let mut entries = Vec::with_capacity(names.len());
    pipeline.run(&mut |at, reply| {
        let entry = entry(&reply).ok_or_else(|| {
            let name = names.get(at).map_or(&[][..], Vec::as_slice);
            unexpected(&address, &format!("GET ENTRY of {}", shown(name)), &reply)
        })?;
        entries.push(entry);
        Ok(())
    })?;
    let records = names.into_iter().zip(entries);
    Ok(records.filter_map(|(name, (value, precision))| Some(Record { name, value: value?, precision })).collect())
}

/// The value, if the counter exists, and the precision, if one was set.
fn entry(reply: &Value) -> Option<(Option<Amount>, Option<Amount>)> {
    let [value, precision] = reply.elements()? else { return None };
    let amount = |part: &Value| match part {
        Value::Null => Some(None),
        other => Amount::parse_exact(other.bytes()?).ok().map(Some),
    };
    Some((amount(value)?, amount(precision)?))
}
