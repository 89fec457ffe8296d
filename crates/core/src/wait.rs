//! Waiting for sockets, deadlines and wake-ups. The only place that sleeps.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use polling::{Event, Events, Poller};
use socket2::Socket;

use self::sleeper::{Alarm, Sleeper};

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "wait/ppoll.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "wait/poller.rs")]
mod sleeper;

/// How a loop passes the time after a turn in which nothing happened.
///
/// ```
/// use s9_websocket_core::Wait;
/// use std::time::Duration;
///
/// assert_eq!(Wait::from(None), Wait::Spin);
/// assert_eq!(Wait::from(Some(Duration::from_millis(1))), Wait::Sleep(Duration::from_millis(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: the next turn follows at once.
    Spin,
    /// In a poller, until data, a command, or this long.
    Sleep(Duration),
    /// In a poller, until data, a command, or this long; for ever without a limit.
    Block(Option<Duration>),
}

impl From<Option<Duration>> for Wait {
    /// What a `spin_wait_duration` means.
    fn from(spin_wait_duration: Option<Duration>) -> Self {
        spin_wait_duration.map_or(Self::Spin, Self::Sleep)
    }
}

impl Wait {
    /// The longest wait; `None` for ever, zero for not at all.
    pub(crate) fn longest(self) -> Option<Duration> {
        match self {
            Self::Spin => Some(Duration::ZERO),
            Self::Sleep(longest) => Some(longest),
            Self::Block(longest) => longest,
        }
    }
}

/// What of a socket to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Bytes to read, or the end of the stream.
    pub(crate) read: bool,
    /// Room to write.
    pub(crate) write: bool,
}

impl Interest {
    fn event(self, key: usize) -> Event {
        Event::new(key, self.read, self.write)
    }
}

/// Sleeps over some sockets, with a wake-up.
///
/// Holds every socket it watches, so that none is closed while the system still watches it.
pub(crate) struct Waiter {
    sleeper: Sleeper,
    asleep: Arc<AtomicBool>,
}

impl Waiter {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { sleeper: Sleeper::new()?, asleep: Arc::new(AtomicBool::new(false)) })
    }

    /// Something that ends this waiter's wait from any thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker { alarm: self.sleeper.alarm(), asleep: Arc::clone(&self.asleep) }
    }

    /// Watches a socket under a key of the caller's choice, in place of the key's former one.
    pub(crate) fn add(&mut self, key: usize, socket: &Arc<Socket>) -> io::Result<()> {
        self.sleeper.add(key, socket)
    }

    /// Stops watching the socket under `key`, if there is one.
    pub(crate) fn remove(&mut self, key: usize) {
        self.sleeper.remove(key);
    }

    /// Tells wakers that this thread is about to wait: from now on they end that wait.
    pub(crate) fn announce(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// Sleeps until a socket is ready, a [`Waker`] wakes, or `longest` has passed.
    ///
    /// `unless` is asked after wakers have been told that this thread sleeps: a command queued
    /// before that would otherwise be slept over. Returns the keys of the sockets that are ready.
    pub(crate) fn wait(
        &mut self,
        interests: &[(usize, Interest)],
        longest: Option<Duration>,
        unless: impl FnOnce() -> bool,
    ) -> io::Result<impl Iterator<Item = usize> + '_> {
        self.announce();
        let slept = if unless() { None } else { Some(self.sleeper.sleep(interests, longest)) };
        self.asleep.store(false, Ordering::SeqCst);
        let ready = match slept {
            None => None,
            Some(Ok(())) => Some(self.sleeper.ready()),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => None,
            Some(Err(error)) => return Err(error),
        };
        Ok(ready.into_iter().flatten())
    }
}

/// Ends the wait of a loop from any thread.
///
/// Costs one atomic operation while that loop is awake.
#[derive(Clone, Debug)]
pub(crate) struct Waker {
    alarm: Alarm,
    asleep: Arc<AtomicBool>,
}

impl Waker {
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // Fails only when the alarm's own descriptor is gone, and then nobody waits on it.
            let _ = self.alarm.ring();
        }
    }

    /// Whether the loop waits, or is about to.
    pub(crate) fn would_wake(&self) -> bool {
        self.asleep.load(Ordering::SeqCst)
    }
}

/// A thread that waits on behalf of loops that must not: it tells when a socket becomes ready.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// let watcher = s9_websocket_core::Watcher::start(|keys| println!("ready: {keys:?}"))?;
/// # drop(watcher);
/// # Ok(())
/// # }
/// ```
pub struct Watcher {
    poller: Arc<Poller>,
    stopping: Arc<AtomicBool>,
    sockets: Mutex<HashMap<usize, Arc<Socket>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread; `on_ready` is called on it with the keys of the sockets that are ready.
    pub fn start(mut on_ready: impl FnMut(&[usize]) + Send + 'static) -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("s9-watcher".into()).stack_size(128 << 10).spawn({
            let (poller, stopping) = (Arc::clone(&poller), Arc::clone(&stopping));
            move || {
                let mut events = Events::new();
                let mut keys = Vec::new();
                while !stopping.load(Ordering::SeqCst) {
                    events.clear();
                    match poller.wait(&mut events, None) {
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => {
                            tracing::error!(%error, "the watcher's poller failed");
                            return;
                        }
                    }
                    keys.clear();
                    keys.extend(events.iter().map(|event| event.key));
                    if !keys.is_empty() {
                        on_ready(&keys);
                    }
                }
            }
        })?;
        Ok(Self { poller, stopping, sockets: Mutex::default(), thread: Some(thread) })
    }

    /// Tells once when the socket is ready, then not again until the next call.
    pub(crate) fn watch(&self, key: usize, socket: &Arc<Socket>, interest: Interest) -> io::Result<()> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.contains_key(&key) {
            return self.poller.modify(&**socket, interest.event(key));
        }
        // SAFETY: `sockets` keeps the socket open until `forget` or `drop` has taken it out of the
        // poller.
        unsafe { self.poller.add(&**socket, interest.event(key))? };
        sockets.insert(key, Arc::clone(socket));
        Ok(())
    }

    /// Lets go of the socket under `key`, if there is one.
    pub fn forget(&self, key: usize) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = sockets.remove(&key) {
            let _ = self.poller.delete(&*socket);
        }
    }
}

impl Drop for Watcher {
    /// Stops the thread and waits for its end.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.poller.notify();
        if let Some(thread) = self.thread.take() {
            // A panic of `on_ready` has been reported by the thread itself.
            let _ = thread.join();
        }
        for (_, socket) in self.sockets.get_mut().unwrap_or_else(PoisonError::into_inner).drain() {
            let _ = self.poller.delete(&*socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_ends_a_wait_without_a_limit() {
        let mut waiter = Waiter::new().expect("poller");
        let waker = waiter.waker();
        let thread = thread::spawn(move || {
            while !waker.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            waker.wake();
        });
        assert_eq!(waiter.wait(&[], None, || false).expect("wait").count(), 0);
        thread.join().expect("waking thread");
    }

    #[test]
    fn a_waker_keeps_no_descriptor_of_a_loop_that_is_over() {
        let waiter = Waiter::new().expect("poller");
        let waker = waiter.waker();
        waiter.announce();
        drop(waiter);
        assert!(waker.alarm.is_gone());
        waker.wake();
    }

    #[test]
    fn what_was_queued_before_the_sleep_prevents_it() {
        let mut waiter = Waiter::new().expect("poller");
        assert_eq!(waiter.wait(&[], None, || true).expect("wait").count(), 0);
    }
}
