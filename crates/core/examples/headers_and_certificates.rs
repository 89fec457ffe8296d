//! Connects with a header field and a client certificate of one's own, trusts one authority only, says
//! what was agreed on, and prints the first message.
//!
//! `TOKEN=… cargo run --example headers_and_certificates -- wss://localhost:9001 CA.pem CERT.pem KEY.pem`

use std::{env, error, fs};

use bytes::Bytes;
use s9_websocket_core::{
    BlockingOptions, Error, S9BlockingWebSocketClient, S9WebSocketClientHandler, TlsOptions, TlsVersion,
};

struct First;

impl S9WebSocketClientHandler<S9BlockingWebSocketClient> for First {
    fn on_text_message(&mut self, client: &mut S9BlockingWebSocketClient, text: Bytes) {
        println!("{}", String::from_utf8_lossy(&text));
        if let Err(error) = client.close(None) {
            eprintln!("{error}");
        }
    }

    fn on_error(&mut self, _: &mut S9BlockingWebSocketClient, error: Error) {
        eprintln!("{error}");
    }
}

fn main() -> Result<(), Box<dyn error::Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [url, ca, cert, key] = arguments.as_slice() else {
        return Err("usage: headers_and_certificates URL CA.pem CERT.pem KEY.pem".into());
    };
    let tls = TlsOptions::new()
        .ca([fs::read(ca)?])
        // The key is PKCS #8, unencrypted: `openssl pkcs8 -topk8 -nocrypt` converts others.
        .client_certificate(fs::read(cert)?, fs::read(key)?)
        .min_version(TlsVersion::Tls12)?;
    let token = format!("Bearer {}", env::var("TOKEN").unwrap_or_default());
    let options = BlockingOptions::new()
        .headers([("Authorization", token)])?
        .subprotocols(["feed.v2", "feed.v1"])?
        .tls(tls);
    let mut client = match S9BlockingWebSocketClient::connect(url, options) {
        Err(Error::Handshake { response: Some(refused), .. }) => {
            return Err(format!("{}: {}", refused.status, String::from_utf8_lossy(&refused.body)).into());
        }
        other => other?,
    };
    let socket = client.socket();
    if let Some(facts) = socket.tls() {
        println!("verified: {}, as {}", facts.authorized, facts.servername);
    }
    println!("speaking {:?}", client.response().subprotocol.as_deref().unwrap_or_default());
    client.run(&mut First);
    Ok(())
}
