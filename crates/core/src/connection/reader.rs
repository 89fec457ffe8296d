//! Reading messages by way of a tungstenite context, which a connection holds only while that holds bytes
//! of its stream: the connections of a thread share one. Knows no state of the connection.

use std::{
    cell::Cell,
    io::{self, Read, Write},
};

use tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

/// tungstenite zero-fills up to this much before each read (#547): 0.12 µs at 16 KiB, 0.85 µs at its
/// default of 128 KiB.
const READ_BUFFER_SIZE: usize = 16 << 10;
/// A context that has held a longer message has a buffer of that size, and is not kept.
const LONGEST_KEPT: usize = 64 << 10;

thread_local! {
    static SPARE: Cell<Option<Box<WebSocketContext>>> = const { Cell::new(None) };
}

/// Reads a connection's messages and answers none: its contexts believe that their own Close frame is
/// sent. So a peer's Close comes as it was sent (tungstenite would make an invalid code 1002, as if the
/// peer had said so).
pub(super) struct Reader {
    /// There while it holds bytes, and once it has ended.
    context: Option<Box<WebSocketContext>>,
    /// Bytes that the context was given and no message has accounted for. Too many where messages came in
    /// several frames, whose headers nobody has seen: the context then stays.
    unaccounted: usize,
    longest: usize,
    is_starved: bool,
    max_message_size: usize,
    max_frame_size: usize,
}

impl Reader {
    /// Reads what begins with `tail`.
    pub(super) fn new(tail: Vec<u8>, max_message_size: usize, max_frame_size: usize) -> Self {
        let mut reader = Self {
            context: None,
            unaccounted: tail.len(),
            longest: 0,
            is_starved: tail.is_empty(),
            max_message_size,
            max_frame_size,
        };
        if !tail.is_empty() {
            reader.context = Some(reader.bounded(silent(tail)));
        }
        reader
    }

    /// Whether there is no message but for new bytes of the stream.
    pub(super) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// The next message. What comes of it is to be told: [`gave`](Self::gave), or [`starve`](Self::starve).
    ///
    /// Not looked at here, where that would move it once more: two stalls a message.
    #[inline]
    pub(super) fn read<S: Read>(&mut self, stream: &mut S) -> Result<Message, Error> {
        if self.context.is_none() {
            self.context = Some(self.bounded(spare()));
        }
        // Just made where it was not there.
        let Some(context) = &mut self.context else { return Err(Error::AlreadyClosed) };
        let mut counted = Counted { stream, bytes: 0 };
        let read = context.read(&mut counted);
        self.unaccounted += counted.bytes;
        self.is_starved = false;
        read
    }

    /// A message of so many bytes was read, in at least one frame.
    #[inline]
    pub(super) fn gave(&mut self, payload: usize) {
        self.unaccounted = self.unaccounted.saturating_sub(payload + least_headers(payload));
        self.longest = self.longest.max(payload);
        if self.unaccounted == 0 {
            self.starve();
        }
    }

    /// There is no message but for new bytes of the stream.
    pub(super) fn starve(&mut self) {
        self.is_starved = true;
        if self.unaccounted == 0
            && let Some(context) = self.context.take()
            && std::mem::take(&mut self.longest) <= LONGEST_KEPT
        {
            let _ = SPARE.try_with(|spare| spare.set(Some(context)));
        }
    }

    fn bounded(&self, mut context: Box<WebSocketContext>) -> Box<WebSocketContext> {
        context.set_config(|config| {
            config.max_message_size = Some(self.max_message_size);
            config.max_frame_size = Some(self.max_frame_size);
        });
        context
    }
}

/// The fewest bytes that the headers of a message take (RFC 6455, section 5.2), however it is fragmented:
/// two frames of 64 KiB at most have less of them than one of more. Were more accounted for than there
/// are, a context would be given away with bytes in it.
fn least_headers(payload: usize) -> usize {
    const BOUNDS: [(usize, usize); 4] = [(125, 2), (0xffff, 4), (0xffff + 125, 4 + 2), (2 * 0xffff, 4 + 4)];
    BOUNDS.into_iter().find(|&(most, _)| payload <= most).map_or(10, |(_, least)| least)
}

/// The thread's own context, or a new one.
fn spare() -> Box<WebSocketContext> {
    // Fails only while the thread ends.
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| silent(Vec::new()))
}

/// A context that takes every frame for one that comes after its own Close: it answers nothing.
fn silent(tail: Vec<u8>) -> Box<WebSocketContext> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_SIZE);
    let mut context = WebSocketContext::from_partially_read(tail, Role::Client, Some(config));
    let closed = context.close(&mut Counted { stream: &mut io::empty(), bytes: 0 }, None);
    debug_assert!(closed.is_ok(), "{closed:?}");
    Box::new(context)
}

/// Frees the context that this thread keeps for its next message.
pub(crate) fn release_spare() {
    drop(SPARE.try_with(Cell::take));
}

/// Counts what is read.
struct Counted<'a, S> {
    stream: &'a mut S,
    bytes: usize,
}

impl<S: Read> Read for Counted<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        self.bytes += count;
        Ok(count)
    }
}

/// A context wants a stream that takes its answers. It has none.
impl<S> Write for Counted<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
