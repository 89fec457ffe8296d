//! A client as JavaScript holds it: a session on this thread, or channels to one on another.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ops::Deref,
    rc::Rc,
    sync::Arc,
};

use napi::{Env, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;
use s9_websocket_core::{
    ControlMessage, ControlSender, Error, ReceivedEvent, S9Socket, Session, ThreadedSession, UpgradeResponse,
    Wait, WebSocketEvent,
};

use crate::{
    batch::Memory,
    bound::{Bound, Call, bind},
    channel::{Channels, NativeReceiver, NativeSender, close_frame, copied},
    clock::SLICE,
    error::{NativeError, NativeResponse, Result, thrown},
    event_queue::QueueSink,
    join_handle::NativeJoinHandle,
    options::Handover,
    sent_text::with_text,
    socket::NativeSocket,
};

/// A connected client.
#[napi]
pub struct NativeClient {
    client: Rc<Client>,
}

/// What the object and the functions bound to it share.
pub struct Client {
    pub(crate) place: RefCell<Place>,
    /// Whether a run on this thread has claimed it.
    claimed: Cell<bool>,
    /// Whether it is the client that speaks through channels only.
    for_channels: bool,
    pub(crate) handover: Handover,
    socket: S9Socket,
    response: UpgradeResponse,
    /// What did not fit the batch, and all that came behind it: the last events of a connection come even
    /// where there is no room.
    pub(crate) held: RefCell<VecDeque<ReceivedEvent>>,
    pub(crate) error: RefCell<Option<Error>>,
}

impl Deref for NativeClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Where the connection is.
pub enum Place {
    Here(Box<Session>),
    Channels {
        client: Box<ThreadedSession<QueueSink>>,
        channels: Arc<Channels>,
        started: bool,
    },
    /// It has quit or was disposed of.
    Gone,
}

pub(crate) const CLOSED: Error = Error::ConnectionClosed("the client has quit");
const TAKEN: Error = Error::SocketUnavailable("the client runs already");

impl NativeClient {
    pub(crate) fn new(session: Session, for_channels: bool, handover: Handover) -> Self {
        let client = Client {
            socket: session.socket(),
            response: session.response().clone(),
            for_channels,
            place: RefCell::new(Place::Here(Box::new(session))),
            claimed: Cell::new(false),
            handover,
            held: RefCell::default(),
            error: RefCell::default(),
        };
        if for_channels {
            client.move_to_channels();
        }
        Self { client: Rc::new(client) }
    }
}

impl Client {
    fn begin(&self, blocking: bool) -> Result<bool> {
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

    /// Gives a session on this thread channels, to be moved to another.
    fn move_to_channels(&self) {
        let place = self.place.replace(Place::Gone);
        self.place.replace(match place {
            Place::Here(session) => {
                let (client, channels) = Channels::of(*session, self.handover.text_as_buffer);
                Place::Channels { client: Box::new(client), channels, started: false }
            }
            other => other,
        });
    }
}

#[napi]
impl NativeClient {
    /// Claims the client for a run on this thread, over a blocking socket where `blocking` is not 0; 1 if its
    /// sends then block.
    #[napi(catch_unwind, ts_return_type = "(blocking: number) => number")]
    pub fn bind_begin<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let client = Rc::clone(&self.client);
        bind(env, c"begin", move |call: &Call<1>| client.begin(call.number(0)? != 0).map(u32::from))
    }

    /// Gives the claim back. Always 0.
    #[napi(catch_unwind, ts_return_type = "() => number")]
    pub fn bind_release<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let client = Rc::clone(&self.client);
        bind(env, c"release", move |_: &Call<0>| {
            client.claimed.set(false);
            Ok(0)
        })
    }

    /// Goes on with a send that blocks, at most 50 ms; whether there is more of it to go on with.
    #[napi(catch_unwind)]
    pub fn keep_writing(&self) -> bool {
        match &mut *self.place.borrow_mut() {
            Place::Here(session) => session.keep_writing(),
            _ => false,
        }
    }

    /// One turn, or several until something comes: each at most one read of the kernel, and 50 ms.
    #[napi(catch_unwind, ts_return_type = "(batch: number, most: number) => number")]
    pub fn bind_turn<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let client = Rc::clone(&self.client);
        bind(env, c"turn", move |call: &Call<2>| {
            let batch = Memory::numbered(call.number(0)?)?;
            client.turns(call.env(), &batch, call.number(1)?)
        })
    }

    /// Turns and waits until there are events, at most some 50 ms.
    #[napi(catch_unwind, ts_return_type = "(batch: number) => number")]
    pub fn bind_turn_sync<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let client = Rc::clone(&self.client);
        bind(env, c"turnSync", move |call: &Call<1>| {
            let batch = Memory::numbered(call.number(0)?)?;
            client.turns_sync(call.env(), &batch)
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

    /// Whether idle turns follow each other without a wait.
    #[napi(catch_unwind)]
    pub fn spins(&self) -> bool {
        self.if_here(Session::wait_mode).is_none_or(|mode| mode == Wait::Spin)
    }

    /// How long an event loop may wait now for the next turn, in milliseconds, and whether somebody is told of
    /// idle turns; `null` is for ever.
    #[napi(catch_unwind, ts_return_type = "number | null")]
    pub fn longest_wait(&self, is_told_of_idling: bool) -> Option<f64> {
        let longest = self.if_here(|session| session.longest_wait_now(is_told_of_idling)).flatten();
        longest.map(|longest| longest.as_secs_f64() * 1e3)
    }

    /// Whether the memory of a payload takes the next one once a handler has returned.
    #[napi(catch_unwind)]
    pub fn reuses_buffers(&self) -> bool {
        self.handover.reuses_buffers
    }

    /// The error that the latest batch told of.
    #[napi(catch_unwind)]
    pub fn take_error(&self) -> Option<NativeError> {
        self.error.take().as_ref().map(NativeError::from)
    }

    /// Moves the connection to a thread of its own.
    #[napi(catch_unwind)]
    pub fn start_thread(&self) -> Result<NativeJoinHandle> {
        if self.claimed.get() {
            return Err(thrown(TAKEN));
        }
        self.move_to_channels();
        let mut place = self.place.borrow_mut();
        let Place::Channels { client, started, .. } = &mut *place else { return Err(thrown(CLOSED)) };
        let thread = client.run().map_err(thrown)?;
        *started = true;
        Ok(NativeJoinHandle::new(thread, client.control().clone(), client.event_signal()))
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

    /// Sends a text message; 1 if bytes of it are left for the turns to come.
    #[napi(catch_unwind, ts_return_type = "(text: string) => number")]
    pub fn bind_send_text<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let client = Rc::clone(&self.client);
        bind(env, c"sendText", move |call: &Call<1>| {
            with_text(call.env(), call.value(0), |text| client.send_text(text))?
        })
    }

    /// Sends a binary message; 1 if bytes of it are left for the turns to come.
    #[napi(catch_unwind, ts_return_type = "(data: Uint8Array) => number")]
    pub fn bind_send_binary<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let client = Rc::clone(&self.client);
        bind(env, c"sendBinary", move |call: &Call<1>| client.send_binary(call.bytes(0)?))
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
