//! A connection over a real socket and the way its loop waits: what all clients share.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    connect::{Canceller, UpgradeResponse, Upgraded, connect},
    connection::{self, Connection, Limits, Sent, Step},
    error::{Error, Result},
    event::{CloseFrame, ControlMessage, MessageKind},
    options::{BlockingOptions, ConnectionOptions, NonBlockingOptions},
    socket::S9Socket,
    transport::{self, Transport},
    wait::{Interest, Wait, Waiter, Watcher},
};

/// The key of the one socket in a session's waiter.
pub(crate) const SOCKET: usize = 0;
/// How long a loop waits for room in a full event channel before it looks again. Commands end this
/// wait at once; the reader has many events to go on with.
const FULL_WAIT: Duration = Duration::from_millis(1);
/// How long a blocking read may last while bytes wait to be sent, and a write of the loop's own while others may
/// wait to be read.
const WHILE_UNSENT: Duration = Duration::from_millis(10);

/// An open connection with its socket: the methods that all clients share.
///
/// The clients dereference to it.
///
/// ```no_run
/// use s9_websocket_core::{NonBlockingOptions, S9NonBlockingWebSocketClient};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let mut client =
///     S9NonBlockingWebSocketClient::connect("wss://feed.example.com", NonBlockingOptions::new())?;
/// client.send_text_message("subscribe")?;
/// println!("{} of {} bytes unsent", client.buffered_amount(), "subscribe".len());
/// # Ok(())
/// # }
/// ```
pub struct Session {
    connection: Connection<Transport>,
    response: UpgradeResponse,
    /// Of the options, what is used after connecting; certificates and credentials are not.
    close_timeout: Duration,
    max_buffered_amount: usize,
    event_capacity: usize,
    event_capacity_bytes: usize,
    cpu_affinity: Option<usize>,
    wait: Wait,
    /// The timeouts of a blocking client.
    timeouts: Option<BlockingTimeouts>,
    is_blocking: bool,
    waiter: Option<Waiter>,
    /// The clock as last read.
    now: Instant,
    /// When the latest turn over a blocking socket began.
    turn_began: Instant,
    /// Longest time without a return to the caller.
    longest_wait: Option<Duration>,
    /// Since when reads or waits have brought nothing; only kept while something cuts them short.
    waiting_since: Option<Instant>,
    /// The armed read timeout is shorter than the client's own.
    reads_are_cut: bool,
    /// When the blocking write began that is still to be gone on with.
    writing_since: Option<Instant>,
    activated: bool,
    full: bool,
}

#[derive(Clone, Copy)]
struct BlockingTimeouts {
    read: Option<Duration>,
    write: Option<Duration>,
}

impl Session {
    /// Connects without blocking mode, for loops that spin or wait in a poller.
    ///
    /// Blocks until connected, refused, past the options' deadline, or cancelled.
    pub fn connect_non_blocking(
        url: &str,
        headers: &[(String, String)],
        options: NonBlockingOptions,
        canceller: &Canceller,
    ) -> Result<Self> {
        let wait = Wait::from(options.connection.spin_wait_duration);
        Self::connect(url, headers, options.connection, wait, canceller)
    }

    /// Connects a socket for [`set_blocking`](Self::set_blocking), as
    /// [`connect_non_blocking`](Self::connect_non_blocking) does otherwise.
    pub fn connect_blocking(
        url: &str,
        headers: &[(String, String)],
        options: BlockingOptions,
        canceller: &Canceller,
    ) -> Result<Self> {
        let read = options.read_timeout.or(options.connection.spin_wait_duration);
        // On a thread of its own, the wait in the poller takes the place of the blocking read.
        let mut session = Self::connect(url, headers, options.connection, Wait::Block(read), canceller)?;
        session.timeouts = Some(BlockingTimeouts { read, write: options.write_timeout });
        Ok(session)
    }

