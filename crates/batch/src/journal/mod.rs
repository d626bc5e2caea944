//! The journal in the output folder, from which a batch is continued.

pub(crate) mod asked;
mod event;
pub(crate) mod fingerprint;
mod history;
pub(crate) mod record;
mod writer;

pub use event::JOURNAL_NAME;
pub(crate) use event::{Asked, Event, Extents, Finished};
pub(crate) use history::History;
pub use writer::ExistingJournal;
pub(crate) use writer::{Journal, running};
