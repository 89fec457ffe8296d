//! What the senders of commands and the thread of a client share: the session, which a sender uses itself
//! while the thread sleeps. Owns the order in which commands are carried out; knows no events.

mod direct;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;

pub(crate) use self::direct::Direct;
use crate::{
    connection::frame_size,
    error::{Error, Result},
    event::ControlMessage,
    session::Session,
    wait::Waker,
};

/// A sleeping thread's messages are sent on the thread of the sender: a change of threads takes longer
/// than the system call. What takes long by itself is left to the client's thread.
const LARGEST_DIRECT: usize = 16 << 10;
/// So many at a time: more are a flood, which the client's thread takes off the sender.
const DIRECT_IN_SUCCESSION: u32 = 4;
/// A cork of more messages is left to the client's thread.
const DIRECT_IN_CORK: usize = 16;
/// Messages sent so soon after another follow it in succession, if nothing has been received in between.
const SUCCESSION: Duration = Duration::from_micros(100);

/// How often the thread yields to a sender that has the session: some 30 µs on a processor of its own.
const MOST_YIELDS: u32 = 100;

/// What a message is told that comes too late.
pub(crate) const CLOSING: Error = Error::ConnectionClosed("nothing can be sent once closing has begun");

/// What both sides of a client's channel of commands know of each other.
#[derive(Debug)]
pub(crate) struct Link {
    /// Bytes of the frames, uncompressed, of commands that have not been carried out yet.
    queued: AtomicUsize,
    /// The connection's own `buffered_amount`, as of its latest use.
    unsent: AtomicUsize,
    max_buffered_amount: usize,
    open: AtomicBool,
    abandoned: AtomicBool,
    /// The thread has paused for those who receive to catch up, and is to be woken for that.
    paused: AtomicBool,
    /// Commands may come without that the thread is woken for them.
    bypassed: AtomicBool,
    /// How many corks there are. No command is counted, queued or refused while this is held: all of a cork's
    /// commands are carried out together, or none yet, and none is queued that is never carried out.
    corks: Mutex<usize>,
    /// Set once a thread that may sleep runs the connection.
    waker: OnceLock<Waker>,
    outlet: Mutex<Option<Outlet>>,
}

/// The session of a running client. Its thread holds the lock for a turn, and not while it sleeps.
pub(crate) struct Outlet {
    pub(crate) session: Session,
    commands: Receiver<ControlMessage>,
    /// Until when a sender last used the session, or since when it was refused.
    used_until: Instant,
    /// How many did in succession.
    uses: u32,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

impl Outlet {
    /// Events were received: what is sent now may be the answers to them, and none is to wait. Whether the
    /// ones before were answered.
    pub(crate) fn expect_answers(&mut self) -> bool {
        std::mem::take(&mut self.uses) > 0
    }

    /// Whether a message would be the next one to be sent, and at once, and is not one of a flood.
    fn admits(&mut self) -> bool {
        if !self.commands.is_empty() || !self.session.sends_at_once() {
            return false;
        }
        let now = Instant::now();
        let is_succession = now.saturating_duration_since(self.used_until) < SUCCESSION;
        self.used_until = now;
        self.uses = if is_succession { self.uses.saturating_add(1) } else { 1 };
        self.uses <= DIRECT_IN_SUCCESSION
    }
}

impl Link {
    pub(crate) fn new(max_buffered_amount: usize) -> Self {
        Self {
            queued: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            max_buffered_amount,
            open: AtomicBool::new(true),
            abandoned: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            bypassed: AtomicBool::new(false),
            corks: Mutex::new(0),
            waker: OnceLock::new(),
            outlet: Mutex::new(None),
        }
    }

    /// The session, to send a message of `size` bytes on this thread; `None` where that is the business of
    /// the client's thread.
    pub(crate) fn direct(&self, size: usize) -> Option<Direct<'_>> {
        if size > LARGEST_DIRECT || self.is_corked() {
            return None;
        }
        let mut outlet = self.idle_outlet()?;
        outlet.as_mut()?.admits().then_some(Direct { link: self, outlet, size })
    }

