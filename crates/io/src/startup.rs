//! The state that this process inherited.
#![expect(
    unsafe_code,
    reason = "code that runs before the standard library's, and asking for a signal's handler"
)]

use std::sync::atomic::{AtomicBool, Ordering};

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed when the process started. The standard library opens `/dev/null` in its place
/// before `main`, which discards all output without an error.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

extern "C" fn look() {
    // SAFETY: a call with numbers only.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    STDOUT_WAS_CLOSED.store(flags == -1, Ordering::Relaxed);
}

// SAFETY: the loader calls the functions of this section before `main`; this one only makes a system call and stores
// its result.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Whether this process was started with SIGHUP ignored, as by `nohup`: then it must stay ignored.
pub fn ignores_hangup() -> bool {
    // SAFETY: `action` is a plain struct that the call fills; no handler is set.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        let asked = libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action);
        asked == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
