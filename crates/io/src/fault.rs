//! SIGBUS: a mapped file that shrinks, or a disk that fails under it.
//!
//! The handler puts a page of zeros over the page that cannot be read, notes its place
//! in the mapping's slot and returns: the reader continues with zeros and learns from
//! [`Registration::first_fault`] that they are not the file's. Faults outside of our
//! mappings go to the handler that was there before.
#![expect(unsafe_code, reason = "signal handlers and the mappings that they repair")]

use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Mappings at one time. A split disk of 2 TiB has a thousand files.
const SLOTS: usize = 4096;
const FREE: usize = 0;
/// Taken, but its mapping is not known yet.
const RESERVED: usize = 1;
const NO_FAULT: u64 = u64::MAX;

struct Slot {
    start: AtomicUsize,
    len: AtomicUsize,
    fault: AtomicU64,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot { start: AtomicUsize::new(FREE), len: AtomicUsize::new(0), fault: AtomicU64::new(NO_FAULT) }
}; SLOTS];

static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());
static PAGE: AtomicUsize = AtomicUsize::new(4096);

/// A mapping that is registered with the handler. Must be dropped before the mapping is.
#[derive(Debug)]
pub(crate) struct Registration(usize);

impl Registration {
    /// `None` if all slots are taken: then the file is better read without a mapping.
    pub(crate) fn new(mapping: &[u8]) -> Option<Self> {
        install();
        let index = TABLE.iter().position(|slot| {
            slot.start.compare_exchange(FREE, RESERVED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        let slot = &TABLE[index];
        slot.fault.store(NO_FAULT, Ordering::Relaxed);
        slot.len.store(mapping.len(), Ordering::Relaxed);
        slot.start.store(mapping.as_ptr() as usize, Ordering::Release);
        Some(Self(index))
    }

    /// Offset of the lowest page that could not be read so far.
    pub(crate) fn first_fault(&self) -> Option<u64> {
        let fault = TABLE[self.0].fault.load(Ordering::Acquire);
        (fault != NO_FAULT).then_some(fault)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        TABLE[self.0].start.store(FREE, Ordering::Release);
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        PAGE.store(rustix::param::page_size(), Ordering::Relaxed);
        // SAFETY: `action` is fully initialised; `on_sigbus` keeps to async-signal-safe calls. The
        // previous action is leaked on purpose: the handler may read it at any time from now on.
        unsafe {
            let previous = Box::leak(Box::new(std::mem::zeroed::<libc::sigaction>()));
            libc::sigaction(libc::SIGBUS, std::ptr::null(), previous);
            PREVIOUS.store(previous, Ordering::Release);
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = on_sigbus as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
        }
    });
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo; for SIGBUS it holds an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if !repair(address) {
        chain(signal, info, context);
    }
}

/// Only atomics and one system call: nothing else is allowed in a signal handler.
fn repair(address: usize) -> bool {
    let page = PAGE.load(Ordering::Relaxed);
    for slot in &TABLE {
        let start = slot.start.load(Ordering::Acquire);
        let len = slot.len.load(Ordering::Relaxed);
        if start <= RESERVED || address < start || address - start >= len.next_multiple_of(page) {
            continue;
        }
        let at = (address - start) & !(page - 1);
        slot.fault.fetch_min(at as u64, Ordering::AcqRel);
        // SAFETY: the page lies inside a mapping of ours (the slot is freed before it is unmapped), is
        // only read through it, and becomes readable zeros.
        let mapped = unsafe {
            let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap((start + at) as *mut libc::c_void, page, libc::PROT_READ, flags, -1, 0)
        };
        return mapped != libc::MAP_FAILED;
    }
    false
}

/// Passes an unrelated fault to the previous handler.
fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.load(Ordering::Acquire);
    // SAFETY: `install` stored a valid, leaked action before this handler could run; its handler has the
    // type that its flags say. With the default action restored the faulting access kills the process.
    unsafe {
        let handler = (*previous).sa_sigaction;
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            libc::sigaction(signal, previous, std::ptr::null_mut());
        } else if (*previous).sa_flags & libc::SA_SIGINFO != 0 {
            let call: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(handler);
            call(signal, info, context);
        } else {
            let call: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
            call(signal);
        }
    }
}
