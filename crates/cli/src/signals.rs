//! Signals that stop a run at a safe point.

use imgprep::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::failure::{Failure, INTERRUPTED};

/// Installs the signal handlers and returns the flag that they raise.
///
/// A second signal that a user sends ends the process at once. SIGHUP and SIGXCPU do not: a terminal sends
/// SIGHUP more than once when it closes, and SIGXCPU arrives every second.
pub(crate) fn interrupt() -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::default();
    for signal in [SIGINT, SIGTERM, SIGQUIT] {
        register_conditional_shutdown(signal, INTERRUPTED.into(), interrupt.flag())?;
        register(signal, interrupt.flag())?;
    }
    // Under nohup, the run continues when the terminal closes.
    let hangup = (!imgprep::ignores_hangup()).then_some(SIGHUP);
    for signal in hangup.into_iter().chain([SIGXCPU]) {
        register(signal, interrupt.flag())?;
    }
    Ok(interrupt)
}

/// Makes a write beyond `ulimit -f` fail instead of ending the process.
///
/// The error is `EFBIG`. Installs a handler instead of `SIG_IGN`, which child processes would inherit.
pub(crate) fn keep_running_at_file_limit() -> std::io::Result<()> {
    register(SIGXFSZ, std::sync::Arc::default()).map(|_| ())
}
