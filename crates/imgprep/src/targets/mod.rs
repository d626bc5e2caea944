//! The writable formats: a file for each, with its options, its properties and its writer.

mod error;
mod format;
mod kind;
mod qcow2;
mod raw;
mod settings;
mod target;
mod vdi;
mod vhd;
mod vmdk;
mod zvhd;

pub use error::TargetError;
pub use format::{TARGETS, TargetFormat, writable};
pub use qcow2::Qcow2Target;
pub use settings::TargetOption;
pub use target::Target;
pub use vdi::VdiTarget;
pub use vhd::VhdTarget;
pub use vmdk::VmdkTarget;
pub use zvhd::{Zvhd2Target, ZvhdTarget};
