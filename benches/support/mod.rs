//! What several measurements need: servers of both kinds, those who load them, and how figures are read and summed up.
#![allow(dead_code, unused_imports, reason = "not every bench needs all of it")]

mod client;
mod figures;
mod options;
mod process;
mod redis_benchmark;
mod servers;

use std::error::Error;

pub(crate) use client::{Client, Info, LOOK_INTERVAL};
pub(crate) use figures::{least, median, most};
pub(crate) use options::Options;
pub(crate) use process::{Processor, busy_seconds};
pub(crate) use redis_benchmark::{CLIENTS, NAMES, Run, run_against, run_benchmark};
pub(crate) use servers::{Nodes, Server, is_redis_installed, program, start_nodes, start_redis, wait_until_linked};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;
