//! A client as JavaScript holds it: a session on this thread, or channels to one on another.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    sync::Arc,
    time::Instant,
};

use napi::{Env, JsString, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;
use s9_websocket_core::{
    ControlMessage, ControlSender, Error, ReceivedEvent, S9Socket, S9WebSocketClientHandler, Session,
    ThreadedSession, Turn, UpgradeResponse, Wait, WebSocketEvent, turn,
};

use crate::{
    batch::{BatchWriter, IDLE, NativeBatch, Written},
    channel::{Channels, NativeReceiver, NativeSender, close_frame, copied},
    clock::SLICE,
    error::{NativeError, NativeResponse, Result, thrown},
    event_queue::QueueSink,
    join_handle::NativeJoinHandle,
    sent_text::with_text,
    socket::NativeSocket,
};

/// How many idle turns pass before a spinning loop looks at the clock: some 20 µs.
const TURNS_A_LOOK: u32 = 64;

/// A connected client.
#[napi]
pub struct NativeClient {
    place: RefCell<Place>,
    /// Whether a run on this thread has claimed it.
    claimed: Cell<bool>,
    /// Whether it is the client that speaks through channels only.
    for_channels: bool,
    text_as_buffer: bool,
    socket: S9Socket,
    response: UpgradeResponse,
    /// What did not fit the batch, and all that came behind it: the last events of a connection come even
    /// where there is no room.
    held: RefCell<VecDeque<ReceivedEvent>>,
    error: RefCell<Option<Error>>,
}

/// Where the connection is.
enum Place {
    Here(Box<Session>),
    Channels {
        client: Box<ThreadedSession<QueueSink>>,
        channels: Arc<Channels>,
        started: bool,
    },
    /// It has quit or was disposed of.
    Gone,
}

const CLOSED: Error = Error::ConnectionClosed("the client has quit");
const TAKEN: Error = Error::SocketUnavailable("the client runs already");

impl NativeClient {
    pub(crate) fn new(session: Session, for_channels: bool, text_as_buffer: bool) -> Self {
        let client = Self {
            socket: session.socket(),
            response: session.response().clone(),
            for_channels,
            place: RefCell::new(Place::Here(Box::new(session))),
            claimed: Cell::new(false),
            text_as_buffer,
            held: RefCell::default(),
            error: RefCell::default(),
        };
        if for_channels {
            client.move_to_channels();
        }
        client
    }

    /// Gives a session on this thread channels, to be moved to another.
    fn move_to_channels(&self) {
        let place = self.place.replace(Place::Gone);
        self.place.replace(match place {
            Place::Here(session) => {
                let (client, channels) = Channels::of(*session, self.text_as_buffer);
                Place::Channels { client: Box::new(client), channels, started: false }
            }
            other => other,
        });
    }

    /// Gives a command to the connection, wherever it is.
    fn tell(&self, command: ControlMessage) -> Result<()> {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => match command {
                ControlMessage::SendText(text) => session.send_text_message(&text).map(drop),
                ControlMessage::SendBinary(data) => session.send_binary_message(data).map(drop),
                ControlMessage::SendTextUncompressed(text) => {
                    session.send_text_message_uncompressed(&text).map(drop)
                }
                ControlMessage::SendBinaryUncompressed(data) => {
                    session.send_binary_message_uncompressed(data).map(drop)
                }
                ControlMessage::SendPing(data) => session.send_ping(data).map(drop),
                ControlMessage::SendPong(data) => session.send_pong(data).map(drop),
                ControlMessage::Close(frame) => session.close(frame),
                ControlMessage::ForceQuit => {
                    session.force_quit();
                    Ok(())
                }
            },
            Place::Channels { client, .. } => client.control().send(command),
            // There is nothing left to end.
            Place::Gone if matches!(command, ControlMessage::Close(_) | ControlMessage::ForceQuit) => Ok(()),
            Place::Gone => Err(CLOSED),
        }
        .map_err(thrown)
    }

    /// Does one thing or the other, depending on where the connection is, and nothing once it is gone.
    /// No JavaScript runs in it.
    fn wherever_it_is<T: Default>(
        &self,
        here: impl FnOnce(&mut Session) -> T,
        there: impl FnOnce(&ControlSender) -> T,
    ) -> T {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => here(session),
            Place::Channels { client, .. } => there(client.control()),
            Place::Gone => T::default(),
        }
    }

    fn one_turn(&self, session: &mut Session, env: Env, batch: &NativeBatch) -> (Turn, u32) {
        let mut handler =
            BatchHandler { writer: batch.begin(env, self.text_as_buffer), client: self, has_quit: false };
        handler.write_held();
        let came_to =
            if handler.has_quit || handler.holds() { Turn::Full } else { turn(session, &mut handler) };
        let came_to = match came_to {
            _ if handler.has_quit => Turn::Ended,
            // The session has ended, but the batch did not take all of it.
            Turn::Ended if handler.holds() => Turn::Full,
            other => other,
        };
        (came_to, handler.writer.finish())
    }

    /// Runs `turns` with the session, which is gone once it has quit.
    fn with_session(&self, turns: impl FnOnce(&mut Session) -> (Turn, u32)) -> Result<u32> {
        let mut place = self.place.borrow_mut();
        let Place::Here(session) = &mut *place else { return Err(thrown(CLOSED)) };
        let (turn, status) = turns(session);
        if turn == Turn::Ended {
            *place = Place::Gone;
        }
        Ok(if turn == Turn::Idle { status | IDLE } else { status })
    }
}

