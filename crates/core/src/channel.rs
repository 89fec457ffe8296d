//! The two channels of a client that runs on a thread: commands in, events out.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crossbeam_channel::{Receiver, Sender};

use crate::{
    connection::{check_close_frame, check_control_payload},
    error::{Error, Result},
    event::{ControlMessage, WebSocketEvent},
    event_signal::EventSignal,
    handler::S9WebSocketClientHandler,
    session::Session,
    wait::Waker,
};

/// Sends commands to a client that runs on a thread, and wakes that thread.
///
/// A crossbeam `Sender` with three additions: a wake-up for a thread that waits in a poller, the
/// checks whose failure the caller has to hear of, and the bound on unsent bytes.
///
/// ```no_run
/// use s9_websocket_core::{ControlMessage, NonBlockingOptions, S9AsyncNonBlockingWebSocketClient};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let options = NonBlockingOptions::new();
/// let mut client = S9AsyncNonBlockingWebSocketClient::connect("wss://feed.example.com", options)?;
/// let thread = client.run()?;
/// let control = client.control_tx.clone();
/// std::thread::spawn(move || control.send(ControlMessage::SendText("from anywhere".into())));
/// # drop(thread);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ControlSender {
    commands: Sender<ControlMessage>,
    link: Arc<Link>,
}

/// What both sides of a client's channels know of each other.
#[derive(Debug)]
struct Link {
    /// Payload bytes of commands that the thread has not taken yet.
    queued: AtomicUsize,
    /// The connection's own `buffered_amount`, as of the thread's latest turn.
    unsent: AtomicUsize,
    max_buffered_amount: usize,
    open: AtomicBool,
    abandoned: AtomicBool,
    /// How many corks there are. No command is counted while this is held: the thread takes all of a
    /// cork's commands in one turn, or none yet.
    corks: Mutex<usize>,
    /// Set once a thread that may sleep runs the connection.
    waker: OnceLock<Waker>,
}