    fn connect(
        url: &str,
        headers: &[(String, String)],
        options: ConnectionOptions,
        wait: Wait,
        canceller: &Canceller,
    ) -> Result<Self> {
        let upgraded = connect(url, headers, &options, canceller)?;
        let limits = Limits {
            max_message_size: options.max_message_size,
            max_frame_size: options.max_frame_size,
            max_buffered_amount: options.max_buffered_amount,
            close_timeout: options.close_timeout,
        };
        let Upgraded { mut transport, tail, response, per_message_deflate } = upgraded;
        transport.linger_at_end();
        let connection = match (per_message_deflate, options.per_message_deflate) {
            (Some(agreed), Some(deflate)) => {
                Connection::with_per_message_deflate(transport, tail, limits, deflate, agreed)
            }
            _ => Connection::new(transport, tail, limits),
        };
        Ok(Self {
            connection,
            response,
            close_timeout: options.close_timeout,
            max_buffered_amount: options.max_buffered_amount,
            event_capacity: options.event_capacity,
            event_capacity_bytes: options.event_capacity_bytes,
            cpu_affinity: options.cpu_affinity,
            wait,
            timeouts: None,
            is_blocking: false,
            waiter: None,
            now: Instant::now(),
            turn_began: Instant::now(),
            longest_wait: None,
            waiting_since: None,
            reads_are_cut: false,
            writing_since: None,
            activated: false,
            full: false,
        })
    }

    /// Sends a text message and flushes it.
    ///
    /// A blocking socket waits for the kernel to take it, `write_timeout` at most. What the kernel
    /// does not take is queued and goes out on the next turns: never send it again.
    pub fn send_text_message(&mut self, text: &str) -> Result<Sent> {
        self.send(|connection| connection.send_text(text))
    }

    /// Sends a binary message and flushes it, as [`send_text_message`](Self::send_text_message) does.
    pub fn send_binary_message(&mut self, data: impl Into<Bytes>) -> Result<Sent> {
        self.send(|connection| connection.send_binary(data.into()))
    }

    /// Sends a binary message whose bytes are copied only as far as the kernel does not take them, and
    /// flushes it.
    pub fn send_binary_slice(&mut self, data: &[u8]) -> Result<Sent> {
        self.send(|connection| connection.send_binary_slice(data))
    }

    /// Sends a text message uncompressed even where compression was agreed on, and flushes it.
    pub fn send_text_message_uncompressed(&mut self, text: &str) -> Result<Sent> {
        self.send(|connection| connection.send_text_uncompressed(text))
    }

    /// Sends a binary message uncompressed even where compression was agreed on, and flushes it.
    pub fn send_binary_message_uncompressed(&mut self, data: impl Into<Bytes>) -> Result<Sent> {
        self.send(|connection| connection.send_binary_uncompressed(data.into()))
    }

    /// Sends a ping of at most 125 bytes and flushes it (RFC 6455, section 5.5.2).
    pub fn send_ping(&mut self, data: impl Into<Bytes>) -> Result<Sent> {
        self.send(|connection| connection.send_ping(data.into()))
    }

    /// Sends an unsolicited pong of at most 125 bytes and flushes it (RFC 6455, section 5.5.3).
    pub fn send_pong(&mut self, data: impl Into<Bytes>) -> Result<Sent> {
        self.send(|connection| connection.send_pong(data.into()))
    }

    /// Starts the closing handshake; `None` sends code 1000. Messages accepted before go out first.
    ///
    /// Does not wait for the answer; the loop ends with `ConnectionClosed` and `Quit`. Does nothing if the
    /// connection is closing or over.
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<()> {
        let began = Instant::now();
        self.connection.close(frame)?;
        if self.is_blocking && self.connection.wants_write() {
            // The write has used up some of the handshake's time, if not all.
            self.connection.arm_deadline(began);
            self.finish_close(began);
        }
        Ok(())
    }

    /// Goes on with the Close frame, and what is to go out ahead of it, where no loop runs that would.
    fn finish_close(&mut self, began: Instant) {
        let own = self.timeouts.and_then(|timeouts| timeouts.write);
        let limit = own.map_or(self.close_timeout, |own| own.min(self.close_timeout));
        while !self.is_running() && self.longest_wait.is_none() && self.can_write() && began.elapsed() < limit
        {
            self.write_on();
        }
    }

    /// Goes on with a write that has blocked, for as long as one may.
    fn write_on(&mut self) {
        self.connection.stream_mut().retry_write();
        self.connection.flush(self.now);
    }