/// Writes the events of a turn into a batch.
struct BatchHandler<'a> {
    writer: BatchWriter<'a>,
    client: &'a NativeClient,
    has_quit: bool,
}

impl BatchHandler<'_> {
    /// Whether something waits for the next batch.
    fn holds(&self) -> bool {
        !self.client.held.borrow().is_empty()
    }

    fn write_held(&mut self) {
        let held = self.client.held.take();
        held.into_iter().for_each(|received| self.write(received));
    }

    fn write(&mut self, received: ReceivedEvent) {
        if self.holds() {
            self.client.held.borrow_mut().push_back(received);
            return;
        }
        let is_quit = matches!(received.event, WebSocketEvent::Quit);
        match self.writer.write(received.event, received.at) {
            Written::Whole => self.has_quit |= is_quit,
            Written::Error(error) => {
                self.client.error.replace(Some(error));
            }
            Written::NoRoom(event) => {
                self.client.held.borrow_mut().push_back(ReceivedEvent { event, at: received.at });
            }
        }
    }
}

impl S9WebSocketClientHandler<Session> for BatchHandler<'_> {
    fn on_event(&mut self, session: &mut Session, event: WebSocketEvent) {
        self.write(ReceivedEvent { event, at: session.received_at() });
    }

    fn has_room(&mut self) -> bool {
        self.writer.has_room() && !self.holds()
    }

    fn acts_later(&self) -> bool {
        true
    }
}

#[napi]
impl NativeClient {
    /// Claims the client for a run on this thread; whether its sends block.
    #[napi(catch_unwind)]
    pub fn begin(&self, blocking: bool) -> Result<bool> {
        if self.claimed.get() {
            return Err(thrown(TAKEN));
        }
        let blocks = match &mut *self.place.borrow_mut() {
            Place::Here(session) => {
                session.set_longest_wait(Some(SLICE));
                if blocking { session.set_blocking() } else { Ok(false) }
            }
            Place::Channels { .. } => Err(TAKEN),
            Place::Gone => Err(CLOSED),
        }
        .map_err(thrown)?;
        self.claimed.set(true);
        Ok(blocks)
    }

