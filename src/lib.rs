//! Discnt: exact counters that can be incremented in every datacentre at once.
//!
//! The library is a stack of floors; imports point only down. See ARCHITECTURE.md for the map.

pub mod base;
pub mod cli;
pub mod command;
pub mod counter;
pub mod daemon;
pub mod driver;
pub mod http;
pub mod listener;
pub mod membership;
pub mod mesh;
pub mod node;
pub mod replication;
pub mod resp;
pub mod storage;
pub mod telemetry;
pub mod wire;
