//! The channels of a client that runs on a thread, for any environment of the process.

use std::{
    cell::RefCell,
    collections::HashMap,
    ops::Deref,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use napi::{
    Env,
    bindgen_prelude::{BigInt, Function, Uint8ArraySlice},
};
use napi_derive::napi;
use s9_websocket_core::{
    CloseFrame, ControlMessage, ControlSender, Error, EventSignal, Listener, Session, ThreadedSession, Wait,
};

use crate::{
    batch::{EXPECTED, Memory, NEEDS_SLAB},
    bound::{Bound, Call, bind},
    clock::slice_of,
    error::{NativeError, Result, thrown},
    event_queue::{Capacity, EventQueue, QueueSink},
    sent_text::with_text,
    wake::{Hold, Wake},
};

/// The ends of a client's channels that JavaScript holds.
pub(crate) struct Channels {
    handle: u64,
    control: ControlSender,
    events: Arc<EventQueue>,
    signal: EventSignal,
    text_as_buffer: bool,
    /// The client's thread never sleeps.
    spins: bool,
    /// An event may come soon: something was sent that may be answered, or the thread spins and has just brought
    /// one.
    is_expectant: AtomicBool,
}

/// Live channels by handle: a number, so that a wrong one is an error and not a crash.
static CHANNELS: OnceLock<Mutex<HashMap<u64, Weak<Channels>>>> = OnceLock::new();
static NEXT_HANDLE: AtomicU64 = AtomicU64::new(1);

impl Channels {
    /// Gives a session channels, to be run on a thread.
    pub(crate) fn of(session: Session, text_as_buffer: bool) -> (ThreadedSession<QueueSink>, Arc<Self>) {
        let events = Arc::new(EventQueue::default());
        let capacity = Capacity { events: session.event_capacity(), bytes: session.event_capacity_bytes() };
        let spins = session.wait_mode() == Wait::Spin;
        let sink = QueueSink::new(&events, capacity, text_as_buffer);
        let client = ThreadedSession::new(session, sink);
        let channels = Arc::new(Self {
            handle: NEXT_HANDLE.fetch_add(1, Ordering::Relaxed),
            control: client.control().clone(),
            events,
            signal: client.event_signal(),
            text_as_buffer,
            spins,
            is_expectant: AtomicBool::new(false),
        });
        registry().insert(channels.handle, Arc::downgrade(&channels));
        (client, channels)
    }

    /// Notes that an event may come soon.
    pub(crate) fn expect_event(&self) {
        self.is_expectant.store(true, Ordering::Relaxed);
    }

    /// Whether an event may come soon; says so once.
    fn is_expected(&self) -> bool {
        self.is_expectant.swap(false, Ordering::Relaxed)
    }

    fn by_handle(handle: &BigInt) -> Result<Arc<Self>> {
        let (negative, number, lossless) = handle.get_u64();
        let found =
            (!negative && lossless).then(|| registry().get(&number).and_then(Weak::upgrade)).flatten();
        found.ok_or_else(|| thrown(Error::ChannelDisconnected("no client has this handle, or it is gone")))
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        registry().remove(&self.handle);
    }
}

fn registry() -> std::sync::MutexGuard<'static, HashMap<u64, Weak<Channels>>> {
    CHANNELS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Receives the events of a client that runs on a thread.
#[napi]
pub struct NativeReceiver {
    receiver: Rc<Receiver>,
}

/// What to do where nothing is there; the numbers are known to `src-ts`.
#[derive(Clone, Copy, PartialEq)]
enum Otherwise {
    /// Have the wake called once events come.
    Arm,
    /// Look for a moment.
    Look,
    /// Arm, but if something is to be expected soon say so.
    ArmUnlessExpected,
}

/// What the object and the function bound to it share.
pub struct Receiver {
    channels: Arc<Channels>,
    error: RefCell<Option<Error>>,
    listener: RefCell<Option<Listener>>,
    hold: RefCell<Option<Hold>>,
}

impl NativeReceiver {
    pub(crate) fn new(channels: &Arc<Channels>) -> Self {
        let receiver = Receiver {
            channels: Arc::clone(channels),
            error: RefCell::default(),
            listener: RefCell::default(),
            hold: RefCell::default(),
        };
        Self { receiver: Rc::new(receiver) }
    }
}

impl Deref for NativeReceiver {
    type Target = Receiver;

    fn deref(&self) -> &Receiver {
        &self.receiver
    }
}

impl Receiver {
    fn take(&self, env: Env, batch: &Memory, max: u32) -> u32 {
        let mut writer = batch.begin(env, self.channels.text_as_buffer);
        if let Some(error) = self.channels.events.take(&mut writer, max as usize) {
            self.error.replace(Some(error));
        }
        self.channels.control.note_received(self.channels.events.bytes());
        let status = writer.finish();
        if status != 0 && self.channels.spins {
            self.channels.expect_event();
        }
        status
    }

    /// As `take`; where nothing is there it does what `otherwise` says.
    fn take_or(&self, otherwise: Otherwise, env: Env, batch: &Memory, max: u32) -> Result<u32> {
        if otherwise == Otherwise::Look {
            self.channels.events.look();
        }
        let mut status = self.take(env, batch, max);
        if status == 0 {
            status = match otherwise {
                Otherwise::Look => 0,
                Otherwise::ArmUnlessExpected if self.channels.is_expected() => EXPECTED,
                Otherwise::Arm | Otherwise::ArmUnlessExpected => self.arm(env, batch, max)?,
            };
        }
        if status != 0 && status & NEEDS_SLAB == 0 {
            self.hold.take();
        }
        Ok(status)
    }

    fn arm(&self, env: Env, batch: &Memory, max: u32) -> Result<u32> {
        self.channels.signal.arm();
        // What came before that has called nobody.
        let status = self.take(env, batch, max);
        if status == 0 {
            self.keep_alive(env)?;
        }
        Ok(status)
    }

    fn keep_alive(&self, env: Env) -> Result<()> {
        if self.hold.borrow().is_none() {
            self.hold.replace(Some(Hold::new(env)?));
        }
        Ok(())
    }
}

#[napi]
impl NativeReceiver {
    /// The receiver with this handle, of this or another environment.
    #[napi(factory, catch_unwind)]
    pub fn from_handle(handle: BigInt) -> Result<Self> {
        Channels::by_handle(&handle).map(|channels| Self::new(&channels))
    }

    /// A number for `fromHandle`, valid while the client or a channel of it lives.
    #[napi(catch_unwind)]
    pub fn handle(&self) -> BigInt {
        self.channels.handle.into()
    }

    /// Events that wait.
    #[napi(catch_unwind)]
    pub fn length(&self) -> u32 {
        u32::try_from(self.channels.events.len()).unwrap_or(u32::MAX)
    }

    /// Writes what waits, at most `max` events, into the batch; says so if nothing can come any more. Never
    /// blocks.
    ///
    /// If nothing is there, it depends on `otherwise`: with 1 it has the wake called once events come and keeps
    /// the event loop alive until it is called again, or `disarm` is; with 2 it looks for 3 µs; with 3 it says so
    /// if something is to be expected soon, and does as with 1 if not.
    #[napi(catch_unwind, ts_return_type = "(batch: number, max: number, otherwise: number) => number")]
    pub fn bind_take<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let receiver = Rc::clone(&self.receiver);
        bind(env, c"take", move |call: &Call<3>| {
            let (batch, max) = (Memory::numbered(call.number(0)?)?, call.number(1)?);
            let otherwise = match call.number(2)? {
                0 => return Ok(receiver.take(call.env(), &batch, max)),
                1 => Otherwise::Arm,
                2 => Otherwise::Look,
                _ => Otherwise::ArmUnlessExpected,
            };
            receiver.take_or(otherwise, call.env(), &batch, max)
        })
    }

    /// The error that the latest batch told of.
    #[napi(catch_unwind)]
    pub fn take_error(&self) -> Option<NativeError> {
        self.error.take().as_ref().map(NativeError::from)
    }

    /// Waits for events, at most 50 ms; whether there are some or can be none any more.
    #[napi(catch_unwind)]
    pub fn wait(&self, timeout_ms: f64) -> bool {
        self.channels.events.wait(slice_of(timeout_ms))
    }

    /// Names the wake.
    #[napi(catch_unwind)]
    pub fn set_wake(&self, env: Env, wake: Function<'_, (), ()>) -> Result<()> {
        let wake = Wake::new(env, &wake)?;
        self.listener.replace(Some(self.channels.signal.listen(move || wake.call())));
        Ok(())
    }

    /// Lets the event loop end.
    #[napi(catch_unwind)]
    pub fn disarm(&self) {
        self.hold.take();
    }
}

