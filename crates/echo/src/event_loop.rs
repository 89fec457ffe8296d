//! The one thread of a server: waits for sockets, accepts, and gives every ready connection its turn.

use std::{
    io::{self, ErrorKind},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use native_tls::TlsAcceptor;
use polling::{Event, Events, PollMode, Poller};

use crate::connection::{Connection, Served};

/// `usize::MAX` itself belongs to the poller.
const LISTENER: usize = usize::MAX - 1;
/// How often deadlines are looked at, and how long accepting rests when the process is out of descriptors.
const TICK: Duration = Duration::from_millis(100);
const ACCEPTS_PER_TURN: usize = 64;
/// Up to this many connections, spinning reads each socket in turn: a look at the poller costs five system
/// calls, one at an idle socket costs one.
const FEW: usize = 8;
/// While it reads them itself, a spinning loop asks the poller for new connections once in so many turns.
const TURNS_PER_POLL: u32 = 256;

pub(crate) struct EventLoop {
    poller: Arc<Poller>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    stopping: Arc<AtomicBool>,
    spin: bool,
    /// The poller's key of a connection is its index.
    slots: Vec<Option<Slot>>,
    /// Keys of connections that have more to do without the poller knowing.
    unfinished: Vec<usize>,
    accepting: bool,
    next_tick: Option<Instant>,
}

struct Slot {
    connection: Connection,
    waits_for_output: bool,
    has_more: bool,
}

impl EventLoop {
    pub(crate) fn new(
        poller: Arc<Poller>,
        listener: TcpListener,
        acceptor: Option<TlsAcceptor>,
        stopping: Arc<AtomicBool>,
        spin: bool,
    ) -> io::Result<Self> {
        // SAFETY: the listener lives in `Self`, whose `drop` deletes it from the poller first.
        unsafe { poller.add_with_mode(&listener, Event::readable(LISTENER), PollMode::Level)? };
        Ok(Self {
            poller,
            listener,
            acceptor,
            stopping,
            spin,
            slots: Vec::new(),
            unfinished: Vec::new(),
            accepting: true,
            next_tick: None,
        })
    }

    /// Runs until told to stop, or until the poller fails, which leaves nothing to be done.
    pub(crate) fn run(mut self) {
        let mut events = Events::new();
        let mut turn = 0_u32;
        while !self.is_stopping() {
            turn = turn.wrapping_add(1);
            let reads_all = self.spin && self.slots.len() <= FEW;
            if reads_all {
                for key in 0..self.slots.len() {
                    self.serve(key);
                }
            }
            if !reads_all || self.slots.is_empty() || turn.is_multiple_of(TURNS_PER_POLL) {
                events.clear();
                if self.poller.wait(&mut events, self.timeout()).is_err() {
                    return;
                }
                self.take_turns(&events);
            }
            self.tick_if_due();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn timeout(&self) -> Option<Duration> {
        if self.spin || !self.unfinished.is_empty() {
            Some(Duration::ZERO)
        } else {
            self.next_tick.map(|at| at.saturating_duration_since(Instant::now()))
        }
    }

    fn take_turns(&mut self, events: &Events) {
        let unfinished = std::mem::take(&mut self.unfinished);
        for event in events.iter() {
            if event.key == LISTENER {
                self.accept();
            } else if !self.slot(event.key).is_some_and(|slot| slot.has_more) {
                self.serve(event.key);
            }
        }
        for key in unfinished {
            // The slot may have been emptied, and even filled again, meanwhile.
            if self.slot(key).is_some_and(|slot| std::mem::take(&mut slot.has_more)) {
                self.serve(key);
            }
        }
    }

    fn slot(&mut self, key: usize) -> Option<&mut Slot> {
        self.slots.get_mut(key)?.as_mut()
    }

    fn serve(&mut self, key: usize) {
        // One turn can be long with many busy connections; stopping must not wait for it.
        if self.is_stopping() {
            return;
        }
        let Some(slot) = self.slots.get_mut(key).and_then(Option::as_mut) else { return };
        let served = slot.connection.serve();
        if slot.connection.deadline().is_some() {
            self.next_tick.get_or_insert_with(|| Instant::now() + TICK);
        }
        if served == Served::HasMore && !slot.has_more {
            slot.has_more = true;
            self.unfinished.push(key);
        }
        let waits_for_output = served == Served::NeedsOutput;
        let waits = if served != Served::Ended && waits_for_output != slot.waits_for_output {
            slot.waits_for_output = waits_for_output;
            let event = if waits_for_output { Event::writable(key) } else { Event::readable(key) };
            self.poller.modify_with_mode(slot.connection.tcp(), event, PollMode::Level)
        } else {
            Ok(())
        };
        if served == Served::Ended || waits.is_err() {
            self.remove(key);
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok((tcp, _)) => {
                    if let Some(connection) = Connection::new(tcp, self.acceptor.as_ref()) {
                        self.insert(connection);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Out of descriptors, most likely: the listener stays readable, so look away for a while.
                    _ => {
                        self.watch_listener(false);
                        self.next_tick.get_or_insert_with(|| Instant::now() + TICK);
                        return;
                    }
                },
            }
        }
    }

    fn watch_listener(&mut self, accepting: bool) {
        let event = if accepting { Event::readable(LISTENER) } else { Event::none(LISTENER) };
        if self.poller.modify_with_mode(&self.listener, event, PollMode::Level).is_ok() {
            self.accepting = accepting;
        }
    }

    fn insert(&mut self, connection: Connection) {
        let key = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        // SAFETY: `remove` and `drop` delete the socket from the poller before they drop it; nothing else
        // takes a connection out of its slot, and the descriptor lives as long as the connection.
        if unsafe { self.poller.add_with_mode(connection.tcp(), Event::readable(key), PollMode::Level) }
            .is_err()
        {
            return;
        }
        if key == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[key] = Some(Slot { connection, waits_for_output: false, has_more: false });
        // Takes what came with the connection, and arms its deadline.
        self.serve(key);
    }

    fn remove(&mut self, key: usize) {
        // A caller that counts down may be past the end, which moves below.
        if let Some(slot) = self.slots.get_mut(key).and_then(Option::take) {
            // It fails only for a descriptor that the poller has already lost.
            let _ = self.poller.delete(slot.connection.tcp());
        }
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
    }

    /// Drops the connections whose deadline has passed and accepts again after a rest.
    fn tick_if_due(&mut self) {
        let Some(due) = self.next_tick else { return };
        let now = Instant::now();
        if now < due {
            return;
        }
        let mut has_deadlines = false;
        for key in (0..self.slots.len()).rev() {
            match self.slot(key).and_then(|slot| slot.connection.deadline()) {
                Some(deadline) if deadline <= now => self.remove(key),
                Some(_) => has_deadlines = true,
                None => {}
            }
        }
        if !self.accepting {
            self.watch_listener(true);
        }
        self.next_tick = (has_deadlines || !self.accepting).then(|| now + TICK);
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        for key in (0..self.slots.len()).rev() {
            if let Some(slot) = self.slot(key) {
                slot.connection.go_away();
            }
            self.remove(key);
        }
        let _ = self.poller.delete(&self.listener);
    }
}
