//! TLS over the read buffer: connectors, the handshake, and what the library's errors mean. The only
//! file that names the TLS library.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    io::{self, Read, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use native_tls::{Certificate, HandshakeError, Identity, Protocol, TlsConnector};
use socket2::Socket;

use super::{
    deadline::Deadline,
    read_buffer::{Blocked, ReadBuffer},
};
use crate::{
    error::{Error, Result},
    socket::TlsFacts,
    tls_options::{ClientIdentity, TlsOptions, TlsVersion},
    wait::Interest,
};

const PHASE: &str = "TLS handshake";
/// Building a connector reads the system's roots, which takes 20 ms; a cached one takes none.
const CACHED_CONNECTORS: usize = 16;
const PKCS8_HEAD: &[u8] = b"-----BEGIN PRIVATE KEY-----";

/// Connectors by their options, most recently used first.
static CONNECTORS: Mutex<Vec<(TlsOptions, TlsConnector)>> = Mutex::new(Vec::new());

/// Whether the system has root certificates; without, [`TlsOptions::fallback_roots`] are used.
///
/// ```
/// # let roots_of_your_own: Vec<Vec<u8>> = Vec::new();
/// let mut tls = s9_websocket_core::TlsOptions::new();
/// if !s9_websocket_core::has_system_roots() {
///     tls = tls.fallback_roots(roots_of_your_own);
/// }
/// # drop(tls);
/// ```
///
/// [`TlsOptions::fallback_roots`]: crate::TlsOptions::fallback_roots
pub fn has_system_roots() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(find_system_roots)
}

#[cfg(any(windows, target_vendor = "apple"))]
fn find_system_roots() -> bool {
    true
}

#[cfg(not(any(windows, target_vendor = "apple")))]
fn find_system_roots() -> bool {
    let probe = openssl_probe::probe();
    let in_file = probe.cert_file.is_some_and(|file| file.metadata().is_ok_and(|file| file.len() > 0));
    // OpenSSL finds a certificate in a directory by names such as 4a6481c9.0 only.
    let is_hashed = |name: &str| {
        name.split_once('.').is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    in_file
        || probe.cert_dir.iter().filter_map(|directory| directory.read_dir().ok()).any(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_hashed)))
        })
}

/// Fails for options that no handshake could use, before anything is sent.
pub(crate) fn prepare_tls(options: &TlsOptions) -> Result<()> {
    connector(options).map(drop)
}

/// A TLS stream whose reads and writes end as [`Transport`](super::Transport) promises.
#[derive(Debug)]
pub(super) struct TlsStream {
    stream: native_tls::TlsStream<ReadBuffer>,
    /// The library has given out all that it can make of the bytes below.
    is_dry: bool,
    /// What the latest read waits for below, if it would have blocked: a write, where keys are being agreed on
    /// anew (RFC 5246, section 7.4.1.1).
    read_blocked_on: Option<Blocked>,
    /// What the latest write waits for, likewise: then a read.
    write_blocked_on: Option<Blocked>,
    /// With what a write failed of which some had been taken.
    write_failure: Option<io::Error>,
}

/// Does the handshake under the deadline. `host` is a name or an IP literal without brackets.
pub(super) fn handshake(
    mut below: ReadBuffer,
    socket: &Arc<Socket>,
    host: &str,
    options: &TlsOptions,
    deadline: &mut Deadline,
) -> Result<(TlsStream, TlsFacts)> {
    let servername = options.servername.as_deref().unwrap_or(host);
    let connector = connector(options)?;
    if !options.reject_unauthorized {
        tracing::warn!(host, "the server's certificate is not verified: rejectUnauthorized is false");
    }
    // A turn at a time: the library goes on for as long as there is something to read, and passes over what
    // the server may send without end, while nobody asks for the deadline.
    below.begin_turn();
    below.expect_more(true);
    let mut result = connector.connect(servername, below);
    let mut stream = loop {
        match result {
            Ok(stream) => break stream,
            Err(HandshakeError::Failure(source)) => return Err(handshake_error(servername, source)),
            Err(HandshakeError::WouldBlock(mut halfway)) => {
                let interest = match halfway.get_ref().blocked_on() {
                    Blocked::Read => Interest { read: true, write: false },
                    Blocked::Write => Interest { read: false, write: true },
                };
                deadline.wait_for_socket(PHASE, socket, interest)?;
                halfway.get_mut().begin_turn();
                result = halfway.handshake();
            }
        }
    };
    stream.get_mut().expect_more(false);
    stream.get_mut().end_turns();
    let alpn = stream.negotiated_alpn().map_err(|source| tls_error("reading the ALPN result", source))?;
    // `None` where the library cannot tell; only for show.
    let certificate = stream.peer_certificate().ok().flatten();
    let facts = TlsFacts {
        servername: servername.to_owned(),
        authorized: options.reject_unauthorized,
        alpn_protocol: alpn.map(|name| String::from_utf8_lossy(&name).into_owned()),
        peer_certificate: certificate.and_then(|certificate| certificate.to_der().ok()),
    };
    tracing::debug!(host, servername, alpn = facts.alpn_protocol, "TLS established");
    let stream = TlsStream {
        stream,
        is_dry: false,
        read_blocked_on: None,
        write_blocked_on: None,
        write_failure: None,
    };
    Ok((stream, facts))
}

