//! The workspace's integration tests: one binary, one module a topic.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

mod batch;
mod batch_page;
mod broken;
mod cli;
mod conformance;
mod cuts;
mod detect;
mod differential;
mod differential_qcow;
mod differential_qed;
mod golden;
mod mutations;
mod program;
mod receipts;
mod schemas;
mod vendor;
