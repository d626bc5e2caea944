//! The formats: one folder each, and what runs over the images of all of them.

pub(crate) mod all;
pub(crate) mod qcow;
pub(crate) mod qcow2;
pub(crate) mod qed;
pub(crate) mod vdi;
pub(crate) mod vhd;
pub(crate) mod vhdx;
pub(crate) mod vmdk;
pub(crate) mod zvhd;
