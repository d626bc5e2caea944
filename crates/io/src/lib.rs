//! Files, devices and pipes: what images are read from and written to.
//!
//! The only crate with `unsafe`, and the only one that names an operating system (in
//! `os`, `beneath` and `fault`). It follows no name found inside an image and knows no format.

mod beneath;
mod clone;
mod error;
mod fault;
mod os;
mod output;
mod pipe;
mod residence;
mod source;
mod spool;

pub use error::{CreateError, OpenError, reason};
pub use os::{free_space, open_file_limit, path_from_bytes, raise_open_file_limit, random_uuid};
pub use output::{DeviceOutput, Existing, OutputFile, OutputOptions, Sync, reserve, sync_folder};
pub use pipe::PipeOutput;
pub use source::{
    Access, FileIdentity, SourceFile, SourceOptions, is_block_device, is_same_file, space_taken,
};
pub use spool::spool;
