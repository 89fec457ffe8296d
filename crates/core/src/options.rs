//! Parsed, valid options: what both kinds of client share, once, and two builders over it.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    deflate::PerMessageDeflateOptions,
    error::{Error, Result},
    tls_options::TlsOptions,
};

/// Longest duration an option takes: one day.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest idle time before a keep-alive probe: the most that Linux takes.
pub(crate) const MAX_KEEP_ALIVE: Duration = Duration::from_secs(32_767);
/// Largest size an option takes: 1 GiB.
///
/// There is no unlimited frame size: tungstenite reserves a frame's length from its header alone,
/// so ten hostile bytes could abort the process.
const MAX_SIZE: usize = 1 << 30;
/// Header fields that belong to the upgrade itself (RFC 6455, section 4.1) or frame the request.
const RESERVED_HEADERS: [&str; 8] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "content-length",
    "transfer-encoding",
];

/// The options that both kinds of client share.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) spin_wait_duration: Option<Duration>,
    pub(crate) nodelay: Option<bool>,
    pub(crate) ttl: Option<u32>,
    pub(crate) headers: HeaderMap,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) per_message_deflate: Option<PerMessageDeflateOptions>,
    pub(crate) connect_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) max_message_size: usize,
    pub(crate) max_frame_size: usize,
    pub(crate) max_buffered_amount: usize,
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) receive_buffer_size: Option<usize>,
    pub(crate) send_buffer_size: Option<usize>,
    pub(crate) busy_poll: Option<u32>,
    pub(crate) quick_ack: Option<bool>,
    pub(crate) cpu_affinity: Option<usize>,
    pub(crate) event_capacity: usize,
    pub(crate) event_capacity_bytes: usize,
    pub(crate) tls: TlsOptions,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            spin_wait_duration: None,
            nodelay: None,
            ttl: None,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            per_message_deflate: None,
            connect_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            max_message_size: 64 << 20,
            max_frame_size: 16 << 20,
            max_buffered_amount: 128 << 20,
            local_address: None,
            keep_alive: None,
            receive_buffer_size: None,
            send_buffer_size: None,
            busy_poll: None,
            quick_ack: None,
            cpu_affinity: None,
            event_capacity: 65_536,
            event_capacity_bytes: 64 << 20,
            tls: TlsOptions::default(),
        }
    }
}

impl ConnectionOptions {
    /// Adds header fields, refusing what is malformed or reserved.
    pub(crate) fn add_headers<N, V>(&mut self, headers: impl IntoIterator<Item = (N, V)>) -> Result<()>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        for (name, value) in headers {
            let name = name.as_ref();
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                Error::invalid("headers", format_args!("name with {}", no_token(name)), TOKEN)
            })?;
            if RESERVED_HEADERS.contains(&parsed.as_str()) {
                let allowed = match parsed.as_str() {
                    "sec-websocket-protocol" => "any other header; subprotocols have an option of their own",
                    _ => "any header that is not part of the upgrade itself",
                };
                return Err(Error::invalid("headers", format_args!("reserved name {name:?}"), allowed));
            }
            // The value may be a credential: it is never part of the error.
            let value = HeaderValue::from_bytes(value.as_ref()).map_err(|_| {
                Error::invalid(
                    "headers",
                    format_args!("value of {name:?}"),
                    "visible characters, spaces and tabs; no line breaks (RFC 9110, section 5.5)",
                )
            })?;
            self.headers.append(parsed, value);
        }
        Ok(())
    }
}

const TOKEN: &str = "a token of RFC 9110, section 5.6.2";

/// Why this is no token. What it is may be a credential in the wrong place, and stays out of the error.
fn no_token(name: &str) -> String {
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
    match name.chars().enumerate().find(|&(_, character)| !is_allowed(character)) {
        Some((index, character)) => format!("{character:?} at index {index}"),
        None => format!("{} characters", name.len()),
    }
}

/// Refuses a duration of zero or of more than a day.
fn duration(name: &str, value: Duration) -> Result<Duration> {
    if value.is_zero() || value > MAX_DURATION {
        return Err(Error::invalid(
            name,
            format_args!("{} ms", value.as_secs_f64() * 1e3),
            "more than 0 and at most 86400000 ms",
        ));
    }
    Ok(value)
}