    /// Whether there is something to be written, and TLS does not have to read for that.
    fn can_write(&self) -> bool {
        self.connection.wants_write() && !self.connection.stream().write_waits_for_read()
    }

    /// Carries out a command, as the method of its name does.
    pub fn carry_out(&mut self, command: ControlMessage) -> Result<()> {
        match command {
            ControlMessage::SendText(text) => self.send_text_message(&text).map(drop),
            ControlMessage::SendBinary(data) => self.send_binary_message(data).map(drop),
            ControlMessage::SendTextUncompressed(text) => {
                self.send_text_message_uncompressed(&text).map(drop)
            }
            ControlMessage::SendBinaryUncompressed(data) => {
                self.send_binary_message_uncompressed(data).map(drop)
            }
            ControlMessage::SendPing(data) => self.send_ping(data).map(drop),
            ControlMessage::SendPong(data) => self.send_pong(data).map(drop),
            ControlMessage::Close(frame) => self.close(frame),
            ControlMessage::ForceQuit => {
                self.force_quit();
                Ok(())
            }
        }
    }

    /// Goes on with a blocking write that [`set_longest_wait`](Self::set_longest_wait) cut short;
    /// whether there is more of it to go on with.
    pub fn keep_writing(&mut self) -> bool {
        let Some(since) = self.writing_since else { return false };
        let limit = self.timeouts.and_then(|timeouts| timeouts.write);
        let is_over = limit.is_some_and(|limit| since.elapsed() >= limit);
        if !is_over && self.connection.is_open() && self.connection.wants_write() {
            self.write_on();
        }
        // The turn to come reads, and goes on with the write.
        if is_over || !self.connection.is_open() || !self.can_write() {
            self.writing_since = None;
        }
        self.writing_since.is_some()
    }

    /// Ends the loop at once, without a Close frame; only `Quit` follows.
    pub fn force_quit(&mut self) {
        self.connection.force_quit();
        self.connection.stream_mut().abort();
    }

    /// Sends everything that `sends` sends in one write.
    pub fn cork<T>(&mut self, sends: impl FnOnce(&mut Self) -> T) -> T {
        self.connection.cork();
        let result = sends(self);
        self.set_corked(false);
        result
    }

