//! Errors of the core as JavaScript errors.

use std::cell::Cell;

use napi::{
    Env, JsValue, Status,
    bindgen_prelude::{Buffer, JsObjectValue},
};
use napi_derive::napi;
use s9_websocket_core::{Error, ErrorCode, RefusedUpgrade, UpgradeResponse};

/// What becomes `error.code` in JavaScript.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    /// A code of the core.
    Core(ErrorCode),
    /// A failure of Node-API itself.
    Napi(Status),
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::Core(code) => code.as_str(),
            Self::Napi(status) => status.as_ref(),
        }
    }
}

impl From<Status> for Code {
    fn from(status: Status) -> Self {
        Self::Napi(status)
    }
}

/// The result of a native call.
pub(crate) type Result<T> = std::result::Result<T, napi::Error<Code>>;

thread_local! {
    /// Where errors are thrown on this thread.
    static ENVIRONMENT: Cell<Option<Env>> = const { Cell::new(None) };
}

/// Has the errors of this thread thrown in an environment, until that ends.
pub(crate) fn throw_in(env: Option<Env>) {
    ENVIRONMENT.set(env);
}

/// An error of the core, to be thrown.
pub(crate) fn thrown(error: Error) -> napi::Error<Code> {
    let mut thrown = napi::Error::new(Code::Core(error.code()), error.to_string());
    thrown.cause = causes(&error).map(|text| {
        let made = ENVIRONMENT.get().and_then(|env| made_in(env, &text, system_code(&error)).ok());
        Box::new(made.unwrap_or_else(|| napi::Error::from_reason(text)))
    });
    thrown
}

/// An error that exists already: of others, only those with a code of Node-API are causes. No JavaScript
/// runs.
fn made_in(env: Env, text: &str, code: Option<&str>) -> napi::Result<napi::Error> {
    let mut error = env.create_error(napi::Error::from_reason(text))?;
    match code {
        Some(code) => error.set_named_property("code", code)?,
        None => error.delete_named_property("code").map(drop)?,
    }
    Ok(napi::Error::from_unknown_without_coercion(error.to_unknown()))
}

/// A failure of Node-API, to be thrown.
pub(crate) fn napi_failure(error: napi::Error) -> napi::Error<Code> {
    napi::Error::new(Code::Napi(error.status), error.reason.clone())
}

/// The text of everything that led to the error.
fn causes(error: &Error) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // OpenSSL's errors tell what is below them themselves.
        if texts.last().is_none_or(|above| !above.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    (!texts.is_empty()).then(|| texts.join(": "))
}

/// The name that Node gives a system error.
fn system_code(error: &Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    let Error::Io { source, .. } = error else { return None };
    Some(match source.kind() {
        ErrorKind::ConnectionRefused => "ECONNREFUSED",
        ErrorKind::ConnectionReset => "ECONNRESET",
        ErrorKind::ConnectionAborted => "ECONNABORTED",
        ErrorKind::BrokenPipe => "EPIPE",
        ErrorKind::TimedOut => "ETIMEDOUT",
        ErrorKind::HostUnreachable => "EHOSTUNREACH",
        ErrorKind::NetworkUnreachable => "ENETUNREACH",
        ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        ErrorKind::AddrInUse => "EADDRINUSE",
        ErrorKind::PermissionDenied => "EACCES",
        _ => return None,
    })
}

/// An HTTP response to an upgrade.
#[napi(object)]
pub struct NativeResponse {
    /// HTTP status code.
    pub status: u16,
    /// Names in lower case and values; those of one name together.
    pub headers: Vec<Vec<String>>,
    /// The subprotocol agreed on.
    pub subprotocol: Option<String>,
    /// The extensions agreed on.
    pub extensions: String,
    /// The body of a refusal.
    pub body: Option<Buffer>,
}

impl From<&UpgradeResponse> for NativeResponse {
    fn from(response: &UpgradeResponse) -> Self {
        Self {
            status: response.status,
            headers: pairs(&response.headers),
            subprotocol: response.subprotocol.clone(),
            extensions: response.extensions.clone(),
            body: None,
        }
    }
}

impl From<&RefusedUpgrade> for NativeResponse {
    fn from(refused: &RefusedUpgrade) -> Self {
        Self {
            status: refused.status,
            headers: pairs(&refused.headers),
            subprotocol: None,
            extensions: String::new(),
            body: Some(refused.body.to_vec().into()),
        }
    }
}

fn pairs(headers: &[(String, String)]) -> Vec<Vec<String>> {
    headers.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect()
}

/// An error of the core, to be handed over.
#[napi(object)]
pub struct NativeError {
    /// `ERR_S9_…`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What led to it.
    pub cause: Option<String>,
    /// The name of the system's error that led to it, such as `ECONNREFUSED`.
    pub cause_code: Option<String>,
    /// How the server refused the upgrade.
    pub response: Option<NativeResponse>,
}

impl From<&Error> for NativeError {
    fn from(error: &Error) -> Self {
        let response = match error {
            Error::Handshake { response, .. } => response.as_deref().map(NativeResponse::from),
            _ => None,
        };
        Self {
            code: error.code().as_str().to_owned(),
            message: error.to_string(),
            cause: causes(error),
            cause_code: system_code(error).map(str::to_owned),
            response,
        }
    }
}