impl TlsStream {
    pub(super) fn below(&self) -> &ReadBuffer {
        self.stream.get_ref()
    }

    pub(super) fn below_mut(&mut self) -> &mut ReadBuffer {
        self.stream.get_mut()
    }

    /// As [`Transport::fetch`](super::Transport::fetch).
    pub(super) fn fetch(&mut self) -> bool {
        !self.is_dry || self.below_mut().fetch()
    }

    /// Whether reading goes on once the socket can be written.
    pub(super) fn read_waits_for_write(&self) -> bool {
        self.read_blocked_on == Some(Blocked::Write)
    }

    /// Whether writing goes on once the socket can be read, and not before.
    pub(super) fn write_waits_for_read(&self) -> bool {
        self.write_blocked_on == Some(Blocked::Read)
    }

    /// What the library would have blocked on below, if that is how a call ended.
    fn blocked_on<T>(&self, outcome: &io::Result<T>) -> Option<Blocked> {
        let would_block = outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        would_block.then(|| self.below().blocked_on())
    }

    /// Tells the peer that nothing follows (RFC 8446, section 6.1), if the kernel takes it.
    pub(super) fn send_close_notify(&mut self) {
        let _ = self.stream.shutdown();
    }
}

impl Read for TlsStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into);
        self.read_blocked_on = self.blocked_on(&read);
        if self.below().has_read() {
            // Perhaps what a write waits for has come.
            self.write_blocked_on = None;
        }
        // A read may have to write, a new key for one: that goes on without new bytes.
        self.is_dry = self.read_blocked_on == Some(Blocked::Read);
        let count = read.map_err(classified)?;
        // Some libraries report a stream that just stops as if it had ended well. But after a
        // close_notify none of them reads on, so none is told of the end of the socket's stream.
        if count == 0 && !into.is_empty() && self.below().saw_end() {
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, "stream ended without close_notify");
            return Err(tls_error("reading", source).into());
        }
        Ok(count)
    }
}

impl Write for TlsStream {
    /// Writes records until all is taken or would block.
    ///
    /// `Outbound`, which calls this, goes on with the rest where it is. One that moved it up after each
    /// call would do so every 16 KiB: 64 MiB took 6.5 s instead of 0.17 s.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(failure) = self.write_failure.take() {
            return Err(failure);
        }
        let mut taken = 0;
        while taken < bytes.len() {
            self.below_mut().set_writing(true);
            let written = self.stream.write(&bytes[taken..]);
            self.below_mut().set_writing(false);
            self.write_blocked_on = self.blocked_on(&written);
            match written {
                Ok(0) => break,
                Ok(count) => taken += count,
                Err(error) => {
                    // OpenSSL tells the socket's failures as its own here.
                    let failure = self.below_mut().take_write_failure();
                    let failure = failure.unwrap_or_else(|| classified(error));
                    if taken == 0 {
                        return Err(failure);
                    }
                    // The kernel would tell of a reset only this once; would-block shows again.
                    if failure.kind() != io::ErrorKind::WouldBlock {
                        self.write_failure = Some(failure);
                    }
                    break;
                }
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells the library's own errors, which carry a payload, from those of the socket below.
fn classified(error: io::Error) -> io::Error {
    if error.get_ref().is_none() {
        return error;
    }
    tls_error("a record", error).into()
}

/// Tells what became of the connection below the handshake, a reset or its end, from what the peer did wrong.
fn handshake_error(servername: &str, source: native_tls::Error) -> Error {
    let context = format!("TLS handshake with {servername:?}");
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&source);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if let Some(code) = error.raw_os_error() {
                return Error::Io { context, source: io::Error::from_raw_os_error(code) };
            }
            if error.kind() == io::ErrorKind::UnexpectedEof {
                let source = io::Error::new(error.kind(), "the server ended the stream");
                return Error::Io { context, source };
            }
        }
        cause = error.source();
    }
    tls_error(format!("handshake with {servername:?}"), source)
}

