//! Where the thread of a client puts its events. Knows no connection.

use std::{collections::VecDeque, time::Instant};

use crossbeam_channel::Sender;

use crate::event::{MessageKind, WebSocketEvent};

/// Takes the events of a client that runs on a thread, on that thread.
///
/// Dropped when no more can come.
///
/// ```
/// use s9_websocket_core::{EventSink, WebSocketEvent};
/// use std::time::Instant;
///
/// /// Counts messages and lets go of them.
/// struct Counter(usize);
///
/// impl EventSink for Counter {
///     fn put(&mut self, event: WebSocketEvent, _at: Instant) {
///         self.0 += usize::from(matches!(event, WebSocketEvent::BinaryMessage(_)));
///     }
/// }
///
/// let mut counter = Counter(0);
/// counter.put(WebSocketEvent::Activated, Instant::now());
/// assert_eq!(counter.0, 0);
/// ```
pub trait EventSink: Send + 'static {
    /// Takes an event whose bytes were read at `at`. Must not block.
    fn put(&mut self, event: WebSocketEvent, at: Instant);

    /// Whether messages are offered to [`copy_message`](Self::copy_message) before [`put`](Self::put) is given
    /// them. Not all are: the first of a read is not, nor what comes in fragments or compressed.
    fn copies_messages(&self) -> bool {
        false
    }

    /// Copies a message whose bytes, read at `at`, are good for this call only; whether it did. If not,
    /// [`put`](Self::put) is given it next. Must not block.
    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        let _ = (kind, payload, at);
        false
    }

    /// Shows receivers what was put since the last call: at the end of each turn that put something.
    fn publish(&mut self) {}

    /// Gives back memory that only further events would need: for a second none has come.
    fn rest(&mut self) {}

    /// Whether an event can be taken now. While it says no, the socket is read no further.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Bytes of the payloads that wait to be received, for a sink whose receivers tell the thread how they get
    /// on, by [`ControlSender::note_received`](crate::ControlSender::note_received).
    ///
    /// A thread that is far ahead of them pauses, a millisecond at most, and after that not again before they
    /// have received something: what has waited behind half a megabyte is no longer in the processor's cache.
    /// With 0, as by default, it never does.
    fn waiting_bytes(&mut self) -> usize {
        0
    }

    /// Whether whoever receives has come back for more since the last event was published, and so has
    /// answered it if that is to be answered. While it says no, the end of the connection waits, for
    /// half a second at most, if it was read right behind such events.
    fn is_answered(&mut self) -> bool {
        true
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
    pub at: Instant,
}

/// A crossbeam channel as a sink.
pub(crate) struct ChannelSink {
    /// Not `bounded`: that allocates all its slots at once, 5 MiB at the default capacity. The bound is
    /// kept by not reading the socket, and the last two events of a life are never held up by it.
    events: Sender<ReceivedEvent>,
    capacity: usize,
    capacity_bytes: usize,
    /// Payload sizes of what waits, and of what was received since this was last looked at: the channel
    /// tells only how many wait.
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl ChannelSink {
    pub(crate) fn new(events: Sender<ReceivedEvent>, capacity: usize, capacity_bytes: usize) -> Self {
        Self { events, capacity, capacity_bytes, sizes: VecDeque::new(), bytes: 0 }
    }
}

impl EventSink for ChannelSink {
    fn put(&mut self, event: WebSocketEvent, at: Instant) {
        let size = event.payload_size();
        self.sizes.push_back(size);
        self.bytes += size;
        // Fails when nobody can receive any more: then nobody misses it.
        let _ = self.events.send(ReceivedEvent { event, at });
    }

    fn has_room(&mut self) -> bool {
        let waiting = self.events.len();
        while self.sizes.len() > waiting {
            self.bytes -= self.sizes.pop_front().unwrap_or(0);
        }
        waiting < self.capacity && self.bytes < self.capacity_bytes
    }
}
