//! What a client asks of permessage-deflate, parsed and valid.

use crate::error::{Error, Result};

/// How messages are to be compressed, if the server agrees.
///
/// Compression saves bytes and costs time: 1.2 µs to inflate 150 bytes of JSON, 2 µs for 1 KiB, and
/// 3.4 µs to compress 1 KiB at level 1, 11 µs at level 6. Memory of a connection grows by 100 KiB once
/// it is agreed on, by 45 more with the first compressed message received, and by 380 more with the
/// first one sent (at `mem_level` 8).
///
/// ```
/// use s9_websocket_core::{NonBlockingOptions, PerMessageDeflateOptions};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let deflate = PerMessageDeflateOptions::new().level(6)?.threshold(512);
/// let options = NonBlockingOptions::new().per_message_deflate(Some(deflate));
/// # drop(options);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerMessageDeflateOptions {
    pub(crate) level: u8,
    pub(crate) threshold: usize,
    pub(crate) mem_level: u8,
    pub(crate) server_no_context_takeover: bool,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) server_max_window_bits: Option<u8>,
    pub(crate) client_max_window_bits: Option<u8>,
}

impl Default for PerMessageDeflateOptions {
    fn default() -> Self {
        Self {
            level: 1,
            threshold: 1024,
            mem_level: 8,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
        }
    }
}

impl PerMessageDeflateOptions {
    /// All options at their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How hard to compress what is sent: 0 stores, 1, the default, is fastest, 9 smallest.
    pub fn level(mut self, level: u32) -> Result<Self> {
        self.level = in_range("level", level, 0, 9, "0 to 9")?;
        Ok(self)
    }

    /// Messages of fewer bytes are sent uncompressed; 1,024 by default.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Memory for compressing, 1 to 9; 8 by default.
    pub fn mem_level(mut self, level: u32) -> Result<Self> {
        self.mem_level = in_range("memLevel", level, 1, 9, "1 to 9")?;
        Ok(self)
    }

    /// Demands that the server compress each message by itself (RFC 7692, section 7.1.1.1).
    pub fn server_no_context_takeover(mut self, on: bool) -> Self {
        self.server_no_context_takeover = on;
        self
    }

    /// Compresses each message by itself, and tells the server so (RFC 7692, section 7.1.1.2).
    pub fn client_no_context_takeover(mut self, on: bool) -> Self {
        self.client_no_context_takeover = on;
        self
    }

    /// Demands that the server look back at most 2 to this many bytes, 8 to 15 (RFC 7692,
    /// section 7.1.2.1).
    pub fn server_max_window_bits(mut self, bits: Option<u32>) -> Result<Self> {
        let name = "serverMaxWindowBits";
        self.server_max_window_bits = bits.map(|bits| in_range(name, bits, 8, 15, "8 to 15")).transpose()?;
        Ok(self)
    }

    /// Looks back at most 2 to this many bytes when compressing, 9 to 15, and tells the server so
    /// (RFC 7692, section 7.1.2.2).
    pub fn client_max_window_bits(mut self, bits: Option<u32>) -> Result<Self> {
        let (name, allowed) =
            ("clientMaxWindowBits", "9 to 15; deflate as zlib writes it has no window of 8");
        self.client_max_window_bits = bits.map(|bits| in_range(name, bits, 9, 15, allowed)).transpose()?;
        Ok(self)
    }
}

fn in_range(name: &str, value: u32, least: u8, most: u8, allowed: &str) -> Result<u8> {
    match u8::try_from(value) {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Error::invalid(format!("perMessageDeflate.{name}"), value, allowed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_names_option_value_and_range() {
        let options = PerMessageDeflateOptions::new;
        let refusals = [
            (options().level(10), "invalid perMessageDeflate.level: 10 (allowed: 0 to 9)"),
            (options().mem_level(0), "invalid perMessageDeflate.memLevel: 0 (allowed: 1 to 9)"),
            (
                options().server_max_window_bits(Some(7)),
                "invalid perMessageDeflate.serverMaxWindowBits: 7 (allowed: 8 to 15)",
            ),
            (
                options().client_max_window_bits(Some(8)),
                "invalid perMessageDeflate.clientMaxWindowBits: 8 (allowed: 9 to 15; deflate as zlib writes \
                 it has no window of 8)",
            ),
            (options().level(256), "invalid perMessageDeflate.level: 256 (allowed: 0 to 9)"),
        ];
        for (refused, text) in refusals {
            assert_eq!(refused.expect_err("must be refused").to_string(), text);
        }
    }
}
