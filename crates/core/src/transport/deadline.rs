//! The one deadline over a whole connect, and the means to cancel it. Sleeps only in its `Waiter`.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use socket2::Socket;

use crate::{
    error::{Error, Result},
    wait::{Interest, Waiter, Waker},
};

/// Ends connects that are under way, from any thread.
///
/// Clones cancel the same connects. Once cancelled, later connects with it fail at once too.
///
/// ```
/// use s9_websocket_core::Canceller;
///
/// let canceller = Canceller::new();
/// let elsewhere = canceller.clone();
/// std::thread::spawn(move || elsewhere.cancel()).join().expect("no panic");
/// assert!(canceller.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Canceller {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    /// Weak, so that a canceller that lives on keeps no poller open.
    wakers: Mutex<Vec<Weak<Waker>>>,
}

impl Canceller {
    /// A canceller that has not been used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the connects fail with [`Error::ConnectionClosed`]; does not wait for that.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        for waker in self.wakers().drain(..).filter_map(|waker| waker.upgrade()) {
            waker.wake();
        }
    }

    /// Whether [`cancel`](Self::cancel) has been called.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Adds a connect's waker. A cancel before that is seen by the connect's first wait.
    fn register(&self, waker: &Arc<Waker>) {
        let mut wakers = self.wakers();
        wakers.retain(|waker| waker.strong_count() > 0);
        wakers.push(Arc::downgrade(waker));
    }

    fn wakers(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Waker>>> {
        self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time left, cancellation and the waiter of one connect.
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
    canceller: Canceller,
    waiter: Waiter,
    waker: Arc<Waker>,
}

impl Deadline {
    /// The key under which [`wait_for_socket`](Self::wait_for_socket) watches.
    const SOCKET: usize = 0;

    /// Starts the clock.
    pub(crate) fn start(limit: Duration, canceller: &Canceller) -> Result<Self> {
        let waiter = Waiter::new().map_err(|source| Error::io("creating a poller", source))?;
        let waker = Arc::new(waiter.waker());
        canceller.register(&waker);
        Ok(Self { started: Instant::now(), limit, canceller: canceller.clone(), waiter, waker })
    }

    /// Ends a wait of this deadline from another thread.
    pub(super) fn waker(&self) -> Waker {
        (*self.waker).clone()
    }

    /// The waiter, to add and remove sockets.
    pub(super) fn waiter(&mut self) -> &mut Waiter {
        &mut self.waiter
    }

    /// Sleeps until a socket is ready, `until` has come, or `unless` is true when asked.
    ///
    /// Fails once the deadline has passed, naming `phase`, or the connect was cancelled.
    pub(super) fn wait(
        &mut self,
        phase: &'static str,
        interests: &[(usize, Interest)],
        until: Option<Instant>,
        unless: impl FnOnce() -> bool,
    ) -> Result<Vec<usize>> {
        self.check(phase)?;
        let now = Instant::now();
        let end = self.started + self.limit;
        let longest = until.map_or(end, |until| until.min(end)).saturating_duration_since(now);
        let canceller = &self.canceller;
        let ready = self
            .waiter
            .wait(interests, Some(longest), || canceller.is_cancelled() || unless())
            .map_err(|source| Error::io("waiting for a socket", source))?
            .collect();
        Ok(ready)
    }

    /// Sleeps until this one socket is ready.
    pub(crate) fn wait_for_socket(
        &mut self,
        phase: &'static str,
        socket: &Arc<Socket>,
        interest: Interest,
    ) -> Result<()> {
        self.waiter.add(Self::SOCKET, socket).map_err(|source| Error::io("watching a socket", source))?;
        let mut ready = Vec::new();
        while ready.is_empty() {
            ready = self.wait(phase, &[(Self::SOCKET, interest)], None, || false)?;
        }
        self.waiter.remove(Self::SOCKET);
        Ok(())
    }

    /// Fails once the deadline has passed, naming `phase`, or the connect was cancelled.
    pub(crate) fn check(&self, phase: &'static str) -> Result<()> {
        if self.canceller.is_cancelled() {
            return Err(Error::ConnectionClosed("the connect was cancelled"));
        }
        if self.started.elapsed() >= self.limit {
            return Err(Error::Timeout { phase, after: self.limit, detail: String::new() });
        }
        Ok(())
    }
}
