//! Text that comes in pieces: whether it can still become UTF-8. Knows no frame.

/// A text whose latest piece may have ended within a character.
#[derive(Default)]
pub(super) struct PartialText {
    cut: [u8; 4],
    /// How many bytes of the character at the end have come, where it is not whole.
    cut_length: usize,
}

impl PartialText {
    /// Whether all that has come, with this piece, is the beginning of some UTF-8. Once it is not, there is no
    /// more to ask.
    pub(super) fn goes_on_with(&mut self, mut piece: &[u8]) -> bool {
        while self.cut_length > 0 {
            let Some((&next, rest)) = piece.split_first() else { return true };
            // A character of four bytes is whole or wrong with the fourth.
            self.cut[self.cut_length] = next;
            self.cut_length += 1;
            piece = rest;
            match whole_characters(&self.cut[..self.cut_length]) {
                None => return false,
                Some(0) => {}
                Some(_) => self.cut_length = 0,
            }
        }
        let Some(whole) = whole_characters(piece) else { return false };
        let cut = &piece[whole..];
        self.cut[..cut.len()].copy_from_slice(cut);
        self.cut_length = cut.len();
        true
    }
}

/// How many bytes there are of whole characters, behind which a last one may have begun; none where that is
/// not the beginning of any UTF-8.
pub(super) fn whole_characters(bytes: &[u8]) -> Option<usize> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => Some(text.len()),
        Err(error) if error.error_len().is_none() => Some(error.valid_up_to()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_possible(pieces: &[&[u8]]) -> bool {
        let mut text = PartialText::default();
        pieces.iter().all(|piece| text.goes_on_with(piece))
    }

    #[test]
    fn a_text_goes_on_wherever_it_is_cut_until_it_cannot_become_utf8() {
        let valid = "aé€\u{10ffff}\0\u{7ff}".repeat(7);
        for wrong in
            [&b""[..], b"\xff", b"\x80", b"\xc0", b"\xe0\x80", b"\xed\xa0", b"\xf4\x90", b"\xe2\x82a"]
        {
            let bytes = [valid.as_bytes(), wrong].concat();
            let could_go_on = &bytes[..bytes.len() - usize::from(!wrong.is_empty())];
            for first in 0..=bytes.len() {
                for second in [first, first + 1, first + 2, first + 3, bytes.len()] {
                    let second = second.min(bytes.len());
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(is_possible(&pieces), wrong.is_empty(), "{wrong:x?}, {first}, {second}");
                    let cut = |at: usize| at.min(could_go_on.len());
                    let pieces = [
                        &could_go_on[..cut(first)],
                        &could_go_on[cut(first)..cut(second)],
                        &could_go_on[cut(second)..],
                    ];
                    assert!(is_possible(&pieces), "{wrong:x?}, {first}, {second}");
                }
            }
        }
    }
}
