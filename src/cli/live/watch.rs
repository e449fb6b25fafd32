//! `watch`: counters as they change, told of by the server.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use super::begin::open;
use super::events::{Event, Events, Sender};
use super::plot::shown_name;
use super::rate::short;
use super::screen::{Line, Screen};
use super::table::{self, Row};
use super::track::Track;
use crate::base::Amount;
use crate::cli::connection::Connection;
use crate::cli::display::Format;
use crate::cli::exit::Exit;
use crate::cli::json;
use crate::cli::output::{output_ended, say, warn};
use crate::cli::reason::describe;
use crate::cli::settings::Settings;
use crate::cli::value::Value;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a server that is gone is left alone before it is asked again.
const RECONNECT: Duration = Duration::from_secs(1);
/// Where nothing happens, nothing is printed.
const NEVER: Duration = Duration::from_secs(3600);

/// How a picture goes on.
pub(super) struct Pace {
    /// How often a value is told of, where the user says.
    pub(super) interval: Option<Duration>,
    /// After how many pictures or lines it ends, where the user says.
    pub(super) rounds: Option<u64>,
    /// Whether somebody looks at the output.
    pub(super) on_terminal: bool,
}

/// Shows counters until the user leaves. A server that is gone is waited for.
pub(super) fn run(settings: &Settings, format: Format, names: Vec<Vec<u8>>, pace: &Pace) -> Exit {
    let interval = pace.interval.unwrap_or(INTERVAL);
    let mut watch = Watch::new(names, interval, settings.address());
    // The first time, what is wrong is told on the terminal as it is.
    let Some(first) = open(settings) else { return Exit::Unusable };
    let has_picture = pace.on_terminal && format == Format::Typed;
    let events = Events::listen(has_picture);
    follow(Some(first), settings, watch.request(), events.sender());
    let shown = if has_picture {
        Screen::open().and_then(|mut screen| {
            let exit = watch.draw(&mut screen, settings, &events, pace.rounds)?;
            screen.leave().map(|()| exit)
        })
    } else {
        watch.print(settings, format, &events, pace.rounds)
    };
    watch.refused.iter().for_each(warn);
    shown.unwrap_or_else(|error| output_ended(&error))
}

/// Has messages put among the events, by a thread of their own, of this connection or of a new one.
fn follow(first: Option<Connection>, settings: &Settings, request: Vec<Vec<u8>>, events: Sender) {
    let settings = settings.clone();
    let _ = thread::Builder::new().name("messages".to_owned()).spawn(move || {
        let opened = first.map_or_else(|| Connection::open(&settings).map(|(connection, _)| connection), Ok);
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                events.send(Event::Silence(error.to_string()));
                return;
            }
        };
        events.send(Event::Connected);
        let ended = connection.converse(&request, &mut |value| {
            // A node that was started again is as good as gone until it has its counters.
            if super::is_loading(&value) {
                return ControlFlow::Break(Some(super::refusal("ISUBSCRIBE", &value)));
            }
            if events.send(Event::Message(value)) { ControlFlow::Continue(()) } else { ControlFlow::Break(None) }
        });
        if let Some(reason) = ended.unwrap_or_else(|error| Some(describe(&error))) {
            events.send(Event::Silence(reason));
        }
    });
}

struct Watch {
    names: Vec<Vec<u8>>,
    tracks: HashMap<Vec<u8>, Track>,
    interval: Duration,
    address: String,
    /// Why nothing comes at present.
    silence: Option<String>,
    /// What the server said to the subscription, if it refused it.
    refused: Option<String>,
}

impl Watch {
    fn new(mut names: Vec<Vec<u8>>, interval: Duration, address: String) -> Self {
        let mut tracks = HashMap::new();
        names.retain(|name| tracks.insert(name.clone(), Track::new()).is_none());
        Self { names, tracks, interval, address, silence: None, refused: None }
    }

    fn request(&self) -> Vec<Vec<u8>> {
        let seconds = self.interval.as_secs_f64().to_string();
        [vec![b"ISUBSCRIBE".to_vec(), seconds.into_bytes()], self.names.clone()].concat()
    }

    /// The counter that a message is about, if it is one and says what that stands at.
    fn hear(&mut self, message: &Value, now: Instant) -> Option<Vec<u8>> {
        let [kind, name, value] = message.elements()? else { return None };
        let value = Amount::parse(value.bytes()?).ok()?;
        if kind.bytes() != Some(b"message") {
            return None;
        }
        let name = name.bytes()?;
        self.tracks.get_mut(name)?.hear(value, now, self.interval);
        Some(name.to_vec())
    }

    /// Takes note of a message that is an error.
    fn is_refused(&mut self, message: &Value) -> bool {
        if message.is_error() {
            self.refused = Some(super::refusal("ISUBSCRIBE", message));
        }
        self.refused.is_some()
    }

