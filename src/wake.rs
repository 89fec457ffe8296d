//! Waking an event loop from other threads: the one file that knows threadsafe functions.
//!
//! An environment has one bell for all its objects. It carries nothing: it makes the event loop call those
//! JavaScript functions whose wakes were called since.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use napi::{
    Env, Status,
    bindgen_prelude::{Function, FunctionRef},
    sys,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

use crate::{
    error::{Result, napi_failure},
    uv::AsyncHandle,
};

type Tsfn = ThreadsafeFunction<(), (), (), Status, false, true>;

thread_local! {
    static LOOP: RefCell<Option<Rc<EventLoop>>> = const { RefCell::new(None) };
}

/// The JavaScript side of an environment's wakes; lives on its thread.
struct EventLoop {
    shared: Arc<Shared>,
    functions: RefCell<HashMap<u32, FunctionRef<(), ()>>>,
    /// Memory for the wakes of the next time.
    spare: Cell<Vec<u32>>,
    next: RefCell<u32>,
    holds: RefCell<usize>,
}

#[derive(Default)]
struct Shared {
    /// `None` once the environment is going away. Not in `state`: the event loop may run before the ring
    /// that woke it has returned, and must not wait for that.
    bell: RwLock<Option<Bell>>,
    state: Mutex<State>,
}

/// What makes the event loop look at the state.
enum Bell {
    Uv(AsyncHandle),
    /// Where there is no libuv. Its call holds a lock that the event loop waits for if it is quick: where
    /// both share a processor, that is four changes of threads a message.
    Threadsafe(Tsfn),
}

#[derive(Default)]
struct State {
    woken: Vec<u32>,
    dropped: Vec<u32>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never blocks, but while the environment goes away.
    fn ring(&self) {
        match &*self.bell.read().unwrap_or_else(PoisonError::into_inner) {
            Some(Bell::Uv(handle)) => handle.send(),
            Some(Bell::Threadsafe(function)) => {
                function.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
            None => {}
        }
    }

    /// From here on no thread rings, which Node 20 would answer by aborting the process.
    fn close(&self) {
        let bell = self.bell.write().unwrap_or_else(PoisonError::into_inner).take();
        self.lock().woken.clear();
        drop(bell);
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
        let is_first = {
            let mut state = self.shared.lock();
            if state.woken.contains(&self.id) {
                return;
            }
            state.woken.push(self.id);
            state.woken.len() == 1
        };
        if is_first {
            self.shared.ring();
        }
    }
}

impl Drop for Wake {
    /// Has the event loop let go of the function, and of all that it holds, without waiting for the
    /// next call of another: there may be none, or this one's own may be over already.
    fn drop(&mut self) {
        let is_first = {
            let mut state = self.shared.lock();
            state.dropped.push(self.id);
            state.woken.is_empty()
        };
        if is_first {
            self.shared.ring();
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
            event_loop.set_held(env, true);
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
            event_loop.set_held(self.env, false);
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
        let end = {
            let shared = Arc::clone(&shared);
            move || {
                LOOP.with_borrow_mut(Option::take);
                shared.close();
            }
        };
        let bell = match AsyncHandle::new(env, call_woken, Box::new(end.clone())) {
            Some(handle) => Bell::Uv(handle),
            None => {
                let function = threadsafe_function(env).map_err(napi_failure)?;
                // Registered after the threadsafe function's own hook and hence called before it.
                env.add_env_cleanup_hook((), move |()| end()).map_err(napi_failure)?;
                Bell::Threadsafe(function)
            }
        };
        *shared.bell.write().unwrap_or_else(PoisonError::into_inner) = Some(bell);
        let event_loop = Rc::new(Self {
            shared,
            functions: RefCell::default(),
            spare: Cell::default(),
            next: RefCell::new(0),
            holds: RefCell::new(0),
        });
        LOOP.set(Some(Rc::clone(&event_loop)));
        Ok(event_loop)
    }

    /// Keeps this event loop alive, or lets it end.
    fn set_held(&self, env: Env, held: bool) {
        match &*self.shared.bell.read().unwrap_or_else(PoisonError::into_inner) {
            Some(Bell::Uv(handle)) if held => handle.hold(),
            Some(Bell::Uv(handle)) => handle.let_go(),
            Some(Bell::Threadsafe(function)) => {
                // SAFETY: the function is that of this environment, on its thread, and is there until
                // `Shared::close` has taken it.
                unsafe {
                    if held {
                        sys::napi_ref_threadsafe_function(env.raw(), function.raw());
                    } else {
                        sys::napi_unref_threadsafe_function(env.raw(), function.raw());
                    }
                }
            }
            None => {}
        }
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

/// A threadsafe function that calls what was woken, and lets the event loop end.
fn threadsafe_function(env: Env) -> napi::Result<Tsfn> {
    let nothing = env.create_function_from_closure::<(), (), _>("s9Wake", |_| Ok(()))?;
    let builder = nothing.build_threadsafe_function::<()>().weak::<true>();
    builder.build_callback(|context| {
        call_woken(context.env);
        Ok(())
    })
}

/// Calls what was woken. No borrow and no lock is held while JavaScript runs.
fn call_woken(env: Env) {
    let Some(event_loop) = LOOP.with_borrow(Option::clone) else { return };
    let mut woken = event_loop.spare.take();
    std::mem::swap(&mut woken, &mut event_loop.shared.lock().woken);
    for (index, &id) in woken.iter().enumerate() {
        // A scope for each, since Node opens one for the whole callback only.
        let called = env.run_in_scope(|| {
            let functions = event_loop.functions.borrow();
            let Some(function) = functions.get(&id) else { return Ok(()) };
            let function = function.borrow_back(&env)?;
            drop(functions);
            // `apply` leaves what is thrown pending: the bell reports it as uncaught, unchanged.
            function.apply((), ())
        });
        if called.is_err() {
            // Nothing can be called while an exception is pending: the others get a turn of their own.
            let left = &woken[index + 1..];
            event_loop.shared.lock().woken.extend_from_slice(left);
            if !left.is_empty() {
                event_loop.shared.ring();
            }
            return;
        }
    }
    woken.clear();
    event_loop.spare.set(woken);
    event_loop.forget_dropped();
}
