//! The answer to an upgrade request (RFC 6455, section 4.2). Does no I/O.

use tungstenite::{
    Result,
    handshake::server::{Request, Response, create_response, write_response},
    http::{HeaderValue, StatusCode},
};

const SUBPROTOCOL: &str = "Sec-WebSocket-Protocol";

pub(crate) enum Answer {
    Accepted(Vec<u8>),
    Refused(Vec<u8>),
}

pub(crate) fn answer(request: &Request) -> Result<Answer> {
    let mut bytes = Vec::with_capacity(256);
    match create_response(request) {
        Ok(mut response) => {
            if let Some(subprotocol) = first_subprotocol(request) {
                response.headers_mut().insert(SUBPROTOCOL, subprotocol);
            }
            write_response(&mut bytes, &response)?;
            Ok(Answer::Accepted(bytes))
        }
        Err(error) => {
            let body = format!("{error}\n");
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            let headers = response.headers_mut();
            headers.insert("Upgrade", HeaderValue::from_static("websocket"));
            headers.insert("Sec-WebSocket-Version", HeaderValue::from_static("13"));
            headers.insert("Connection", HeaderValue::from_static("Upgrade, close"));
            headers.insert("Content-Type", HeaderValue::from_static("text/plain; charset=utf-8"));
            headers.insert("Content-Length", body.len().into());
            write_response(&mut bytes, &response)?;
            bytes.extend_from_slice(body.as_bytes());
            Ok(Answer::Refused(bytes))
        }
    }
}

fn first_subprotocol(request: &Request) -> Option<HeaderValue> {
    let offered = request.headers().get(SUBPROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').map(str::trim).find(|name| !name.is_empty())?;
    HeaderValue::from_str(first).ok()
}