    /// Keeps back what is sent, until as often `false` as `true`.
    pub(crate) fn set_corked(&self, corked: bool) {
        let mut corks = self.corks();
        *corks = if corked { *corks + 1 } else { corks.saturating_sub(1) };
        let over = *corks == 0;
        drop(corks);
        if over && !self.send_corked() {
            self.wake();
        }
    }

    /// Sends what a cork kept back if that is little; whether all is done.
    fn send_corked(&self) -> bool {
        if self.queued.load(Ordering::SeqCst) > LARGEST_DIRECT {
            return false;
        }
        let mut idle = self.idle_outlet();
        let Some(outlet) = idle.as_mut().and_then(|outlet| outlet.as_mut()) else { return false };
        if outlet.commands.len() > DIRECT_IN_CORK || !outlet.session.sends_at_once() {
            return false;
        }
        self.carry_out_due(&mut outlet.session, &outlet.commands);
        outlet.commands.is_empty() && !outlet.session.needs_turn()
    }

    /// Has the thread carry out a message of `size` bytes, reserved already, that `push` queues; what a cork
    /// keeps back, its end sends. Fails where messages are refused since it was accepted: a message queued
    /// before that is carried out.
    pub(crate) fn queue(&self, size: usize, push: impl FnOnce() -> Result<()>) -> Result<()> {
        let corks = self.corks();
        let queued = if self.is_open() { push() } else { Err(CLOSING) };
        let is_corked = *corks > 0;
        drop(corks);
        match queued {
            Ok(()) if !is_corked => self.wake(),
            Ok(()) => {}
            Err(_) => self.release(size),
        }
        queued
    }

