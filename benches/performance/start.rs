//! How long a process takes to its first reply, and how large the program is.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Nodes, Outcome, least, median, most, program};

const LONGEST_MILLIS: f64 = 50.0;
const LARGEST_MEGABYTES: f64 = 15.0;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_micros(200);

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("start", "process start to first reply, and the program's size", !plan.is_short);
    section.paragraph(
        "From the moment before the process is started to the reply to `INCR`, on a port that is tried every 0.2 ms, with an empty \
         data directory: the node makes its key. The first time there is no authority either, and it makes one.",
    );
    let scratch = tempfile::tempdir()?;
    let settings = ["storage.durability=everysec"];
    let nodes = Nodes::new(scratch.path(), &settings);
    let first = first_reply(&nodes)?;
    let times: Vec<f64> = (0..plan.rounds(11)).map(|_| first_reply(&nodes)).collect::<Outcome<_>>()?;
    let mut table = Table::new(&["start with", "starts", "median ms", "least ms", "most ms"]);
    table.row(&["no authority".to_owned(), "1".to_owned(), figure(first), figure(first), figure(first)]);
    let middle = median(times.iter().copied());
    let figures = [middle, least(&times), most(&times)].map(figure);
    table.row(&[vec!["an empty data directory".to_owned(), times.len().to_string()], figures.to_vec()].concat());
    section.table(&table);
    section.at_most("start to first reply", middle, LONGEST_MILLIS, " ms");

    let mut table = Table::new(&["program", "MB"]);
    let built = std::fs::metadata(program())?.len() as f64 / 1e6;
    table.row(&["as it is built".to_owned(), figure(built)]);
    let stripped = stripped_megabytes(scratch.path())?;
    table.row(&["as it is packaged, without symbols".to_owned(), figure(stripped)]);
    section.table(&table);
    section.at_most("size of the program", stripped, LARGEST_MEGABYTES, " MB");
    Ok(section)
}

/// Milliseconds.
fn first_reply(nodes: &Nodes) -> Outcome<f64> {
    let begin = Instant::now();
    let server = nodes.spawn()?;
    loop {
        // Refused while nobody listens; answered with an error while it loads.
        let answer = server.client().and_then(|mut client| client.expect(&["INCR", "first"], "1"));
        let took = begin.elapsed();
        match answer {
            Ok(()) => return Ok(took.as_secs_f64() * 1e3),
            Err(error) if took > PATIENCE => return Err(error),
            Err(_) => sleep(LOOK_INTERVAL),
        }
    }
}

fn stripped_megabytes(scratch: &Path) -> Outcome<f64> {
    let stripped = scratch.join("stripped");
    let status = Command::new("strip")
        .args(["--strip-all", "--remove-section=.comment", "-o"])
        .arg(&stripped)
        .arg(program())
        .status()
        .map_err(|error| format!("strip (Debian: binutils): {error}"))?;
    if !status.success() {
        return Err(format!("strip: {status}").into());
    }
    Ok(std::fs::metadata(stripped)?.len() as f64 / 1e6)
}
