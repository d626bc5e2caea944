//! Threads, memory and interrupt of a run, with their defaults.

use std::num::NonZeroUsize;

use imgprep_engine::{Interrupt, OnLoss, Options, Progress};

/// Bytes of buffers by default.
const MEMORY: u64 = 256 << 20;

/// The resources of a run.
pub(crate) struct Resources {
    pub(crate) threads: NonZeroUsize,
    pub(crate) memory: u64,
    pub(crate) interrupt: Interrupt,
}

impl Default for Resources {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, memory: MEMORY, interrupt: Interrupt::default() }
    }
}

impl Resources {
    /// Sets the number of threads; 0 counts as 1.
    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    }

    /// The engine's options.
    pub(crate) fn options<'a>(
        &'a self,
        on_loss: OnLoss,
        progress: &'a Progress,
        observe: &'a dyn Fn(&Progress),
    ) -> Options<'a> {
        let Self { threads, memory, ref interrupt } = *self;
        Options { threads, memory, on_loss, interrupt, progress, observe }
    }
}
