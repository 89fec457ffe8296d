//! The events of a client on their way from its thread to the environments that receive them.
//!
//! The thread writes them into chunks as batches hold them, so that receiving is copying: no event
//! passes a channel by itself, and the thread never waits here for JavaScript.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use s9_websocket_core::{Error, EventSink, MessageKind, WebSocketEvent};

use crate::batch::{BatchWriter, Row, aligned};
use crate::clock::Clock;
use crate::parts::{Kind, MESSAGES, Parts};
use crate::wide_text;

/// The most events in a chunk: as many as in a batch.
const CHUNK_EVENTS: usize = 1024;
/// A chunk with this many payload bytes takes no more.
const CHUNK_BYTES: usize = 64 << 10;
/// Payloads of this size and more stay where they are until they are received: they are copied once, and
/// that they keep the buffer that they were read into alive matters little.
const LARGE: usize = 4 << 10;
/// Marks the kind of a row whose payload is a large one.
const IS_LARGE: u32 = 1 << 31;
/// Empty chunks kept to be filled again: one for the thread beside the one that is being received.
const SPARE: usize = 2;

/// How long an event loop that stays awake looks before it turns to everything else: twice what that takes.
const LOOK: Duration = Duration::from_micros(3);

/// Events of one client, for all its receivers.
#[derive(Default)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    arrived: Condvar,
    /// Events in `state`, to be read without the lock.
    length: AtomicUsize,
    /// Bytes of their payloads.
    bytes: AtomicUsize,
}

