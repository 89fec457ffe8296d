//! The protocol state machine over any `Read + Write`. Owns RFC 6455 by way of tungstenite; knows no
//! socket, no TLS, no clock and no handler.

mod frame_buffer;
mod front;
mod partial_text;
mod reader;
mod writer;

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tungstenite::{
    Message,
    error::{CapacityError, ProtocolError},
    protocol::frame::coding::{CloseCode, Control, Data, OpCode},
};

pub(crate) use self::writer::frame_size;
use self::{reader::Reader, writer::write_frame};
use crate::{
    deflate::{Codec, Inbound, PerMessageDeflateAgreement, PerMessageDeflateOptions},
    error::{Error, Result},
    event::{CloseFrame, MessageKind, WebSocketEvent},
    outbound::Outbound,
};

/// Largest payload of a control frame (RFC 6455, section 5.5).
const MAX_CONTROL_PAYLOAD: usize = 125;
/// Largest close reason: a control payload less the two bytes of the code.
const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;
const TEXT: OpCode = OpCode::Data(Data::Text);
const BINARY: OpCode = OpCode::Data(Data::Binary);
/// A queue that had more messages in it is given back once all are sent.
const LONGEST_KEPT_QUEUE: usize = 64;
/// In place of a limit that no clock reaches.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Pongs that a peer may leave unread before its pings are read no further.
const MAX_UNREAD_PONGS: usize = 1024;

/// What [`Connection::step`] came to.
///
/// ```
/// use s9_websocket_core::Step;
/// assert!(matches!(Step::Idle, Step::Idle));
/// ```
#[derive(Debug)]
pub enum Step {
    /// Something happened.
    Event(WebSocketEvent),
    /// Nothing to do until the stream is ready or the deadline has passed.
    Idle,
    /// `Quit` has been given out; nothing will ever happen again.
    Ended,
}

/// What became of an accepted message. Neither is ever to be sent again.
///
/// ```
/// use s9_websocket_core::Sent;
/// assert_ne!(Sent::Flushed, Sent::Queued);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The stream has taken all of it.
    Flushed,
    /// Some of it waits for the stream and goes out on the next steps.
    Queued,
}

/// The bounds a connection keeps.
///
/// ```
/// let limits = s9_websocket_core::Limits { max_message_size: 1 << 20, ..Default::default() };
/// assert_eq!(limits.max_frame_size, 16 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message accepted from the peer, in bytes.
    pub max_message_size: usize,
    /// Largest frame accepted from the peer, in bytes.
    pub max_frame_size: usize,
    /// Most bytes accepted for sending and not yet taken by the stream.
    pub max_buffered_amount: usize,
    /// How long the closing handshake may take.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: 64 << 20,
            max_frame_size: 16 << 20,
            max_buffered_amount: 128 << 20,
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// A WebSocket connection in the client role, from the end of its upgrade to its end.
///
/// ```
/// use s9_websocket_core::{Connection, Limits, Step, WebSocketEvent};
/// use std::{io::Cursor, time::Instant};
///
/// // A server's unmasked text frame "hi", and then the end of the stream.
/// let stream = Cursor::new(vec![0x81, 2, b'h', b'i']);
/// let mut connection = Connection::new(stream, Vec::new(), Limits::default());
/// let mut events = Vec::new();
/// while let Step::Event(event) = connection.step(Instant::now()) {
///     events.push(event);
/// }
/// assert!(matches!(events[0], WebSocketEvent::Activated));
/// assert!(matches!(&events[1], WebSocketEvent::TextMessage(text) if text == "hi"));
/// assert!(matches!(events.last(), Some(WebSocketEvent::Quit)));
/// ```
pub struct Connection<S> {
    reader: Reader,
    stream: Outbound<Inbound<S>>,
    /// There where compression was agreed on.
    codec: Option<Box<Codec>>,
    state: State,
    activated: bool,
    close_is_sent: bool,
    /// Accepted messages that wait until the stream has taken what went before them.
    queue: VecDeque<Outgoing>,
    /// Bytes of the frames, uncompressed, of what is in `queue`: empty messages are not for nothing.
    queued: usize,
    unread_pongs: usize,
    /// Whether the end that has been read waits for the next step.
    holds_end: bool,
    limits: Limits,
}

/// An accepted message. It is compressed when it is written, so that the order of both is the same.
struct Outgoing {
    opcode: OpCode,
    payload: Bytes,
    may_compress: bool,
}

