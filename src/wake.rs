//! Waking an event loop from other threads: the one file that knows threadsafe functions.
//!
//! An environment has one threadsafe function for all its objects. It carries nothing: it makes the
//! event loop call those JavaScript functions whose wakes were called since.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use napi::{
    Env, Status,
    bindgen_prelude::{Function, FunctionRef},
    sys,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

use crate::error::{Result, napi_failure};

type Tsfn = ThreadsafeFunction<(), (), (), Status, false, true>;

thread_local! {
    static LOOP: RefCell<Option<Rc<EventLoop>>> = const { RefCell::new(None) };
}

/// The JavaScript side of an environment's wakes; lives on its thread.
struct EventLoop {
    shared: Arc<Shared>,
    functions: RefCell<HashMap<u32, FunctionRef<(), ()>>>,
    next: RefCell<u32>,
    holds: RefCell<usize>,
    raw: sys::napi_threadsafe_function,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` once the environment is going away.
    function: Option<Tsfn>,
    woken: Vec<u32>,
    dropped: Vec<u32>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls one JavaScript function on its event loop, from any thread.
pub(crate) struct Wake {
    shared: Arc<Shared>,
    id: u32,
}

impl Wake {
    pub(crate) fn new(env: Env, function: &Function<'_, (), ()>) -> Result<Self> {
        let event_loop = EventLoop::of(env)?;
        let id = {
            let mut next = event_loop.next.borrow_mut();
            *next = next.wrapping_add(1);
            *next
        };
        let function = function.create_ref().map_err(napi_failure)?;
        event_loop.functions.borrow_mut().insert(id, function);
        event_loop.forget_dropped();
        Ok(Self { shared: Arc::clone(&event_loop.shared), id })
    }

    /// Never blocks. Calls that come before the event loop gets to it are one.
    pub(crate) fn call(&self) {
        let mut state = self.shared.lock();
        if state.woken.contains(&self.id) {
            return;
        }
        let is_first = state.woken.is_empty();
        if let Some(function) = &state.function {
            if is_first {
                function.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
            state.woken.push(self.id);
        }
    }
}

impl Drop for Wake {
    /// Has the event loop let go of the function, and of all that it holds, without waiting for the
    /// next call of another: there may be none, or this one's own may be over already.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.dropped.push(self.id);
        if let (Some(function), true) = (&state.function, state.woken.is_empty()) {
            function.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// Keeps the event loop of the thread that made it alive. Must be dropped on that thread.
pub(crate) struct Hold {
    env: Env,
}

impl Hold {
    pub(crate) fn new(env: Env) -> Result<Self> {
        let event_loop = EventLoop::of(env)?;
        let mut holds = event_loop.holds.borrow_mut();
        *holds += 1;
        if *holds == 1 {
            // SAFETY: the function lives until the cleanup hook clears `LOOP`, on this very thread.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), event_loop.raw) };
        }
        Ok(Self { env })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(event_loop) = LOOP.with_borrow(Option::clone) else { return };
        let mut holds = event_loop.holds.borrow_mut();
        *holds = holds.saturating_sub(1);
        if *holds == 0 {
            // SAFETY: as in `new`.
            unsafe { sys::napi_unref_threadsafe_function(self.env.raw(), event_loop.raw) };
        }
    }
}

impl EventLoop {
    /// That of the calling thread's environment.
    fn of(env: Env) -> Result<Rc<Self>> {
        if let Some(event_loop) = LOOP.with_borrow(Option::clone) {
            return Ok(event_loop);
        }
        let shared = Arc::new(Shared::default());
        let function = env
            .create_function_from_closure::<(), (), _>("s9Wake", |_| Ok(()))
            .and_then(|nothing| {
                let tsfn = nothing.build_threadsafe_function::<()>().weak::<true>();
                tsfn.build_callback(|context| {
                    call_woken(context.env);
                    Ok(())
                })
            })
            .map_err(napi_failure)?;
        let raw = function.raw();
        shared.lock().function = Some(function);
        // Registered after the threadsafe function's own hook and hence called before it: from here
        // on no thread calls the function, which Node 20 would answer by aborting the process.
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| {
            LOOP.with_borrow_mut(Option::take);
            let mut state = shared.lock();
            state.woken.clear();
            let function = state.function.take();
            drop(state);
            drop(function);
        })
        .map_err(napi_failure)?;
        let event_loop = Rc::new(Self {
            shared,
            functions: RefCell::default(),
            next: RefCell::new(0),
            holds: RefCell::new(0),
            raw,
        });
        LOOP.set(Some(Rc::clone(&event_loop)));
        Ok(event_loop)
    }

    /// Lets go of the functions whose wakes are gone, but for those that are still to be called.
    fn forget_dropped(&self) {
        let dropped = {
            let mut state = self.shared.lock();
            let State { woken, dropped, .. } = &mut *state;
            let (kept, forgotten) = dropped.drain(..).partition(|id| woken.contains(id));
            *dropped = kept;
            let forgotten: Vec<u32> = forgotten;
            forgotten
        };
        let mut functions = self.functions.borrow_mut();
        for id in dropped {
            functions.remove(&id);
        }
    }
}

/// Calls what was woken. No borrow and no lock is held while JavaScript runs.
fn call_woken(env: Env) {
    let Some(event_loop) = LOOP.with_borrow(Option::clone) else { return };
    let woken = std::mem::take(&mut event_loop.shared.lock().woken);
    for (index, &id) in woken.iter().enumerate() {
        // A scope for each, since Node opens one for the whole callback only.
        let called = env.run_in_scope(|| {
            let functions = event_loop.functions.borrow();
            let Some(function) = functions.get(&id) else { return Ok(()) };
            let function = function.borrow_back(&env)?;
            drop(functions);
            // `apply` leaves what is thrown pending: Node reports it as uncaught, unchanged.
            function.apply((), ())
        });
        if called.is_err() {
            // Nothing can be called while an exception is pending: the others get a turn of their own.
            let mut state = event_loop.shared.lock();
            state.woken.extend_from_slice(&woken[index + 1..]);
            if let (Some(function), false) = (&state.function, state.woken.is_empty()) {
                function.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
            return;
        }
    }
    event_loop.forget_dropped();
}
