//! WebSocket frames written by hand, for what a library refuses to send.

const OPCODE_BITS: u8 = 0xf;
const RESERVED_BITS: u8 = 0b111;
const MAX_LEN_IN_BYTE: u8 = 125;
const LEN_IN_TWO_BYTES: u8 = 126;
const LEN_IN_EIGHT_BYTES: u8 = 127;

/// One frame as a server writes it, valid or not.
///
/// A library for WebSockets sends valid frames only. A client has to survive the others too, so
/// each part can be set by itself here; what is not set is as the standard (RFC 6455) requires.
///
/// ```
/// use level2_sim::RawFrame;
///
/// assert_eq!(RawFrame::text("hi").encode(), [0x81, 2, b'h', b'i']);
/// // The first of several, with a bit set that only an extension may set.
/// assert_eq!(RawFrame::text("").unfinished().reserved(0b100).encode(), [0x41, 0]);
/// // A header that announces a tebibyte.
/// assert_eq!(RawFrame::text("").claiming(1 << 40).encode().len(), 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    opcode: u8,
    is_final: bool,
    reserved: u8,
    mask: Option<[u8; 4]>,
    claimed_len: Option<u64>,
    payload: Vec<u8>,
}

impl RawFrame {
    /// The opcode of a frame that continues the message of those before it.
    pub const CONTINUATION: u8 = 0x0;
    /// The opcode of text.
    pub const TEXT: u8 = 0x1;
    /// The opcode of bytes.
    pub const BINARY: u8 = 0x2;
    /// The opcode of the closing handshake.
    pub const CLOSE: u8 = 0x8;
    /// The opcode of a ping.
    pub const PING: u8 = 0x9;
    /// The opcode of the answer to a ping.
    pub const PONG: u8 = 0xa;

    /// Returns a frame with any opcode, of which the lower four bits count.
    #[must_use]
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            opcode: opcode & OPCODE_BITS,
            is_final: true,
            reserved: 0,
            mask: None,
            claimed_len: None,
            payload: payload.into(),
        }
    }

    /// Returns a text message in one frame.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Self::TEXT, text.into())
    }

    /// Returns a ping.
    #[must_use]
    pub fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Self::PING, payload)
    }

    /// Returns a close frame with any code, also with one that must not be sent, such as 1006.
    #[must_use]
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(Self::CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// Returns a text message in `count` frames of nearly equal size; 0 counts as 1.
    #[must_use]
    pub fn fragments(text: &str, count: usize) -> Vec<Self> {
        let (payload, count) = (text.as_bytes(), count.max(1));
        let bound = |index: usize| payload.len() * index / count;
        let piece = |index: usize| Self {
            opcode: if index == 0 { Self::TEXT } else { Self::CONTINUATION },
            is_final: index + 1 == count,
            ..Self::new(Self::TEXT, &payload[bound(index)..bound(index + 1)])
        };
        (0..count).map(piece).collect()
    }

    /// Leaves the message open for further frames.
    #[must_use]
    pub const fn unfinished(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// Sets the three reserved bits, the first of them as `0b100`. That one stands for a
    /// compressed message where compression was agreed upon.
    #[must_use]
    pub const fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits & RESERVED_BITS;
        self
    }

    /// Masks the payload, as only clients may.
    #[must_use]
    pub const fn masked(mut self, key: [u8; 4]) -> Self {
        self.mask = Some(key);
        self
    }

    /// Claims another length than that of the payload.
    #[must_use]
    pub const fn claiming(mut self, len: u64) -> Self {
        self.claimed_len = Some(len);
        self
    }

    /// Returns the bytes of the frame, for [`Step::Bytes`](crate::Step::Bytes) with a part of
    /// them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let first = (u8::from(self.is_final) << 7) | (self.reserved << 4) | self.opcode;
        let masked = u8::from(self.mask.is_some()) << 7;
        let len = self.claimed_len.unwrap_or(self.payload.len() as u64);
        let mut bytes = vec![first];
        if let Ok(len @ 0..=MAX_LEN_IN_BYTE) = u8::try_from(len) {
            bytes.push(masked | len);
        } else if let Ok(len) = u16::try_from(len) {
            bytes.push(masked | LEN_IN_TWO_BYTES);
            bytes.extend(len.to_be_bytes());
        } else {
            bytes.push(masked | LEN_IN_EIGHT_BYTES);
            bytes.extend(len.to_be_bytes());
        }
        match self.mask {
            Some(key) => {
                bytes.extend(key);
                let key = key.iter().cycle();
                bytes.extend(self.payload.iter().zip(key).map(|(byte, key)| byte ^ key));
            }
            None => bytes.extend(&self.payload),
        }
        bytes
    }

    /// Returns whether the client has to take this for the end.
    pub(super) const fn is_close(&self) -> bool {
        self.opcode == Self::CLOSE
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    /// The library's encoder is the oracle for what is valid.
    #[test]
    fn valid_frames_are_what_the_library_writes() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let payload = vec![7; len];
            let mut expected = Vec::new();
            let frame = Frame::message(payload.clone(), OpCode::Data(Data::Binary), true);
            frame.format(&mut expected).unwrap();
            assert!(RawFrame::new(RawFrame::BINARY, payload).encode() == expected, "{len} bytes");
        }
        let mut expected = Vec::new();
        Frame::pong(b"there".to_vec()).format(&mut expected).unwrap();
        assert_eq!(RawFrame::new(RawFrame::PONG, *b"there").encode(), expected);
    }

    #[test]
    fn fragments_are_one_message() {
        for count in [0, 1, 2, 3, 7, 12] {
            let frames = RawFrame::fragments("0123456", count);
            assert_eq!(frames.len(), count.max(1));
            let whole: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
            assert_eq!(whole, b"0123456");
            for (index, frame) in frames.iter().enumerate() {
                assert_eq!(frame.is_final, index + 1 == frames.len());
                assert_eq!(frame.opcode == RawFrame::TEXT, index == 0);
            }
        }
    }

    #[test]
    fn every_part_can_be_wrong_alone() {
        assert_eq!(RawFrame::new(3, []).encode(), [0x83, 0]);
        assert_eq!(RawFrame::text("a").masked([1, 2, 3, 4]).encode(), [0x81, 0x81, 1, 2, 3, 4, 96]);
        assert_eq!(RawFrame::text("a").reserved(0b010).encode(), [0xa1, 1, b'a']);
        assert_eq!(RawFrame::ping(vec![0; 200]).encode()[..4], [0x89, 126, 0, 200]);
        assert_eq!(RawFrame::close(1_006, "x").encode(), [0x88, 3, 3, 238, b'x']);
        let claim = RawFrame::text("").claiming(1 << 40).encode();
        assert_eq!(claim, [0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]);
    }
}
