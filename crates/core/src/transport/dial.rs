//! Name resolution and connecting: every address of a host, raced in the manner of RFC 8305.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use super::deadline::Deadline;
use crate::{
    error::{Error, Result},
    options::ConnectionOptions,
    wait::Interest,
};

/// RFC 8305, section 8: the recommended Connection Attempt Delay.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
const RESOLVING: &str = "name resolution";
const CONNECTING: &str = "TCP connect";

/// Connects to the first address of `host` that answers. The socket is non-blocking.
///
/// `host` is a name or an IP literal without brackets.
pub(crate) fn dial(
    host: &str,
    port: u16,
    options: &ConnectionOptions,
    deadline: &mut Deadline,
) -> Result<Arc<Socket>> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => resolve(host, port, deadline)?,
    };
    tracing::debug!(host, ?addresses, "resolved");
    connect_any(host, addresses, options, deadline)
}

/// Resolves on a thread of its own, because getaddrinfo knows neither deadline nor cancellation.
///
/// Past the deadline the thread is left behind; it ends when the resolver gives up.
fn resolve(host: &str, port: u16, deadline: &mut Deadline) -> Result<Vec<SocketAddr>> {
    let context = || format!("resolving {host:?}");
    let answer = Arc::new(Mutex::new(None));
    let arrived = || answer.lock().unwrap_or_else(PoisonError::into_inner);
    let resolver = {
        let (answer, waker, host) = (Arc::clone(&answer), deadline.waker(), host.to_owned());
        move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            waker.wake();
        }
    };
    thread::Builder::new()
        .name("s9-resolver".into())
        .spawn(resolver)
        .map_err(|source| Error::io("starting the resolver's thread", source))?;
    loop {
        if let Some(found) = arrived().take() {
            let found = found.map_err(|source| Error::io(context(), source))?;
            if found.is_empty() {
                return Err(Error::io(context(), io::Error::new(io::ErrorKind::NotFound, "no address")));
            }
            return Ok(found);
        }
        deadline.wait(RESOLVING, &[], None, || arrived().is_some())?;
    }
}

/// Connects to the first of these addresses that answers.
pub(super) fn connect_any(
    host: &str,
    addresses: Vec<SocketAddr>,
    options: &ConnectionOptions,
    deadline: &mut Deadline,
) -> Result<Arc<Socket>> {
    let addresses = usable(host, addresses, options.local_address)?;
    warn_of_the_unsupported(options);
    let mut race = Race {
        waiting: addresses.into(),
        running: Vec::new(),
        failed: Vec::new(),
        next_start: Instant::now(),
    };
    let result = race.run(host, options, deadline);
    for attempt in &race.running {
        deadline.waiter().remove(attempt.key);
    }
    result
}

/// The attempts to connect to one host.
struct Race {
    waiting: VecDeque<SocketAddr>,
    running: Vec<Attempt>,
    failed: Vec<(SocketAddr, io::Error)>,
    /// RFC 8305, section 5: an attempt starts after the delay, or as soon as one has failed.
    next_start: Instant,
}

struct Attempt {
    key: usize,
    address: SocketAddr,
    socket: Arc<Socket>,
}

impl Race {
    fn run(
        &mut self,
        host: &str,
        options: &ConnectionOptions,
        deadline: &mut Deadline,
    ) -> Result<Arc<Socket>> {
        loop {
            while self.running.is_empty() || Instant::now() >= self.next_start {
                let Some(address) = self.waiting.pop_front() else { break };
                self.next_start = Instant::now() + ATTEMPT_DELAY;
                if let Some(socket) = self.start(address, options, deadline)? {
                    tracing::debug!(%address, "connected");
                    return Ok(socket);
                }
            }
            if self.running.is_empty() {
                return Err(self.failure(host));
            }
            let interests: Vec<_> = self
                .running
                .iter()
                .map(|attempt| (attempt.key, Interest { read: false, write: true }))
                .collect();
            let until = (!self.waiting.is_empty()).then_some(self.next_start);
            let ready = deadline
                .wait(CONNECTING, &interests, until, || false)
                .map_err(|error| self.with_detail(error))?;
            for key in ready {
                let Some(index) = self.running.iter().position(|attempt| attempt.key == key) else {
                    continue;
                };
                let attempt = &self.running[index];
                match outcome(&attempt.socket) {
                    Ok(true) => {
                        tracing::debug!(address = %attempt.address, "connected");
                        return Ok(Arc::clone(&attempt.socket));
                    }
                    Ok(false) => {}
                    Err(error) => {
                        deadline.waiter().remove(key);
                        let attempt = self.running.swap_remove(index);
                        self.fail(attempt.address, error);
                    }
                }
            }
        }
    }

