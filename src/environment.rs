//! What must end before a JavaScript environment does: the threads started for it, and its logger.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use napi::Env;
use napi_derive::napi;
use s9_websocket_core::{end_lingering, end_lingering_here};

use crate::error::throw_in;

/// Something that ends with its environment, mostly a thread.
pub(crate) trait Ending: Send + Sync {
    /// Tells it to stop; does not wait for it.
    fn tell(&self);
    /// Whether it has ended by itself.
    fn is_over(&self) -> bool;
    /// Waits for its end, which is near.
    fn join(&self);
}

/// Environments that have loaded this code. Where only workers have, Node unloads it with the last one.
static ENVIRONMENTS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ENDINGS: RefCell<Vec<Arc<dyn Ending>>> = const { RefCell::new(Vec::new()) };
}

/// Has `ending` stopped and joined when the environment of this thread goes away.
///
/// Kept here even if JavaScript lets go of it: Node unloads the addon with the last environment that
/// uses it, and no thread may run in it then. Node calls cleanup hooks when a worker is terminated;
/// on `process.exit` the threads go with the process.
pub(crate) fn end_with(ending: Arc<dyn Ending>) {
    ENDINGS.with_borrow_mut(|endings| {
        endings.retain(|ending| !ending.is_over());
        endings.push(ending);
    });
}

/// Called for each environment as it loads the addon.
#[napi(module_exports)]
pub fn begin(env: Env) -> napi::Result<()> {
    env.add_env_cleanup_hook((), |()| end())?;
    ENVIRONMENTS.fetch_add(1, Ordering::SeqCst);
    throw_in(Some(env));
    Ok(())
}

fn end() {
    throw_in(None);
    let endings = ENDINGS.take();
    // All are told first, so that they end side by side.
    endings.iter().for_each(|ending| ending.tell());
    endings.iter().for_each(|ending| ending.join());
    // Clients that are collected after this one, maybe when the last environment is over, start no thread.
    end_lingering_here();
    if ENVIRONMENTS.fetch_sub(1, Ordering::SeqCst) == 1 {
        end_lingering();
    }
}
