//! The thread of a client, as JavaScript waits for its end.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crossbeam_channel::{Receiver, TryRecvError};
use napi::{Env, bindgen_prelude::Function};
use napi_derive::napi;
use s9_websocket_core::{ControlMessage, ControlSender, EventSignal};

use crate::{
    clock::slice_of,
    environment::{Ending, end_with},
    error::Result,
    wake::{Hold, Wake},
};

/// A client's thread.
#[napi]
pub struct NativeJoinHandle {
    running: Arc<Running>,
    signal: EventSignal,
    hold: RefCell<Option<Hold>>,
}

struct Running {
    /// Not the channels: the events in them would stay for as long as this is kept.
    control: ControlSender,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    /// Disconnected once the thread has nothing left to do.
    finished: Receiver<()>,
}

impl NativeJoinHandle {
    pub(crate) fn new(thread: thread::JoinHandle<()>, control: ControlSender, signal: EventSignal) -> Self {
        let (ended, finished) = crossbeam_channel::bounded::<()>(0);
        signal.at_end(move || drop(ended));
        let running = Arc::new(Running { control, thread: Mutex::new(Some(thread)), finished });
        end_with(Arc::clone(&running) as Arc<dyn Ending>);
        Self { running, signal, hold: RefCell::default() }
    }
}

impl Ending for Running {
    fn tell(&self) {
        // Never refused.
        let _ = self.control.send(ControlMessage::ForceQuit);
    }

    fn is_over(&self) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(thread::JoinHandle::is_finished) {
            thread.take().map(thread::JoinHandle::join);
        }
        thread.is_none()
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic has been reported by the thread itself.
        thread.map(thread::JoinHandle::join);
    }
}

#[napi]
impl NativeJoinHandle {
    /// Whether the thread has nothing left to do.
    #[napi(catch_unwind)]
    pub fn is_finished(&self) -> bool {
        self.running.finished.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits for the end, at most 50 ms; whether it is reached.
    #[napi(catch_unwind)]
    pub fn wait(&self, timeout_ms: f64) -> bool {
        self.running.finished.recv_timeout(slice_of(timeout_ms)).is_err_and(|error| error.is_disconnected())
    }

    /// Calls `wake` once on the event loop when the thread has ended, and keeps the loop alive until
    /// then.
    #[napi(catch_unwind)]
    pub fn on_finished(&self, env: Env, wake: Function<'_, (), ()>) -> Result<()> {
        let wake = Wake::new(env, &wake)?;
        self.hold.replace(Some(Hold::new(env)?));
        self.signal.at_end(move || wake.call());
        Ok(())
    }

    /// Lets the event loop end.
    #[napi(catch_unwind)]
    pub fn disarm(&self) {
        self.hold.take();
    }
}
