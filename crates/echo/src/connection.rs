//! One client, from TLS to the last byte: what is done when its socket is ready. Waits for nothing.

use std::{
    io::{ErrorKind, Read},
    mem,
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use native_tls::{HandshakeError, MidHandshakeTlsStream, TlsAcceptor, TlsStream};
use tungstenite::{
    Error, Message, WebSocket,
    error::ProtocolError,
    handshake::{
        machine::{HandshakeMachine, RoundResult, StageResult},
        server::Request,
    },
    protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
};

use crate::{
    transport::{Socket, Transport},
    upgrade::{Answer, answer},
};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
const CLOSING_LIMIT: Duration = Duration::from_secs(10);
const LINGERING_LIMIT: Duration = Duration::from_secs(2);
const MAX_MESSAGE_SIZE: usize = 64 << 20;

/// What a connection waits for after it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    NeedsInput,
    /// The peer does not read: until it does, nothing is read from it.
    NeedsOutput,
    /// Its burst is over, or bytes lie where no poller sees them: it has to be served again.
    HasMore,
    Ended,
}

pub(crate) struct Connection {
    tcp: Arc<TcpStream>,
    phase: Phase,
    deadline: Option<Instant>,
}

enum Phase {
    TlsHandshake(MidHandshakeTlsStream<Socket>),
    Upgrade(HandshakeMachine<Transport>),
    Open(Box<WebSocket<Transport>>),
    /// Nothing is read any more; what is pending goes out, then FIN.
    Closing(Transport),
    /// FIN is sent. What still comes is discarded: closing with unread input would make TCP reset the
    /// connection, and the peer could lose the Close frame it has not read yet.
    Lingering,
    Ended,
}

/// How a phase goes on.
enum Step {
    Enter(Phase),
    Wait(Phase, Served),
}

const ENDED: Step = Step::Enter(Phase::Ended);

impl Connection {
    /// Takes over an accepted socket; `None` if TLS fails at once or the socket is already dead.
    pub(crate) fn new(tcp: TcpStream, acceptor: Option<&TlsAcceptor>) -> Option<Self> {
        tcp.set_nonblocking(true).ok()?;
        tcp.set_nodelay(true).ok()?;
        let tcp = Arc::new(tcp);
        let step = match acceptor {
            None => Step::Enter(start_upgrade(Transport::plain(Socket::new(tcp.clone())))),
            Some(acceptor) => after_tls(acceptor.accept(Socket::reading_ahead(tcp.clone()))),
        };
        let (Step::Enter(phase) | Step::Wait(phase, _)) = step;
        (!matches!(phase, Phase::Ended)).then(|| Self {
            tcp,
            phase,
            deadline: Instant::now().checked_add(HANDSHAKE_LIMIT),
        })
    }

    /// The socket, for the poller.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// When the connection has to be dropped unless its phase ends before; none while it is open.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Reads, echoes and writes until something is missing or the burst is over.
    pub(crate) fn serve(&mut self) -> Served {
        loop {
            let step = match mem::replace(&mut self.phase, Phase::Ended) {
                Phase::TlsHandshake(handshake) => after_tls(handshake.handshake()),
                Phase::Upgrade(machine) => upgrade(machine),
                Phase::Open(websocket) => echo(websocket),
                Phase::Closing(transport) => finish(transport),
                Phase::Lingering => discard(&self.tcp),
                Phase::Ended => return Served::Ended,
            };
            match step {
                Step::Wait(phase, served) => {
                    self.phase = phase;
                    return served;
                }
                Step::Enter(phase) => {
                    self.deadline = match phase {
                        // TLS and upgrade share the deadline set when the connection began.
                        Phase::TlsHandshake(_) | Phase::Upgrade(_) => self.deadline,
                        Phase::Open(_) | Phase::Ended => None,
                        Phase::Closing(_) => Instant::now().checked_add(CLOSING_LIMIT),
                        Phase::Lingering => Instant::now().checked_add(LINGERING_LIMIT),
                    };
                    self.phase = phase;
                }
            }
        }
    }

    /// Says Close 1001 and ends the sending direction, as far as that is possible at once.
    pub(crate) fn go_away(&mut self) {
        if let Phase::Open(mut websocket) = mem::replace(&mut self.phase, Phase::Ended) {
            // The peer may be gone or stalled; either way the socket is closed next.
            let _ = websocket.close(close_frame(CloseCode::Away, "server stopped"));
            let _ = websocket.get_mut().push();
            websocket.get_mut().shut_down();
        }
    }
}