/// Refuses a number outside `1..=max`.
fn positive<T>(name: &str, value: T, max: T) -> Result<T>
where
    T: Copy + PartialOrd + std::fmt::Display + From<u8>,
{
    if value < T::from(1) || value > max {
        return Err(Error::invalid(name, value, format!("1 to {max}")));
    }
    Ok(value)
}

/// The builder methods that both option types have.
macro_rules! connection_options {
    () => {
        /// All options at their defaults.
        pub fn new() -> Self {
            Self::default()
        }

        /// The longest wait after an idle turn of the loop; `None`, the default, spins.
        ///
        /// The wait is ended at once by data or by a command, so it bounds how often `on_poll` and
        /// `on_idle` come and costs no latency. Messages already received are never delayed.
        pub fn spin_wait_duration(mut self, longest: Option<Duration>) -> Result<Self> {
            self.connection.spin_wait_duration =
                longest.map(|value| duration("spinWaitDuration", value)).transpose()?;
            Ok(self)
        }

        /// TCP_NODELAY; unset, the system's default applies.
        pub fn nodelay(mut self, on: bool) -> Self {
            self.connection.nodelay = Some(on);
            self
        }

        /// Time to live (hop limit) of the packets sent, 1 to 255; `None` for the system's default.
        pub fn ttl(mut self, hops: Option<u32>) -> Result<Self> {
            self.connection.ttl = hops.map(|value| positive("ttl", value, 255)).transpose()?;
            Ok(self)
        }

        /// Adds header fields to the upgrade request.
        ///
        /// Refuses malformed names and values, and the fields that the upgrade itself sets.
        pub fn headers<N, V>(mut self, headers: impl IntoIterator<Item = (N, V)>) -> Result<Self>
        where
            N: AsRef<str>,
            V: AsRef<[u8]>,
        {
            self.connection.add_headers(headers)?;
            Ok(self)
        }

        /// The subprotocols offered, in order of preference (RFC 6455, section 1.9).
        pub fn subprotocols<T: Into<String>>(mut self, offered: impl IntoIterator<Item = T>) -> Result<Self> {
            let mut parsed = Vec::new();
            for name in offered {
                let name: String = name.into();
                // RFC 6455, section 4.1: tokens, each once. A header name is a token too.
                if HeaderName::from_bytes(name.as_bytes()).is_err() {
                    let given = format!("name with {}", no_token(&name));
                    return Err(Error::invalid("subprotocols", given, TOKEN));
                }
                if parsed.contains(&name) {
                    return Err(Error::invalid("subprotocols", "a name given twice", "each once"));
                }
                parsed.push(name);
            }
            self.connection.subprotocols = parsed;
            Ok(self)
        }

        /// Offers the server to compress messages (RFC 7692); `None`, the default, does not.
        ///
        /// Whether it agreed is in [`UpgradeResponse::extensions`](crate::UpgradeResponse).
        pub fn per_message_deflate(mut self, offered: Option<PerMessageDeflateOptions>) -> Self {
            self.connection.per_message_deflate = offered;
            self
        }

        /// The one deadline over name resolution, TCP, TLS and upgrade; 30 s by default.
        pub fn connect_timeout(mut self, limit: Duration) -> Result<Self> {
            self.connection.connect_timeout = duration("connectTimeout", limit)?;
            Ok(self)
        }

        /// How long the closing handshake may take before the connection is dropped; 5 s by default.
        pub fn close_timeout(mut self, limit: Duration) -> Result<Self> {
            self.connection.close_timeout = duration("closeTimeout", limit)?;
            Ok(self)
        }

        /// Largest message accepted, in bytes: 1 to 1 GiB, 64 MiB by default.
        pub fn max_message_size(mut self, bytes: usize) -> Result<Self> {
            self.connection.max_message_size = positive_size("maxMessageSize", bytes)?;
            Ok(self)
        }

        /// Largest frame accepted, in bytes: 1 to 1 GiB, 16 MiB by default.
        ///
        /// A frame's header alone makes the client reserve its length.
        pub fn max_frame_size(mut self, bytes: usize) -> Result<Self> {
            self.connection.max_frame_size = positive_size("maxFrameSize", bytes)?;
            Ok(self)
        }

        /// Most bytes accepted for sending and not yet taken by the kernel; 128 MiB by default.
        pub fn max_buffered_amount(mut self, bytes: usize) -> Result<Self> {
            self.connection.max_buffered_amount = positive_size("maxBufferedAmount", bytes)?;
            Ok(self)
        }

        /// The local address to connect from.
        pub fn local_address(mut self, address: Option<IpAddr>) -> Self {
            self.connection.local_address = address;
            self
        }

        /// Turns TCP keep-alive on, with this idle time before the first probe, in whole seconds: 1 s to
        /// 32,767 s.
        pub fn keep_alive(mut self, idle: Option<Duration>) -> Result<Self> {
            if let Some(idle) = idle {
                // The kernel counts whole seconds.
                if idle < Duration::from_secs(1) || idle > MAX_KEEP_ALIVE {
                    return Err(Error::invalid(
                        "keepAlive",
                        format_args!("{} ms", idle.as_secs_f64() * 1e3),
                        "1000 to 32767000 ms",
                    ));
                }
            }
            self.connection.keep_alive = idle;
            Ok(self)
        }

        /// SO_RCVBUF in bytes, set before connecting so that the window can scale to it.
        pub fn receive_buffer_size(mut self, bytes: Option<usize>) -> Result<Self> {
            self.connection.receive_buffer_size =
                bytes.map(|value| positive_size("receiveBufferSize", value)).transpose()?;
            Ok(self)
        }

        /// SO_SNDBUF in bytes.
        pub fn send_buffer_size(mut self, bytes: Option<usize>) -> Result<Self> {
            self.connection.send_buffer_size =
                bytes.map(|value| positive_size("sendBufferSize", value)).transpose()?;
            Ok(self)
        }

        /// SO_BUSY_POLL in microseconds, 1 to 1,000,000. Linux only, elsewhere ignored with a warning;
        /// raising it may need CAP_NET_ADMIN.
        pub fn busy_poll(mut self, microseconds: Option<u32>) -> Result<Self> {
            self.connection.busy_poll =
                microseconds.map(|value| positive("busyPoll", value, 1_000_000)).transpose()?;
            Ok(self)
        }

        /// TCP_QUICKACK, renewed after each read because the kernel clears it. Linux only, elsewhere
        /// ignored with a warning.
        pub fn quick_ack(mut self, on: bool) -> Self {
            self.connection.quick_ack = Some(on);
            self
        }

        /// The processor to which a thread started for this client is pinned; its index from 0.
        pub fn cpu_affinity(mut self, processor: Option<usize>) -> Result<Self> {
            if let Some(index) = processor {
                if index >= 1024 {
                    return Err(Error::invalid("cpuAffinity", index, "0 to 1023"));
                }
            }
            self.connection.cpu_affinity = processor;
            Ok(self)
        }

        /// How TLS is done for `wss://`.
        pub fn tls(mut self, tls: TlsOptions) -> Self {
            self.connection.tls = tls;
            self
        }
    };
}

