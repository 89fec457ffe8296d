//! Runs any client against a URL and records what happens, whichever way its events arrive.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use s9_websocket_core::*;

use crate::server::LONG;

/// A client and how its loop is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    NonBlocking,
    NonBlockingWaiting,
    NonBlockingPolled,
    Blocking,
    BlockingWithTimeouts,
    BlockingPolled,
    Async,
    AsyncWaiting,
}

/// The options that tests set.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) close_timeout: Option<Duration>,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Setup {
    pub(crate) fn of<T>(server: &crate::server::Server<T>) -> Self {
        Self { url: server.url.clone(), ca: server.ca.clone(), ..Self::default() }
    }
}

macro_rules! options {
    ($type:ty, $setup:expr, $spin_wait:expr) => {{
        let setup: &Setup = $setup;
        let mut options = <$type>::new()
            .nodelay(true)
            .spin_wait_duration($spin_wait)
            .unwrap()
            .connect_timeout(LONG)
            .unwrap()
            .send_buffer_size(setup.send_buffer)
            .unwrap()
            .subprotocols(setup.subprotocols.clone())
            .unwrap();
        if let Some(ca) = &setup.ca {
            options = options.tls(TlsOptions::new().ca([ca.clone()]));
        }
        if let Some(limit) = setup.close_timeout {
            options = options.close_timeout(limit).unwrap();
        }
        options
    }};
}

/// What a test may do from a callback, or after an event.
pub(crate) trait Actions {
    fn text(&mut self, text: &str) -> Result<()>;
    fn binary(&mut self, data: Bytes) -> Result<()>;
    fn ping(&mut self, data: &'static str) -> Result<()>;
    fn pong(&mut self, data: &'static str) -> Result<()>;
    fn close(&mut self, frame: Option<CloseFrame>) -> Result<()>;
    fn force_quit(&mut self);
    fn buffered_amount(&self) -> usize;
    fn is_open(&self) -> bool;
}

impl Actions for Session {
    fn text(&mut self, text: &str) -> Result<()> {
        self.send_text_message(text).map(drop)
    }
    fn binary(&mut self, data: Bytes) -> Result<()> {
        self.send_binary_message(data).map(drop)
    }
    fn ping(&mut self, data: &'static str) -> Result<()> {
        self.send_ping(data).map(drop)
    }
    fn pong(&mut self, data: &'static str) -> Result<()> {
        self.send_pong(data).map(drop)
    }
    fn close(&mut self, frame: Option<CloseFrame>) -> Result<()> {
        Session::close(self, frame)
    }
    fn force_quit(&mut self) {
        Session::force_quit(self);
    }
    fn buffered_amount(&self) -> usize {
        Session::buffered_amount(self)
    }
    fn is_open(&self) -> bool {
        Session::is_open(self)
    }
}

impl Actions for ControlSender {
    fn text(&mut self, text: &str) -> Result<()> {
        self.send_text(text)
    }
    fn binary(&mut self, data: Bytes) -> Result<()> {
        self.send_binary(&data)
    }
    fn ping(&mut self, data: &'static str) -> Result<()> {
        self.send(ControlMessage::SendPing(data.into()))
    }
    fn pong(&mut self, data: &'static str) -> Result<()> {
        self.send(ControlMessage::SendPong(data.into()))
    }
    fn close(&mut self, frame: Option<CloseFrame>) -> Result<()> {
        self.send(ControlMessage::Close(frame))
    }
    fn force_quit(&mut self) {
        self.send(ControlMessage::ForceQuit).unwrap();
    }
    fn buffered_amount(&self) -> usize {
        ControlSender::buffered_amount(self)
    }
    fn is_open(&self) -> bool {
        ControlSender::is_open(self)
    }
}

/// Calls `react` for each callback, and keeps the events as lines.
struct Recorder<F> {
    react: F,
    log: Vec<String>,
}

impl<F: FnMut(&mut dyn Actions, &WebSocketEvent)> Recorder<F> {
    fn see(&mut self, actions: &mut dyn Actions, event: WebSocketEvent) {
        self.log.push(line(&event));
        (self.react)(actions, &event);
    }
}

/// Every callback by its own name, so that the default dispatch is tested too.
impl<C, F> S9WebSocketClientHandler<C> for Recorder<F>
where
    C: AsMut<Session>,
    F: FnMut(&mut dyn Actions, &WebSocketEvent),
{
    fn on_activated(&mut self, client: &mut C) {
        self.see(client.as_mut(), WebSocketEvent::Activated);
    }
    fn on_text_message(&mut self, client: &mut C, text: Bytes) {
        self.see(client.as_mut(), WebSocketEvent::TextMessage(text));
    }
    fn on_binary_message(&mut self, client: &mut C, data: Bytes) {
        self.see(client.as_mut(), WebSocketEvent::BinaryMessage(data));
    }
    fn on_ping(&mut self, client: &mut C, data: Bytes) {
        self.see(client.as_mut(), WebSocketEvent::Ping(data));
    }
    fn on_pong(&mut self, client: &mut C, data: Bytes) {
        self.see(client.as_mut(), WebSocketEvent::Pong(data));
    }
    fn on_connection_closed(&mut self, client: &mut C, frame: CloseFrame) {
        self.see(client.as_mut(), WebSocketEvent::ConnectionClosed(frame));
    }
    fn on_error(&mut self, client: &mut C, error: Error) {
        self.see(client.as_mut(), WebSocketEvent::Error(error));
    }
    fn on_quit(&mut self, client: &mut C) {
        self.see(client.as_mut(), WebSocketEvent::Quit);
    }
}

/// What became of a client: its events as lines, the answer to the upgrade, how long it ran.
pub(crate) struct Outcome {
    pub(crate) log: Vec<String>,
    pub(crate) response: UpgradeResponse,
    pub(crate) lasted: Duration,
}

/// Connects a client of this kind and runs it to its end, calling `react` after each event.
///
/// Fails the test where that takes too long.
pub(crate) fn drive(
    kind: Kind,
    setup: Setup,
    react: impl FnMut(&mut dyn Actions, &WebSocketEvent) + Send + 'static,
) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(drive_here(kind, &setup, react)));
    receiver.recv_timeout(LONG).unwrap_or_else(|error| panic!("the {kind:?} client: {error}"))
}

