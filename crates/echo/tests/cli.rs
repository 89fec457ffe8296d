//! The `s9-echo` command, seen from outside.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;
mod command;

use std::{fs, path::Path};

use client::tls;
use command::Command;

#[test]
fn tls_writes_the_ca_before_it_says_that_it_listens() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ca.pem");
    let _ = fs::remove_file(&path);
    let server = Command::start(&["--tls", "--ca-out", path.to_str().unwrap()]);
    assert!(server.line.trim_end().ends_with(&format!("(CA: {})", path.display())), "{}", server.line);
    let stream = tls(server.port(), &fs::read_to_string(&path).unwrap(), "localhost").unwrap();
    let (mut client, _) = tungstenite::client(&server.url, stream).unwrap();
    client.send("hello".into()).unwrap();
    assert_eq!(client.read().unwrap(), "hello".into());
}

#[test]
fn wrong_arguments_end_it_with_status_2_and_the_reason() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_s9-echo")).arg("--tsl").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("s9-echo: unknown argument \"--tsl\"\nusage: "), "{text}");
}