/// Refuses a size outside `1..=MAX_SIZE`.
fn positive_size(name: &str, bytes: usize) -> Result<usize> {
    if bytes == 0 || bytes > MAX_SIZE {
        return Err(Error::invalid(name, bytes, format!("1 to {MAX_SIZE}")));
    }
    Ok(bytes)
}

/// Options of the non-blocking and of the async client.
///
/// ```
/// use s9_websocket_core::NonBlockingOptions;
/// use std::time::Duration;
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let options = NonBlockingOptions::new()
///     .spin_wait_duration(Some(Duration::from_millis(10)))?
///     .nodelay(true)
///     .headers([("Authorization", "Bearer token")])?;
/// # drop(options);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct NonBlockingOptions {
    pub(crate) connection: ConnectionOptions,
}

impl NonBlockingOptions {
    connection_options!();

    /// Most events waiting in the channel of the async client; 65,536 by default.
    ///
    /// When it is full the socket is read no further, so the peer feels back-pressure.
    pub fn event_capacity(mut self, events: usize) -> Result<Self> {
        if events == 0 || events > 1 << 24 {
            return Err(Error::invalid("eventCapacity", events, "1 to 16777216"));
        }
        self.connection.event_capacity = events;
        Ok(self)
    }

    /// Most bytes of payloads waiting in the channel of the async client, 1 to 1 GiB; 64 MiB by default.
    ///
    /// As `event_capacity`, with which it holds together. A message is read while there is any room, so
    /// that the last one may exceed it.
    pub fn event_capacity_bytes(mut self, bytes: usize) -> Result<Self> {
        self.connection.event_capacity_bytes = positive_size("eventCapacityBytes", bytes)?;
        Ok(self)
    }
}

