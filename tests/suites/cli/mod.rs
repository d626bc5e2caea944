//! The command line: options, outputs and messages.

pub(crate) mod bitmaps;
pub(crate) mod cases;
pub(crate) mod codes;
pub(crate) mod commands;
pub(crate) mod compare;
pub(crate) mod control_characters;
pub(crate) mod digest;
pub(crate) mod direct_io;
pub(crate) mod disk_full;
pub(crate) mod failures;
pub(crate) mod follow_defaults;
pub(crate) mod followed_files;
pub(crate) mod golden;
pub(crate) mod measure;
pub(crate) mod optimize;
pub(crate) mod outputs;
pub(crate) mod readme;
pub(crate) mod receipts;
pub(crate) mod reflinks;
pub(crate) mod schemas;
pub(crate) mod signals;
mod standard_output;
pub(crate) mod syncs;
pub(crate) mod verify;
pub(crate) mod verify_damage;