enum State {
    Open,
    /// The peer's end has been read behind messages that nobody has seen yet. The next step acts on it;
    /// what is sent until then goes out ahead of the answer.
    EndRead(PeersEnd),
    /// The closing handshake runs. Its deadline is armed by the first step.
    Closing {
        deadline: Option<Instant>,
        /// The Close frame still to be sent, after the queue.
        unsent: Option<CloseFrame>,
        received: Option<CloseFrame>,
    },
    /// The peer violated the protocol and is being told so.
    Failing {
        deadline: Option<Instant>,
        error: Error,
    },
    /// Only `Quit` is still to be given out.
    Ending,
    Ended,
}

/// How the peer ends a connection, or makes us do it.
enum PeersEnd {
    Close(CloseFrame),
    Violation(CloseCode, Error),
}

impl<S> Connection<S> {
    /// The underlying stream.
    pub fn stream(&self) -> &S {
        self.stream.stream().stream()
    }

    /// The underlying stream. Reading or writing it breaks the connection.
    pub fn stream_mut(&mut self) -> &mut S {
        self.stream.stream_mut().stream_mut()
    }

    /// Bytes accepted for sending and not yet taken by the stream.
    pub fn buffered_amount(&self) -> usize {
        self.queued + self.stream.unsent()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::EndRead(_))
    }

    /// Whether nothing is left to do but to give out the last events.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ending | State::Ended)
    }

    /// From now on a step that reads the peer's Close frame, or a violation of the protocol, leaves it to
    /// the next step, for a handler that is given a turn's events after the turn: it can still answer
    /// the messages that came before the end.
    pub(crate) fn hold_end(&mut self, hold: bool) {
        self.holds_end = hold;
    }

    /// Whether the peer's end has been read and waits for the next step.
    pub(crate) fn has_read_end(&self) -> bool {
        matches!(self.state, State::EndRead(_))
    }

    /// Whether `Quit` has been given out.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether a step would do something once the stream can be read, if the connection is not over.
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Failing { .. } => false,
            // Whatever follows the peer's Close ends the connection, and is not to cut off what was accepted
            // before it, nor the answer.
            State::Closing { received: Some(_), .. } if self.stream.is_blocked() => false,
            _ => self.unread_pongs < MAX_UNREAD_PONGS,
        }
    }

    /// Whether a step would do something once the stream can be written, if the connection is not over.
    pub fn wants_write(&self) -> bool {
        self.stream.is_blocked()
    }

    /// Whether the time given to the next [`step`](Self::step) matters: it does not until the connection's
    /// end has begun, so that a loop need not read the clock on every turn.
    pub fn needs_clock(&self) -> bool {
        matches!(self.state, State::EndRead(_) | State::Closing { .. } | State::Failing { .. })
    }

    /// Whether what is sent is kept back.
    pub(crate) fn is_corked(&self) -> bool {
        self.stream.is_corked()
    }

    /// Whether the stream has refused bytes for good, of which the next step tells.
    pub(crate) fn has_failed(&self) -> bool {
        self.stream.failure().is_some()
    }

    /// Whether compression was agreed on.
    pub(crate) fn compresses(&self) -> bool {
        self.codec.is_some()
    }

    /// When a step has to be made even though the stream is not ready.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closing { deadline, .. } | State::Failing { deadline, .. } => deadline,
            _ => None,
        }
    }
}

impl<S: Read + Write> Connection<S> {
    /// A connection over a stream that has been upgraded; `tail` are the bytes read past the 101.
    pub fn new(stream: S, tail: Vec<u8>, limits: Limits) -> Self {
        Self::over(Inbound::plain(stream), tail, None, limits)
    }

    /// As [`new`](Self::new), with compression as agreed on.
    pub fn with_per_message_deflate(
        stream: S,
        mut tail: Vec<u8>,
        limits: Limits,
        options: PerMessageDeflateOptions,
        agreed: PerMessageDeflateAgreement,
    ) -> Self {
        let inbound = Inbound::following(stream, &mut tail);
        Self::over(inbound, tail, Some(Box::new(Codec::new(options, agreed))), limits)
    }

