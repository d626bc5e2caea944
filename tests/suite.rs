//! The workspace's integration tests: one binary, one module a topic.
#![allow(clippy::too_many_lines, clippy::type_complexity, reason = "tables of cases read best in one piece")]

mod batch;
mod batch_folders;
mod batch_memory;
mod batch_page;
mod batch_stops;
mod batch_syncs;
mod broken;
mod chains;
mod check;
mod check_qcow2;
mod cli;
mod conformance;
mod cuts;
mod detect;
mod differential;
mod differential_qcow;
mod differential_qed;
mod differential_vdi;
mod differential_vhd;
mod differential_vhdx;
mod differential_vmdk;
mod disk_full;
mod golden;
mod hooks;
mod junit;
mod library;
mod monsters;
mod mutations;
mod program;
mod receipts;
mod schemas;
mod structure_vdi_qed_qcow;
mod structure_vhd_vmdk;
mod structure_vhdx;
mod vendor;
