//! From a URL to an upgraded stream: dial, TLS and upgrade under one deadline.

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use tungstenite::handshake::{
    client::{Response, generate_key},
    derive_accept_key,
    machine::TryParse,
};
use url::{Host, Url};

use crate::{
    deflate::{self, PerMessageDeflateAgreement},
    error::{Error, Result},
    options::ConnectionOptions,
    transport::{Deadline, Transport, dial, prepare_tls},
    upgrade::{self, BodyReader},
    wait::Interest,
};
pub use crate::{transport::Canceller, upgrade::UpgradeResponse};

/// Most bytes of response headers, interim responses included.
const MAX_HEAD: usize = 64 << 10;
const PHASE: &str = "upgrade";

/// A stream that speaks WebSocket from now on.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) transport: Transport,
    /// Bytes read past the response: the beginning of the stream.
    pub(crate) tail: Vec<u8>,
    pub(crate) response: UpgradeResponse,
    /// There if the messages may be compressed.
    pub(crate) per_message_deflate: Option<PerMessageDeflateAgreement>,
}

/// Connects and upgrades. Blocks until done, refused, past `connect_timeout`, or cancelled.
///
/// `extra_headers` take the place of the options' headers of the same names.
pub(crate) fn connect(
    url: &str,
    extra_headers: &[(String, String)],
    options: &ConnectionOptions,
    canceller: &Canceller,
) -> Result<Upgraded> {
    attempt(url, extra_headers, options, canceller)
        .inspect_err(|error| tracing::error!(%error, code = error.code().as_str(), "connecting failed"))
}

fn attempt(
    url: &str,
    extra_headers: &[(String, String)],
    options: &ConnectionOptions,
    canceller: &Canceller,
) -> Result<Upgraded> {
    let target = Target::parse(url)?;
    let key = generate_key();
    let request = request(&target, &key, &merged(&options.headers, extra_headers)?, options)?;
    if target.secure {
        prepare_tls(&options.tls)?;
    }
    let mut deadline = Deadline::start(options.connect_timeout, canceller)?;
    // A cancel or limit that came before is not to cost a system call.
    deadline.check("name resolution")?;
    let socket = dial(&target.host, target.port, options, &mut deadline)?;
    let transport = if target.secure {
        Transport::secure(socket, &target.host, options, &mut deadline)?
    } else {
        Transport::plain(socket, options)
    };
    let mut driver = Driver { transport, deadline, received: Vec::new(), discarded: 0 };
    // As the TLS handshake, a turn at a time.
    driver.transport.begin_turn();
    driver.write_all(&request)?;
    let (response, per_message_deflate) =
        driver.read_response(&derive_accept_key(key.as_bytes()), options)?;
    driver.transport.end_turns();
    tracing::debug!(host = target.host, port = target.port, extensions = response.extensions, "upgraded");
    Ok(Upgraded { transport: driver.transport, tail: driver.received, response, per_message_deflate })
}

/// What a URL asks for.
struct Target {
    secure: bool,
    /// A name or an IP literal without brackets.
    host: String,
    port: u16,
    /// Value of the Host header.
    authority: String,
    /// Path and query.
    resource: String,
    /// Value of the Authorization header, from the user info.
    authorization: Option<HeaderValue>,
}

impl Target {
    fn parse(text: &str) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidUri { uri: upgrade::redacted(text), reason };
        // The parser would drop line breaks and tabs without a word.
        if text.contains(|character: char| character.is_ascii_control()) {
            return Err(invalid("it contains a control character".into()));
        }
        let url = Url::parse(text).map_err(|error| invalid(format!("{error}; ws:// or wss:// is needed")))?;
        let secure = match url.scheme() {
            "ws" => false,
            "wss" => true,
            scheme if text.trim_start()[scheme.len()..].starts_with("://") => {
                return Err(invalid(format!("the scheme is {scheme:?}, only ws and wss are allowed")));
            }
            // What stands before the first colon may be a user name, which no text may tell.
            _ => return Err(invalid("it does not begin with ws:// or wss://".into())),
        };
        // The parser, like a browser, takes ws:/h and ws:///h for ws://h.
        let rest = text.trim_start()[url.scheme().len() + 1..].strip_prefix("//");
        if rest.is_none_or(|rest| rest.starts_with(['/', '\\'])) {
            return Err(invalid("the host is empty".into()));
        }
        if url.fragment().is_some() {
            return Err(invalid("it has a fragment, which RFC 6455, section 3, forbids".into()));
        }
        let host = match url.host() {
            None | Some(Host::Domain("")) => return Err(invalid("the host is empty".into())),
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
        };
        let port = match url.port_or_known_default() {
            None | Some(0) => return Err(invalid("the port is 0, allowed are 1 to 65535".into())),
            Some(port) => port,
        };
        // With the brackets of IPv6; the parser has taken a default port away.
        let mut authority = url.host_str().unwrap_or_default().to_owned();
        if let Some(port) = url.port() {
            authority += &format!(":{port}");
        }
        let mut resource = url.path().to_owned();
        if let Some(query) = url.query() {
            resource += "?";
            resource += query;
        }
        let authorization = basic_authorization(&url).map_err(invalid)?;
        Ok(Self { secure, host, port, authority, resource, authorization })
    }
}

