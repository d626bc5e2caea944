//! The run of a batch: its queue, its threads, and the events that it reports.

mod allocation_bar;
pub(crate) mod batch_run;
mod coordinator;
mod execute;
mod folders;
pub(crate) mod observer;
pub(crate) mod queue;
mod share;
mod worker;
