//! Readiness of sockets for loops that run on the event loop.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use napi::{Env, bindgen_prelude::Function};
use napi_derive::napi;
use s9_websocket_core::{Error, Watcher};

use crate::{
    client::NativeClient,
    environment::{Ending, end_with},
    error::{Result, thrown},
    wake::Wake,
};

/// Tells an event loop which clients have something to do. One for an environment.
#[napi]
pub struct NativeWatcher {
    watch: Arc<Watch>,
}

struct Watch {
    /// `None` once the environment is going away.
    watcher: Mutex<Option<Watcher>>,
    ready: Arc<Mutex<HashSet<u32>>>,
}

impl Ending for Watch {
    fn tell(&self) {}

    fn is_over(&self) -> bool {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn join(&self) {
        // Stops its thread and waits for it.
        drop(self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[napi]
impl NativeWatcher {
    /// Starts the thread that waits; it calls `wake` on the event loop.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, wake: Function<'_, (), ()>) -> Result<Self> {
        let wake = Wake::new(env, &wake)?;
        let ready = Arc::new(Mutex::new(HashSet::new()));
        let watcher = Watcher::start({
            let ready = Arc::clone(&ready);
            move |keys| {
                // Keys come from `watch` below.
                ready
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(keys.iter().map(|&key| key as u32));
                wake.call();
            }
        })
        .map_err(|error| thrown(Error::io("starting the thread that watches sockets", error)))?;
        let watch = Arc::new(Watch { watcher: Mutex::new(Some(watcher)), ready });
        end_with(Arc::clone(&watch) as Arc<dyn Ending>);
        Ok(Self { watch })
    }

    /// Tells once under this key when the client has something to do.
    #[napi(catch_unwind)]
    pub fn watch(&self, client: &NativeClient, key: u32) -> Result<()> {
        let watcher = self.watch.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        match watcher
            .as_ref()
            .and_then(|watcher| client.if_here(|session| session.watch(watcher, key as usize)))
        {
            Some(Err(error)) => Err(thrown(error)),
            _ => Ok(()),
        }
    }

    /// Lets go of the client under this key.
    #[napi(catch_unwind)]
    pub fn forget(&self, key: u32) {
        if let Some(watcher) = &*self.watch.watcher.lock().unwrap_or_else(PoisonError::into_inner) {
            watcher.forget(key as usize);
        }
    }

    /// The keys that were told since the last call.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Vec<u32> {
        self.watch.ready.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}
