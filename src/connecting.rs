//! Connecting, on a thread of its own: name resolution and handshakes must not stop JavaScript.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crossbeam_channel::{Receiver, Sender};
use napi::{
    Env,
    bindgen_prelude::{Function, Object},
};
use napi_derive::napi;
use s9_websocket_core::{Canceller, Error, Session};

use crate::{
    client::NativeClient,
    clock::SLICE,
    environment::{Ending, end_with},
    error::{NativeError, Result, thrown},
    options::{self, Handover},
    wake::{Hold, Wake},
};

/// Stack of the thread: OpenSSL's handshake is its deepest call.
const STACK_SIZE: usize = 512 << 10;

/// A connect under way.
#[napi]
pub struct NativeConnecting {
    attempt: Arc<Attempt>,
    for_channels: bool,
    handover: Handover,
    error: RefCell<Option<Error>>,
    hold: RefCell<Option<Hold>>,
}

struct Attempt {
    canceller: Canceller,
    outcome: Mutex<Option<std::result::Result<Session, Error>>>,
    /// Disconnected once the outcome is there.
    done: Receiver<()>,
    on_done: Mutex<Option<Wake>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Attempt {
    fn is_done(&self) -> bool {
        self.done.try_recv().is_err_and(|error| error.is_disconnected())
    }

    fn finish(&self, outcome: std::result::Result<Session, Error>, done: Sender<()>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        drop(done);
        if let Some(wake) = self.on_done.lock().unwrap_or_else(PoisonError::into_inner).take() {
            wake.call();
        }
    }
}

impl Ending for Attempt {
    fn tell(&self) {
        self.canceller.cancel();
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
        thread.map(thread::JoinHandle::join);
    }
}

type Connect = Box<dyn FnOnce(&Canceller) -> std::result::Result<Session, Error> + Send>;

/// Starts to connect; wrong options throw.
#[napi(
    catch_unwind,
    ts_args_type = "kind: 'nonBlocking' | 'blocking' | 'async', url: string, headers: Array<[string, string]>, options: object"
)]
pub fn connect(
    kind: String,
    url: String,
    headers: Vec<Vec<String>>,
    options: Object<'_>,
) -> Result<NativeConnecting> {
    let headers: Vec<(String, String)> = headers
        .into_iter()
        .filter_map(|pair| <[String; 2]>::try_from(pair).ok().map(|[name, value]| (name, value)))
        .collect();
    let (connect, handover): (Connect, Handover) = if kind == "blocking" {
        let options::Options { core, handover } = options::blocking(&options)?;
        let connect = move |canceller: &Canceller| Session::connect_blocking(&url, &headers, core, canceller);
        (Box::new(connect), handover)
    } else {
        let options::Options { core, handover } = options::non_blocking(&options, kind == "async")?;
        let connect =
            move |canceller: &Canceller| Session::connect_non_blocking(&url, &headers, core, canceller);
        (Box::new(connect), handover)
    };
    Ok(NativeConnecting {
        attempt: start(connect)?,
        for_channels: kind == "async",
        handover,
        error: RefCell::default(),
        hold: RefCell::default(),
    })
}

fn start(connect: Connect) -> Result<Arc<Attempt>> {
    let (done_tx, done) = crossbeam_channel::bounded(0);
    let attempt = Arc::new(Attempt {
        canceller: Canceller::new(),
        outcome: Mutex::default(),
        done,
        on_done: Mutex::default(),
        thread: Mutex::default(),
    });
    let thread = thread::Builder::new().name("s9-connect".into()).stack_size(STACK_SIZE).spawn({
        let attempt = Arc::clone(&attempt);
        move || {
            let outcome = connect(&attempt.canceller);
            attempt.finish(outcome, done_tx);
        }
    });
    let thread = thread.map_err(|error| thrown(Error::io("starting a thread to connect on", error)))?;
    *attempt.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    end_with(Arc::clone(&attempt) as Arc<dyn Ending>);
    Ok(attempt)
}

#[napi]
impl NativeConnecting {
    /// Calls `wake` once on the event loop when it is done, and keeps the loop alive until `take`.
    #[napi(catch_unwind)]
    pub fn on_done(&self, env: Env, wake: Function<'_, (), ()>) -> Result<()> {
        let wake = Wake::new(env, &wake)?;
        self.hold.replace(Some(Hold::new(env)?));
        let mut on_done = self.attempt.on_done.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread looks after it has said that it is done, so one of the two calls the wake.
        if self.attempt.is_done() {
            wake.call();
        } else {
            *on_done = Some(wake);
        }
        Ok(())
    }

    /// Waits at most 50 ms; whether it is done.
    #[napi(catch_unwind)]
    pub fn wait(&self) -> bool {
        self.attempt.done.recv_timeout(SLICE).is_err_and(|error| error.is_disconnected())
    }

    /// The client, once; `null` if there is none.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<NativeClient> {
        self.hold.take();
        match self.attempt.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()? {
            Ok(session) => Some(NativeClient::new(session, self.for_channels, self.handover)),
            Err(error) => {
                self.error.replace(Some(error));
                None
            }
        }
    }

    /// Why there is no client.
    #[napi(catch_unwind)]
    pub fn error(&self) -> Option<NativeError> {
        self.error.borrow().as_ref().map(NativeError::from)
    }

    /// Ends it early, with an error.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.attempt.canceller.cancel();
    }
}