    /// Goes on with a send that blocks, at most 50 ms; whether there is more of it to go on with.
    #[napi(catch_unwind)]
    pub fn keep_writing(&self) -> bool {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => session.keep_writing(),
            _ => false,
        }
    }

    /// Gives the claim back.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.claimed.set(false);
    }

    /// One turn: at most one read of the kernel, at most 50 ms.
    #[napi(catch_unwind)]
    pub fn turn(&self, env: Env, batch: &NativeBatch) -> Result<u32> {
        self.with_session(|session| self.one_turn(session, env, batch))
    }

    /// Turns and waits until there are events, at most some 50 ms.
    #[napi(catch_unwind)]
    pub fn turn_sync(&self, env: Env, batch: &NativeBatch) -> Result<u32> {
        self.with_session(|session| {
            let spins = session.wait_mode() == Wait::Spin;
            // A spinning loop that soon has an event never reads the clock.
            let mut until = (!spins).then(|| Instant::now() + SLICE);
            let mut idle = 0_u32;
            loop {
                let (turn, status) = self.one_turn(session, env, batch);
                if status != 0 || turn == Turn::Ended {
                    return (turn, status);
                }
                if turn == Turn::Idle {
                    session.wait();
                }
                idle = idle.wrapping_add(1);
                if !spins || idle.is_multiple_of(TURNS_A_LOOK) {
                    let now = Instant::now();
                    if now >= *until.get_or_insert(now + SLICE) {
                        return (Turn::Waiting, 0);
                    }
                }
            }
        })
    }

    /// Passes the time after an idle turn, at most 50 ms; whether that time is over.
    #[napi(catch_unwind)]
    pub fn wait(&self) -> bool {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => session.wait(),
            _ => true,
        }
    }

    /// How long an event loop may wait now for the next turn, in milliseconds; `null` spins.
    #[napi(catch_unwind, ts_return_type = "number | null")]
    pub fn spin_wait(&self) -> Option<f64> {
        let spins = self.if_here(Session::wait_mode).is_none_or(|mode| mode == Wait::Spin);
        let longest = self.if_here(Session::longest_wait_now).flatten().filter(|_| !spins);
        longest.map(|longest| longest.as_secs_f64() * 1e3)
    }

    /// The error that the latest batch told of.
    #[napi(catch_unwind)]
    pub fn take_error(&self) -> Option<NativeError> {
        self.error.take().as_ref().map(NativeError::from)
    }

    /// Moves the connection to a thread of its own.
    #[napi(catch_unwind)]
    pub fn start_thread(&self, env: Env) -> Result<NativeJoinHandle> {
        if self.claimed.get() {
            return Err(thrown(TAKEN));
        }
        self.move_to_channels();
        let mut place = self.place.borrow_mut();
        let Place::Channels { client, started, .. } = &mut *place else { return Err(thrown(CLOSED)) };
        let thread = client.run().map_err(thrown)?;
        *started = true;
        NativeJoinHandle::new(env, thread, client.control().clone(), client.event_signal())
    }

    /// The receiver of the client's events.
    #[napi(catch_unwind)]
    pub fn events(&self) -> Result<NativeReceiver> {
        self.move_to_channels();
        match &*self.place.borrow() {
            Place::Channels { channels, .. } => Ok(NativeReceiver::new(channels)),
            _ => Err(thrown(CLOSED)),
        }
    }

    /// The sender of the client's commands.
    #[napi(catch_unwind)]
    pub fn control(&self) -> Result<NativeSender> {
        self.move_to_channels();
        match &*self.place.borrow() {
            Place::Channels { channels, .. } => Ok(NativeSender::new(channels)),
            _ => Err(thrown(CLOSED)),
        }
    }

    /// Sends a text message.
    #[napi(catch_unwind)]
    pub fn send_text(&self, text: JsString<'_>) -> Result<()> {
        with_text(&text, |text| match &mut *self.place.borrow_mut() {
            Place::Here(session) => session.send_text_message(text).map(drop),
            Place::Channels { client, .. } => {
                client.control().send(ControlMessage::SendText(text.to_owned()))
            }
            Place::Gone => Err(CLOSED),
        })?
        .map_err(thrown)
    }

    /// Sends a binary message.
    #[napi(catch_unwind)]
    pub fn send_binary(&self, data: Uint8ArraySlice<'_>) -> Result<()> {
        if let Place::Here(session) = &mut *self.place.borrow_mut() {
            return session.send_binary_slice(&data).map(drop).map_err(thrown);
        }
        self.tell(ControlMessage::SendBinary(copied(Some(&data))))
    }

    /// Sends a text message uncompressed.
    #[napi(catch_unwind)]
    pub fn send_text_uncompressed(&self, text: String) -> Result<()> {
        self.tell(ControlMessage::SendTextUncompressed(text))
    }

    /// Sends a binary message uncompressed.
    #[napi(catch_unwind)]
    pub fn send_binary_uncompressed(&self, data: Uint8ArraySlice<'_>) -> Result<()> {
        self.tell(ControlMessage::SendBinaryUncompressed(copied(Some(&data))))
    }

    /// Sends a ping.
    #[napi(catch_unwind)]
    pub fn send_ping(&self, data: Option<Uint8ArraySlice<'_>>) -> Result<()> {
        self.tell(ControlMessage::SendPing(copied(data.as_ref())))
    }

    /// Sends a pong.
    #[napi(catch_unwind)]
    pub fn send_pong(&self, data: Option<Uint8ArraySlice<'_>>) -> Result<()> {
        self.tell(ControlMessage::SendPong(copied(data.as_ref())))
    }

    /// Begins the closing handshake; nothing happens if the connection is closing or gone.
    #[napi(catch_unwind)]
    pub fn close(&self, code: Option<u32>, reason: Option<String>) -> Result<()> {
        self.tell(ControlMessage::Close(close_frame(code, reason)?))
    }

    /// Ends at once.
    #[napi(catch_unwind)]
    pub fn force_quit(&self) -> Result<()> {
        self.tell(ControlMessage::ForceQuit)
    }

    /// Keeps back what is sent.
    #[napi(catch_unwind)]
    pub fn cork(&self) {
        self.wherever_it_is(|session| session.set_corked(true), |control| control.set_corked(true));
    }

    /// Sends in one write what was kept back.
    #[napi(catch_unwind)]
    pub fn uncork(&self) {
        self.wherever_it_is(|session| session.set_corked(false), |control| control.set_corked(false));
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    #[napi(catch_unwind)]
    pub fn buffered_amount(&self) -> f64 {
        self.wherever_it_is(|session| session.buffered_amount(), |control| control.buffered_amount()) as f64
    }

    /// Sends Close 1000 and ends; only `quit` is worth delivering after it.
    #[napi(catch_unwind)]
    pub fn abandon(&self) {
        self.held.borrow_mut().retain(|received| matches!(received.event, WebSocketEvent::Quit));
        self.wherever_it_is(Session::abandon, ControlSender::abandon);
    }

    /// Sends Close 1000 and lets go of the connection, its thread included.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        self.held.take();
        // Dropped after the borrow has ended.
        let place = self.place.replace(Place::Gone);
        drop(place);
    }

    /// The socket, until the connection is gone or the async client's thread has it.
    #[napi(catch_unwind)]
    pub fn socket(&self) -> Option<NativeSocket> {
        let is_out_of_reach = match &*self.place.borrow() {
            Place::Here(_) => false,
            Place::Channels { started, .. } => *started && self.for_channels,
            Place::Gone => true,
        };
        (!is_out_of_reach).then(|| NativeSocket::from(self.socket.clone()))
    }

    /// What the server answered to the upgrade.
    #[napi(catch_unwind)]
    pub fn response(&self) -> NativeResponse {
        NativeResponse::from(&self.response)
    }

    /// Calls `watch` with the session if it is on this thread.
    pub(crate) fn if_here<T>(&self, watch: impl FnOnce(&Session) -> T) -> Option<T> {
        match &*self.place.borrow() {
            Place::Here(session) => Some(watch(session)),
            _ => None,
        }
    }
}
