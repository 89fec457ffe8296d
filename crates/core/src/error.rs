//! The one error type of the crate and its stable codes.

use std::{fmt, io, time::Duration};

use bytes::Bytes;

/// A result whose error is [`Error`].
///
/// ```
/// use s9_websocket_core::{BlockingOptions, Result};
///
/// fn options() -> Result<BlockingOptions> {
///     BlockingOptions::new().ttl(Some(64))
/// }
/// assert!(options().is_ok());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation or a connection failed.
///
/// A variant exists where callers act differently on it; [`Error::code`] is its stable name.
///
/// ```
/// use s9_websocket_core::{ErrorCode, NonBlockingOptions};
/// use std::time::Duration;
///
/// let error = NonBlockingOptions::new().close_timeout(Duration::ZERO).unwrap_err();
/// assert_eq!(error.code(), ErrorCode::InvalidConfiguration);
/// assert_eq!(error.code().as_str(), "ERR_S9_INVALID_CONFIGURATION");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be connected to. User info, path and query are never part of the text.
    #[error("invalid URL {uri:?}: {reason}")]
    InvalidUri {
        /// The URL's scheme, host and port, as far as they can be told from the rest.
        uri: String,
        /// What is wrong with it and what is allowed.
        reason: String,
    },
    /// An option or argument is out of range or of the wrong type.
    #[error("invalid {name}: {value} (allowed: {allowed})")]
    InvalidConfiguration {
        /// The option or argument.
        name: String,
        /// The value given.
        value: String,
        /// What is allowed in its place.
        allowed: String,
    },
    /// The connection is closing or closed, so nothing can be sent on it any more.
    #[error("connection closed: {0}")]
    ConnectionClosed(&'static str),
    /// The socket belongs to a running loop, to a thread, or is gone.
    #[error("socket unavailable: {0}")]
    SocketUnavailable(&'static str),
    /// The operating system reported an error.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A deadline passed.
    #[error("{phase} timed out after {} ms{detail}", .after.as_secs_f64() * 1e3)]
    Timeout {
        /// What was being waited for.
        phase: &'static str,
        /// How long the whole operation was allowed to take.
        after: Duration,
        /// What had been tried until then; empty, or starting with a separator.
        detail: String,
    },
    /// The TLS handshake or a TLS record failed, or TLS material could not be used.
    #[error("TLS: {context}: {source}")]
    Tls {
        /// What was being done.
        context: String,
        /// The error of the TLS library.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not accept the upgrade to WebSocket (RFC 6455, section 4.1).
    #[error("upgrade refused: {reason}")]
    Handshake {
        /// Why.
        reason: String,
        /// The server's answer, where it was a well-formed HTTP response.
        response: Option<Box<RefusedUpgrade>>,
    },
    /// The peer violated RFC 6455 or RFC 7692.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// The peer sent a text message or close reason that is not UTF-8.
    ///
    /// Text is refused as soon as nothing to come could make it valid, in whatever frames it comes; compressed
    /// text once it is whole.
    #[error("invalid UTF-8 from the peer")]
    InvalidUtf8,
    /// The peer sent a frame or message over the limit.
    #[error("message of {size} bytes is over the limit of {limit} bytes")]
    MessageTooLarge {
        /// Size announced or reached.
        size: usize,
        /// The limit that applies.
        limit: usize,
    },
    /// The message would exceed the bound on unsent bytes; nothing of it was sent.
    #[error("write buffer full: {size} bytes on top of {buffered} unsent exceed maxBufferedAmount ({limit})")]
    WriteBufferFull {
        /// Size of the refused message.
        size: usize,
        /// Unsent bytes at that moment.
        buffered: usize,
        /// The bound in force.
        limit: usize,
    },
    /// The other side of a channel is gone.
    #[error("channel disconnected: {0}")]
    ChannelDisconnected(&'static str),
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidUri { .. } => ErrorCode::InvalidUri,
            Self::InvalidConfiguration { .. } => ErrorCode::InvalidConfiguration,
            Self::ConnectionClosed(_) => ErrorCode::ConnectionClosed,
            Self::SocketUnavailable(_) => ErrorCode::SocketUnavailable,
            Self::Io { .. } => ErrorCode::Io,
            Self::Timeout { .. } => ErrorCode::Timeout,
            Self::Tls { .. } => ErrorCode::Tls,
            Self::Handshake { .. } => ErrorCode::Handshake,
            Self::Protocol(_) => ErrorCode::Protocol,
            Self::InvalidUtf8 => ErrorCode::InvalidUtf8,
            Self::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::WriteBufferFull { .. } => ErrorCode::WriteBufferFull,
            Self::ChannelDisconnected(_) => ErrorCode::ChannelDisconnected,
        }
    }

    /// An [`Error::InvalidConfiguration`] that names the argument, the value and the range.
    pub fn invalid(name: impl Into<String>, value: impl fmt::Display, allowed: impl Into<String>) -> Self {
        Self::InvalidConfiguration { name: name.into(), value: value.to_string(), allowed: allowed.into() }
    }

    /// An [`Error::Io`] with what was being done.
    ///
    /// An `Error` that travelled inside `source` through a `Read` or `Write` comes out as itself.
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        source.downcast::<Self>().unwrap_or_else(|source| Self::Io { context: context.into(), source })
    }
}

