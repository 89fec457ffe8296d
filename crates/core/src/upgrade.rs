//! What a response to an upgrade request means (RFC 6455, section 4.1). Reads and writes nothing.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING, UPGRADE},
    header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL},
};

use crate::{
    deflate::{self, PerMessageDeflateAgreement},
    error::{Error, RefusedUpgrade},
    options::ConnectionOptions,
};

/// Most bytes of a refusal's body that are kept, and most of a chunked one's framing that are read.
pub(crate) const MAX_BODY: usize = 64 << 10;

/// The response with which a server accepted the upgrade.
///
/// ```no_run
/// use s9_websocket_core::{NonBlockingOptions, S9NonBlockingWebSocketClient};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let options = NonBlockingOptions::new().subprotocols(["v2.feed", "v1.feed"])?;
/// let client = S9NonBlockingWebSocketClient::connect("ws://localhost:9001", options)?;
/// let response = client.response();
/// println!("{} with {:?}", response.status, response.subprotocol);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeResponse {
    /// HTTP status code, 101.
    pub status: u16,
    /// Header names in lower case and values; those of one name together.
    pub headers: Vec<(String, String)>,
    /// The subprotocol that the server chose, if it chose one.
    pub subprotocol: Option<String>,
    /// The extensions agreed on, as in the WebSocket API; empty if there is none.
    pub extensions: String,
}

/// Checks a 101, or says why it cannot be trusted to be one.
pub(crate) fn accept(
    headers: &HeaderMap,
    expected_accept: &str,
    offered: &ConnectionOptions,
) -> Result<(UpgradeResponse, Option<PerMessageDeflateAgreement>), Error> {
    let refuse = |reason: String| refusal(StatusCode::SWITCHING_PROTOCOLS, headers, Bytes::new(), reason);
    if !tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket")) {
        return Err(refuse("the response has no \"Upgrade: websocket\"".into()));
    }
    if !tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err(refuse("the response has no \"Connection: Upgrade\"".into()));
    }
    let mut accepts = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    if (accepts.next().map(|value| value.as_bytes().trim_ascii()), accepts.next())
        != (Some(expected_accept.as_bytes()), None)
    {
        return Err(refuse("Sec-WebSocket-Accept is not the answer to our key".into()));
    }
    let extensions = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().map(HeaderValue::as_bytes);
    let agreed = deflate::agree(extensions, offered.per_message_deflate.as_ref()).map_err(&refuse)?;
    let mut chosen = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let subprotocol = match (chosen.next(), chosen.next()) {
        (None, _) => None,
        (Some(name), None) => {
            let name = String::from_utf8_lossy(name.as_bytes().trim_ascii()).into_owned();
            if !offered.subprotocols.contains(&name) {
                return Err(refuse(format!(
                    "the server chose the subprotocol {name:?}, which was not offered"
                )));
            }
            Some(name)
        }
        (Some(_), Some(_)) => return Err(refuse("the server chose several subprotocols".into())),
    };
    let response = UpgradeResponse {
        status: StatusCode::SWITCHING_PROTOCOLS.as_u16(),
        headers: as_pairs(headers),
        subprotocol,
        extensions: agreed.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    Ok((response, agreed))
}

/// The error for a response other than 101.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Error {
    let mut reason = format!("the server answered {status}");
    if status.is_redirection()
        && let Some(location) = headers.get(LOCATION)
    {
        let location = redacted(&String::from_utf8_lossy(location.as_bytes()));
        reason += &format!("; redirects are not followed, Location is {location:?}");
    }
    refusal(status, headers, body, reason)
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: Bytes, reason: String) -> Error {
    let response = RefusedUpgrade { status: status.as_u16(), headers: as_pairs(headers), body };
    Error::Handshake { reason, response: Some(Box::new(response)) }
}

/// A URL for texts: scheme, host and port. User info is a credential, and path and query often hold one.
/// Of what cannot be parsed more is left out rather than less.
pub(crate) fn redacted(url: &str) -> String {
    const REST: &str = "\u{2026}";
    if let Ok(parsed) = url::Url::parse(url)
        && let Some(host) = parsed.host_str().filter(|host| !host.is_empty())
    {
        let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
        let is_whole = matches!(parsed.path(), "" | "/") && parsed.query().or(parsed.fragment()).is_none();
        let rest = if is_whole { "" } else { REST };
        return format!("{}://{host}{port}/{rest}", parsed.scheme());
    }
    let (scheme, after) = url.split_once("//").unwrap_or(("", url));
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}//") };
    if scheme.contains('@') {
        return REST.into();
    }
    if after.contains('@') {
        return scheme + REST;
    }
    match after.find(['/', '\\', '?', '#']) {
        Some(end) => format!("{scheme}{}{REST}", &after[..end]),
        None => scheme + after,
    }
}

/// The elements of a comma-separated list, which may be spread over several fields.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn as_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// Collects the body of a refusal, up to [`MAX_BODY`] bytes of it.
#[derive(Debug)]
pub(crate) struct BodyReader {
    framing: Framing,
    body: Vec<u8>,
    /// Bytes of sizes, extensions and line ends.
    overhead: usize,
}

/// Where the body ends (RFC 9112, section 6.3).
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked(Chunk),
    UntilEnd,
}

/// Where in a chunked body (RFC 9112, section 7.1) the next byte belongs.
#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    Size(usize),
    Extension(usize),
    Data(usize),
    LineEnd,
    Done,
}

impl BodyReader {
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let length = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok();
        let framing = if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            Framing::Length(0)
        } else if tokens(headers, &TRANSFER_ENCODING).any(|token| token.eq_ignore_ascii_case("chunked")) {
            Framing::Chunked(Chunk::Size(0))
        } else {
            length().map_or(Framing::UntilEnd, Framing::Length)
        };
        Self { framing, body: Vec::new(), overhead: 0 }
    }

    /// Whether no more bytes are wanted.
    pub(crate) fn is_complete(&self) -> bool {
        self.body.len() >= MAX_BODY
            || self.overhead >= MAX_BODY
            || matches!(self.framing, Framing::Length(0) | Framing::Chunked(Chunk::Done))
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_complete() {
            let room = MAX_BODY - self.body.len();
            let taken = match &mut self.framing {
                Framing::UntilEnd => bytes.len().min(room),
                Framing::Length(left) | Framing::Chunked(Chunk::Data(left)) if *left > 0 => {
                    let taken = bytes.len().min(room).min(*left);
                    *left -= taken;
                    taken
                }
                Framing::Length(_) => return,
                Framing::Chunked(chunk) => {
                    chunk.advance(bytes[0]);
                    bytes = &bytes[1..];
                    self.overhead += 1;
                    continue;
                }
            };
            self.body.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
    }

    pub(crate) fn into_body(self) -> Bytes {
        self.body.into()
    }
}

impl Chunk {
    /// Takes a byte that is not data. Framing that makes no sense ends the body.
    fn advance(&mut self, byte: u8) {
        let digit = char::from(byte).to_digit(16).map(|digit| digit as usize);
        *self = match (&*self, byte) {
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::Done,
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(*size),
            (Self::Extension(size), _) => Self::Extension(*size),
            (Self::Size(size), _) => match digit {
                Some(digit) => Self::Size(size.saturating_mul(16).saturating_add(digit)),
                None => Self::Extension(*size),
            },
            // The CRLF behind the data.
            (Self::Data(_), b'\n') | (Self::LineEnd, b'\n') => Self::Size(0),
            (Self::Data(_), b'\r') => Self::LineEnd,
            (Self::Data(_) | Self::LineEnd | Self::Done, _) => Self::Done,
        };
    }
}
