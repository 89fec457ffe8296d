//! Runs a command on chosen processors.

use std::process::Command;

use crate::Failure;

/// Pins the calling thread, and with it the threads that it starts, to one processor.
pub(crate) fn pin_thread(processor: usize) -> Result<(), Failure> {
    if core_affinity::set_for_current(core_affinity::CoreId { id: processor }) {
        return Ok(());
    }
    Err(format!("could not pin to processor {processor}").into())
}

/// Runs `command` on the processors of a list such as `0,1`.
pub(crate) fn run(processors: &str, command: &[&str]) -> Result<(), Failure> {
    let wanted: Vec<usize> = processors
        .split(',')
        .map(|number| number.parse().map_err(|_| format!("{number:?} is no processor number")))
        .collect::<Result<_, _>>()?;
    pin_to_all(&wanted)?;
    become_command(Command::new(command[0]).args(&command[1..]))
}

/// Takes the place of this process, so that whoever ends it ends the command.
#[cfg(unix)]
fn become_command(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn become_command(command: &mut Command) -> Result<(), Failure> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("the command ended with {status}").into()) }
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
