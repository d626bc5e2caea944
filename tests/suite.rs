//! The workspace's integration tests: one binary, one module a topic.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

mod broken;
mod check;
mod check_qcow2;
mod cli;
mod conformance;
mod cuts;
mod differential;
mod golden;
mod hooks;
mod program;
mod vendor;