/// User info as Basic authorization (RFC 7617), or why it cannot be.
fn basic_authorization(url: &Url) -> Result<Option<HeaderValue>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let mut credentials = percent_decoded(url.username());
    if credentials.contains(&b':') {
        return Err("the user name contains a colon, which RFC 7617 forbids".into());
    }
    credentials.push(b':');
    credentials.extend(percent_decoded(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(credentials)))
        .map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// RFC 3986, section 2.1; a percent sign without two digits stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match (bytes[index], digit(index + 1), digit(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                index += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    decoded
}

/// The options' headers with those of one connect in place of the same names.
fn merged(headers: &HeaderMap, extra: &[(String, String)]) -> Result<HeaderMap> {
    let mut checked = ConnectionOptions::default();
    checked.add_headers(extra.iter().map(|(name, value)| (name, value)))?;
    let mut merged = headers.clone();
    for name in checked.headers.keys() {
        merged.remove(name);
    }
    for (name, value) in &checked.headers {
        merged.append(name.clone(), value.clone());
    }
    // RFC 9112, section 3.2: a server must answer 400 to a second one.
    if merged.get_all(HOST).iter().count() > 1 {
        return Err(Error::invalid("headers", "several values of \"host\"", "one"));
    }
    Ok(merged)
}

/// The request (RFC 6455, section 4.1). Headers given win over what the URL says.
fn request(target: &Target, key: &str, headers: &HeaderMap, options: &ConnectionOptions) -> Result<Vec<u8>> {
    let mut request = format!("GET {} HTTP/1.1\r\n", target.resource).into_bytes();
    let mut field = |name: &str, value: &[u8]| {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    };
    field("Host", headers.get(HOST).map_or(target.authority.as_bytes(), HeaderValue::as_bytes));
    field("Upgrade", b"websocket");
    field("Connection", b"Upgrade");
    field("Sec-WebSocket-Key", key.as_bytes());
    field("Sec-WebSocket-Version", b"13");
    if !options.subprotocols.is_empty() {
        field("Sec-WebSocket-Protocol", options.subprotocols.join(", ").as_bytes());
    }
    if let Some(offered) = &options.per_message_deflate {
        field("Sec-WebSocket-Extensions", deflate::offer(offered).as_bytes());
    }
    if let Some(authorization) = &target.authorization
        && !headers.contains_key(AUTHORIZATION)
    {
        field("Authorization", authorization.as_bytes());
    }
    for (name, value) in headers.iter().filter(|(name, _)| **name != HOST) {
        field(name.as_str(), value.as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    Ok(request)
}

/// Exchanges request and response over a transport.
///
/// Stands in for tungstenite's `HandshakeMachine`, whose check against attacks refuses responses that
/// arrive in single bytes.
struct Driver {
    transport: Transport,
    deadline: Deadline,
    /// Bytes read and not yet understood; in the end those past the response.
    received: Vec<u8>,
    /// Bytes of interim responses.
    discarded: usize,
}

impl Driver {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        let context = "writing the upgrade request";
        while !bytes.is_empty() {
            match self.transport.write(bytes) {
                Ok(0) => return Err(Error::io(context, io::ErrorKind::WriteZero.into())),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest { read: false, write: true })?;
                }
                Err(error) => return Err(Error::io(context, error)),
            }
        }
        Ok(())
    }

    fn read_response(
        &mut self,
        expected_accept: &str,
        offered: &ConnectionOptions,
    ) -> Result<(UpgradeResponse, Option<PerMessageDeflateAgreement>)> {
        let response = self.read_head()?;
        let (status, headers) = (response.status(), response.headers());
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return upgrade::accept(headers, expected_accept, offered);
        }
        let mut body = BodyReader::new(status, headers);
        body.push(&self.received);
        while !body.is_complete() {
            self.received.clear();
            // The refusal is the news: whatever ends its body, the deadline too, is not.
            match self.read() {
                Ok(0) | Err(_) => break,
                Ok(_) => body.push(&self.received),
            }
        }
        Err(upgrade::refused(status, headers, body.into_body()))
    }

    /// Reads until the end of a final response's headers, leaving what follows in `received`.
    fn read_head(&mut self) -> Result<Response> {
        let mut searched = 0;
        loop {
            if let Some(end) = end_of_head(&self.received, searched) {
                let response = parse(&self.received[..end])?;
                self.received.drain(..end);
                // RFC 9110, section 15.2: interim responses may come before the final one.
                if !response.status().is_informational()
                    || response.status() == StatusCode::SWITCHING_PROTOCOLS
                {
                    return Ok(response);
                }
                self.discarded += end;
                searched = 0;
                continue;
            }
            if !looks_like_http(&self.received) {
                return Err(handshake_error("the server's answer is not HTTP/1"));
            }
            if self.discarded + self.received.len() > MAX_HEAD {
                return Err(handshake_error(format!(
                    "the response has more than {MAX_HEAD} bytes of headers"
                )));
            }
            searched = self.received.len();
            if self.read()? == 0 {
                return Err(handshake_error(if searched == 0 {
                    "the server closed the connection without an answer"
                } else {
                    "the server closed the connection within its answer"
                }));
            }
        }
    }

    /// Appends what there is to `received`, waiting for it; zero is the end of the stream.
    fn read(&mut self) -> Result<usize> {
        let mut chunk = [0; 4096];
        loop {
            match self.transport.read(&mut chunk) {
                Ok(count) => {
                    self.received.extend_from_slice(&chunk[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest { read: true, write: false })?;
                }
                // Of TLS, which was not told of it. What came of the response says more.
                Err(_) if self.transport.saw_end() => return Ok(0),
                Err(error) => return Err(Error::io("reading the response to the upgrade", error)),
            }
        }
    }

    fn wait(&mut self, interest: Interest) -> Result<()> {
        self.deadline.wait_for_socket(PHASE, self.transport.socket(), interest)?;
        self.transport.begin_turn();
        Ok(())
    }
}