    /// Takes what a message of `size` bytes needs of the bound on unsent bytes; refused as the connection
    /// refuses it.
    pub(crate) fn reserve(&self, size: usize) -> Result<()> {
        let limit = self.max_buffered_amount;
        let reserved = self.queued.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |queued| {
            let total = queued.checked_add(self.unsent.load(Ordering::SeqCst))?.checked_add(size)?;
            (total <= limit).then_some(queued + frame_size(size))
        });
        reserved.map(drop).map_err(|_| Error::WriteBufferFull {
            size,
            buffered: self.buffered_amount(),
            limit,
        })
    }

    /// Gives back what was reserved.
    fn release(&self, size: usize) {
        // Saturating: what came through `ControlSender::channel` was never counted.
        let _ = self.queued.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |queued| {
            Some(queued.saturating_sub(frame_size(size)))
        });
    }

    /// Takes over how much the connection has not sent, after each use of it.
    pub(crate) fn note_unsent(&self, session: &Session) {
        let unsent = session.buffered_amount();
        // A turn in which nothing was sent does not write to what senders read.
        if self.unsent.load(Ordering::Relaxed) != unsent {
            self.unsent.store(unsent, Ordering::SeqCst);
        }
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    pub(crate) fn buffered_amount(&self) -> usize {
        self.queued.load(Ordering::SeqCst) + self.unsent.load(Ordering::SeqCst)
    }

    /// Whether messages are accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// From now on messages are not accepted.
    pub(crate) fn refuse(&self) {
        let _corks = self.corks();
        self.open.store(false, Ordering::SeqCst);
    }

    /// Has the connection abandoned.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.refuse();
        self.wake();
    }

    /// Whether the thread waits, or is about to, for what was read to be received.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    /// Ends a pause of the thread.
    pub(crate) fn resume(&self) {
        if self.paused.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Has the thread look for commands that it is not woken for.
    pub(crate) fn bypass(&self) {
        if !self.bypassed.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(crate) fn is_bypassed(&self) -> bool {
        self.bypassed.load(Ordering::SeqCst)
    }

    /// Ends the wait of the thread.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    fn corks(&self) -> MutexGuard<'_, usize> {
        self.corks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, once a thread runs it and until it has ended.
    ///
    /// A sender that has it is about to give it back: the answer to what it sends often comes while it
    /// still does. Yielding to it costs less than what a contended lock does first, spinning.
    pub(crate) fn outlet(&self) -> MutexGuard<'_, Option<Outlet>> {
        for _ in 0..MOST_YIELDS {
            match self.outlet.try_lock() {
                Ok(outlet) => return outlet,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session if its thread sleeps. Never blocks.
    fn idle_outlet(&self) -> Option<MutexGuard<'_, Option<Outlet>>> {
        let waker = self.waker.get()?;
        if !waker.would_wake() {
            return None;
        }
        let outlet = self.outlet.try_lock().ok()?;
        // Asked again under the lock: a thread that was seen asleep before may be about to sleep anew,
        // having looked at the session already, and would not be woken for what is done to it now.
        waker.would_wake().then_some(outlet)
    }

    fn is_corked(&self) -> bool {
        *self.corks() > 0
    }

    /// How many of these commands may be carried out now.
    fn due(&self, commands: &Receiver<ControlMessage>) -> usize {
        if commands.is_empty() {
            return 0;
        }
        let corks = self.corks();
        if *corks == 0 || !self.is_open() { commands.len() } else { 0 }
    }

    /// Carries out the commands that are due, all that is sent in one write.
    fn carry_out_due(&self, session: &mut Session, commands: &Receiver<ControlMessage>) {
        let count = self.due(commands);
        if count > 1 {
            session.set_corked(true);
        }
        for command in commands.try_iter().take(count) {
            self.carry_out(session, command);
        }
        if count > 1 {
            session.set_corked(false);
            self.note_unsent(session);
        }
    }

    fn carry_out(&self, session: &mut Session, command: ControlMessage) {
        let size = command.payload_size();
        if command == ControlMessage::ForceQuit {
            // What was sent before is not to be lost for having come in the same turn.
            session.uncork_all();
        }
        let outcome = session.carry_out(command);
        self.note_sent(session, size, outcome);
    }

    /// Counts a message of `size` bytes as the connection's own.
    fn note_sent(&self, session: &Session, size: usize, outcome: Result<()>) {
        // First the connection's own count, then ours: a sender may count bytes twice for a moment,
        // but never misses any.
        self.note_unsent(session);
        self.release(size);
        if let Err(error) = outcome {
            tracing::warn!(%error, "a command could not be carried out");
        }
    }
}

/// The end of the channel of commands that the client's thread has.
pub(crate) struct Commands {
    waiting: Receiver<ControlMessage>,
    link: Arc<Link>,
}

impl Commands {
    pub(crate) fn new(waiting: Receiver<ControlMessage>, link: Arc<Link>) -> Self {
        Self { waiting, link }
    }

    /// Lets senders use the session, and wake the thread that is about to run it.
    pub(crate) fn give_out(&self, session: Session, waker: Waker) -> Arc<Link> {
        let commands = self.waiting.clone();
        *self.link.outlet() = Some(Outlet { session, commands, used_until: Instant::now(), uses: 0 });
        // Only the one thread that takes these commands sets it.
        let _ = self.link.waker.set(waker);
        Arc::clone(&self.link)
    }

    /// Has senders know of what the session has not sent before it was given out.
    pub(crate) fn note_unsent(&self, session: &Session) {
        self.link.note_unsent(session);
    }

    /// Carries out what waits.
    pub(crate) fn carry_out(&self, session: &mut Session) {
        let link = &self.link;
        link.carry_out_due(session, &self.waiting);
        if link.abandoned.load(Ordering::Relaxed) {
            session.abandon();
        }
        if !session.is_open() && link.open.load(Ordering::Relaxed) {
            self.refuse();
        }
    }

    /// Whether something waits to be carried out.
    pub(crate) fn are_due(&self) -> bool {
        self.link.due(&self.waiting) > 0 || self.link.abandoned.load(Ordering::SeqCst)
    }

    /// From now on nothing can be sent.
    pub(crate) fn refuse(&self) {
        self.link.refuse();
    }

    /// Has the thread woken once what was read has been received.
    pub(crate) fn note_pause(&self) {
        self.link.paused.store(true, Ordering::SeqCst);
    }
}

impl Drop for Commands {
    /// However the thread ended: nothing can be sent any more, and the session is gone.
    fn drop(&mut self) {
        self.refuse();
        // Dropped after the lock.
        let outlet = self.link.outlet().take();
        drop(outlet);
    }
}