/// How much may wait: while less than both does, there is room for one event more of any size.
pub(crate) struct Capacity {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

#[derive(Default)]
struct State {
    /// None is empty.
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    /// Nothing can come any more.
    closed: bool,
    /// Receivers that wait for `arrived`.
    waiting: usize,
    /// A receiver found nothing since the last event came: it has come back from acting on that.
    was_found_empty: bool,
}

#[derive(Default)]
struct Chunk {
    /// As in a batch, with offsets into `bytes`.
    rows: Vec<Row>,
    times: Vec<f64>,
    bytes: Vec<u8>,
    /// The payloads of the rows marked so, in their order.
    large: VecDeque<Bytes>,
    /// Of the one row of that kind.
    error: Option<Error>,
    /// The first row that has not been received.
    next: usize,
    /// Payload bytes of the rows that have not been received.
    waiting: usize,
    /// How many of these rows are messages.
    messages: usize,
}

impl EventQueue {
    /// Bytes of the payloads that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Events that wait.
    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::SeqCst)
    }

    /// Spins until something is there, [`LOOK`] at most, but for who else wants this processor.
    pub(crate) fn look(&self) {
        let until = Instant::now() + LOOK;
        while self.len() == 0 && Instant::now() < until {
            thread::yield_now();
        }
    }

    /// Waits until something is there or nothing can come any more, `longest` at most; whether it is so.
    pub(crate) fn wait(&self, longest: Duration) -> bool {
        let mut state = self.lock();
        state.note_receiver();
        state.waiting += 1;
        let (mut state, _) = self
            .arrived
            .wait_timeout_while(state, longest, |state| !state.closed && state.chunks.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.closed || !state.chunks.is_empty()
    }

    /// Moves events into a batch, `max` at most; the error that one of them tells of.
    pub(crate) fn take(&self, writer: &mut BatchWriter<'_>, max: usize) -> Option<Error> {
        let (mut left, mut error) = (max, None);
        loop {
            let large = self.take_small(writer, &mut left, &mut error);
            // Copied without the lock: the thread is not to wait for it.
            let Some((row, time, payload)) = large else { return error };
            writer.append_one(row, time, &payload);
        }
    }

    /// Moves events until there is a large one that fits, which is returned.
    fn take_small(
        &self,
        writer: &mut BatchWriter<'_>,
        left: &mut usize,
        error: &mut Option<Error>,
    ) -> Option<(Row, f64, Bytes)> {
        let mut state = self.lock();
        if writer.is_empty() {
            state.note_receiver();
        }
        let (before, mut bytes) = (*left, 0);
        let mut large = None;
        while let Some(chunk) = state.chunks.front_mut() {
            bytes += chunk.waiting;
            *left -= chunk.move_small(writer, *left);
            if chunk.error.is_some() && chunk.told_of_error() {
                *error = chunk.error.take();
            }
            if *left > 0 {
                large = chunk.take_large(writer);
                *left -= usize::from(large.is_some());
            }
            bytes -= chunk.waiting;
            if chunk.next < chunk.rows.len() {
                break;
            }
            if let Some(mut chunk) = state.chunks.pop_front()
                && state.spare.len() < SPARE
            {
                chunk.clear();
                state.spare.push(chunk);
            }
            if large.is_some() || *left == 0 {
                break;
            }
        }
        writer.set_more(state.chunks.iter().any(|chunk| chunk.messages > 0));
        if state.chunks.is_empty() && state.closed && writer.is_empty() && large.is_none() {
            writer.note_over();
        }
        self.length.fetch_sub(before - *left, Ordering::SeqCst);
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        large
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes that a receiver has come, to wait or to take something.
    fn note_receiver(&mut self) {
        self.was_found_empty |= self.chunks.is_empty();
    }
}

impl Chunk {
    /// An empty one with the room that another came to need: growing there by and by is copying.
    fn sized_as(other: &Self) -> Self {
        Self {
            rows: Vec::with_capacity(other.rows.len()),
            times: Vec::with_capacity(other.times.len()),
            bytes: Vec::with_capacity(other.bytes.len()),
            ..Self::default()
        }
    }

    fn push(&mut self, Parts { kind, payload, code, error }: Parts, time: f64) {
        if self.copy(kind, &payload, code, time) {
            self.error = error.or_else(|| self.error.take());
            return;
        }
        let payload = match kind.wide_text(&payload) {
            Some(text) => wide_text::widened(text),
            None => payload,
        };
        self.describe(kind as u32 | IS_LARGE, self.bytes.len(), payload.len(), code, time);
        self.large.push_back(payload);
    }

    /// Appends an event by a copy of its payload, unless that is a large one; whether it did.
    fn copy(&mut self, kind: Kind, payload: &[u8], code: u16, time: f64) -> bool {
        let start = aligned(self.bytes.len());
        let (offset, length) = match kind.wide_text(payload) {
            Some(text) if wide_text::room_for(text.len()) >= LARGE => return false,
            Some(text) => {
                self.bytes.resize(start + wide_text::room_for(text.len()), 0);
                let (unaligned, length) = wide_text::widen(text, &mut self.bytes[start..]);
                self.bytes.truncate(start + unaligned + length);
                (start + unaligned, length)
            }
            None if payload.len() >= LARGE => return false,
            None => {
                self.bytes.resize(start, 0);
                self.bytes.extend_from_slice(payload);
                (start, payload.len())
            }
        };
        self.describe(kind as u32, offset, length, code, time);
        true
    }

    fn describe(&mut self, kind: u32, offset: usize, length: usize, code: u16, time: f64) {
        self.waiting += length;
        self.messages += usize::from(is_message(kind));
        self.rows.push([kind, offset as u32, length as u32, u32::from(code)]);
        self.times.push(time);
    }

    /// Whether all of another chunk fits behind what is in this one.
    fn has_room_for(&self, other: &Self) -> bool {
        self.rows.len() + other.rows.len() <= CHUNK_EVENTS
            && self.bytes.len() + other.bytes.len() <= CHUNK_BYTES
    }

    /// Moves all of `other`, from which nothing has been received, behind what is in this one.
    fn append(&mut self, other: &mut Self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
        let base = self.bytes.len() as u32;
        self.rows.extend(
            other.rows.iter().map(|&[kind, offset, length, code]| [kind, offset + base, length, code]),
        );
        self.times.append(&mut other.times);
        self.bytes.append(&mut other.bytes);
        self.large.append(&mut other.large);
        self.waiting += other.waiting;
        self.messages += other.messages;
        self.error = other.error.take().or_else(|| self.error.take());
        other.clear();
    }

    /// Moves rows up to the next large one, as many as fit; how many.
    fn move_small(&mut self, writer: &mut BatchWriter<'_>, max: usize) -> usize {
        let rows = &self.rows[self.next..];
        let most = max.min(writer.places()).min(rows.len());
        let Some(&[_, first, ..]) = rows.first() else { return 0 };
        let end_of = |&[_, offset, length, _]: &Row| (offset + length - first) as usize;
        let small = rows[..most].iter().take_while(|row| row[0] & IS_LARGE == 0).count();
        let room = writer.room();
        let count = rows[..small].partition_point(|row| end_of(row) <= room);
        if count > 0 {
            let rows = &rows[..count];
            let start = first as usize;
            let bytes = &self.bytes[start..start + end_of(&rows[count - 1])];
            writer.append(rows, &self.times[self.next..self.next + count], bytes);
            // Not the bytes copied: some lie between payloads.
            self.waiting -= rows.iter().map(|row| row[2] as usize).sum::<usize>();
            self.messages -= rows.iter().filter(|row| is_message(row[0])).count();
            self.next += count;
        } else if small > 0 {
            writer.need(rows[0][2] as usize);
        }
        count
    }

    /// Whether the error's row has been received.
    fn told_of_error(&self) -> bool {
        self.rows[..self.next].iter().any(|row| row[0] == Kind::Error as u32)
    }

    /// Takes the next row out if it is a large one and fits.
    fn take_large(&mut self, writer: &mut BatchWriter<'_>) -> Option<(Row, f64, Bytes)> {
        let &[kind, offset, length, code] = self.rows.get(self.next).filter(|row| row[0] & IS_LARGE != 0)?;
        if writer.places() == 0 {
            return None;
        }
        if length as usize > writer.room() {
            writer.need(length as usize);
            return None;
        }
        let time = self.times[self.next];
        self.waiting -= length as usize;
        self.messages -= usize::from(is_message(kind));
        self.next += 1;
        Some(([kind & !IS_LARGE, offset, length, code], time, self.large.pop_front()?))
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.times.clear();
        self.bytes.clear();
        self.large.clear();
        self.error = None;
        self.next = 0;
        self.waiting = 0;
        self.messages = 0;
    }
}

/// Whether a row of this kind is a text or binary message.
fn is_message(kind: u32) -> bool {
    MESSAGES.contains(&(kind & !IS_LARGE))
}

/// The end of the queue that the client's thread has.
pub(crate) struct QueueSink {
    queue: Arc<EventQueue>,
    /// What no receiver sees yet.
    chunk: Chunk,
    capacity: Capacity,
    text_as_buffer: bool,
    clock: Clock,
}

impl QueueSink {
    pub(crate) fn new(queue: &Arc<EventQueue>, capacity: Capacity, text_as_buffer: bool) -> Self {
        let (chunk, clock) = (Chunk::default(), Clock::default());
        Self { queue: Arc::clone(queue), chunk, capacity, text_as_buffer, clock }
    }
}

impl QueueSink {
    /// Whether everyone who could receive is gone. Then nothing needs room, or is kept: a closing
    /// handshake must not wait for a reader that never comes.
    fn is_orphaned(&self) -> bool {
        Arc::strong_count(&self.queue) == 1
    }

    /// The chunk for one event more.
    fn chunk(&mut self) -> &mut Chunk {
        if self.chunk.rows.len() >= CHUNK_EVENTS || self.chunk.bytes.len() >= CHUNK_BYTES {
            self.publish();
        }
        &mut self.chunk
    }
}

impl EventSink for QueueSink {
    fn put(&mut self, event: WebSocketEvent, at: Instant) {
        let (parts, time) = (Parts::of(event, self.text_as_buffer), self.clock.milliseconds(at));
        self.chunk().push(parts, time);
    }

    fn copies_messages(&self) -> bool {
        true
    }

    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        // Before it is looked at whether it is ASCII: that takes a while.
        if payload.len() >= LARGE {
            return false;
        }
        let (kind, time) =
            (Kind::of_message(kind, payload, self.text_as_buffer), self.clock.milliseconds(at));
        self.chunk().copy(kind, payload, 0, time)
    }

    fn publish(&mut self) {
        let count = self.chunk.rows.len();
        if count == 0 {
            return;
        }
        if self.is_orphaned() {
            self.chunk.clear();
            return;
        }
        let bytes = self.chunk.waiting;
        let mut state = self.queue.lock();
        state.was_found_empty = false;
        match state.chunks.back_mut() {
            Some(last) if last.has_room_for(&self.chunk) => last.append(&mut self.chunk),
            _ => {
                let spare = state.spare.pop().unwrap_or_else(|| Chunk::sized_as(&self.chunk));
                state.chunks.push_back(std::mem::replace(&mut self.chunk, spare));
            }
        }
        self.queue.length.fetch_add(count, Ordering::SeqCst);
        self.queue.bytes.fetch_add(bytes, Ordering::SeqCst);
        if state.waiting > 0 {
            self.queue.arrived.notify_all();
        }
    }

    fn rest(&mut self) {
        if self.chunk.rows.is_empty() {
            self.chunk = Chunk::default();
        }
        self.queue.lock().spare = Vec::new();
    }

    fn has_room(&mut self) -> bool {
        let has_places = self.queue.len() + self.chunk.rows.len() < self.capacity.events;
        has_places && self.waiting_bytes() < self.capacity.bytes || self.is_orphaned()
    }

    fn waiting_bytes(&mut self) -> usize {
        self.queue.bytes() + self.chunk.waiting
    }

    fn is_answered(&mut self) -> bool {
        self.is_orphaned() || self.queue.lock().was_found_empty
    }
}

impl Drop for QueueSink {
    /// Nothing more comes.
    fn drop(&mut self) {
        self.publish();
        self.queue.lock().closed = true;
        self.queue.arrived.notify_all();
    }
}