/// The index past the empty line that ends the headers; what is before `searched` has none.
fn end_of_head(received: &[u8], searched: usize) -> Option<usize> {
    // The line break before an empty line may be three bytes back: LF CR LF.
    let start = searched.saturating_sub(3);
    received[start..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(offset, _)| {
        let rest = &received[start + offset + 1..];
        let ending = [&b"\r\n"[..], b"\n"].into_iter().find(|ending| rest.starts_with(ending))?;
        Some(start + offset + 1 + ending.len())
    })
}

/// Whether these may be the first bytes of a response.
fn looks_like_http(received: &[u8]) -> bool {
    let expected = b"HTTP/1.";
    let count = received.len().min(expected.len());
    received[..count] == expected[..count]
}

/// Parses a complete head.
fn parse(head: &[u8]) -> Result<Response> {
    let mut head = head.to_vec();
    // tungstenite refuses to parse HTTP/1.0, in which old proxies word their refusals.
    let is_http_1_0 = head.starts_with(b"HTTP/1.0 ");
    if is_http_1_0 {
        head[7] = b'1';
    }
    let response = match Response::try_parse(&head) {
        Ok(Some((_, response))) => response,
        Ok(None) => return Err(handshake_error("the server's answer is not a complete HTTP response")),
        Err(error) => return Err(handshake_error(format!("the server's answer is not valid HTTP: {error}"))),
    };
    if is_http_1_0 && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(handshake_error("the server upgraded in HTTP/1.0, which cannot"));
    }
    Ok(response)
}

fn handshake_error(reason: impl Into<String>) -> Error {
    Error::Handshake { reason: reason.into(), response: None }
}
