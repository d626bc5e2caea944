//! Memory exhaustion ends the program with a message and without leaving files behind.
#![expect(unsafe_code, reason = "an allocator, and the end of a process that has no memory left")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Cursor, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use imgprep_map::HUGE_PAGE;

use crate::temporary::remove_hidden;

/// The system's allocator. If memory is exhausted, the process ends with a message and exit code 1, or that of
/// [`set_memory_exit_code`], and leaves no hidden file: outputs without a name vanish with the process, and the others are
/// removed.
///
/// Most allocations cannot return an error, and an allocator must not unwind (`GlobalAlloc`). So a batch ends, too; its
/// journal is kept.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: all calls go to `System` with the arguments that came; a null pointer never leaves.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        let memory = checked(unsafe { System.alloc_zeroed(layout) }, layout.size());
        if layout.size() >= HUGE_FROM {
            advise_huge_pages(memory, layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller's.
        checked(unsafe { System.realloc(at, layout, size) }, size)
    }
}

/// Smallest allocation that certainly contains a huge page.
const HUGE_FROM: usize = 2 * HUGE_PAGE - 1;

/// Asks for huge pages in new memory. Only advice.
fn advise_huge_pages(memory: *mut u8, size: usize) {
    let skip = memory.align_offset(HUGE_PAGE);
    let len = size.saturating_sub(skip) / HUGE_PAGE * HUGE_PAGE;
    if len > 0 {
        // SAFETY: the range lies in the new memory, and the advice changes no contents.
        unsafe { libc::madvise(memory.add(skip).cast(), len, libc::MADV_HUGEPAGE) };
    }
}

/// Exit code of a process whose memory is exhausted.
static EXIT_CODE: AtomicU8 = AtomicU8::new(1);

/// Sets the exit code after memory exhaustion, for programs whose exit code 1 is a result.
pub fn set_memory_exit_code(code: u8) {
    EXIT_CODE.store(code, Ordering::Relaxed);
}

fn checked(at: *mut u8, size: usize) -> *mut u8 {
    if at.is_null() {
        end(size);
    }
    at
}

/// Ends the process without allocating.
#[cold]
fn end(size: usize) -> ! {
    remove_hidden();
    let mut text = [0; 96];
    let mut cursor = Cursor::new(&mut text[..]);
    let _ = writeln!(cursor, "imgprep: out of memory: cannot allocate {size} bytes");
    // OK: at most 96.
    let len = usize::try_from(cursor.position()).unwrap_or(0);
    let _ = rustix::io::write(std::io::stderr(), &text[..len]);
    // SAFETY: nothing runs after it. Handlers of `exit` could allocate, so they are not called.
    unsafe { libc::_exit(EXIT_CODE.load(Ordering::Relaxed).into()) }
}