    fn over(stream: Inbound<S>, tail: Vec<u8>, codec: Option<Box<Codec>>, limits: Limits) -> Self {
        let mut max_received = limits.max_message_size;
        if codec.is_some() {
            // What cannot be compressed grows when it is. The message itself is measured once inflated.
            max_received = max_received.saturating_add(max_received / 8 + 64);
        }
        Self {
            reader: Reader::new(&tail, max_received, limits.max_frame_size),
            stream: Outbound::new(stream),
            codec,
            state: State::Open,
            activated: false,
            close_is_sent: false,
            queue: VecDeque::new(),
            queued: 0,
            unread_pongs: 0,
            holds_end: false,
            limits,
        }
    }

    /// Sends what is pending, then reads at most one message. Never sleeps.
    ///
    /// `now` arms and checks deadlines; it may be stale while [`needs_clock`](Self::needs_clock)
    /// says no.
    pub fn step(&mut self, now: Instant) -> Step {
        self.step_if(now, |_| true)
    }

    /// As [`step`](Self::step), for a stream that knows whether it has something to read: `can_read` is
    /// asked where nothing but new bytes could bring a message.
    pub(crate) fn step_if(&mut self, now: Instant, can_read: impl FnOnce(&mut S) -> bool) -> Step {
        if !self.activated {
            self.activated = true;
            tracing::debug!("connection activated");
            return Step::Event(WebSocketEvent::Activated);
        }
        match self.state {
            State::Ending => {
                self.state = State::Ended;
                tracing::debug!("connection quit");
                return Step::Event(WebSocketEvent::Quit);
            }
            State::Ended => return Step::Ended,
            State::Open | State::EndRead(_) | State::Closing { .. } | State::Failing { .. } => {}
        }
        self.send_pending();
        if let Some(step) = self.act_on_end() {
            return step;
        }
        if self.is_past_deadline(now) || self.violation_was_told() {
            return self.finish();
        }
        if !self.wants_read() || self.reader.is_starved() && !can_read(self.stream_mut()) {
            return self.idle();
        }
        self.read()
    }

    /// Offers messages that have been read whole and come uncompressed, until one is not taken; how many were.
    /// Reads nothing. A [`step`](Self::step) gives out what is left.
    pub(crate) fn offer_messages(&mut self, mut take: impl FnMut(MessageKind, &[u8]) -> bool) -> usize {
        if !self.activated || self.codec.is_some() || !matches!(self.state, State::Open) || !self.wants_read()
        {
            return 0;
        }
        self.reader.offer_messages(|kind, payload| {
            let is_taken = take(kind, payload);
            if is_taken {
                trace_message(kind, payload);
            }
            is_taken
        })
    }

    /// Whether a message has been read that a step still has to give out.
    pub(crate) fn has_message(&self) -> bool {
        self.wants_read() && !self.is_over() && self.reader.holds_message()
    }

    /// Sends what is pending without reading, and arms the deadline that a step would arm.
    pub(crate) fn flush(&mut self, now: Instant) {
        if !self.is_over() {
            self.send_pending();
            self.is_past_deadline(now);
        }
    }

    /// Begins the closing handshake's time, which the first step would begin else.
    pub(crate) fn arm_deadline(&mut self, now: Instant) {
        self.is_past_deadline(now);
    }

    /// Sends a text message.
    pub fn send_text(&mut self, text: &str) -> Result<Sent> {
        self.send_slice(TEXT, text.as_bytes(), true)
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, data: Bytes) -> Result<Sent> {
        self.send(BINARY, &data, true, || data.clone())
    }

    /// Sends a binary message whose bytes are copied only as far as the stream does not take them.
    pub fn send_binary_slice(&mut self, data: &[u8]) -> Result<Sent> {
        self.send_slice(BINARY, data, true)
    }

    /// Sends a text message uncompressed, whatever was agreed on.
    pub fn send_text_uncompressed(&mut self, text: &str) -> Result<Sent> {
        self.send_slice(TEXT, text.as_bytes(), false)
    }

    /// Sends a binary message uncompressed, whatever was agreed on.
    pub fn send_binary_uncompressed(&mut self, data: Bytes) -> Result<Sent> {
        self.send(BINARY, &data, false, || data.clone())
    }

    /// Sends a ping of at most 125 bytes (RFC 6455, section 5.5.2).
    pub fn send_ping(&mut self, data: Bytes) -> Result<Sent> {
        check_control_payload("ping payload", &data)?;
        self.send(OpCode::Control(Control::Ping), &data, false, || data.clone())
    }

