//! Telling event loops of another kind that a channel has something for them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Listeners by a number that is theirs alone.
type Listeners = Vec<(usize, Arc<dyn Fn() + Send + Sync>)>;

/// Tells listeners on other threads that events wait in a channel.
///
/// A crossbeam channel can only be waited for by blocking; an event loop of another kind listens
/// here instead.
///
/// ```no_run
/// # fn main() -> s9_websocket_core::Result<()> {
/// # use s9_websocket_core::{NonBlockingOptions, S9AsyncNonBlockingWebSocketClient};
/// # let client = S9AsyncNonBlockingWebSocketClient::connect("ws://localhost", NonBlockingOptions::new())?;
/// let signal = client.event_signal();
/// let listener = signal.listen(|| println!("wake the event loop"));
/// if client.event_rx.is_empty() {
///     signal.arm(); // and look once more: an event may have come in between
/// }
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct EventSignal {
    inner: Arc<SignalInner>,
}

#[derive(Default)]
struct SignalInner {
    armed: AtomicBool,
    listeners: Mutex<Arc<Listeners>>,
    next: AtomicUsize,
    at_end: Mutex<AtEnd>,
}

/// What to call at the end of the thread.
enum AtEnd {
    Waiting(Vec<Box<dyn FnOnce() + Send>>),
    Ended,
}

impl Default for AtEnd {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

impl EventSignal {
    /// Calls `listener`, on the client's thread, whenever events have come after an
    /// [`arm`](Self::arm). It must not block. Ends when the returned guard is dropped; if events are
    /// being told of at that moment, it may still be called once.
    #[must_use]
    pub fn listen(&self, listener: impl Fn() + Send + Sync + 'static) -> Listener {
        let id = self.inner.next.fetch_add(1, Ordering::SeqCst);
        Arc::make_mut(&mut self.listeners()).push((id, Arc::new(listener)));
        Listener { signal: self.clone(), id }
    }

    /// Makes the next events call the listeners, once.
    pub fn arm(&self) {
        self.inner.armed.store(true, Ordering::SeqCst);
    }

    /// Calls `last` when the client's thread has nothing left to do, on that thread; at once if that
    /// was before.
    pub fn at_end(&self, last: impl FnOnce() + Send + 'static) {
        let mut at_end = self.inner.at_end.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *at_end {
            AtEnd::Waiting(calls) => calls.push(Box::new(last)),
            AtEnd::Ended => {
                drop(at_end);
                last();
            }
        }
    }

    /// Tells that the thread ends, whichever way.
    pub(crate) fn end(&self) {
        let mut at_end = self.inner.at_end.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = std::mem::replace(&mut *at_end, AtEnd::Ended);
        drop(at_end);
        if let AtEnd::Waiting(calls) = ended {
            calls.into_iter().for_each(|call| call());
        }
    }

    /// Calls the listeners if one has armed the signal; whether it has. Costs one load otherwise.
    pub(crate) fn fire(&self) -> bool {
        let fires = self.inner.armed.load(Ordering::SeqCst) && self.inner.armed.swap(false, Ordering::SeqCst);
        if fires {
            // Called without the lock: a listener may end itself or another, which is called all the same.
            let listeners = Arc::clone(&self.listeners());
            listeners.iter().for_each(|(_, listener)| listener());
        }
        fires
    }

    fn listeners(&self) -> MutexGuard<'_, Arc<Listeners>> {
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EventSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSignal").field("armed", &self.inner.armed).finish_non_exhaustive()
    }
}

/// Keeps a listener of an [`EventSignal`]; dropping it ends the listening, as
/// [`listen`](EventSignal::listen) says.
///
/// ```
/// let listener = s9_websocket_core::EventSignal::default().listen(|| ());
/// drop(listener);
/// ```
#[derive(Debug)]
pub struct Listener {
    signal: EventSignal,
    id: usize,
}

impl Drop for Listener {
    fn drop(&mut self) {
        Arc::make_mut(&mut self.signal.listeners()).retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_listener_may_end_itself() {
        let signal = EventSignal::default();
        let own: Arc<Mutex<Option<Listener>>> = Arc::default();
        let (called, calls) = mpsc::channel();
        let kept = Arc::clone(&own);
        let listener = signal.listen(move || {
            drop(kept.lock().expect("not poisoned").take());
            called.send(()).expect("the test listens");
        });
        own.lock().expect("not poisoned").replace(listener);
        for _ in 0..2 {
            signal.arm();
            signal.fire();
        }
        assert_eq!(calls.try_iter().count(), 1);
    }
}
