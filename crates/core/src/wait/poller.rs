//! Sleeping where there is no `ppoll`: the system's poller, by way of `polling`.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

use super::Interest;

pub(super) struct Sleeper {
    poller: Arc<Poller>,
    events: Events,
    sockets: HashMap<usize, Arc<Socket>>,
}

/// Ends the sleep of a [`Sleeper`], or its next one.
///
/// Weak: a client that JavaScript has not collected yet must not keep the descriptors of a loop that is
/// over.
#[derive(Clone, Debug)]
pub(super) struct Alarm(Weak<Poller>);

impl Alarm {
    pub(super) fn ring(&self) -> io::Result<()> {
        self.0.upgrade().map_or(Ok(()), |poller| poller.notify())
    }

    #[cfg(test)]
    pub(super) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Sleeper {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { poller: Arc::new(Poller::new()?), events: Events::new(), sockets: HashMap::new() })
    }

    pub(super) fn alarm(&self) -> Alarm {
        Alarm(Arc::downgrade(&self.poller))
    }

    pub(super) fn add(&mut self, key: usize, socket: &Arc<Socket>) -> io::Result<()> {
        self.remove(key);
        // SAFETY: `sockets` keeps the socket open until `remove` or `drop` has taken it out of the
        // poller.
        unsafe { self.poller.add_with_mode(&**socket, Event::none(key), PollMode::Oneshot)? };
        self.sockets.insert(key, Arc::clone(socket));
        Ok(())
    }

    pub(super) fn remove(&mut self, key: usize) {
        if let Some(socket) = self.sockets.remove(&key) {
            // Fails only for a socket that is not in the poller, which is what is wanted.
            let _ = self.poller.delete(&*socket);
        }
    }

    /// Sleeps; [`ready`](Self::ready) then tells which sockets are ready.
    pub(super) fn sleep(
        &mut self,
        interests: &[(usize, Interest)],
        longest: Option<Duration>,
    ) -> io::Result<()> {
        self.events.clear();
        for &(key, interest) in interests {
            if let Some(socket) = self.sockets.get(&key) {
                self.poller.modify(&**socket, interest.event(key))?;
            }
        }
        self.poller.wait(&mut self.events, longest).map(drop)
    }

    /// The keys of the sockets that the latest sleep found ready.
    pub(super) fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        self.events.iter().map(|event| event.key)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        for (_, socket) in self.sockets.drain() {
            let _ = self.poller.delete(&*socket);
        }
    }
}