    /// Starts an attempt; a socket comes back only if it is connected already.
    ///
    /// Fails where every other address would fail the same way.
    fn start(
        &mut self,
        address: SocketAddr,
        options: &ConnectionOptions,
        deadline: &mut Deadline,
    ) -> Result<Option<Arc<Socket>>> {
        // Sets close-on-exec too, and on Apple's systems SO_NOSIGPIPE.
        let socket = match Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)) {
            Ok(socket) => Arc::new(socket),
            Err(error) => {
                // A system without IPv6 has no such sockets, and the next address may be IPv4.
                self.fail(address, error);
                return Ok(None);
            }
        };
        configure(&socket, address, options)?;
        match socket.connect(&SockAddr::from(address)) {
            Ok(()) => return Ok(Some(socket)),
            Err(error) if is_in_progress(&error) => {}
            Err(error) => {
                self.fail(address, error);
                return Ok(None);
            }
        }
        // Each attempt ends as one of `failed`, so the number is new.
        let key = self.failed.len() + self.running.len();
        deadline.waiter().add(key, &socket).map_err(|source| Error::io("watching a socket", source))?;
        self.running.push(Attempt { key, address, socket });
        Ok(None)
    }

    fn fail(&mut self, address: SocketAddr, error: io::Error) {
        tracing::debug!(%address, %error, "address failed");
        self.failed.push((address, error));
        self.next_start = Instant::now();
    }

    /// The error after the last address has failed.
    fn failure(&mut self, host: &str) -> Error {
        let context = match self.failed.as_slice() {
            [(address, _)] => format!("connecting to {host} ({address})"),
            failed => {
                let mut context = format!("connecting to {host} (");
                for (index, (address, error)) in failed.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    let _ = write!(context, "{separator}{address}: {error}");
                }
                context + ")"
            }
        };
        // An unreachable network mostly means a machine without IPv6: what the host itself answered
        // says more.
        let telling = self.failed.iter().rposition(|(_, error)| {
            !matches!(
                error.kind(),
                io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable
                    | io::ErrorKind::Unsupported
            )
        });
        let index = telling.unwrap_or(self.failed.len() - 1);
        Error::io(context, self.failed.swap_remove(index).1)
    }

    /// Adds to a timeout what had been tried until then.
    fn with_detail(&self, error: Error) -> Error {
        let Error::Timeout { phase, after, mut detail } = error else { return error };
        for (address, error) in &self.failed {
            let _ = write!(detail, "; {address}: {error}");
        }
        for attempt in &self.running {
            let _ = write!(detail, "; {}: no answer", attempt.address);
        }
        for address in &self.waiting {
            let _ = write!(detail, "; {address}: not tried");
        }
        Error::Timeout { phase, after, detail }
    }
}

/// The addresses in the order of the attempts, without those that `local` cannot connect to.
fn usable(host: &str, addresses: Vec<SocketAddr>, local: Option<IpAddr>) -> Result<Vec<SocketAddr>> {
    let mut addresses = interleaved(addresses);
    if let Some(local) = local {
        addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
        if addresses.is_empty() {
            let family = if local.is_ipv4() { "IPv6" } else { "IPv4" };
            return Err(Error::invalid(
                "localAddress",
                local,
                format!("an {family} address, as {host:?} has no others"),
            ));
        }
    }
    Ok(addresses)
}

/// RFC 8305, section 4: families alternate, the one that the system prefers first.
pub(super) fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let prefers_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == prefers_ipv4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return ordered;
        }
        for address in pair.into_iter().flatten() {
            if !ordered.contains(&address) {
                ordered.push(address);
            }
        }
    }
}

/// Sets what must be set before connecting. The system refusing an option ends the whole connect: it
/// would refuse it for every address.
fn configure(socket: &Socket, address: SocketAddr, options: &ConnectionOptions) -> Result<()> {
    fn set(name: &str, result: io::Result<()>) -> Result<()> {
        result.map_err(|source| Error::io(format!("setting {name}"), source))
    }
    set("non-blocking mode", socket.set_nonblocking(true))?;
    if let Some(on) = options.nodelay {
        set("nodelay", socket.set_tcp_nodelay(on))?;
    }
    if let Some(hops) = options.ttl {
        set("ttl", set_ttl(socket, address.is_ipv4(), hops))?;
    }
    if let Some(idle) = options.keep_alive {
        set("keepAlive", socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)))?;
    }
    if let Some(bytes) = options.receive_buffer_size {
        set("receiveBufferSize", socket.set_recv_buffer_size(bytes))?;
    }
    if let Some(bytes) = options.send_buffer_size {
        set("sendBufferSize", socket.set_send_buffer_size(bytes))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(microseconds) = options.busy_poll {
        set("busyPoll", socket.set_busy_poll(microseconds))?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(on) = options.quick_ack {
        set("quickAck", socket.set_tcp_quickack(on))?;
    }
    if let Some(local) = options.local_address {
        set("localAddress", socket.bind(&SockAddr::from(SocketAddr::new(local, 0))))?;
    }
    Ok(())
}

/// Sets the time to live of IPv4 or the hop limit of IPv6.
fn set_ttl(socket: &Socket, is_ipv4: bool, hops: u32) -> io::Result<()> {
    if is_ipv4 { socket.set_ttl_v4(hops) } else { socket.set_unicast_hops_v6(hops) }
}

fn warn_of_the_unsupported(options: &ConnectionOptions) {
    if options.busy_poll.is_some() && !cfg!(target_os = "linux") {
        tracing::warn!("busyPoll is ignored: only Linux has it");
    }
    if options.quick_ack.is_some() && !cfg!(any(target_os = "linux", target_os = "android")) {
        tracing::warn!("quickAck is ignored: only Linux has it");
    }
}

/// Whether a non-blocking connect goes on in the background.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    // connect(2): an interrupted connect goes on too. Windows says WouldBlock.
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Whether a connect has ended well; `false` while it has not ended.
fn outcome(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