    /// Sends an unsolicited pong of at most 125 bytes (RFC 6455, section 5.5.3). The pongs that
    /// answer pings are sent without any doing of yours.
    pub fn send_pong(&mut self, data: Bytes) -> Result<Sent> {
        check_control_payload("pong payload", &data)?;
        self.send(OpCode::Control(Control::Pong), &data, false, || data.clone())
    }

    /// Starts the closing handshake; `None` sends code 1000. Messages accepted before go out first.
    ///
    /// Does nothing if the connection is closing or over.
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<()> {
        let frame = frame.unwrap_or_else(|| CloseFrame::new(CloseFrame::NORMAL, ""));
        check_close_frame(&frame)?;
        if matches!(self.state, State::Open) {
            tracing::debug!(code = frame.code, "closing the connection");
            self.state = State::Closing { deadline: None, unsent: Some(frame), received: None };
            self.send_pending();
        }
        Ok(())
    }

    /// Ends at once, without a Close frame; what is unsent is dropped. Only `Quit` follows.
    pub fn force_quit(&mut self) {
        if !self.is_over() {
            tracing::debug!("connection quit by force");
            self.drop_queue();
            self.stream.discard();
            self.state = State::Ending;
        }
    }

    /// Sends Close 1000 as far as the stream takes it and ends without waiting for the answer. Only
    /// `Quit` follows.
    pub fn abandon(&mut self) {
        if !self.is_over() {
            if matches!(self.state, State::Open) {
                self.write_close(&CloseFrame::new(CloseFrame::NORMAL, ""));
            }
            self.act_on_end();
            // What was corked or blocked goes first, and the Close frame behind it.
            self.stream.send_unsent();
            self.drop_queue();
            self.state = State::Ending;
        }
    }

    /// Ends an open connection with this error; `Error` and `Quit` follow.
    pub(crate) fn fail(&mut self, error: Error) {
        if !self.is_over() {
            self.drop_queue();
            self.stream.discard();
            self.state = State::Failing { deadline: None, error };
        }
    }

    /// Leaves the bound on unsent bytes to the caller, who has checked it already.
    pub(crate) fn lift_buffer_limit(&mut self) {
        self.limits.max_buffered_amount = usize::MAX;
    }

    /// Keeps everything sent from now on back until as many [`uncork`](Self::uncork)s.
    pub fn cork(&mut self) {
        self.stream.cork();
    }

    /// Sends in one write what was kept back since the first [`cork`](Self::cork).
    pub fn uncork(&mut self) {
        self.stream.uncork();
        self.send_uncorked();
    }

    /// Sends what was kept back, however many corks there are.
    pub(crate) fn uncork_all(&mut self) {
        self.stream.uncork_all();
        self.send_uncorked();
    }

    fn send_uncorked(&mut self) {
        if !self.stream.is_corked() && self.stream.unsent() > 0 {
            self.send_pending();
        }
    }

    fn send_slice(&mut self, opcode: OpCode, payload: &[u8], may_compress: bool) -> Result<Sent> {
        self.send(opcode, payload, may_compress, || Bytes::copy_from_slice(payload))
    }

    /// Sends `payload`, or queues what `owned` makes of it.
    fn send(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        may_compress: bool,
        owned: impl FnOnce() -> Bytes,
    ) -> Result<Sent> {
        if !self.is_open() {
            return Err(Error::ConnectionClosed("nothing can be sent once closing has begun"));
        }
        let (size, buffered) = (payload.len(), self.buffered_amount());
        if buffered.saturating_add(size) > self.limits.max_buffered_amount {
            return Err(Error::WriteBufferFull { size, buffered, limit: self.limits.max_buffered_amount });
        }
        tracing::trace!(bytes = size, kind = kind_of(opcode), "sending");
        if self.stream.is_blocked() {
            self.queued += frame_size(size);
            self.queue.push_back(Outgoing { opcode, payload: owned(), may_compress });
            return Ok(Sent::Queued);
        }
        self.write(opcode, payload, may_compress);
        let outbound = &self.stream;
        if let Some(failure) = outbound.failure() {
            return Err(Error::io("sending", io::Error::new(failure.kind(), failure.to_string())));
        }
        Ok(if outbound.unsent() == 0 { Sent::Flushed } else { Sent::Queued })
    }

