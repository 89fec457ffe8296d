//! What the system is told of a client's thread: on which processor it runs, and that its turns are short.

/// Pins this thread to a processor, counted from 0.
pub(crate) fn pin_to(processor: usize) {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: processor }) {
        tracing::warn!(processor, "the client's thread could not be pinned");
    }
}

/// Asks the system to run this thread soon after it wakes, if another thread has the processor, and for a
/// shorter time at once.
///
/// Linux's scheduler goes by whose slice of time would end first, from version 6.12 on also by slices of a
/// thread's own (sched_setattr(2)). With the default of some milliseconds, a thread that shares a processor with
/// busy JavaScript sometimes waits for a whole slice of that. The share of the processor stays the same.
pub(crate) fn shorten_slice() {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::set_slice(linux::SLICE) {
        // As before 6.12, where nothing happens.
        tracing::debug!(%error, "the slice of the client's thread could not be shortened");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{io, mem, time::Duration};

    /// The shortest that the scheduler allows; most turns take a few dozen microseconds.
    pub(super) const SLICE: Duration = Duration::from_micros(100);
    const THIS_THREAD: libc::pid_t = 0;
    const NO_FLAGS: libc::c_uint = 0;

    pub(super) fn set_slice(slice: Duration) -> io::Result<()> {
        // SAFETY: a structure of numbers, for which zero is a value.
        let mut attributes: libc::sched_attr = unsafe { mem::zeroed() };
        let size = mem::size_of_val(&attributes) as libc::c_uint;
        // SAFETY: the kernel writes at most `size` bytes, all of them in `attributes`.
        done(unsafe {
            libc::syscall(libc::SYS_sched_getattr, THIS_THREAD, &raw mut attributes, size, NO_FLAGS)
        })?;
        if attributes.sched_policy != libc::SCHED_OTHER as u32 {
            // Whoever chose another one has said when this thread is to run.
            return Ok(());
        }
        attributes.sched_runtime = slice.as_nanos() as u64;
        // SAFETY: the kernel reads `attributes`, which says how long it is.
        done(unsafe { libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, &raw const attributes, NO_FLAGS) })
    }

    fn done(result: libc::c_long) -> io::Result<()> {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
