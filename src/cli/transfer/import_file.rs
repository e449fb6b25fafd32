//! An import from a file: checked as a whole first, then set in batches.

use std::path::Path;

use super::arguments::Import;
use super::confirming::Confirming;
use super::error::TransferError;
use super::import::done;
use super::input_file::InputFile;
use super::interrupt::Interrupt;
use super::pipeline::Pipeline;
use super::progress::{Progress, counters, grouped};
use super::reading::{Numbered, Reader};
use super::record::Record;
use super::seal::Seal;
use super::sink::{BATCH, Sink};
use super::state::State;
use crate::cli::exit::Exit;
use crate::cli::output::{say, warn};
use crate::cli::settings::Settings;

/// How many faults are told one by one.
const TOLD_FAULTS: u64 = 20;

/// Imports a file.
pub(super) fn run(
    settings: &Settings,
    arguments: &Import,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<Exit, TransferError> {
    if arguments.resume && InputFile::is_input(path) {
        let text = "--resume needs a file: what came from the input once does not come again";
        return Err(TransferError::Given(text.to_owned()));
    }
    let mut input = InputFile::open(path)?;
    interrupt.set_last_words("nothing was imported".to_owned());
    let Some(checked) = check(&mut input, arguments, path, interrupt)? else { return Ok(Exit::Failed) };
    if let Some(line) = arguments.from_line.filter(|line| *line > checked.lines) {
        let text =
            format!("there is no line {line}: {} has {} lines; nothing was imported", path.display(), checked.lines);
        return Err(TransferError::Given(text));
    }
    if arguments.check {
        let text = format!("{}: {}, nothing is wrong", path.display(), counters(checked.seal.counters));
        say(text).map_err(TransferError::Output)?;
        return Ok(Exit::Answered);
    }
    let sink = Sink::new(Pipeline::open(settings)?, arguments.skip_existing);
    let state = arguments.resume.then(|| State::new(path, sink.address(), &checked.seal));
    let done_before = state.as_ref().map_or(Ok(0), State::load)?;
    let progress = Progress::new("counters", checked.seal.counters);
    let mut import = Importing {
        sink,
        state,
        confirming: Confirming::new(),
        done: 0,
        done_before,
        on_disk: OnDisk { counters: done_before, next_line: arguments.from_line.unwrap_or(1) },
        progress,
        interrupt,
        path,
    };
    match import.run(&mut input, arguments, &checked.seal) {
        Ok(()) => import.finish(),
        Err((next_line, error)) => {
            import.progress.clear();
            warn(format_args!("{error}; {}", import.how_to_go_on(next_line)));
            Ok(error.exit())
        }
    }
}

/// A file with nothing wrong in it.
struct Checked {
    seal: Seal,
    lines: u64,
}

/// Reads all of the file; tells what is wrong with it, and answers nothing then.
fn check(
    input: &mut InputFile,
    arguments: &Import,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<Option<Checked>, TransferError> {
    let mut progress = Progress::new("lines checked", 0);
    let mut faults = 0_u64;
    let result = {
        let mut reader = Reader::new(input.read()?, arguments.format, arguments.edited);
        loop {
            match reader.next() {
                Ok(None) => break Ok(Checked { seal: reader.seal(), lines: reader.lines() }),
                Err(error) => break Err(error),
                Ok(Some(Numbered { line, found: Err(fault) })) => {
                    faults += 1;
                    if faults <= TOLD_FAULTS {
                        progress.clear();
                        warn(format_args!("{}: line {line}: {fault}", path.display()));
                    }
                }
                Ok(Some(Numbered { line, found: Ok(_) })) => progress.at(line),
            }
            if interrupt.is_asked() {
                progress.clear();
                warn("nothing was imported");
                return Err(TransferError::Interrupted);
            }
        }
    };
    let checked = result.map_err(|error| input.failed(error))?;
    progress.clear();
    if faults == 0 {
        return Ok(Some(checked));
    }
    let more = match faults.saturating_sub(TOLD_FAULTS) {
        0 => String::new(),
        more => format!("{} more lines are wrong; ", grouped(more)),
    };
    warn(format_args!("{more}nothing was imported"));
    Ok(None)
}

struct Importing<'a> {
    sink: Sink,
    state: Option<State>,
    confirming: Confirming,
    /// Counters of the file that are done, from the first on.
    done: u64,
    done_before: u64,
    on_disk: OnDisk,
    progress: Progress,
    interrupt: &'a Interrupt,
    path: &'a Path,
}

/// What the server has said to be on its disk: only that is still done when it has crashed.
struct OnDisk {
    /// Counters of the file, from the first on.
    counters: u64,
    /// The line behind them, as far as it is known.
    next_line: u64,
}

/// The line of the first counter that is not certainly done, and what happened.
type Stopped = (u64, TransferError);

impl Importing<'_> {
    fn run(&mut self, input: &mut InputFile, arguments: &Import, expected: &Seal) -> Result<(), Stopped> {
        let first_line = arguments.from_line.unwrap_or(1);
        let input = input.read().map_err(|error| (first_line, error))?;
        let mut reader = Reader::new(input, arguments.format, arguments.edited);
        let mut records: Vec<Record> = Vec::with_capacity(BATCH);
        let mut lines: Vec<u64> = Vec::with_capacity(BATCH);
        let mut last_line = first_line;
        self.tell_last_words();
        loop {
            let next = reader.next().map_err(|error| {
                let file = TransferError::File { path: self.path.to_owned(), error };
                (lines.first().copied().unwrap_or(last_line), file)
            })?;
            let is_end = next.is_none();
            match next {
                Some(Numbered { line, found: Ok(record) }) => {
                    last_line = line;
                    if line < first_line || self.done < self.done_before {
                        self.done += 1;
                        continue;
                    }
                    records.push(record);
                    lines.push(line);
                }
                Some(Numbered { line, found: Err(_) }) => return Err((line, self.changed())),
                None => {}
            }
            if records.len() == BATCH || is_end {
                let written = self.sink.write(&records);
                let done = written.as_ref().map_or_else(|(done, _)| *done, |()| records.len());
                self.done += done as u64;
                if let Err((done, error)) = written {
                    let line = lines.get(done).copied().unwrap_or(last_line);
                    self.refused(line, &error);
                    return Err((line, error));
                }
                records.clear();
                lines.clear();
                let next_line = last_line.saturating_add(1);
                self.came_so_far(next_line).map_err(|error| (next_line, error))?;
                if is_end {
                    break;
                }
            }
        }
        if reader.seal() != *expected {
            return Err((first_line, self.changed()));
        }
        let next_line = last_line.saturating_add(1);
        match self.confirming.ask_at_end(&mut self.sink, self.interrupt) {
            Ok(true) => self.keep(next_line),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| (next_line, error))
    }

    fn changed(&self) -> TransferError {
        TransferError::Given(format!("{} was changed while it was imported", self.path.display()))
    }

    fn came_so_far(&mut self, next_line: u64) -> Result<(), TransferError> {
        self.progress.at(self.done);
        let is_asked = self.interrupt.is_asked();
        if (is_asked || self.confirming.is_due()) && self.confirming.ask(&mut self.sink)? {
            self.keep(next_line)?;
        }
        if is_asked { Err(TransferError::Interrupted) } else { Ok(()) }
    }

    /// A server that refuses one counter can still say that those before it are on its disk.
    fn refused(&mut self, next_line: u64, error: &TransferError) {
        let is_connected = matches!(error, TransferError::Refused { .. });
        if is_connected && self.confirming.ask(&mut self.sink).is_ok_and(|is_on_disk| is_on_disk) {
            // What cannot be kept is told with how to go on.
            let _ = self.keep(next_line);
        }
    }

    /// Everything so far is on the server's disk.
    fn keep(&mut self, next_line: u64) -> Result<(), TransferError> {
        self.on_disk = OnDisk { counters: self.done, next_line };
        self.tell_last_words();
        self.state.as_ref().map_or(Ok(()), |state| state.save(self.done))
    }

    fn tell_last_words(&self) {
        let next_line = self.on_disk.next_line;
        self.interrupt.set_last_words(format!("lines before {next_line} are done, and perhaps some more"));
    }

    fn finish(mut self) -> Result<Exit, TransferError> {
        if let Some(state) = &self.state {
            state.remove()?;
        }
        self.progress.clear();
        let before = match self.done - self.sink.set - self.sink.skipped {
            0 => String::new(),
            count => format!("; the first {} of the file were left out", grouped(count)),
        };
        let seconds = self.progress.elapsed().as_secs_f64();
        let doubt = self.confirming.doubt();
        say(format_args!("{}{before}; it took {seconds:.1} s{doubt}", done(&self.sink)))
            .map_err(TransferError::Output)?;
        Ok(Exit::Answered)
    }

    /// What is done, and how the rest is done. Nothing before `answered_line` is missing unless the server crashed.
    fn how_to_go_on(&self, answered_line: u64) -> String {
        let done = done(&self.sink);
        let again = "what is set again gets the same values";
        let OnDisk { counters, next_line } = self.on_disk;
        let mut text = match self.state.as_ref().map(|state| (state, state.save(counters))) {
            Some((_, Ok(()))) if counters == 0 => {
                format!("{done}; the same command begins from the beginning: {again}")
            }
            Some((_, Ok(()))) => format!(
                "{done}; the first {} of the file are on its disk, and the same command goes on behind them",
                grouped(counters)
            ),
            Some((state, Err(error))) => format!(
                "{done}; that could not be kept in {} ({error}): go on with --from-line {next_line}",
                state.path().display()
            ),
            None => format!("{done}; go on with --from-line {next_line}, or from the beginning: {again}"),
        };
        if answered_line > next_line && self.done > counters {
            text.push_str(&format!(
                "; --from-line {answered_line} is enough if the server has not been started again since"
            ));
        }
        text + &self.confirming.doubt()
    }
}
