//! Signals: which of them stop a run at a safe place.

use imgprep::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::failure::{Failure, INTERRUPTED};

/// The flag that signals raise from now on. A second one of those that a person sends ends the process at once; a
/// terminal that closes sends SIGHUP more than once, and SIGXCPU comes every second.
pub(crate) fn interrupt() -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::default();
    for signal in [SIGINT, SIGTERM, SIGQUIT] {
        register_conditional_shutdown(signal, INTERRUPTED.into(), interrupt.flag())?;
        register(signal, interrupt.flag())?;
    }
    // Under nohup the end of the terminal is not the end of the run.
    let hangup = (!imgprep::ignores_hangup()).then_some(SIGHUP);
    for signal in hangup.into_iter().chain([SIGXCPU]) {
        register(signal, interrupt.flag())?;
    }
    Ok(interrupt)
}

/// A file that grows beyond `ulimit -f` is an error of the write (`EFBIG`), not the end of the process. A handler and not
/// `SIG_IGN`, which the programs that this one starts would inherit.
pub(crate) fn keep_running_at_file_limit() -> std::io::Result<()> {
    register(SIGXFSZ, std::sync::Arc::default()).map(|_| ())
}
