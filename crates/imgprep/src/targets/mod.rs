//! The writable formats: a file for each, with its options, its properties and its writer.

mod error;
mod format;
mod kind;
mod qcow;
mod qcow2;
mod qed;
mod raw;
mod same;
mod settings;
mod target;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod zvhd;

pub use error::TargetError;
pub use format::{TARGETS, TargetFormat, writable};
pub use kind::BackingFile;
pub use qcow::QcowTarget;
pub use qcow2::Qcow2Target;
pub use qed::QedTarget;
pub use settings::TargetOption;
pub use target::Target;
pub use vdi::VdiTarget;
pub use vhd::VhdTarget;
pub use vhdx::VhdxTarget;
pub use vmdk::VmdkTarget;
pub use zvhd::{Zvhd2Target, ZvhdTarget};