fn tls_error(
    context: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Tls { context: context.into(), source: source.into() }
}

/// The cached connector for these options, or a new one.
fn connector(options: &TlsOptions) -> Result<TlsConnector> {
    // The name belongs to the connection, not to the connector.
    let key = TlsOptions { servername: None, ..options.clone() };
    let cached = || CONNECTORS.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let mut connectors = cached();
        if let Some(index) = connectors.iter().position(|(options, _)| *options == key) {
            connectors[..=index].rotate_right(1);
            return Ok(connectors[0].1.clone());
        }
    }
    // Built without the lock: others need not wait 20 ms for a connector they have.
    let connector = build(&key)?;
    let mut connectors = cached();
    connectors.insert(0, (key, connector.clone()));
    connectors.truncate(CACHED_CONNECTORS);
    Ok(connector)
}

fn build(options: &TlsOptions) -> Result<TlsConnector> {
    let mut builder = TlsConnector::builder();
    let roots = if let Some(ca) = &options.ca {
        builder.disable_built_in_roots(true);
        certificates("ca", ca)?
    } else if !has_system_roots() {
        certificates("fallback roots", &options.fallback_roots)?
    } else {
        Vec::new()
    };
    for root in roots {
        builder.add_root_certificate(root);
    }
    if let Some(identity) = &options.identity {
        builder.identity(identity_from(identity)?);
    }
    // Unset, the builder's own minimum stays: TLS 1.2, or the maximum asked for if that is older.
    let implied_min = options.max_version.filter(|max| *max < TlsVersion::Tls12);
    if let Some(min) = options.min_version.or(implied_min) {
        builder.min_protocol_version(Some(protocol(min)));
    }
    if let Some(max) = options.max_version {
        builder.max_protocol_version(Some(protocol(max)));
    }
    let offered: Vec<_> = options.alpn_protocols.iter().map(String::as_str).collect();
    builder.request_alpns(&offered);
    if !options.reject_unauthorized {
        builder.danger_accept_invalid_certs(true).danger_accept_invalid_hostnames(true);
    }
    builder.build().map_err(|source| tls_error("setting up", source))
}

/// Reads certificates, each PEM, possibly several in one, or DER.
fn certificates(option: &str, encoded: &[Vec<u8>]) -> Result<Vec<Certificate>> {
    let mut certificates = Vec::new();
    for bytes in encoded {
        let context = || format!("reading a certificate of {option}");
        if find(bytes, b"-----BEGIN ").is_some() {
            let found = Certificate::stack_from_pem(bytes).map_err(|source| tls_error(context(), source))?;
            if found.is_empty() {
                return Err(tls_error(context(), "the PEM holds no certificate"));
            }
            certificates.extend(found);
        } else {
            certificates.push(Certificate::from_der(bytes).map_err(|source| tls_error(context(), source))?);
        }
    }
    Ok(certificates)
}

fn identity_from(identity: &ClientIdentity) -> Result<Identity> {
    match identity {
        ClientIdentity::Pem { cert, key } => {
            // The library wants the key's first line first, but tools write attributes before it.
            let Some(start) = find(key, PKCS8_HEAD) else {
                return Err(Error::invalid(
                    "tls.key",
                    describe_key(key),
                    "an unencrypted PKCS #8 key in PEM (\"BEGIN PRIVATE KEY\"); \
                     convert with: openssl pkcs8 -topk8 -nocrypt",
                ));
            };
            Identity::from_pkcs8(cert, &key[start..])
                .map_err(|source| tls_error("reading the client certificate or its key", source))
        }
        ClientIdentity::Pfx { archive, passphrase } => Identity::from_pkcs12(archive, passphrase)
            .map_err(|source| tls_error("reading the PKCS #12 archive (wrong passphrase?)", source)),
    }
}

/// Names the kind of a key without showing any of it.
fn describe_key(key: &[u8]) -> &'static str {
    let holds = |label: &str| find(key, label.as_bytes()).is_some();
    if holds("BEGIN ENCRYPTED PRIVATE KEY") || holds("Proc-Type: 4,ENCRYPTED") {
        "an encrypted key"
    } else if holds("BEGIN RSA PRIVATE KEY") {
        "a PKCS #1 key"
    } else if holds("BEGIN EC PRIVATE KEY") {
        "a SEC 1 key"
    } else {
        "no PEM key"
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

fn protocol(version: TlsVersion) -> Protocol {
    match version {
        TlsVersion::Tls10 => Protocol::Tlsv10,
        TlsVersion::Tls11 => Protocol::Tlsv11,
        TlsVersion::Tls12 => Protocol::Tlsv12,
        TlsVersion::Tls13 => Protocol::Tlsv13,
    }
}