    fn write(&mut self, opcode: OpCode, payload: &[u8], may_compress: bool) {
        if may_compress && self.codec.is_some() {
            self.write_compressed(opcode, payload);
        } else {
            write_frame(&mut self.stream, opcode, false, payload);
        }
    }

    // Out of line, as what follows a Close frame is: in line they cost a plain send 5 ns.
    #[cold]
    fn write_compressed(&mut self, opcode: OpCode, payload: &[u8]) {
        match self.codec.as_mut().and_then(|codec| codec.deflate(payload)) {
            Some(compressed) => write_frame(&mut self.stream, opcode, true, &compressed),
            None => write_frame(&mut self.stream, opcode, false, payload),
        }
    }

    /// Sends a Close frame unless one has been sent.
    #[cold]
    fn write_close(&mut self, frame: &CloseFrame) {
        if std::mem::replace(&mut self.close_is_sent, true) {
            return;
        }
        let mut payload = Vec::new();
        // RFC 6455, section 7.1.5: this code stands for a Close frame without one.
        if frame.code != CloseFrame::NO_STATUS {
            payload.extend_from_slice(&frame.code.to_be_bytes());
            payload.extend_from_slice(frame.reason.as_bytes());
        }
        write_frame(&mut self.stream, OpCode::Control(Control::Close), false, &payload);
    }

    /// Moves bytes and queued messages to the stream until it blocks, then the Close frame.
    fn send_pending(&mut self) {
        loop {
            if self.stream.unsent() > 0 {
                self.stream.send_unsent();
            }
            if self.stream.is_blocked() {
                return;
            }
            self.unread_pongs = 0;
            let Some(Outgoing { opcode, payload, may_compress }) = self.queue.pop_front() else {
                if self.queue.capacity() > LONGEST_KEPT_QUEUE {
                    self.queue = VecDeque::new();
                }
                break;
            };
            self.queued -= frame_size(payload.len());
            self.write(opcode, &payload, may_compress);
        }
        if let State::Closing { unsent, .. } = &mut self.state
            && let Some(frame) = unsent.take()
        {
            self.write_close(&frame);
        }
    }

    fn drop_queue(&mut self) {
        if !self.queue.is_empty() {
            tracing::warn!(messages = self.queue.len(), "messages not sent before the connection ended");
        }
        self.queue.clear();
        self.queued = 0;
    }

    fn is_past_deadline(&mut self, now: Instant) -> bool {
        let limit = self.limits.close_timeout;
        match &mut self.state {
            State::Closing { deadline, .. } | State::Failing { deadline, .. } => {
                now >= *deadline.get_or_insert_with(|| now.checked_add(limit).unwrap_or(now + FOREVER))
            }
            _ => false,
        }
    }

    fn violation_was_told(&self) -> bool {
        matches!(self.state, State::Failing { .. }) && !self.stream.is_blocked()
    }