fn after_tls(result: Result<TlsStream<Socket>, HandshakeError<Socket>>) -> Step {
    match result {
        Ok(stream) => Step::Enter(start_upgrade(Transport::tls(stream))),
        // A server's flight fits the empty send buffer of a new socket, so this always waits for input.
        Err(HandshakeError::WouldBlock(handshake)) => {
            Step::Wait(Phase::TlsHandshake(handshake), Served::NeedsInput)
        }
        Err(HandshakeError::Failure(_)) => ENDED,
    }
}

fn start_upgrade(transport: Transport) -> Phase {
    Phase::Upgrade(HandshakeMachine::start_read(transport))
}

fn upgrade(mut machine: HandshakeMachine<Transport>) -> Step {
    let (mut transport, request, tail) = loop {
        machine = match machine.single_round::<Request>() {
            Ok(RoundResult::Incomplete(machine)) => machine,
            Ok(RoundResult::WouldBlock(machine)) => {
                return Step::Wait(Phase::Upgrade(machine), Served::NeedsInput);
            }
            Ok(RoundResult::StageFinished(StageResult::DoneReading { stream, result, tail })) => {
                break (stream, result, tail);
            }
            Ok(RoundResult::StageFinished(StageResult::DoneWriting(_))) | Err(_) => return ENDED,
        }
    };
    match answer(&request) {
        Ok(Answer::Accepted(response)) => {
            transport.queue(&response);
            let websocket = WebSocket::from_partially_read(transport, tail, Role::Server, Some(config()));
            Step::Enter(Phase::Open(Box::new(websocket)))
        }
        Ok(Answer::Refused(response)) => {
            transport.queue(&response);
            Step::Enter(Phase::Closing(transport))
        }
        Err(_) => ENDED,
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        // tungstenite zero-fills this much before every read: 1.1 µs at 128 KiB, 0.37 µs at 16 KiB.
        .read_buffer_size(16 * 1024)
        // The transport collects, because it alone knows when the input is exhausted.
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE_SIZE))
        .max_frame_size(Some(MAX_MESSAGE_SIZE))
}

fn echo(mut websocket: Box<WebSocket<Transport>>) -> Step {
    websocket.get_mut().begin_burst();
    let error = loop {
        let echoed = match websocket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => websocket.write(message),
            // tungstenite has queued the answer to a ping or a Close; a pong needs none.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = echoed {
            break error;
        }
    };
    match error {
        Error::Io(error) if error.kind() == ErrorKind::WouldBlock => {
            let served = match websocket.get_mut().push() {
                Err(_) => return ENDED,
                Ok(false) => Served::NeedsOutput,
                Ok(true) if websocket.get_ref().input_is_exhausted() => Served::NeedsInput,
                Ok(true) => Served::HasMore,
            };
            Step::Wait(Phase::Open(websocket), served)
        }
        Error::ConnectionClosed | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Step::Enter(Phase::Closing(websocket.into_inner()))
        }
        error => {
            let Some((code, reason)) = violated_rule(&error) else { return ENDED };
            // Only queues: the transport's writes do not fail before the socket does.
            let _ = websocket.close(close_frame(code, reason));
            Step::Enter(Phase::Closing(websocket.into_inner()))
        }
    }
}

/// The close code, and a reason, for input that can only be answered so (RFC 6455, section 7.4.1).
fn violated_rule(error: &Error) -> Option<(CloseCode, &'static str)> {
    match error {
        Error::Protocol(_) => Some((CloseCode::Protocol, "protocol violation")),
        Error::Utf8(_) => Some((CloseCode::Invalid, "invalid UTF-8")),
        Error::Capacity(_) => Some((CloseCode::Size, "message too big")),
        _ => None,
    }
}

fn close_frame(code: CloseCode, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame { code, reason: reason.into() })
}

fn finish(mut transport: Transport) -> Step {
    match transport.push() {
        Ok(true) => {
            transport.shut_down();
            Step::Enter(Phase::Lingering)
        }
        Ok(false) => Step::Wait(Phase::Closing(transport), Served::NeedsOutput),
        Err(_) => ENDED,
    }
}

fn discard(mut tcp: &TcpStream) -> Step {
    let mut buffer = [0; 16 * 1024];
    loop {
        match tcp.read(&mut buffer) {
            Ok(size) if size == buffer.len() => return Step::Wait(Phase::Lingering, Served::HasMore),
            Ok(0) => return ENDED,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Step::Wait(Phase::Lingering, Served::NeedsInput);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return ENDED,
        }
    }
}
