//! Options, progress and interrupt of a run.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use imgprep_map::Error;

use crate::EngineError;

/// Options of a run. None of them changes the bytes of the output.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Worker threads. With one, all work is done on the caller's thread.
    pub threads: NonZeroUsize,
    /// Bytes that may be in flight: chunk buffers, compressed results, codec contexts.
    pub memory: u64,
    /// How a range is handled that cannot be read.
    pub on_loss: OnLoss,
    /// Raised to stop the run.
    pub interrupt: &'a Interrupt,
    /// Counters that the run updates.
    pub progress: &'a Progress,
    /// Called on the caller's thread after every finished chunk.
    pub observe: &'a dyn Fn(&Progress),
}

/// How a range of the disk is handled that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Stop with the error.
    #[default]
    Stop,
    /// Continue with zeros in its place, and list it.
    Zero,
}

/// A flag that stops a run.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Stops the run at the next chunk.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_raised() { Err(EngineError::Interrupted.into()) } else { Ok(()) }
    }
}

/// Counters of one run, for progress output.
#[derive(Debug, Default)]
pub struct Progress {
    passes: AtomicU64,
    total: AtomicU64,
    disk: AtomicU64,
    source: AtomicU64,
    output: AtomicU64,
}

/// The counters of a [`Progress`] at one moment, in bytes except for the passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressReading {
    /// Passes over the disk that began: the first converts, the second reads the output back.
    pub passes: u64,
    /// Bytes of the disk that have to be read: what the maps report as zeros is not counted.
    pub total: u64,
    /// Of those, done.
    pub disk: u64,
    /// Bytes of source payload read.
    pub source: u64,
    /// Bytes of output written.
    pub output: u64,
}

impl ProgressReading {
    /// Percentage of the current pass, 0 to 100.
    pub fn percent(&self) -> u8 {
        let done = u128::from(self.disk.min(self.total)) * 100;
        // OK: at most 100.
        done.checked_div(self.total.into()).map_or(100, |percent| u8::try_from(percent).unwrap_or(100))
    }
}

impl Progress {
    /// The counters now.
    pub fn read(&self) -> ProgressReading {
        ProgressReading {
            passes: self.passes.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            disk: self.disk.load(Ordering::Relaxed),
            source: self.source.load(Ordering::Relaxed),
            output: self.output.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn begin(&self, total: u64) {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.disk.store(0, Ordering::Relaxed);
    }

    pub(crate) fn did_disk(&self, bytes: u64) {
        self.disk.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn did_read(&self, bytes: u64) {
        self.source.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn did_write(&self, bytes: u64) {
        self.output.fetch_add(bytes, Ordering::Relaxed);
    }
}
