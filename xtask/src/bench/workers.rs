//! One worker a core, for works that consist of blocks.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a block of ZVHD2.
pub(super) const BLOCK: usize = 2 << 20;

pub(super) type Work<'a> = Box<dyn FnMut(usize) + 'a>;

/// Hands the numbers below `count` to one worker a core.
pub(super) fn each<'a>(count: usize, worker: impl Fn() -> Work<'a> + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut work = worker();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    work(index);
                }
            });
        }
    });
}
