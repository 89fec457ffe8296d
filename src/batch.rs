//! The memory that events are handed over in. JavaScript holds it; a call writes a batch into it.

use std::{
    cell::{Cell, RefCell},
    ptr,
    rc::{Rc, Weak},
    slice,
    time::Instant,
};

use napi::{
    Env, Status,
    bindgen_prelude::{Float64Array, FromNapiValue, ObjectFinalize, ObjectRef, Uint8Array, Uint32Array},
    sys,
};
use napi_derive::napi;
use s9_websocket_core::{CloseFrame, Error, MessageKind, WebSocketEvent};

use crate::{
    clock::Clock,
    error::{Code, Result, napi_failure},
    parts::{Kind, Parts, VIEWED},
    wide_text,
};

/// Numbers of a descriptor: kind, offset, length, close code.
const FIELDS: usize = 4;
/// The batch holds nothing and a larger slab is needed; its least size is in the first descriptor.
pub(crate) const NEEDS_SLAB: u32 = 0x2_0000;
/// Nothing came.
pub(crate) const IDLE: u32 = 0x1_0000;
/// Messages had come already beyond those in the batch.
pub(crate) const MORE: u32 = 0x4_0000;
/// Nothing can come any more.
const OVER: u32 = 0x8_0000;
/// Nothing came, and something is to be expected soon.
pub(crate) const EXPECTED: u32 = 0x10_0000;

/// A descriptor.
pub(crate) type Row = [u32; FIELDS];

/// Where a payload begins that goes behind `end`: V8 copies UTF-16 twice where it is at an odd address.
pub(crate) fn aligned(end: usize) -> usize {
    end.next_multiple_of(2)
}

/// Memory for one batch at a time.
#[napi(custom_finalize)]
pub struct NativeBatch {
    memory: Rc<Memory>,
}

/// What a batch is written into; known to native code by a number, which costs less to look up than an object
/// to unwrap.
pub(crate) struct Memory {
    number: u32,
    descriptors: RefCell<Uint32Array>,
    times: RefCell<Float64Array>,
    slab: RefCell<Option<ObjectRef<false>>>,
    /// Where the slab is, as long as JavaScript has no view of it by which it could detach it.
    place: Cell<Option<(*mut u8, usize)>>,
    /// Where in the slab the next payload goes.
    next: Cell<usize>,
    /// Where the payloads of the latest batch begin, if JavaScript keeps no views of them.
    reusable: Cell<Option<usize>>,
    /// Whether JavaScript is done with its views before the next batch.
    reuses_views: bool,
    clock: Clock,
}

thread_local! {
    /// Each at the place that is its number.
    static MEMORIES: RefCell<Vec<Weak<Memory>>> = const { RefCell::new(Vec::new()) };
}

#[napi]
impl NativeBatch {
    /// Takes the arrays to write descriptors and times to, and whether views are good for one batch only.
    #[napi(constructor, catch_unwind)]
    pub fn new(descriptors: Uint32Array, times: Float64Array, reuses_views: bool) -> Self {
        let memory = MEMORIES.with_borrow_mut(|memories| {
            let free = memories.iter().position(|memory| memory.strong_count() == 0);
            let number = free.unwrap_or(memories.len());
            let memory = Rc::new(Memory {
                number: number as u32,
                descriptors: RefCell::new(descriptors),
                times: RefCell::new(times),
                slab: RefCell::new(None),
                place: Cell::new(None),
                next: Cell::new(0),
                reusable: Cell::new(None),
                reuses_views,
                clock: Clock::default(),
            });
            memories.resize(memories.len().max(number + 1), Weak::new());
            memories[number] = Rc::downgrade(&memory);
            memory
        });
        Self { memory }
    }

    /// The number by which functions know it.
    #[napi(catch_unwind)]
    pub fn number(&self) -> u32 {
        self.memory.number
    }

    /// Takes the memory to write payloads to, in place of what was used before.
    #[napi(catch_unwind)]
    pub fn set_slab(&self, env: Env, slab: Uint8Array) -> Result<()> {
        let memory = &self.memory;
        let slab = {
            // SAFETY: the value is one that this call was given.
            let value = unsafe { napi::bindgen_prelude::ToNapiValue::to_napi_value(env.raw(), slab) };
            // SAFETY: as above.
            unsafe { ObjectRef::from_napi_value(env.raw(), value.map_err(napi_failure)?) }
                .map_err(napi_failure)?
        };
        if let Some(former) = memory.slab.replace(Some(slab)) {
            former.unref(&env).map_err(napi_failure)?;
        }
        memory.place.set(Some(memory.ask_place(env)));
        memory.next.set(0);
        memory.reusable.set(None);
        Ok(())
    }
}

/// A batch is collected where an iteration was left with events in it.
impl ObjectFinalize for NativeBatch {
    fn finalize(self, env: Env) -> napi::Result<()> {
        // A reference does not end with its value: the slab would stay for as long as its environment.
        self.memory.slab.take().map_or(Ok(()), |slab| slab.unref(&env))
    }
}

