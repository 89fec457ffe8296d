//! Compresses messages (RFC 7692, section 7.2.1). The only file that compresses.

use bytes::Bytes;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::{negotiation::PerMessageDeflateAgreement, options::PerMessageDeflateOptions, output::Output};

/// What a sync flush ends with and a sender leaves out (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

pub(super) struct Deflater {
    deflate: Deflate,
    no_context_takeover: bool,
}

impl Deflater {
    pub(super) fn new(options: &PerMessageDeflateOptions, agreed: &PerMessageDeflateAgreement) -> Self {
        let config = DeflateConfig {
            level: options.level.into(),
            // Negative: without the header and checksum of zlib.
            window_bits: -i32::from(agreed.client_max_window_bits),
            mem_level: options.mem_level.into(),
            ..DeflateConfig::default()
        };
        Self {
            deflate: Deflate::new_with_config(config),
            no_context_takeover: agreed.client_no_context_takeover,
        }
    }

    /// The compressed payload; `None` if that is no smaller and the peer need not know that it was
    /// tried.
    pub(super) fn deflate(&mut self, message: &[u8], output: &mut Output) -> Option<Bytes> {
        let mut rest = message;
        let mut long = Vec::new();
        let made = loop {
            let (taken, made) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(rest, &mut output.chunk, DeflateFlush::SyncFlush);
            // Fails for a state that was never set up or a stream that was finished.
            debug_assert!(status.is_ok(), "{status:?}");
            rest = &rest[(self.deflate.total_in() - taken) as usize..];
            let made = (self.deflate.total_out() - made) as usize;
            // A chunk with room left has all there was.
            if made < output.chunk.len() {
                break made;
            }
            output.append_to(&mut long, made, usize::MAX);
        };
        let mut payload = output.finish(long, made, usize::MAX);
        debug_assert!(rest.is_empty() && payload.ends_with(&TAIL));
        payload.truncate(payload.len() - TAIL.len());
        if self.no_context_takeover {
            self.deflate.reset();
            if payload.len() >= message.len() {
                return None;
            }
        }
        Some(payload)
    }
}