    fn read(&mut self) -> Step {
        loop {
            if let Some((kind, payload)) = self.reader.take_message() {
                return self.message(kind, payload);
            }
            match self.reader.advance(&mut self.stream) {
                // Perhaps there is a message to take now.
                Ok(None) => {}
                Ok(Some(Message::Text(text))) => return self.message(MessageKind::Text, text.into()),
                Ok(Some(Message::Binary(data))) => return self.message(MessageKind::Binary, data),
                Ok(Some(Message::Ping(data))) => {
                    tracing::trace!(bytes = data.len(), "ping");
                    self.answer_ping(&data);
                    return Step::Event(WebSocketEvent::Ping(data));
                }
                Ok(Some(Message::Pong(data))) => {
                    tracing::trace!(bytes = data.len(), "pong");
                    return Step::Event(WebSocketEvent::Pong(data));
                }
                Ok(Some(Message::Close(frame))) => {
                    let frame = frame.map(|frame| CloseFrame::new(frame.code.into(), frame.reason.as_str()));
                    return self.peer_closed(frame);
                }
                // Only given out where raw frames are written.
                Ok(Some(Message::Frame(_))) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.idle();
                }
                Err(error) => return self.fail_read(error),
            }
        }
    }

    fn message(&mut self, kind: MessageKind, payload: Bytes) -> Step {
        if self.codec.is_some() {
            return self.open(kind, payload);
        }
        message(kind, payload)
    }

    /// Gives out a message of a connection with compression, inflated if it came compressed.
    fn open(&mut self, kind: MessageKind, received: Bytes) -> Step {
        let compressed = self.stream.stream_mut().next_message();
        let Some(codec) = &mut self.codec else { return Step::Idle };
        match codec.open((kind, received), compressed, self.limits.max_message_size) {
            Ok((kind, inflated)) => message(kind, inflated),
            Err(error) => {
                let code = match error {
                    Error::MessageTooLarge { .. } => CloseCode::Size,
                    // RFC 6455, section 7.4.1: data that is not what the message says it is.
                    _ => CloseCode::Invalid,
                };
                self.end_by_peer(PeersEnd::Violation(code, error))
            }
        }
    }

    fn answer_ping(&mut self, data: &[u8]) {
        // RFC 6455, section 5.5.1: nothing follows a Close frame.
        if !self.close_is_sent {
            write_frame(&mut self.stream, OpCode::Control(Control::Pong), false, data);
            if self.stream.is_blocked() {
                self.unread_pongs += 1;
            }
        }
    }

    fn peer_closed(&mut self, frame: Option<CloseFrame>) -> Step {
        let end = match frame {
            Some(frame) if !may_be_sent(frame.code) => {
                let error = Error::Protocol(format!("Close frame with the invalid code {}", frame.code));
                PeersEnd::Violation(CloseCode::Protocol, error)
            }
            Some(frame) => PeersEnd::Close(frame),
            None => PeersEnd::Close(CloseFrame::new(CloseFrame::NO_STATUS, "")),
        };
        if let PeersEnd::Close(frame) = &end {
            tracing::debug!(code = frame.code, "close frame received");
        }
        self.end_by_peer(end)
    }

    fn end_by_peer(&mut self, end: PeersEnd) -> Step {
        if matches!(self.state, State::Closing { received: Some(_), .. }) {
            // RFC 6455, section 1.4: what follows the peer's Close frame is of no account.
            return self.finish();
        }
        if self.holds_end && matches!(self.state, State::Open) {
            self.state = State::EndRead(end);
            return Step::Idle;
        }
        self.act_on(end)
    }

    /// Acts on an end that was read before.
    fn act_on_end(&mut self) -> Option<Step> {
        if !matches!(self.state, State::EndRead(_)) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Open) {
            State::EndRead(end) => Some(self.act_on(end)),
            _ => None,
        }
    }

    fn act_on(&mut self, end: PeersEnd) -> Step {
        match end {
            PeersEnd::Close(frame) => {
                self.note_close(frame);
                // The next step arms the deadline: `now` may be stale, and a blocking read for
                // the end of the stream needs the deadline first.
                self.idle()
            }
            PeersEnd::Violation(code, error) => self.violated(code, error),
        }
    }

    fn note_close(&mut self, frame: CloseFrame) {
        // RFC 6455, section 5.5.1: with the code received, and nothing more may be sent after it; so it goes
        // out behind what was accepted before.
        let answer = frame.clone();
        match &mut self.state {
            State::Closing { unsent, received, .. } => {
                *received = Some(frame);
                // In place of our own Close, where that was still queued.
                if let Some(own) = unsent {
                    *own = answer;
                }
            }
            _ => {
                self.state = State::Closing { deadline: None, unsent: Some(answer), received: Some(frame) };
                self.send_pending();
            }
        }
    }

    /// Nothing to read: a stream that can no longer be written is over now.
    fn idle(&mut self) -> Step {
        match self.stream.take_failure() {
            Some(failure) => self.end_of_stream(Error::io("sending", failure)),
            None => Step::Idle,
        }
    }

    fn fail_read(&mut self, error: tungstenite::Error) -> Step {
        use tungstenite::Error as E;
        let (code, error) = match error {
            E::ConnectionClosed
            | E::AlreadyClosed
            | E::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                let error = Error::ConnectionClosed("the peer ended the stream without a Close frame");
                return self.end_of_reading(error);
            }
            E::Io(error) => return self.end_of_reading(Error::io("receiving", error)),
            E::Protocol(ProtocolError::ReceivedAfterClosing) => return self.finish(),
            E::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let limit = max_size.min(self.limits.max_message_size);
                (CloseCode::Size, Error::MessageTooLarge { size, limit })
            }
            E::Utf8(_) => (CloseCode::Invalid, Error::InvalidUtf8),
            error => (CloseCode::Protocol, Error::Protocol(error.to_string())),
        };
        self.end_by_peer(PeersEnd::Violation(code, error))
    }

    fn violated(&mut self, code: CloseCode, error: Error) -> Step {
        // RFC 6455, section 7.1.7: _Fail the WebSocket Connection_ says why before it ends.
        self.drop_queue();
        self.write_close(&CloseFrame::new(code.into(), ""));
        // A cork does not keep it back: what is not blocked by now is told.
        if self.stream.is_corked() {
            self.stream.send_unsent();
        }
        self.state = State::Failing { deadline: None, error };
        if self.violation_was_told() { self.finish() } else { Step::Idle }
    }

    /// A reset is told once: the send that is told of it leaves a mere end of the stream to the reads,
    /// which over TLS is a truncated one. A broken pipe is told of after the peer's end (tcp_reset).
    #[cold]
    fn end_of_reading(&mut self, error: Error) -> Step {
        let reset = self.stream.take_failure().filter(|it| it.kind() != io::ErrorKind::BrokenPipe);
        self.end_of_stream(reset.map_or(error, |failure| Error::io("sending", failure)))
    }

    /// The stream can bring nothing more: an error while open, the end of a closing handshake.
    fn end_of_stream(&mut self, error: Error) -> Step {
        if self.is_open() {
            self.drop_queue();
            self.state = State::Failing { deadline: None, error };
        }
        self.finish()
    }

    /// Gives out the event that the state ends with.
    fn finish(&mut self) -> Step {
        let last = match std::mem::replace(&mut self.state, State::Ended) {
            State::Closing { received, .. } => {
                self.drop_queue();
                let frame = received.unwrap_or(CloseFrame::new(CloseFrame::ABNORMAL, ""));
                tracing::debug!(code = frame.code, "connection closed");
                WebSocketEvent::ConnectionClosed(frame)
            }
            State::Failing { error, .. } => {
                tracing::error!(%error, code = error.code().as_str(), "connection failed");
                WebSocketEvent::Error(error)
            }
            // Nothing else comes to an end by itself.
            state @ (State::Open | State::EndRead(_) | State::Ending | State::Ended) => {
                self.state = state;
                return Step::Idle;
            }
        };
        self.state = State::Ending;
        Step::Event(last)
    }
}

