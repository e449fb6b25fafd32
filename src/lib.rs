//! Discnt: exact counters that can be incremented in every datacentre at once.
//!
//! The library is a stack of floors; imports point only down. See ARCHITECTURE.md for the map.

pub mod base;
pub mod cli;
pub mod mesh;
pub mod storage;