impl From<Error> for io::Error {
    /// Lets an `Error` pass through `Read` and `Write`; [`Error::io`] unwraps it again.
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

/// The stable name of an [`Error`] variant, the same in Rust and in TypeScript.
///
/// ```
/// assert_eq!(s9_websocket_core::ErrorCode::Timeout.to_string(), "ERR_S9_TIMEOUT");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The URL cannot be connected to.
    InvalidUri,
    /// An option or argument is out of range or of the wrong type.
    InvalidConfiguration,
    /// The connection is closing or closed.
    ConnectionClosed,
    /// The socket belongs to a running loop, to a thread, or is gone.
    SocketUnavailable,
    /// The operating system reported an error.
    Io,
    /// A deadline passed.
    Timeout,
    /// TLS failed.
    Tls,
    /// The server refused the upgrade.
    Handshake,
    /// The peer violated RFC 6455 or RFC 7692.
    Protocol,
    /// The peer sent text that is not UTF-8.
    InvalidUtf8,
    /// The peer sent more than is allowed.
    MessageTooLarge,
    /// The bound on unsent bytes is reached.
    WriteBufferFull,
    /// The other side of a channel is gone.
    ChannelDisconnected,
}

impl ErrorCode {
    /// The code as text, `ERR_S9_…`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidUri => "ERR_S9_INVALID_URI",
            Self::InvalidConfiguration => "ERR_S9_INVALID_CONFIGURATION",
            Self::ConnectionClosed => "ERR_S9_CONNECTION_CLOSED",
            Self::SocketUnavailable => "ERR_S9_SOCKET_UNAVAILABLE",
            Self::Io => "ERR_S9_IO",
            Self::Timeout => "ERR_S9_TIMEOUT",
            Self::Tls => "ERR_S9_TLS",
            Self::Handshake => "ERR_S9_HANDSHAKE",
            Self::Protocol => "ERR_S9_PROTOCOL",
            Self::InvalidUtf8 => "ERR_S9_INVALID_UTF8",
            Self::MessageTooLarge => "ERR_S9_MESSAGE_TOO_LARGE",
            Self::WriteBufferFull => "ERR_S9_WRITE_BUFFER_FULL",
            Self::ChannelDisconnected => "ERR_S9_CHANNEL_DISCONNECTED",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for ErrorCode {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// The HTTP response with which a server refused the upgrade.
///
/// ```
/// # fn show(error: s9_websocket_core::Error) {
/// if let s9_websocket_core::Error::Handshake { response: Some(refused), .. } = error {
///     eprintln!("{}: {}", refused.status, String::from_utf8_lossy(&refused.body));
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedUpgrade {
    /// HTTP status code.
    pub status: u16,
    /// Header names in lower case and values; those of one name together.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB of the body.
    pub body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_small() {
        assert!(size_of::<Error>() <= 80, "Error is {} bytes", size_of::<Error>());
    }

    #[test]
    fn an_error_survives_a_trip_through_io_error() {
        let through = Error::io("reading", io::Error::from(Error::InvalidUtf8));
        assert_eq!(through.code(), ErrorCode::InvalidUtf8);
        let plain = Error::io("reading", io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(plain.code(), ErrorCode::Io);
    }
}