impl Memory {
    /// The one with this number.
    pub(crate) fn numbered(number: u32) -> Result<Rc<Self>> {
        let found = MEMORIES.try_with(|memories| memories.borrow().get(number as usize)?.upgrade());
        found.ok().flatten().ok_or_else(|| {
            napi::Error::new(Code::Napi(Status::InvalidArg), format!("there is no batch {number}"))
        })
    }

    /// Starts a batch.
    ///
    /// Costs no call into the engine until there is an event.
    pub(crate) fn begin(&self, env: Env, text_as_buffer: bool) -> BatchWriter<'_> {
        if let Some(start) = self.reusable.get() {
            self.next.set(start);
        }
        self.reusable.set(Some(self.next.get()));
        BatchWriter {
            batch: self,
            env,
            text_as_buffer,
            count: 0,
            slab: None,
            needed: None,
            has_more: false,
            is_over: false,
        }
    }

    /// Notes that JavaScript is given views of the slab from now on.
    fn note_view(&self) {
        self.place.set(None);
        if !self.reuses_views {
            self.reusable.set(None);
        }
    }

    /// The slab as it is now.
    ///
    /// Asked anew for each batch once JavaScript has views: it can have detached it by way of their `buffer`.
    fn slab(&self, env: Env) -> (*mut u8, usize) {
        self.place.get().unwrap_or_else(|| self.ask_place(env))
    }

    fn ask_place(&self, env: Env) -> (*mut u8, usize) {
        let (mut length, mut data) = (0, ptr::null_mut());
        let slab = self.slab.borrow();
        let Some(object) = slab.as_ref().and_then(|slab| slab.get_value(&env).ok()) else {
            return (ptr::null_mut(), 0);
        };
        // SAFETY: the object is the live typed array given to `set_slab`; what is not asked for may
        // be null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env.raw(),
                napi::JsValue::raw(&object),
                ptr::null_mut(),
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok || data.is_null() {
            return (ptr::null_mut(), 0);
        }
        (data.cast(), length)
    }
}

/// Writes events into a batch.
pub(crate) struct BatchWriter<'a> {
    batch: &'a Memory,
    env: Env,
    text_as_buffer: bool,
    count: usize,
    slab: Option<(*mut u8, usize)>,
    needed: Option<usize>,
    has_more: bool,
    is_over: bool,
}

/// What became of an event given to a batch.
pub(crate) enum Written {
    Whole,
    /// It is an error, for which there is a place elsewhere.
    Error(Error),
    /// It does not fit the slab and is given back.
    NoRoom(WebSocketEvent),
}

