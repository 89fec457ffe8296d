//! The floor: a client that does nothing but the system calls, the framing and, where it sends, the
//! masking. No client of JavaScript can be faster on the same socket.

use std::{
    io::{self, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use native_tls::{Certificate, TlsConnector};

use crate::{
    Failure, Options,
    frame::{self, Frame, opcode},
    stream::{Inbox, Stream, Wait},
};

/// Not counted.
const WARM_UP: Duration = Duration::from_millis(200);

/// What one read of a flood takes at most: as much as clients read at a time.
const READ: usize = 64 << 10;

/// Measures round trips, or messages a second, and prints them as JSON.
pub(crate) fn measure(url: &str, options: &Options) -> Result<(), Failure> {
    let size = options.number("size", 64)?;
    let duration = Duration::from_millis(options.number("milliseconds", 1000)? as u64);
    let wait = match options.text("wait") {
        Some("block") => Wait::Block,
        None | Some("spin") => Wait::Spin,
        Some(other) => return Err(format!("--wait {other:?}: spin or block").into()),
    };
    let client = Client::connect(url, options.text("ca"), wait)?;
    match options.text("measure") {
        None | Some("rtt") => measure_round_trips(client, &vec![b'x'; size], duration),
        Some("receive") => measure_receiving(client, size, duration),
        Some(other) => Err(format!("--measure {other:?}: rtt or receive").into()),
    }
}

fn measure_round_trips(mut client: Client, payload: &[u8], duration: Duration) -> Result<(), Failure> {
    client.exchange(payload, WARM_UP)?;
    let before = processor_time();
    let times = client.exchange(payload, duration)?;
    let spent = processor_time() - before;
    let figures: Vec<String> =
        times.iter().map(|time| format!("{:.2}", time.as_nanos() as f64 / 1e3)).collect();
    println!(
        "{{\"times\":[{}],\"cpu\":{},\"messages\":{}}}",
        figures.join(","),
        spent.as_micros(),
        times.len()
    );
    Ok(())
}

fn measure_receiving(mut client: Client, size: usize, duration: Duration) -> Result<(), Failure> {
    let mut flood = Flood { bytes: vec![0; READ], next: 0, kept: 0, messages: 0 };
    flood.follow(&mut client.stream, WARM_UP)?;
    flood.messages = 0;
    let (before, start) = (processor_time(), Instant::now());
    flood.follow(&mut client.stream, duration)?;
    let (spent, seconds) = (processor_time() - before, start.elapsed().as_secs_f64());
    let messages = flood.messages;
    println!(
        "{{\"perSecond\":{},\"megabytesPerSecond\":{},\"cpu\":{},\"messages\":{messages}}}",
        messages as f64 / seconds,
        (messages * size) as f64 / seconds / 1e6,
        spent.as_micros(),
    );
    Ok(())
}

/// Counts frames and looks at nothing but their headers: payloads stay where the kernel puts them.
struct Flood {
    bytes: Vec<u8>,
    /// Where in the next read the next header begins.
    next: usize,
    /// Bytes of a header that the end of a read has cut off.
    kept: usize,
    messages: usize,
}

impl Flood {
    fn follow(&mut self, stream: &mut Stream, duration: Duration) -> io::Result<()> {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            let end = self.kept + stream.read(&mut self.bytes[self.kept..])?;
            while let Some(frame) = self.bytes[..end].get(self.next..).and_then(Frame::parse) {
                self.next += frame.end;
                self.messages += 1;
            }
            self.kept = end.saturating_sub(self.next);
            self.bytes.copy_within(end - self.kept..end, 0);
            self.next = self.next.saturating_sub(end);
        }
        Ok(())
    }
}

struct Client {
    stream: Stream,
    inbox: Inbox,
}

impl Client {
    fn connect(url: &str, ca: Option<&str>, wait: Wait) -> Result<Self, Failure> {
        let (scheme, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let socket = TcpStream::connect(authority)?;
        socket.set_nodelay(true)?;
        let mut stream = if scheme == "wss" {
            let mut builder = TlsConnector::builder();
            if let Some(path) = ca {
                builder.add_root_certificate(Certificate::from_pem(&std::fs::read(path)?)?);
            }
            let host = authority.split(':').next().unwrap_or(authority);
            Stream::Tls(Box::new(builder.build()?.connect(host, socket)?))
        } else {
            Stream::Plain(socket)
        };
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        let mut byte = [0];
        while !response.ends_with(b"\r\n\r\n") {
            stream.read(&mut byte)?;
            response.push(byte[0]);
        }
        if !response.starts_with(b"HTTP/1.1 101") {
            return Err("the server did not upgrade".into());
        }
        stream.set_wait(wait)?;
        io::stdout().flush()?;
        Ok(Self { stream, inbox: Inbox::new() })
    }

    fn exchange(&mut self, payload: &[u8], duration: Duration) -> io::Result<Vec<Duration>> {
        let (mut times, mut bytes) = (Vec::with_capacity(1 << 20), Vec::new());
        let until = Instant::now() + duration;
        let mut key = 0x9e37_79b9_u32;
        loop {
            let sent = Instant::now();
            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.clear();
            frame::append(&mut bytes, opcode::TEXT, Some(key.to_be_bytes()), payload);
            self.stream.write_all(&bytes)?;
            self.receive()?;
            let now = Instant::now();
            times.push(now - sent);
            if now >= until {
                return Ok(times);
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            let unused = self.inbox.unused();
            let needed = match Frame::parse(unused) {
                Some(frame) if frame.end <= unused.len() => {
                    self.inbox.use_up(frame.end);
                    return Ok(());
                }
                Some(frame) => frame.end - unused.len(),
                None => 14,
            };
            let room = self.inbox.room(needed);
            let count = self.stream.read(room)?;
            self.inbox.received(count);
        }
    }
}

/// User and system time of this process.
#[cfg(unix)]
fn processor_time() -> Duration {
    // SAFETY: an `rusage` is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is live; with RUSAGE_SELF the call cannot fail.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO
}