impl Link {
    fn corks(&self) -> MutexGuard<'_, usize> {
        self.corks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ControlSender {
    /// Gives the thread a command. Never blocks.
    ///
    /// A message that is accepted is sent once and in order. Fails for a payload, code or reason
    /// that must not be sent, for a message over the bound on unsent bytes, and for a message after
    /// the connection has begun to close; nothing is sent then.
    pub fn send(&self, message: ControlMessage) -> Result<()> {
        let size = match &message {
            ControlMessage::SendText(text) | ControlMessage::SendTextUncompressed(text) => text.len(),
            ControlMessage::SendBinary(data) | ControlMessage::SendBinaryUncompressed(data) => data.len(),
            ControlMessage::SendPing(data) => {
                check_control_payload("ping payload", data)?;
                data.len()
            }
            ControlMessage::SendPong(data) => {
                check_control_payload("pong payload", data)?;
                data.len()
            }
            ControlMessage::Close(frame) => {
                frame.as_ref().map_or(Ok(()), check_close_frame)?;
                self.end(message);
                return Ok(());
            }
            ControlMessage::ForceQuit => {
                self.end(message);
                return Ok(());
            }
        };
        if !self.is_open() {
            return Err(Error::ConnectionClosed("nothing can be sent once closing has begun"));
        }
        self.reserve(size)?;
        self.commands.send(message).map_err(|_| Error::ConnectionClosed("the client's thread has ended"))?;
        self.wake();
        Ok(())
    }

    /// Sends everything that `sends` sends, and what other senders of this client send meanwhile, in
    /// one write.
    pub fn cork<T>(&self, sends: impl FnOnce(&Self) -> T) -> T {
        self.set_corked(true);
        let result = sends(self);
        self.set_corked(false);
        result
    }

    /// Keeps back what is sent, where a closure does not fit; as often `false` as `true` ends it, and
    /// so does the command to close or to quit.
    pub fn set_corked(&self, corked: bool) {
        let mut corks = self.link.corks();
        *corks = if corked { *corks + 1 } else { corks.saturating_sub(1) };
        let over = *corks == 0;
        drop(corks);
        if over {
            self.wake();
        }
    }

    /// Sends Close 1000 and ends without waiting for the answer; of what has not happened yet, only
    /// `Quit` does.
    pub fn abandon(&self) {
        self.link.abandoned.store(true, Ordering::SeqCst);
        self.link.open.store(false, Ordering::SeqCst);
        self.wake();
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    pub fn buffered_amount(&self) -> usize {
        self.link.queued.load(Ordering::SeqCst) + self.link.unsent.load(Ordering::SeqCst)
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.link.open.load(Ordering::SeqCst)
    }

    /// The channel itself.
    ///
    /// What is sent through it directly wakes nobody, is not checked, and is seen by a sleeping
    /// thread when its wait ends; a command that cannot be carried out is logged and dropped.
    pub fn channel(&self) -> &Sender<ControlMessage> {
        &self.commands
    }

    /// Gives a command that begins the end; after the end there is nothing left to do.
    fn end(&self, message: ControlMessage) {
        self.link.open.store(false, Ordering::SeqCst);
        let _ = self.commands.send(message);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.link.waker.get() {
            waker.wake();
        }
    }

    /// Takes `size` bytes of the bound on unsent bytes.
    fn reserve(&self, size: usize) -> Result<()> {
        let limit = self.link.max_buffered_amount;
        let reserved = self.link.queued.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |queued| {
            let total = queued.checked_add(self.link.unsent.load(Ordering::SeqCst))?.checked_add(size)?;
            (total <= limit).then_some(queued + size)
        });
        reserved.map(drop).map_err(|_| Error::WriteBufferFull {
            size,
            buffered: self.buffered_amount(),
            limit,
        })
    }
}

/// An event and when its bytes were read.
///
/// ```
/// use s9_websocket_core::{ReceivedEvent, WebSocketEvent};
/// use std::time::Instant;
///
/// let received = ReceivedEvent { event: WebSocketEvent::Activated, at: Instant::now() };
/// assert!(matches!(received.event, WebSocketEvent::Activated));
/// ```
#[derive(Debug)]
pub struct ReceivedEvent {
    /// What happened.
    pub event: WebSocketEvent,
    /// When its bytes were read from the kernel.
    pub at: std::time::Instant,
}

/// The handler that puts events into a channel and takes commands from one.
pub(crate) struct ChannelHandler {
    commands: Receiver<ControlMessage>,
    events: Sender<ReceivedEvent>,
    capacity: usize,
    signal: EventSignal,
    link: Arc<Link>,
    untold: bool,
}

/// Both ends of both channels of one client.
pub(crate) struct Channels {
    pub(crate) control_tx: ControlSender,
    pub(crate) event_rx: Receiver<ReceivedEvent>,
    pub(crate) signal: EventSignal,
    pub(crate) handler: ChannelHandler,
}

/// Channels for a client with these bounds.
pub(crate) fn channels(event_capacity: usize, max_buffered_amount: usize) -> Channels {
    let (commands, command_rx) = crossbeam_channel::unbounded();
    // Not `bounded`: that allocates all its slots at once, 5 MiB at the default capacity. The bound
    // is kept by not reading the socket, and the last two events of a life are never held up by it.
    let (event_tx, event_rx) = crossbeam_channel::unbounded();
    let link = Arc::new(Link {
        queued: AtomicUsize::new(0),
        unsent: AtomicUsize::new(0),
        max_buffered_amount,
        open: AtomicBool::new(true),
        abandoned: AtomicBool::new(false),
        corks: Mutex::new(0),
        waker: OnceLock::new(),
    });
    let signal = EventSignal::default();
    let handler = ChannelHandler {
        commands: command_rx,
        events: event_tx,
        capacity: event_capacity,
        signal: signal.clone(),
        link: Arc::clone(&link),
        untold: false,
    };
    Channels { control_tx: ControlSender { commands, link }, event_rx, signal, handler }
}

impl ChannelHandler {
    /// Lets senders wake the thread that will run this handler.
    pub(crate) fn set_waker(&self, waker: Waker) {
        // Only the one thread that takes this handler sets it.
        let _ = self.link.waker.set(waker);
    }