    /// [`cork`](Self::cork) where a closure does not fit: keeps back what is sent until called with
    /// `false`.
    pub fn set_corked(&mut self, corked: bool) {
        if corked {
            return self.connection.cork();
        }
        let began = self.is_blocking.then(Instant::now);
        self.connection.uncork();
        if let Some(began) = began
            && !self.connection.is_corked()
        {
            self.block_for_rest(began);
        }
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    pub fn buffered_amount(&self) -> usize {
        self.connection.buffered_amount()
    }

    /// When the bytes of the latest message were read.
    pub fn received_at(&self) -> Instant {
        self.connection.stream().received_at()
    }

    /// Whether a message has been read that no event has told of yet. What TLS has not decrypted yet does not
    /// count.
    pub fn has_message(&self) -> bool {
        self.connection.has_message()
    }

    /// The socket: addresses, options, TLS facts.
    pub fn socket(&self) -> S9Socket {
        self.connection.stream().s9_socket()
    }

    /// What the server answered to the upgrade.
    pub fn response(&self) -> &UpgradeResponse {
        &self.response
    }

    /// How many events may wait at most for a receiver on another thread.
    pub fn event_capacity(&self) -> usize {
        self.event_capacity
    }

    /// How many bytes of their payloads may wait, but for one message more.
    pub fn event_capacity_bytes(&self) -> usize {
        self.event_capacity_bytes
    }

    /// Whether the next step acts on an end of the peer's that has been read.
    pub(crate) fn has_read_end(&self) -> bool {
        self.connection.has_read_end()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Sends Close 1000 and ends without waiting for the answer; only `Quit` follows.
    pub fn abandon(&mut self) {
        self.connection.stream_mut().retry_write();
        self.connection.abandon();
    }

    /// Cuts every wait and every blocking read and write after this long, for callers that have to
    /// look after something else; [`Turn::Waiting`](crate::Turn::Waiting) tells of a cut read,
    /// [`keep_writing`](Self::keep_writing) goes on with a cut write. To be set before
    /// [`set_blocking`](Self::set_blocking).
    pub fn set_longest_wait(&mut self, longest: Option<Duration>) {
        self.longest_wait = longest;
    }

    /// The wait after an idle turn.
    pub fn wait_mode(&self) -> Wait {
        self.wait
    }

    /// The longest that a loop of another kind may wait after an idle turn: as the options say if somebody
    /// is told of idle turns, at most until the closing handshake's deadline. Zero spins; `None` waits for
    /// ever.
    pub fn longest_wait_now(&self, is_told_of_idling: bool) -> Option<Duration> {
        let own = self.own_wait(is_told_of_idling);
        [own, self.until_deadline()].into_iter().flatten().min()
    }

    /// A wait without a limit lasts until something comes, unless the loop spins.
    fn own_wait(&self, is_limited: bool) -> Option<Duration> {
        self.wait.longest().filter(|longest| is_limited || longest.is_zero())
    }

    /// Puts the socket of a blocking client in blocking mode; whether it is one.
    pub fn set_blocking(&mut self) -> Result<bool> {
        if self.timeouts.is_some() {
            let slice = self.write_slice();
            self.connection.stream_mut().set_blocking(Some(slice))?;
            self.is_blocking = true;
        }
        Ok(self.is_blocking)
    }

    /// Asks `watcher` to tell once when a turn would do something.
    pub fn watch(&self, watcher: &Watcher, key: usize) -> Result<()> {
        watcher
            .watch(key, self.connection.stream().socket(), self.interest())
            .map_err(|error| Error::io("watching the socket", error))
    }

    /// Passes the time after an idle turn as the options say, at most until the closing handshake's
    /// deadline. Whether that time is over or something has come, rather than
    /// [`set_longest_wait`](Self::set_longest_wait) having cut it. A blocking session, which waits in its
    /// reads, has nothing to wait for here but room.
    pub fn wait(&mut self) -> bool {
        if self.is_blocking && !self.full {
            return true;
        }
        let (Some(slice), wanted) = (self.longest_wait, self.wait.longest()) else {
            self.wait_unless(|| false);
            return true;
        };
        let wanted = wanted.unwrap_or(Duration::MAX);
        if wanted <= slice {
            self.wait_unless(|| false);
            return true;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let came = self.wait_unless(|| false);
        let is_due = self.until_deadline().is_some_and(|left| left.is_zero());
        let over = came || is_due || self.connection.is_over() || since.elapsed() >= wanted;
        if over {
            self.waiting_since = None;
        }
        over
    }

    /// Waits unless `commands` says that there are some; whether the socket became ready.
    pub(crate) fn wait_unless(&mut self, commands: impl FnOnce() -> bool) -> bool {
        let Some((interest, longest)) = self.next_wait(true) else { return false };
        let ready = self
            .waiter()
            .and_then(|waiter| Ok(waiter.wait(&[(SOCKET, interest)], longest, commands)?.next().is_some()));
        ready.unwrap_or_else(|error| {
            self.fail_waiting(error);
            true
        })
    }

    /// What to wait for now, and how long at most; `None` not to wait. `is_limited` where idle turns are of use.
    pub(crate) fn next_wait(&mut self, is_limited: bool) -> Option<(Interest, Option<Duration>)> {
        let full = std::mem::take(&mut self.full);
        if self.is_blocking && !full || self.connection.is_over() {
            return None;
        }
        let mut longest = if full { Some(FULL_WAIT) } else { self.own_wait(is_limited) };
        if longest == Some(Duration::ZERO) {
            return None;
        }
        // An end that was read and cannot be told yet waits as everything does that there is no room for.
        let until_deadline = if full && self.has_read_end() { None } else { self.until_deadline() };
        for bound in [self.longest_wait, until_deadline].into_iter().flatten() {
            longest = Some(longest.map_or(bound, |longest| longest.min(bound)));
        }
        let interest = if full { Interest { read: false, ..self.interest() } } else { self.interest() };
        Some((interest, longest))
    }

    /// Ends the connection because it cannot be waited for.
    pub(crate) fn fail_waiting(&mut self, error: std::io::Error) {
        self.connection.fail(Error::io("waiting for the socket", error));
    }

    /// The waiter, which watches the socket as [`SOCKET`], for a thread that waits without the session.
    pub(crate) fn take_waiter(&mut self) -> Result<Waiter> {
        self.waiter().map_err(|error| Error::io("creating a poller", error))?;
        // Made just above where it was missing.
        Ok(self.waiter.take().expect("the waiter exists"))
    }

    /// Whether a message sent now would go to the kernel as it is and at once.
    pub(crate) fn sends_at_once(&self) -> bool {
        self.is_open() && !self.connection.compresses() && !self.connection.wants_write()
    }

    /// Whether a turn has something to do though nothing has come: to go on sending, to arm a deadline,
    /// or to tell of a stream that has failed.
    pub(crate) fn needs_turn(&self) -> bool {
        !self.is_open() || self.connection.wants_write() || self.connection.has_failed()
    }

    /// Frees the memory that this thread's sessions share: the next message makes it anew.
    pub(crate) fn release_spare() {
        connection::release_spare();
        transport::release_spare();
    }

    /// Takes the session out of blocking mode, for a thread that waits in a poller.
    pub(crate) fn set_non_blocking(&mut self) -> Result<()> {
        self.is_blocking = false;
        self.connection.stream_mut().set_non_blocking()
    }

    /// Ends the corks of the thread that gives the session away: they cannot end on another.
    pub(crate) fn uncork_all(&mut self) {
        self.connection.uncork_all();
    }

    pub(crate) fn max_buffered_amount(&self) -> usize {
        self.max_buffered_amount
    }

    pub(crate) fn close_timeout(&self) -> Duration {
        self.close_timeout
    }

    pub(crate) fn cpu_affinity(&self) -> Option<usize> {
        self.cpu_affinity
    }

    /// Leaves the bound on unsent bytes to the caller, who has checked it already.
    pub(crate) fn lift_buffer_limit(&mut self) {
        self.connection.lift_buffer_limit();
    }

    /// Whether the handler has been told of the beginning and not yet of the end.
    pub(crate) fn is_running(&self) -> bool {
        self.activated && !self.connection.has_ended()
    }

    pub(crate) fn begin_turn(&mut self, holds_end: bool) {
        self.connection.hold_end(holds_end);
        self.full = false;
        if self.is_blocking {
            self.turn_began = Instant::now();
        }
        let reads = self.connection.wants_read();
        let stream = self.connection.stream_mut();
        stream.leave_reading(reads);
        stream.begin_turn();
    }

    /// Has the reads of this turn find nothing but what is there: a read that blocks would keep the turn's
    /// events from a handler that is given them after it.
    pub(crate) fn block_no_more(&mut self) {
        if self.is_blocking {
            self.connection.stream_mut().end_reading();
        }
    }

    /// Whether this turn has read from the kernel.
    pub(crate) fn has_read(&self) -> bool {
        self.connection.stream().has_read()
    }

    /// Whether the end cannot wait for the handler to have room.
    pub(crate) fn must_end(&mut self) -> bool {
        self.connection.is_over()
            || self.connection.deadline().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Makes the next wait one for room. What is unsent goes out all the same.
    pub(crate) fn note_full(&mut self) {
        self.full = true;
        self.read_clock();
        self.connection.flush(self.now);
    }

    /// Whether a blocking read returned only because of the longest wait.
    pub(crate) fn read_was_cut_short(&mut self) -> bool {
        if !self.is_blocking || !self.reads_are_cut || self.connection.is_over() {
            return false;
        }
        let since = *self.waiting_since.get_or_insert(self.turn_began);
        let limit = self.timeouts.and_then(|timeouts| timeouts.read);
        let over = limit.is_some_and(|limit| since.elapsed() >= limit);
        if over {
            self.waiting_since = None;
        }
        !over
    }

    /// Sends, on a blocking socket for as long as `write_timeout` allows.
    fn send(&mut self, send: impl FnOnce(&mut Connection<Transport>) -> Result<Sent>) -> Result<Sent> {
        if !self.is_blocking {
            return send(&mut self.connection);
        }
        let began = Instant::now();
        if send(&mut self.connection)? == Sent::Queued {
            self.block_for_rest(began);
        }
        Ok(if self.buffered_amount() == 0 { Sent::Flushed } else { Sent::Queued })
    }

    /// Goes on with a write that began then and has blocked.
    fn block_for_rest(&mut self, began: Instant) {
        if self.connection.wants_write() {
            self.writing_since = Some(began);
            // With a longest wait, the caller is who goes on.
            while self.longest_wait.is_none() && self.keep_writing() {}
        }
    }

    /// Offers messages that have been read already, with when that was, until one is not taken; how many were.
    pub(crate) fn offer_messages(
        &mut self,
        mut take: impl FnMut(MessageKind, &[u8], Instant) -> bool,
    ) -> usize {
        let at = self.received_at();
        let taken = self.connection.offer_messages(|kind, payload| take(kind, payload, at));
        if taken > 0 {
            self.waiting_since = None;
        }
        taken
    }

    pub(crate) fn step(&mut self) -> Step {
        self.read_clock();
        self.activated = true;
        if self.is_blocking
            && let Err(error) = self.bound_blocking()
        {
            self.connection.fail(error);
        }
        let step = self.connection.step_if(self.now, Transport::fetch);
        if matches!(step, Step::Event(_)) {
            self.waiting_since = None;
        }
        step
    }

    /// Reads the clock if the connection has a deadline.
    fn read_clock(&mut self) {
        if self.connection.needs_clock() {
            self.now = Instant::now();
        }
    }

    /// Bounds what blocks in this step; past the deadline nothing does.
    fn bound_blocking(&mut self) -> Result<()> {
        if let Some(deadline) = self.connection.deadline()
            && self.connection.wants_write()
        {
            let left = deadline.saturating_duration_since(self.now);
            if left.is_zero() {
                return self.set_non_blocking();
            }
            let slice = self.write_slice().min(left);
            self.connection.stream_mut().set_blocking(Some(slice))?;
        }
        self.arm_read_timeout()
    }

    /// How long a write of the loop's own may block, an answer to a ping or a Close frame: it must not
    /// outlast what bounds the loop. Sends of the user are gone on with for as long as they may last.
    fn write_slice(&self) -> Duration {
        let limit = self.timeouts.and_then(|timeouts| timeouts.write);
        let bounds = [self.longest_wait, limit].into_iter().flatten();
        bounds.fold(self.close_timeout.min(WHILE_UNSENT), Duration::min)
    }

    /// Bounds the next blocking read by everything that must not wait longer.
    fn arm_read_timeout(&mut self) -> Result<()> {
        let unsent = self.connection.wants_write().then_some(WHILE_UNSENT);
        let own = self.timeouts.and_then(|timeouts| timeouts.read);
        let shortest = [own, unsent, self.longest_wait, self.until_deadline()].into_iter().flatten().min();
        self.reads_are_cut = shortest != own;
        self.connection.stream_mut().arm_read_timeout(shortest)
    }

    /// Time left to the closing handshake: zero where the next step acts on an end, or arms the deadline.
    fn until_deadline(&self) -> Option<Duration> {
        match self.connection.deadline() {
            Some(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            None => self.connection.needs_clock().then_some(Duration::ZERO),
        }
    }

    fn interest(&self) -> Interest {
        let stream = self.connection.stream();
        let (reads, writes) = (self.connection.wants_read(), self.connection.wants_write());
        let write_reads = writes && stream.write_waits_for_read();
        let read_writes = reads && stream.read_waits_for_write();
        Interest { read: reads || write_reads, write: read_writes || writes && !write_reads }
    }

    fn waiter(&mut self) -> std::io::Result<&mut Waiter> {
        if self.waiter.is_none() {
            let mut waiter = Waiter::new()?;
            waiter.add(SOCKET, self.connection.stream().socket())?;
            self.waiter = Some(waiter);
        }
        // Made just above where it was missing.
        Ok(self.waiter.as_mut().expect("the waiter exists"))
    }
}

impl AsMut<Session> for Session {
    fn as_mut(&mut self) -> &mut Session {
        self
    }
}

impl Drop for Session {
    /// Sends Close 1000 as far as the kernel takes it.
    fn drop(&mut self) {
        // A blocking socket could hold the dropping thread up.
        if self.connection.is_open() && self.connection.stream_mut().set_non_blocking().is_ok() {
            self.abandon();
        }
    }
}