    fn draw(
        &mut self,
        screen: &mut Screen,
        settings: &Settings,
        events: &Events,
        rounds: Option<u64>,
    ) -> io::Result<Exit> {
        let mut due = Instant::now();
        let mut drawn = 0;
        let mut again: Option<Instant> = None;
        loop {
            match events.next(due) {
                Event::Message(message) => {
                    if self.is_refused(&message) {
                        return Ok(Exit::Failed);
                    }
                    self.hear(&message, Instant::now());
                    continue;
                }
                Event::Silence(reason) => {
                    self.silence = Some(reason);
                    again = Some(Instant::now() + RECONNECT);
                }
                Event::Connected => self.silence = None,
                Event::Leave => return Ok(Exit::Answered),
                Event::Resized | Event::Found(_) | Event::Refused(_) => {}
                Event::Due => {
                    let now = Instant::now();
                    if again.is_some_and(|again| now >= again) {
                        again = None;
                        follow(None, settings, self.request(), events.sender());
                    }
                    for track in self.tracks.values_mut() {
                        track.tick(now, self.interval);
                    }
                    due = (due + self.interval).max(now);
                    drawn += 1;
                }
            }
            let lines = self.lines(screen.size().columns);
            screen.draw(&lines)?;
            if rounds.is_some_and(|rounds| drawn >= rounds) {
                return Ok(Exit::Answered);
            }
        }
    }

    fn print(&mut self, settings: &Settings, format: Format, events: &Events, rounds: Option<u64>) -> io::Result<Exit> {
        let mut printed = 0;
        let mut again: Option<Instant> = None;
        while rounds.is_none_or(|rounds| printed < rounds) {
            match events.next(again.unwrap_or_else(|| Instant::now() + NEVER)) {
                Event::Message(message) => {
                    if self.is_refused(&message) {
                        return Ok(Exit::Failed);
                    }
                    if let Some(name) = self.hear(&message, Instant::now()) {
                        say(self.text(&name, format))?;
                        printed += 1;
                    }
                }
                Event::Silence(reason) => {
                    warn(format_args!("{}: {reason}; it is tried again", self.address));
                    again = Some(Instant::now() + RECONNECT);
                }
                Event::Due => {
                    if again.take().is_some() {
                        follow(None, settings, self.request(), events.sender());
                    }
                }
                Event::Leave => return Ok(Exit::Interrupted),
                Event::Connected | Event::Resized | Event::Found(_) | Event::Refused(_) => {}
            }
        }
        Ok(Exit::Answered)
    }

    /// A counter as a line for programs.
    fn text(&self, name: &[u8], format: Format) -> String {
        let track = self.tracks.get(name);
        let (value, rate) = (track.and_then(Track::value), track.map_or(0.0, Track::rate));
        if format == Format::Json {
            return json::render(&super::json_of(name, value, rate));
        }
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        format!("{}\t{value}\t{}", shown_name(name), super::thousandths(rate))
    }

    /// The picture.
    fn lines(&self, columns: usize) -> Vec<Line> {
        let tracks = self.names.iter().filter_map(|name| self.tracks.get_key_value(name));
        let rows: Vec<Row<'_>> = tracks
            .map(|(name, track)| Row { name: shown_name(name), figures: figures(track), series: track.rates() })
            .collect();
        let mut lines = table::lines(&["value", "change/s", "least", "most"], "change/s", &rows, columns);
        lines.push(Line::Note(match &self.silence {
            Some(reason) => format!("{}: {reason}; it is tried again", self.address),
            None => format!("{}, every {} s; q leaves", self.address, self.interval.as_secs_f64()),
        }));
        lines
    }
}

/// Value, rate, least and most.
fn figures(track: &Track) -> Vec<String> {
    let shown = |amount: Option<Amount>| amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
    let (least, most) = track.range().unzip();
    vec![shown(track.value()), short(track.rate()), shown(least), shown(most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::live::plot::width;

    fn message(kind: &str, name: &str, value: &str) -> Value {
        Value::Array([kind, name, value].map(|text| Value::Bulk(text.into())).into())
    }

    #[test]
    fn a_picture_has_a_line_for_each_counter_and_a_plot_that_fills_it() {
        let names = ["visits", "数", "visits"].map(|name| name.as_bytes().to_vec());
        let mut watch = Watch::new(names.into(), INTERVAL, "host:1".to_owned());
        assert_eq!(watch.request().len(), 4, "a name that is given twice is one counter");
        let begin = Instant::now();
        for (seconds, value) in [(0, "10"), (1, "12.5")] {
            let heard = watch.hear(&message("message", "visits", value), begin + Duration::from_secs(seconds));
            assert_eq!(heard, Some(b"visits".to_vec()));
            watch.tracks.values_mut().for_each(|track| track.tick(begin + Duration::from_secs(seconds), INTERVAL));
        }
        assert_eq!(watch.hear(&message("subscribe", "visits", "1"), begin), None);
        assert_eq!(watch.hear(&message("message", "other", "1"), begin), None);
        let lines = watch.lines(60);
        let texts: Vec<&str> = lines.iter().map(Line::text).collect();
        assert_eq!(texts[0], "name    value  change/s  least  most                change/s");
        assert_eq!(texts[1], "visits   12.5       2.5     10  12.5                      ▁█");
        assert_eq!(width(texts[1]), 60);
        assert!(texts[2].starts_with("数          -         0      -     -  "), "{}", texts[2]);
        assert_eq!(texts[3], "host:1, every 1 s; q leaves");
        assert_eq!(watch.text(b"visits", Format::Raw), "visits\t12.5\t2.5");
        assert_eq!(watch.text(b"visits", Format::Json), r#"{"name":"visits","value":"12.5","change_per_second":2.5}"#);
    }
}