fn drive_here(kind: Kind, setup: &Setup, react: impl FnMut(&mut dyn Actions, &WebSocketEvent)) -> Outcome {
    let mut recorder = Recorder { react, log: Vec::new() };
    let headers = setup.headers.iter().cloned().collect();
    let spin_wait = match kind {
        Kind::NonBlocking | Kind::Async | Kind::Blocking | Kind::BlockingPolled => None,
        Kind::NonBlockingWaiting | Kind::AsyncWaiting => Some(LONG),
        Kind::NonBlockingPolled | Kind::BlockingWithTimeouts => Some(Duration::from_millis(1)),
    };
    let start = Instant::now();
    let response = match kind {
        Kind::NonBlocking | Kind::NonBlockingWaiting | Kind::NonBlockingPolled => {
            let options = options!(NonBlockingOptions, setup, spin_wait);
            let mut client =
                S9NonBlockingWebSocketClient::connect_with_headers(&setup.url, &headers, options).unwrap();
            if kind == Kind::NonBlockingPolled {
                while client.poll(&mut recorder) {}
            } else {
                client.run(&mut recorder);
            }
            client.response().clone()
        }
        Kind::Blocking | Kind::BlockingWithTimeouts | Kind::BlockingPolled => {
            let mut options = options!(BlockingOptions, setup, spin_wait);
            if kind == Kind::BlockingWithTimeouts {
                let limit = Some(Duration::from_millis(5));
                options = options.read_timeout(limit).unwrap().write_timeout(limit).unwrap();
            }
            let mut client =
                S9BlockingWebSocketClient::connect_with_headers(&setup.url, &headers, options).unwrap();
            if kind == Kind::BlockingPolled {
                while client.poll(&mut recorder) {}
            } else {
                client.run(&mut recorder);
            }
            client.response().clone()
        }
        Kind::Async | Kind::AsyncWaiting => {
            let options = options!(NonBlockingOptions, setup, spin_wait);
            let mut client =
                S9AsyncNonBlockingWebSocketClient::connect_with_headers(&setup.url, &headers, options)
                    .unwrap();
            let thread = client.run().unwrap();
            let mut control = client.control_tx.clone();
            while let Ok(received) = client.event_rx.recv() {
                recorder.see(&mut control, received.event);
            }
            thread.join().unwrap();
            client.response().clone()
        }
    };
    Outcome { log: recorder.log, response, lasted: start.elapsed() }
}

/// An event as one line; long payloads as their length.
fn line(event: &WebSocketEvent) -> String {
    let text = |bytes: &[u8]| match bytes.len() {
        0..=200 => String::from_utf8_lossy(bytes).into_owned(),
        length => format!("of {length} bytes"),
    };
    match event {
        WebSocketEvent::Activated => "activated".into(),
        WebSocketEvent::TextMessage(data) => format!("text {}", text(data)),
        WebSocketEvent::BinaryMessage(data) => format!("binary {}", text(data)),
        WebSocketEvent::Ping(data) => format!("ping {}", text(data)),
        WebSocketEvent::Pong(data) => format!("pong {}", text(data)),
        WebSocketEvent::ConnectionClosed(frame) => format!("closed {} {}", frame.code, frame.reason),
        WebSocketEvent::Error(error) => format!("error {}", error.code()),
        WebSocketEvent::Quit => "quit".into(),
    }
}
