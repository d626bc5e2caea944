//! Files, devices and pipes: what images are read from and written to.
//!
//! The only crate with `unsafe`, and the only one that names an operating system (in
//! `os`, `beneath`, `fault`, `memory` and `startup`). It follows no name found inside an image and knows no format.

mod beneath;
mod block_cache;
mod clone;
pub mod codes;
mod device;
mod direct;
mod error;
mod fault;
mod file_write;
mod image_file;
mod in_place;
mod memory;
mod os;
mod output;
mod page_cache;
mod pipe;
mod place;
mod published;
mod source;
mod spool;
mod startup;
mod temporary;
mod write_atomic;

pub use block_cache::BlockCache;
pub use codes::CODES;
pub use device::DeviceOutput;
pub use error::{CreateError, OpenError, reason};
pub use image_file::{ImageFile, NamedReader};
pub use in_place::{InPlaceError, InPlaceFile, UnknownUse, WriterExclusion};
pub use memory::{Allocator, set_memory_exit_code};
pub use os::{free_space, open_file_limit, path_from_bytes, raise_open_file_limit, random_uuid};
pub use output::{CacheMode, Existing, OutputFile, OutputOptions, Sync, reserve, sync_folder};
pub use pipe::PipeOutput;
pub use place::{FileIdentity, FilePlace};
pub use published::{Published, remove_unfinished};
pub use source::{Access, SourceFile, SourceOptions, is_block_device, is_same_file, space_taken};
pub use spool::spool;
pub use startup::{ignores_hangup, stdout_was_closed};
pub use temporary::hidden_prefix;
pub use write_atomic::write_atomic;
