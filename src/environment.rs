//! What must end before a JavaScript environment does: the threads started for it.

use std::{cell::RefCell, sync::Arc};

use napi::Env;

use crate::error::{Result, napi_failure};

/// Something with a thread.
pub(crate) trait Ending: Send + Sync {
    /// Tells the thread to stop; does not wait for it.
    fn tell(&self);
    /// Whether the thread has ended by itself.
    fn is_over(&self) -> bool;
    /// Waits for its end, which is near.
    fn join(&self);
}

thread_local! {
    static ENDINGS: RefCell<Option<Vec<Arc<dyn Ending>>>> = const { RefCell::new(None) };
}

/// Has `ending` stopped and joined when the environment of this thread goes away.
///
/// Kept here even if JavaScript lets go of it: Node unloads the addon with the last environment that
/// uses it, and no thread may run in it then. Node calls cleanup hooks when a worker is terminated;
/// on `process.exit` the threads go with the process.
pub(crate) fn end_with(env: Env, ending: Arc<dyn Ending>) -> Result<()> {
    if ENDINGS.with_borrow(Option::is_none) {
        env.add_env_cleanup_hook((), |()| end_all()).map_err(napi_failure)?;
    }
    ENDINGS.with_borrow_mut(|endings| {
        let endings = endings.get_or_insert_default();
        endings.retain(|ending| !ending.is_over());
        endings.push(ending);
    });
    Ok(())
}

fn end_all() {
    let endings = ENDINGS.with_borrow_mut(Option::take).unwrap_or_default();
    // All are told first, so that they end side by side.
    endings.iter().for_each(|ending| ending.tell());
    endings.iter().for_each(|ending| ending.join());
    // Clients that are collected after this one do not start it again.
    s9_websocket_core::end_lingering();
}