fn message(kind: MessageKind, payload: Bytes) -> Step {
    trace_message(kind, &payload);
    Step::Event(WebSocketEvent::message(kind, payload))
}

fn trace_message(kind: MessageKind, payload: &[u8]) {
    match kind {
        MessageKind::Text => tracing::trace!(bytes = payload.len(), "text message"),
        MessageKind::Binary => tracing::trace!(bytes = payload.len(), "binary message"),
    }
}

/// Frees what this thread's connections share: whoever needs it next makes it anew.
pub(crate) fn release_spare() {
    reader::release_spare();
    writer::release_spare();
}

/// Whether a Close frame may carry this code (RFC 6455, section 7.4, and IANA's registry for it).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Refuses a Close frame that must not be sent (RFC 6455, sections 5.5.1 and 7.4).
pub(crate) fn check_close_frame(frame: &CloseFrame) -> Result<()> {
    if !may_be_sent(frame.code) {
        return Err(Error::invalid(
            "close code",
            frame.code,
            "1000 to 1003, 1007 to 1014, 3000 to 4999 (RFC 6455, section 7.4)",
        ));
    }
    if frame.reason.len() > MAX_CLOSE_REASON {
        return Err(Error::invalid(
            "close reason",
            format_args!("{} bytes", frame.reason.len()),
            format!("at most {MAX_CLOSE_REASON} bytes of UTF-8"),
        ));
    }
    Ok(())
}

fn kind_of(opcode: OpCode) -> &'static str {
    match opcode {
        TEXT => "text message",
        BINARY => "binary message",
        OpCode::Control(Control::Ping) => "ping",
        OpCode::Control(Control::Pong) => "pong",
        OpCode::Data(_) | OpCode::Control(_) => "frame",
    }
}

/// Refuses a payload that does not fit a control frame (RFC 6455, section 5.5).
pub(crate) fn check_control_payload(name: &str, data: &[u8]) -> Result<()> {
    if data.len() > MAX_CONTROL_PAYLOAD {
        let given = format!("{} bytes", data.len());
        return Err(Error::invalid(name, given, format!("at most {MAX_CONTROL_PAYLOAD} bytes")));
    }
    Ok(())
}
