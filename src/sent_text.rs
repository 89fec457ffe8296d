//! Text on its way from JavaScript to a session: in memory that is used again, since a session keeps
//! nothing of what the kernel takes.

use std::{cell::Cell, ptr};

use napi::{Env, check_status, sys};

use crate::error::{Result, napi_failure};

/// Room for most messages at the first attempt.
const ROOM: usize = 4 << 10;
/// Memory for longer texts is not kept.
const LONGEST_KEPT: usize = 64 << 10;
/// Bytes of the longest character: with as many left, none was cut off.
const CHARACTER: usize = 4;

thread_local! {
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `send` with a text.
pub(crate) fn with_text<T>(env: Env, text: sys::napi_value, send: impl FnOnce(&str) -> T) -> Result<T> {
    // Fails only while the thread ends.
    let mut bytes = TEXT.try_with(Cell::take).unwrap_or_default();
    bytes.clear();
    bytes.reserve(ROOM);
    if !read(env, text, &mut bytes)? {
        bytes.reserve(length_of(env, text)? + CHARACTER + 1);
        read(env, text, &mut bytes)?;
    }
    let result = match str::from_utf8(&bytes) {
        Ok(text) => send(text),
        // Engines put U+FFFD for what is no character, so this is not to be.
        Err(_) => send(&String::from_utf8_lossy(&bytes)),
    };
    if bytes.capacity() <= LONGEST_KEPT {
        let _ = TEXT.try_with(|kept| kept.set(bytes));
    }
    Ok(result)
}

/// Reads a text in place of what `bytes` holds; whether all of it fitted for certain.
fn read(env: Env, text: sys::napi_value, bytes: &mut Vec<u8>) -> Result<bool> {
    let (room, mut length) = (bytes.capacity(), 0);
    // SAFETY: the value lives while this call does, and there are `room` bytes to write to, of which the
    // last is for a NUL.
    let status = unsafe {
        sys::napi_get_value_string_utf8(env.raw(), text, bytes.as_mut_ptr().cast(), room, &mut length)
    };
    check_status!(status).map_err(napi_failure)?;
    // SAFETY: so many bytes have been written, which is less than `room`.
    unsafe { bytes.set_len(length) };
    Ok(length + CHARACTER < room)
}

fn length_of(env: Env, text: sys::napi_value) -> Result<usize> {
    let mut length = 0;
    // SAFETY: without memory to write to, only the length is told.
    let status = unsafe { sys::napi_get_value_string_utf8(env.raw(), text, ptr::null_mut(), 0, &mut length) };
    check_status!(status).map_err(napi_failure)?;
    Ok(length)
}
