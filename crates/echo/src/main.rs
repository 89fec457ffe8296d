//! `s9-echo`: the echo server as a command, for benchmarks that want it in a process of its own.

use std::{fs, io, process::ExitCode, thread};

use s9_websocket_echo::{EchoOptions, EchoServer, EchoTls};

const USAGE: &str = "\
usage: s9-echo [--host H] [--port N] [--tls [--ca-out F] | --cert F --key F] [--spin]

  --host H          address or name to listen on (127.0.0.1)
  --port N          port to listen on; 0 takes any free one (0)
  --tls             TLS with a certificate for localhost made at start
  --ca-out F        write the CA that clients have to trust to F
  --cert F --key F  TLS with a certificate and an unencrypted PKCS#8 key of one's own, in PEM
  --spin            never sleep: lowest latency, one core";

fn main() -> ExitCode {
    let command =
        match Command::parse(std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned())) {
            Ok(Some(command)) => command,
            Ok(None) => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Err(error) => {
                eprintln!("s9-echo: {error}\n{USAGE}");
                return ExitCode::from(2);
            }
        };
    match command.start() {
        Ok(_server) => loop {
            thread::park();
        },
        Err(error) => {
            eprintln!("s9-echo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Command {
    host: Option<String>,
    port: u16,
    tls: bool,
    ca_out: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    spin: bool,
}

impl Command {
    /// `None` where only the usage is asked for.
    fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut command = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--host" => command.host = Some(value()?),
                "--port" => command.port = port(&value()?)?,
                "--tls" => command.tls = true,
                "--ca-out" => command.ca_out = Some(value()?),
                "--cert" => command.cert = Some(value()?),
                "--key" => command.key = Some(value()?),
                "--spin" => command.spin = true,
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        if command.cert.is_some() != command.key.is_some() {
            return Err("--cert and --key belong together".to_owned());
        }
        if command.ca_out.is_some() && (!command.tls || command.cert.is_some()) {
            return Err("--ca-out needs --tls, and no --cert".to_owned());
        }
        Ok(Some(command))
    }

    fn start(self) -> io::Result<EchoServer> {
        let tls = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some(EchoTls::Pem { cert: read(&cert)?, key: read(&key)? }),
            _ => self.tls.then_some(EchoTls::SelfSigned),
        };
        let mut options = EchoOptions { port: self.port, tls, spin: self.spin, ..EchoOptions::default() };
        if let Some(host) = self.host {
            options.host = host;
        }
        let server = EchoServer::start(options)?;
        // The file is there before the line that callers wait for.
        if let (Some(path), Some(pem)) = (&self.ca_out, server.ca_pem()) {
            fs::write(path, pem).map_err(|error| about(path, &error))?;
            println!("listening on {} (CA: {path})", server.url());
        } else {
            println!("listening on {}", server.url());
        }
        Ok(server)
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("--port {text:?} is not a number from 0 to 65535"))
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path).map_err(|error| about(path, &error))
}

fn about(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Command;

    fn parse(line: &str) -> Result<Option<Command>, String> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_understood() {
        let expected = Command {
            port: 9001,
            tls: true,
            ca_out: Some("ca.pem".to_owned()),
            spin: true,
            ..Command::default()
        };
        assert_eq!(parse("--port 9001 --tls --ca-out ca.pem --spin"), Ok(Some(expected)));
        assert_eq!(parse("--tls --help"), Ok(None));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, words) in [
            ("--prot 1", "unknown argument \"--prot\""),
            ("--port", "--port needs a value"),
            ("--port 65536", "--port \"65536\" is not a number from 0 to 65535"),
            ("--cert a.pem", "--cert and --key belong together"),
            ("--ca-out a.pem", "--ca-out needs --tls"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
