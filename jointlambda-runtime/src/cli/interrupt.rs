//! Ctrl-C: says what becomes of the run, and ends the process. What is acknowledged is on disk,
//! so there is nothing to tidy up.

use std::thread;

use super::exit::INTERRUPTED;

/// From now on, Ctrl-C calls `say` and ends the process. It has a thread of its own, because user
/// functions may keep all others busy.
pub(super) fn on_interrupt(say: impl FnOnce() + Send + 'static) {
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            say();
            std::process::exit(i32::from(INTERRUPTED));
        }
    };
    // Without the thread, Ctrl-C ends the process all the same, silently.
    let _ = thread::Builder::new().name("interrupt".to_owned()).spawn(listen);
}
