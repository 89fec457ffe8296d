//! How TLS is to be done: certificates, names and versions, without any TLS library.

use std::fmt;

use crate::error::{Error, Result};

/// How TLS is done for `wss://`.
///
/// ```
/// use s9_websocket_core::{TlsOptions, TlsVersion};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let tls = TlsOptions::new()
///     .servername("feed.example.com")?
///     .min_version(TlsVersion::Tls13)?
///     .alpn_protocols(["http/1.1"])?;
/// # drop(tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    pub(crate) ca: Option<Vec<Vec<u8>>>,
    pub(crate) fallback_roots: Vec<Vec<u8>>,
    pub(crate) identity: Option<ClientIdentity>,
    pub(crate) servername: Option<String>,
    pub(crate) reject_unauthorized: bool,
    pub(crate) min_version: Option<TlsVersion>,
    pub(crate) max_version: Option<TlsVersion>,
    pub(crate) alpn_protocols: Vec<String>,
}

/// The certificate with which the client authenticates itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum ClientIdentity {
    /// Certificate chain and unencrypted PKCS #8 key, both PEM.
    Pem { cert: Vec<u8>, key: Vec<u8> },
    /// A PKCS #12 archive.
    Pfx { archive: Vec<u8>, passphrase: String },
}

/// A version of TLS.
///
/// ```
/// use s9_websocket_core::TlsVersion;
/// assert!(TlsVersion::Tls12 < TlsVersion::Tls13);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.0 (obsolete, RFC 8996).
    Tls10,
    /// TLS 1.1 (obsolete, RFC 8996).
    Tls11,
    /// TLS 1.2, the default minimum.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl fmt::Display for TlsVersion {
    /// The name by which OpenSSL and Node know it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls10 => "TLSv1",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            ca: None,
            fallback_roots: Vec::new(),
            identity: None,
            servername: None,
            reject_unauthorized: true,
            min_version: None,
            max_version: None,
            alpn_protocols: Vec::new(),
        }
    }
}

impl TlsOptions {
    /// Verification against the system's roots, TLS 1.2 or later, no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificates (PEM, possibly several in one, or DER) in place of the system's: with none,
    /// nobody.
    pub fn ca<T: Into<Vec<u8>>>(mut self, certificates: impl IntoIterator<Item = T>) -> Self {
        self.ca = Some(certificates.into_iter().map(Into::into).collect());
        self
    }

    /// Trusts these certificates (PEM or DER) only if the system has no roots of its own.
    pub fn fallback_roots<T: Into<Vec<u8>>>(mut self, certificates: impl IntoIterator<Item = T>) -> Self {
        self.fallback_roots = certificates.into_iter().map(Into::into).collect();
        self
    }

    /// Authenticates with this PEM certificate chain and its unencrypted PKCS #8 PEM key.
    pub fn client_certificate(mut self, cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(ClientIdentity::Pem { cert: cert.into(), key: key.into() });
        self
    }

    /// Authenticates with this PKCS #12 archive.
    pub fn pfx(mut self, archive: impl Into<Vec<u8>>, passphrase: impl Into<String>) -> Self {
        self.identity = Some(ClientIdentity::Pfx { archive: archive.into(), passphrase: passphrase.into() });
        self
    }

    /// The name sent as SNI and verified, in place of the URL's host.
    pub fn servername(mut self, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || !name.is_ascii() || name.bytes().any(|byte| byte <= b' ') {
            return Err(Error::invalid("tls.servername", format_args!("{name:?}"), "a host name"));
        }
        self.servername = Some(name);
        Ok(self)
    }

    /// `false` accepts any certificate for any name: anyone on the path can then read and change
    /// everything. Each connection made so is logged as a warning.
    pub fn reject_unauthorized(mut self, reject: bool) -> Self {
        self.reject_unauthorized = reject;
        self
    }

    /// The oldest version accepted; TLS 1.2 by default.
    pub fn min_version(mut self, version: TlsVersion) -> Result<Self> {
        if let Some(max) = self.max_version.filter(|max| version > *max) {
            return Err(Error::invalid("tls.minVersion", version, format!("up to tls.maxVersion, {max}")));
        }
        self.min_version = Some(version);
        Ok(self)
    }

    /// The newest version accepted; the library's newest by default.
    pub fn max_version(mut self, version: TlsVersion) -> Result<Self> {
        if let Some(min) = self.min_version.filter(|min| version < *min) {
            return Err(Error::invalid("tls.maxVersion", version, format!("from tls.minVersion, {min}, on")));
        }
        self.max_version = Some(version);
        Ok(self)
    }

    /// The protocols offered by ALPN (RFC 7301), none by default.
    pub fn alpn_protocols<T: Into<String>>(mut self, offered: impl IntoIterator<Item = T>) -> Result<Self> {
        self.alpn_protocols = offered.into_iter().map(Into::into).collect();
        for name in &self.alpn_protocols {
            if name.is_empty() || name.len() > 255 {
                return Err(Error::invalid(
                    "tls.alpnProtocols",
                    format_args!("{name:?}"),
                    "1 to 255 bytes each",
                ));
            }
        }
        Ok(self)
    }
}

impl fmt::Debug for TlsOptions {
    /// Leaves out keys and passphrases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("ca", &self.ca.as_ref().map(Vec::len))
            .field("fallback_roots", &self.fallback_roots.len())
            .field("client_certificate", &self.identity.is_some())
            .field("servername", &self.servername)
            .field("reject_unauthorized", &self.reject_unauthorized)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .field("alpn_protocols", &self.alpn_protocols)
            .finish()
    }
}