    /// How many commands may be taken now.
    fn takeable(&self) -> usize {
        if self.commands.is_empty() {
            return 0;
        }
        let corks = self.link.corks();
        if *corks == 0 || !self.link.open.load(Ordering::SeqCst) { self.commands.len() } else { 0 }
    }

    /// Carries out what waits, all that is sent in one write.
    fn carry_out_all(&self, session: &mut Session) {
        let count = self.takeable();
        if count > 1 {
            session.set_corked(true);
        }
        for command in self.commands.try_iter().take(count) {
            self.carry_out(session, command);
        }
        if count > 1 {
            session.set_corked(false);
        }
    }

    fn carry_out(&self, session: &mut Session, command: ControlMessage) {
        let (size, outcome) = match command {
            ControlMessage::SendText(text) => (text.len(), session.send_text_message(&text).map(drop)),
            ControlMessage::SendBinary(data) => (data.len(), session.send_binary_message(data).map(drop)),
            ControlMessage::SendTextUncompressed(text) => {
                (text.len(), session.send_text_message_uncompressed(&text).map(drop))
            }
            ControlMessage::SendBinaryUncompressed(data) => {
                (data.len(), session.send_binary_message_uncompressed(data).map(drop))
            }
            ControlMessage::SendPing(data) => (data.len(), session.send_ping(data).map(drop)),
            ControlMessage::SendPong(data) => (data.len(), session.send_pong(data).map(drop)),
            ControlMessage::Close(frame) => (0, session.close(frame)),
            ControlMessage::ForceQuit => {
                // What was sent before is not to be lost for having come in the same turn.
                session.uncork_all();
                session.force_quit();
                (0, Ok(()))
            }
        };
        // First the connection's own count, then ours: a sender may count bytes twice for a moment,
        // but never misses any.
        self.link.unsent.store(session.buffered_amount(), Ordering::SeqCst);
        // Saturating: what came through `ControlSender::channel` was never counted.
        let _ = self
            .link
            .queued
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |queued| Some(queued.saturating_sub(size)));
        if let Err(error) = outcome {
            tracing::warn!(%error, "a command could not be carried out");
        }
    }
}

impl S9WebSocketClientHandler<Session> for ChannelHandler {
    /// Takes all commands that wait, and tells of the events of the turn before.
    fn on_poll(&mut self, session: &mut Session) {
        if self.untold {
            self.untold = false;
            self.signal.fire();
        }
        self.carry_out_all(session);
        if self.link.abandoned.load(Ordering::Relaxed) {
            session.abandon();
        }
        let unsent = session.buffered_amount();
        if self.link.unsent.load(Ordering::Relaxed) != unsent {
            self.link.unsent.store(unsent, Ordering::SeqCst);
        }
        if !session.is_open() && self.link.open.load(Ordering::Relaxed) {
            self.link.open.store(false, Ordering::SeqCst);
        }
    }

    fn on_event(&mut self, session: &mut Session, event: WebSocketEvent) {
        let is_end = matches!(event, WebSocketEvent::Quit);
        // Fails when nobody can receive any more: then nobody misses it.
        let _ = self.events.send(ReceivedEvent { event, at: session.received_at() });
        self.untold = true;
        if is_end {
            self.link.open.store(false, Ordering::SeqCst);
            self.untold = false;
            self.signal.fire();
        }
    }

    fn has_room(&mut self) -> bool {
        self.events.len() < self.capacity
    }

    fn has_work(&mut self) -> bool {
        self.takeable() > 0 || self.link.abandoned.load(Ordering::SeqCst)
    }
}

impl Drop for ChannelHandler {
    /// However the thread ended: nothing can be sent any more, and listeners learn that nothing comes.
    fn drop(&mut self) {
        self.link.open.store(false, Ordering::SeqCst);
        // The channel has to be disconnected before anyone is told to look.
        self.events = crossbeam_channel::unbounded().0;
        self.signal.fire();
    }
}
