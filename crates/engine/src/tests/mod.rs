//! Runs of the whole engine, in memory.

mod devices;
mod faults;
