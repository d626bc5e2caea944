//! The workspace's integration tests: one binary, one module a topic.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

mod batch;
mod check;
mod cli;
mod formats;
mod support;
