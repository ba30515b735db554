//! What is kept of an answer's body while it arrives: its beginning, up to a limit.
//!
//! It knows nothing of where the pieces come from.

use bytes::{Bytes, BytesMut};

/// What is kept of a body.
pub const LONGEST_BODY: usize = 8 * 1024 * 1024;

/// The beginning of a body.
#[derive(Default)]
pub(super) struct Kept {
    first: Bytes,
    all: BytesMut,
    truncated: bool,
}

impl Kept {
    pub(super) fn add(&mut self, mut chunk: Bytes) {
        let room = LONGEST_BODY - self.first.len().max(self.all.len());
        if chunk.len() > room {
            self.truncated = true;
            chunk.truncate(room);
        }
        if chunk.is_empty() {
            return;
        }
        if self.first.is_empty() && self.all.is_empty() {
            // Most bodies come in one piece, which needs no copy.
            self.first = chunk;
            return;
        }
        if self.all.is_empty() {
            self.all = BytesMut::from(std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&chunk);
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(chunks: &[&[u8]]) -> (Bytes, bool) {
        let mut kept = Kept::default();
        chunks.iter().for_each(|chunk| kept.add(Bytes::copy_from_slice(chunk)));
        let truncated = kept.is_truncated();
        (kept.into_bytes(), truncated)
    }

    #[test]
    fn pieces_are_joined() {
        assert_eq!(kept(&[]), (Bytes::new(), false));
        assert_eq!(kept(&[b"one"]), (Bytes::from_static(b"one"), false));
        assert_eq!(kept(&[b"", b"one", b"", b"two", b"three"]), (Bytes::from_static(b"onetwothree"), false));
    }

    #[test]
    fn what_is_beyond_the_limit_is_dropped_and_told() {
        let whole = vec![b'x'; LONGEST_BODY];
        assert_eq!(kept(&[&whole]).0.len(), LONGEST_BODY);
        assert!(!kept(&[&whole]).1 && !kept(&[&whole, b""]).1);
        for chunks in
            [&[&whole[..], b"y"][..], &[b"y", &whole[..]], &[&whole[..1000], &whole[..], b"z", b"z"]]
        {
            let (body, truncated) = kept(chunks);
            assert_eq!((body.len(), truncated), (LONGEST_BODY, true));
        }
    }
}
