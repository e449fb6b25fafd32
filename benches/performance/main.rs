//! What Discnt costs, beside redis-server on the same machine in the same minutes, and whether its targets are met.
//!
//!     benches/run                       all parts, about an hour; benches/run --help tells more
//!     benches/run speed memory          these parts
//!     benches/run --short               a few seconds of everything, to see that it works
//!     benches/run --write ...           and puts the figures into benches/RESULTS.md and README.md
//!
//! Each part starts its own servers, on ports that the system chooses, and stops them. Ratios are the median of rounds in which
//! the servers take turns, so that whatever else the machine does falls on all of them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the figures are what this is for")]

mod ceiling;
mod flat;
mod loader;
mod machine;
mod memory;
mod mesh;
mod model;
mod open_loop;
mod pages;
mod peers;
mod plan;
mod predictions;
#[path = "../support/random.rs"]
mod random;
mod replies;
mod report;
mod scale;
mod speed;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
mod visibility;
mod wire;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use plan::Plan;
use report::Section;
use support::Outcome;

/// One.
const UNIT: i128 = discnt::base::Amount::ONE.units();
/// After so long without an increment a counter is announced exactly.
const SETTLE: Duration = Duration::from_secs(1);

type Part = fn(&Plan) -> Outcome<Section>;

/// In the order of the report.
const PARTS: [(&str, Part); 9] = [
    ("speed", speed::measure),
    ("memory", memory::measure),
    ("flat", flat::measure),
    ("mesh", mesh::measure),
    ("peers", peers::measure),
    ("visibility", visibility::measure),
    ("predictions", predictions::measure),
    ("scale", scale::measure),
    ("start", start::measure),
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches/run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<()> {
    let plan = Plan::read(&PARTS.map(|(name, _)| name))?;
    if plan.is_written && plan.is_short {
        return Err("--short is not for figures that are written down".into());
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    println!("# {}\n\n{}\n", machine::build(), machine::describe());
    for (name, part) in PARTS.iter().filter(|(name, _)| plan.parts.contains(name)) {
        let (begin, machine) = (Instant::now(), machine::describe());
        let section = part(&plan).map_err(|error| format!("{name}: {error}"))?;
        let circumstances = format!(
            "Measured on {} by `benches/run {}` in {:.0} s: {}; {machine}.\n",
            machine::today(),
            arguments.join(" "),
            begin.elapsed().as_secs_f64(),
            machine::build(),
        );
        println!("{}{circumstances}", section.render());
        if plan.is_written {
            pages::write(&section, &circumstances)?;
        }
    }
    Ok(())
}