/// Sends commands to a client that runs on a thread.
#[napi]
pub struct NativeSender {
    channels: Arc<Channels>,
}

impl NativeSender {
    pub(crate) fn new(channels: &Arc<Channels>) -> Self {
        Self { channels: Arc::clone(channels) }
    }
}

#[napi]
impl NativeSender {
    /// The sender with this handle, of this or another environment.
    #[napi(factory, catch_unwind)]
    pub fn from_handle(handle: BigInt) -> Result<Self> {
        Channels::by_handle(&handle).map(|channels| Self::new(&channels))
    }

    /// A number for `fromHandle`, valid while the client or a channel of it lives.
    #[napi(catch_unwind)]
    pub fn handle(&self) -> BigInt {
        self.channels.handle.into()
    }

    /// Sends a text message, or has the client's thread do so. Always 0.
    #[napi(catch_unwind, ts_return_type = "(text: string) => number")]
    pub fn bind_send_text<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let channels = Arc::clone(&self.channels);
        bind(env, c"sendText", move |call: &Call<1>| {
            channels.expect_event();
            let sent = with_text(call.env(), call.value(0), |text| channels.control.send_text(text))?;
            sent.map(|()| 0).map_err(thrown)
        })
    }

    /// As `sendText`.
    #[napi(catch_unwind, ts_return_type = "(data: Uint8Array) => number")]
    pub fn bind_send_binary<'env>(&self, env: &'env Env) -> Result<Bound<'env>> {
        let channels = Arc::clone(&self.channels);
        bind(env, c"sendBinary", move |call: &Call<1>| {
            channels.expect_event();
            channels.control.send_binary(call.bytes(0)?).map(|()| 0).map_err(thrown)
        })
    }

    /// Queues a text message that is not to be compressed.
    #[napi(catch_unwind)]
    pub fn send_text_uncompressed(&self, text: String) -> Result<()> {
        self.channels.control.send(ControlMessage::SendTextUncompressed(text)).map_err(thrown)
    }

    /// Queues a binary message that is not to be compressed.
    #[napi(catch_unwind)]
    pub fn send_binary_uncompressed(&self, data: Uint8ArraySlice<'_>) -> Result<()> {
        let message = ControlMessage::SendBinaryUncompressed(copied(Some(&data)));
        self.channels.control.send(message).map_err(thrown)
    }

    /// Queues a ping.
    #[napi(catch_unwind)]
    pub fn send_ping(&self, data: Option<Uint8ArraySlice<'_>>) -> Result<()> {
        self.channels.control.send(ControlMessage::SendPing(copied(data.as_ref()))).map_err(thrown)
    }

    /// Queues a pong.
    #[napi(catch_unwind)]
    pub fn send_pong(&self, data: Option<Uint8ArraySlice<'_>>) -> Result<()> {
        self.channels.control.send(ControlMessage::SendPong(copied(data.as_ref()))).map_err(thrown)
    }

    /// Begins the closing handshake.
    #[napi(catch_unwind)]
    pub fn close(&self, code: Option<u32>, reason: Option<String>) -> Result<()> {
        self.channels.control.send(ControlMessage::Close(close_frame(code, reason)?)).map_err(thrown)
    }

    /// Ends at once.
    #[napi(catch_unwind)]
    pub fn force_quit(&self) -> Result<()> {
        self.channels.control.send(ControlMessage::ForceQuit).map_err(thrown)
    }
}

/// A payload of its own, for what outlives the call.
pub(crate) fn copied(data: Option<&Uint8ArraySlice<'_>>) -> Bytes {
    data.map_or_else(Bytes::new, |data| Bytes::copy_from_slice(data))
}

/// The frame that these arguments ask for.
pub(crate) fn close_frame(code: Option<u32>, reason: Option<String>) -> Result<Option<CloseFrame>> {
    if code.is_none() && reason.is_none() {
        return Ok(None);
    }
    let code = code.unwrap_or(CloseFrame::NORMAL.into());
    // A number that is no u16 is no close code either: the core says which there are.
    let frame = CloseFrame::new(u16::try_from(code).unwrap_or(0), reason.unwrap_or_default());
    if u32::from(frame.code) != code {
        return Err(thrown(Error::invalid("close code", code, "a number of RFC 6455, section 7.4")));
    }
    Ok(Some(frame))
}
