//! Runs a command on chosen processors.

use std::process::{Command, Stdio};

use crate::Failure;

/// Pins the calling thread, and with it the threads that it starts, to one processor.
pub(crate) fn pin_thread(processor: usize) -> Result<(), Failure> {
    if core_affinity::set_for_current(core_affinity::CoreId { id: processor }) {
        return Ok(());
    }
    Err(format!("could not pin to processor {processor}").into())
}

/// Runs `command` on the processors of a list such as `0,1`; its output goes through.
pub(crate) fn run(processors: &str, command: &[&str]) -> Result<(), Failure> {
    let wanted: Vec<usize> = processors
        .split(',')
        .map(|number| number.parse().map_err(|_| format!("{number:?} is no processor number")))
        .collect::<Result<_, _>>()?;
    pin_to_all(&wanted)?;
    let status = Command::new(command[0]).args(&command[1..]).stdin(Stdio::inherit()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", command[0]).into()) }
}

#[cfg(target_os = "linux")]
fn pin_to_all(processors: &[usize]) -> Result<(), Failure> {
    // SAFETY: a `cpu_set_t` is plain bits, of which all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &processor in processors {
        // SAFETY: `set` is live; CPU_SET ignores numbers beyond its size.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: `set` is a live set of the size given; 0 is the calling thread.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } != 0 {
        return Err(format!("pinning to {processors:?}: {}", std::io::Error::last_os_error()).into());
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn pin_to_all(_: &[usize]) -> Result<(), Failure> {
    // Elsewhere a process cannot be pinned before it starts: its figures are noisier.
    Ok(())
}