/// Options of the blocking client.
///
/// ```
/// use s9_websocket_core::BlockingOptions;
/// use std::time::Duration;
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let options = BlockingOptions::new().read_timeout(Some(Duration::from_millis(100)))?;
/// # drop(options);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct BlockingOptions {
    pub(crate) connection: ConnectionOptions,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
}

impl BlockingOptions {
    connection_options!();

    /// How long a read waits before a turn counts as idle; `None`, the default, waits for ever.
    pub fn read_timeout(mut self, limit: Option<Duration>) -> Result<Self> {
        self.read_timeout = limit.map(|value| duration("readTimeout", value)).transpose()?;
        Ok(self)
    }

    /// How long a write waits for the kernel; what it did not take by then is queued and flushed on
    /// the next turns. `None`, the default, waits for ever.
    pub fn write_timeout(mut self, limit: Option<Duration>) -> Result<Self> {
        self.write_timeout = limit.map(|value| duration("writeTimeout", value)).transpose()?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<NonBlockingOptions>) -> String {
        result.expect_err("must be refused").to_string()
    }

    #[test]
    fn a_refused_value_names_option_value_and_range() {
        let options = NonBlockingOptions::new;
        assert_eq!(
            message(options().spin_wait_duration(Some(Duration::ZERO))),
            "invalid spinWaitDuration: 0 ms (allowed: more than 0 and at most 86400000 ms)"
        );
        assert_eq!(message(options().ttl(Some(256))), "invalid ttl: 256 (allowed: 1 to 255)");
        assert_eq!(
            message(options().max_frame_size(usize::MAX)),
            format!("invalid maxFrameSize: {} (allowed: 1 to 1073741824)", usize::MAX)
        );
        assert!(message(options().event_capacity(0)).contains("eventCapacity"));
        assert!(message(options().event_capacity_bytes(0)).contains("eventCapacityBytes"));
        for refused in [Duration::from_millis(999), Duration::from_secs(32_768)] {
            assert!(message(options().keep_alive(Some(refused))).contains("keepAlive"));
        }
        assert!(message(options().cpu_affinity(Some(1024))).contains("cpuAffinity"));
        assert!(message(options().subprotocols(["a", "a"])).contains("given twice"));
        assert!(message(options().subprotocols(["a b"])).contains("' ' at index 1"));
        assert!(message(options().subprotocols([""])).contains("0 characters"));
    }

    #[test]
    fn headers_that_belong_to_the_upgrade_are_refused() {
        for name in RESERVED_HEADERS {
            let text = message(NonBlockingOptions::new().headers([(name.to_uppercase(), "x")]));
            assert!(text.contains("reserved"), "{name}: {text}");
        }
    }

    #[test]
    fn a_header_cannot_smuggle_another_and_its_value_stays_out_of_the_error() {
        let text = message(NonBlockingOptions::new().headers([("X-Token", "secret\r\nHost: evil")]));
        assert!(text.contains("X-Token") && !text.contains("secret"), "{text}");
        let text = message(NonBlockingOptions::new().headers([("X-Token: secret", "")]));
        assert!(text.contains("name with ':' at index 7") && !text.contains("secret"), "{text}");
        let text = message(NonBlockingOptions::new().subprotocols(["bearer.secret=="]));
        assert!(text.contains("name with '=' at index 13") && !text.contains("secret"), "{text}");
        assert!(message(NonBlockingOptions::new().headers([("X\r\nHost", "v")])).contains("name"));
    }
}
