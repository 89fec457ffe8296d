//! The TLS acceptor of a server and the CA its clients have to trust. Knows no socket.

use std::{io, time::Duration, time::SystemTime};

use native_tls::{Identity, TlsAcceptor};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::EchoTls;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct TlsSetup {
    pub(crate) acceptor: TlsAcceptor,
    /// `None` for a certificate that was given: who issued it is the user's business.
    pub(crate) ca_pem: Option<String>,
}

impl TlsSetup {
    pub(crate) fn new(tls: EchoTls) -> io::Result<Self> {
        let (cert, key, ca_pem) = match tls {
            EchoTls::Pem { cert, key } => (cert, key, None),
            EchoTls::SelfSigned => {
                let SelfSigned { cert, key, ca } = self_signed()
                    .map_err(|error| io::Error::other(format!("self-signed certificate: {error}")))?;
                (cert, key, Some(ca))
            }
        };
        let identity = Identity::from_pkcs8(cert.as_bytes(), key.trim_start().as_bytes())
            .map_err(|error| invalid(format!("certificate or key: {error}")))?;
        let acceptor = TlsAcceptor::new(identity).map_err(|error| invalid(format!("TLS: {error}")))?;
        Ok(Self { acceptor, ca_pem })
    }
}

struct SelfSigned {
    cert: String,
    key: String,
    ca: String,
}

fn self_signed() -> Result<SelfSigned, rcgen::Error> {
    let mut ca = valid_for_a_year(CertificateParams::new([])?);
    ca.distinguished_name.push(DnType::CommonName, "s9-websocket echo CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();

    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut leaf = valid_for_a_year(CertificateParams::new(names)?);
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    // Every server's CA has the same name: the key identifier is what tells them apart.
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let cert = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?.pem();
    Ok(SelfSigned { cert, key: key.serialize_pem(), ca: ca_pem })
}

/// Apple's verifier refuses server certificates that are valid for more than 825 days.
fn valid_for_a_year(mut params: CertificateParams) -> CertificateParams {
    let now = rcgen::date_time_ymd(1970, 1, 1)
        + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_before = now - DAY;
    params.not_after = now + 365 * DAY;
    params
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