impl BatchWriter<'_> {
    /// Whether there is a descriptor left.
    pub(crate) fn has_room(&self) -> bool {
        self.count < self.batch.times.borrow().len()
    }

    pub(crate) fn write(&mut self, event: WebSocketEvent, at: Instant) -> Written {
        let Parts { kind, payload, code, error } = Parts::of(event, self.text_as_buffer);
        if !self.write_payload(kind, &payload, code, at) {
            self.needed = Some(match kind.wide_text(&payload) {
                Some(text) => wide_text::room_for(text.len()),
                None => payload.len(),
            });
            return Written::NoRoom(match kind {
                Kind::AsciiText | Kind::Utf8Text | Kind::WideText | Kind::TextBuffer => {
                    WebSocketEvent::TextMessage(payload)
                }
                Kind::Ping => WebSocketEvent::Ping(payload),
                Kind::Pong => WebSocketEvent::Pong(payload),
                Kind::ConnectionClosed => {
                    WebSocketEvent::ConnectionClosed(CloseFrame::new(code, String::from_utf8_lossy(&payload)))
                }
                // The others have no payload.
                _ => WebSocketEvent::BinaryMessage(payload),
            });
        }
        error.map_or(Written::Whole, Written::Error)
    }

    /// Writes a message for which there is a descriptor left and whose bytes stay where they are; whether it
    /// fits.
    pub(crate) fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        self.write_payload(Kind::of_message(kind, payload, self.text_as_buffer), payload, 0, at)
    }

    /// Writes an event for which there is a descriptor left; whether its payload fits.
    #[inline]
    fn write_payload(&mut self, kind: Kind, payload: &[u8], code: u16, at: Instant) -> bool {
        let placed = match kind.wide_text(payload) {
            Some(text) => self.place_wide(text),
            None => self.place(payload).map(|offset| (offset, payload.len())),
        };
        let Some((offset, length)) = placed else { return false };
        if kind.is_viewed() && !payload.is_empty() {
            self.batch.note_view();
        }
        let row = [kind as u32, offset as u32, length as u32, u32::from(code)];
        self.describe(&[row], &[self.batch.clock.milliseconds(at)]);
        true
    }

    /// Whether nothing has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many more events there is room for.
    pub(crate) fn places(&self) -> usize {
        self.batch.times.borrow().len() - self.count
    }

    /// How many more payload bytes there is room for.
    pub(crate) fn room(&mut self) -> usize {
        self.slab().1.saturating_sub(aligned(self.batch.next.get()))
    }

    /// Appends events for which there is room, with `bytes` for their payloads, one behind the other.
    pub(crate) fn append(&mut self, rows: &[Row], times: &[f64], bytes: &[u8]) {
        let (Some(start), Some(&[_, first, ..])) = (self.place(bytes), rows.first()) else { return };
        let from = self.count;
        self.describe(rows, times);
        let mut descriptors = self.batch.descriptors.borrow_mut();
        // SAFETY: as in `describe`.
        let descriptors = unsafe { descriptors.as_mut() };
        let moved = (start as u32).wrapping_sub(first);
        let mut is_viewed = false;
        for row in descriptors[from * FIELDS..self.count * FIELDS].chunks_exact_mut(FIELDS) {
            row[1] = row[1].wrapping_add(moved);
            is_viewed |= VIEWED.contains(&row[0]);
        }
        if is_viewed {
            self.batch.note_view();
        }
    }

    /// Appends an event for which there is room.
    pub(crate) fn append_one(&mut self, [kind, _, length, code]: Row, time: f64, payload: &[u8]) {
        self.append(&[[kind, 0, length, code]], &[time], payload);
    }

    /// Notes that an event with a payload of this size did not fit.
    pub(crate) fn need(&mut self, bytes: usize) {
        self.needed = Some(bytes);
    }

    /// Notes whether messages have come beyond those taken.
    pub(crate) fn set_more(&mut self, has_more: bool) {
        self.has_more = has_more;
    }

    /// Notes that nothing was taken and nothing can come any more.
    pub(crate) fn note_over(&mut self) {
        self.is_over = true;
    }

    /// The status of the batch as JavaScript reads it.
    pub(crate) fn finish(self) -> u32 {
        match self.needed {
            None if self.is_over => OVER,
            Some(needed) if self.count == 0 => {
                let mut descriptors = self.batch.descriptors.borrow_mut();
                // SAFETY: JavaScript does not run while this call does.
                let descriptors = unsafe { descriptors.as_mut() };
                if let Some(first) = descriptors.first_mut() {
                    *first = needed as u32;
                }
                NEEDS_SLAB
            }
            _ if self.has_more => self.count as u32 | MORE,
            _ => self.count as u32,
        }
    }

    fn slab(&mut self) -> (*mut u8, usize) {
        *self.slab.get_or_insert_with(|| self.batch.slab(self.env))
    }

    /// Copies a payload to the slab and returns its offset; `None` if it does not fit.
    fn place(&mut self, payload: &[u8]) -> Option<usize> {
        let next = self.batch.next.get();
        if payload.is_empty() {
            return Some(next);
        }
        let offset = aligned(next);
        let (slab, length) = self.slab();
        let end = offset.checked_add(payload.len())?;
        if end > length {
            return None;
        }
        // SAFETY: `offset..end` lies within the slab, which JavaScript keeps alive and cannot detach
        // while this call runs; a payload is never part of it.
        unsafe { ptr::copy_nonoverlapping(payload.as_ptr(), slab.add(offset), payload.len()) };
        self.batch.next.set(end);
        Some(offset)
    }

    /// Writes text to the slab as UTF-16 and returns its offset and length; `None` if it may not fit.
    fn place_wide(&mut self, text: &str) -> Option<(usize, usize)> {
        let start = aligned(self.batch.next.get());
        let (slab, length) = self.slab();
        let room = length.checked_sub(start).filter(|&room| room >= wide_text::room_for(text.len()))?;
        // SAFETY: as in `place`: what is left of the slab is ours while this call runs.
        let rest = unsafe { slice::from_raw_parts_mut(slab.add(start), room) };
        let (offset, written) = wide_text::widen(text, rest);
        self.batch.next.set(start + offset + written);
        Some((start + offset, written))
    }

    fn describe(&mut self, rows: &[Row], at: &[f64]) {
        let (mut descriptors, mut times) =
            (self.batch.descriptors.borrow_mut(), self.batch.times.borrow_mut());
        // SAFETY: JavaScript does not run while this call does, and never hands these two arrays to
        // anyone who could detach them.
        let (descriptors, times) = unsafe { (descriptors.as_mut(), times.as_mut()) };
        let end = self.count + rows.len();
        if let (Some(into), Some(time)) =
            (descriptors.get_mut(self.count * FIELDS..end * FIELDS), times.get_mut(self.count..end))
        {
            // A slab is an ArrayBuffer made for one, far below 4 GiB: offsets and lengths fit.
            into.copy_from_slice(rows.as_flattened());
            time.copy_from_slice(at);
            self.count = end;
        }
    }
}
