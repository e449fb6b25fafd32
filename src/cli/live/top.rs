//! `--top`: the counters that change most.

use std::io;
use std::time::{Duration, Instant};

use super::begin::open;
use super::events::{Event, Events};
use super::plot::shown_name;
use super::rate::{grouped, short};
use super::screen::{Line, Screen, Size};
use super::survey::{self, Report};
use super::table::{self, Row};
use super::watch::Pace;
use crate::cli::display::Format;
use crate::cli::exit::Exit;
use crate::cli::json;
use crate::cli::output::{output_ended, say, warn};
use crate::cli::settings::Settings;
use crate::cli::value::Value;

const INTERVAL: Duration = Duration::from_secs(1);
/// How many are printed where there is no terminal that would say.
const ROWS: u32 = 10;
/// Where nothing happens, what is shown is as it was.
const NEVER: Duration = Duration::from_secs(3600);
/// How many lines stand around the table.
const LINES_BESIDE: usize = 3;

/// Shows them until the user leaves. A server that is gone is waited for.
pub(super) fn run(
    settings: &Settings,
    format: Format,
    pattern: Option<Vec<u8>>,
    rows: Option<u32>,
    pace: &Pace,
) -> Exit {
    let interval = pace.interval.unwrap_or(INTERVAL);
    let Some(first) = open(settings) else { return Exit::Unusable };
    let has_picture = pace.on_terminal && format == Format::Typed;
    let events = Events::listen(has_picture);
    survey::start(first, settings.clone(), pattern, interval, events.sender());
    let mut top = Top {
        address: settings.address(),
        interval,
        rows: rows.unwrap_or(ROWS) as usize,
        report: Report::default(),
        silence: None,
        refused: None,
    };
    let shown = if has_picture {
        Screen::open().and_then(|mut screen| {
            let exit = top.draw(&mut screen, &events, pace.rounds)?;
            screen.leave().map(|()| exit)
        })
    } else {
        top.print(format, &events, pace.rounds)
    };
    top.refused.iter().for_each(warn);
    shown.unwrap_or_else(|error| output_ended(&error))
}

struct Top {
    address: String,
    interval: Duration,
    rows: usize,
    report: Report,
    /// Why nothing comes at present.
    silence: Option<String>,
    refused: Option<String>,
}

impl Top {
    /// Takes note of an event. Answers how to end, if so.
    fn take(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Found(report) => self.report = *report,
            Event::Connected => self.silence = None,
            Event::Silence(reason) => self.silence = Some(reason),
            Event::Refused(text) => {
                self.refused = Some(text);
                return Some(Exit::Failed);
            }
            Event::Leave => return Some(Exit::Answered),
            Event::Resized | Event::Due | Event::Message(_) => {}
        }
        None
    }

    fn draw(&mut self, screen: &mut Screen, events: &Events, rounds: Option<u64>) -> io::Result<Exit> {
        let mut drawn = 0;
        loop {
            screen.draw(&self.lines(screen.size()))?;
            if rounds.is_some_and(|rounds| drawn >= rounds) {
                return Ok(Exit::Answered);
            }
            let event = events.next(Instant::now() + NEVER);
            drawn += u64::from(matches!(&event, Event::Found(report) if report.is_informed));
            if let Some(exit) = self.take(event) {
                return Ok(exit);
            }
        }
    }

    fn print(&mut self, format: Format, events: &Events, rounds: Option<u64>) -> io::Result<Exit> {
        let mut printed = 0;
        while rounds.is_none_or(|rounds| printed < rounds) {
            let event = events.next(Instant::now() + NEVER);
            let is_news = matches!(&event, Event::Found(report) if report.is_informed);
            if let Event::Silence(reason) = &event {
                warn(format_args!("{}: {reason}; it is tried again", self.address));
            }
            match self.take(event) {
                Some(Exit::Answered) => return Ok(Exit::Interrupted),
                Some(exit) => return Ok(exit),
                None => {}
            }
            if is_news {
                say(self.text(format))?;
                printed += 1;
            }
        }
        Ok(Exit::Answered)
    }

    /// The busiest as text for programs: a line each and an empty one behind them, or one list of JSON.
    fn text(&self, format: Format) -> String {
        let movers = self.report.movers.iter().take(self.rows);
        if format == Format::Json {
            let objects = movers.map(|mover| super::json_of(&mover.name, Some(mover.value), mover.rate)).collect();
            return json::render(&Value::Array(objects));
        }
        let line = |mover: &super::busiest::Mover| {
            let rate = super::thousandths(mover.rate);
            format!("{}\t{}\t{rate}\n", shown_name(&mover.name), mover.value)
        };
        movers.map(line).collect()
    }

    /// The picture.
    fn lines(&self, size: Size) -> Vec<Line> {
        let movers = self.report.movers.iter().take(size.rows.saturating_sub(LINES_BESIDE));
        let rows: Vec<Row<'_>> = movers
            .map(|mover| Row {
                name: shown_name(&mover.name),
                figures: vec![mover.value.to_string(), short(mover.rate)],
                series: &mover.rates,
            })
            .collect();
        let mut lines = vec![Line::Note(self.scope())];
        lines.extend(table::lines(&["value", "change/s"], "change/s", &rows, size.columns));
        lines.push(Line::Note(match &self.silence {
            Some(reason) => format!("{}: {reason}; it is tried again", self.address),
            None if self.report.is_informed && rows.is_empty() => {
                format!("{}: nothing was seen changing yet; q leaves", self.address)
            }
            None => format!("{}, every {} s; q leaves", self.address, self.interval.as_secs_f64()),
        }));
        lines
    }

    /// What is looked at, in words.
    fn scope(&self) -> String {
        let report = &self.report;
        let followed = format!("{} that change are followed", grouped(report.movers.len() as u64));
        let looked_at = grouped(report.looked_at as u64);
        let total = grouped(report.total);
        match report.round {
            Some(round) if round <= self.interval * 2 => {
                format!("{total} counters, {looked_at} looked at each time; {followed}")
            }
            Some(round) => {
                let seconds = round.as_secs_f64().ceil();
                format!("{total} counters, {looked_at} looked at each time, all within {seconds} s; {followed}")
            }
            None => format!("{total} counters, {looked_at} looked at each time, not all yet; {followed}"),
        }
    }
}
