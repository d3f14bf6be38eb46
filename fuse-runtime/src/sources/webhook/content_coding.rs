//! Compressed bodies: `Content-Encoding`.

use std::io::{self, Read};

use axum::http::{HeaderMap, header};
use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::StreamingDecoder;

use crate::http::{BodyBuffer, shorten};

/// What fuse decompresses, as `Accept-Encoding` lists it.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// How many times larger than its compressed form a body may be, if it is larger than [`MAX_UNCHECKED_BYTES`].
const MAX_RATIO: usize = 200;
/// Up to this size, the ratio is not checked.
const MAX_UNCHECKED_BYTES: usize = 64 << 10;
/// The largest window of a body that is compressed with zstd. RFC 9659 requires no more of a recipient.
const MAX_ZSTD_WINDOW: u64 = 8 << 20;
/// How many bytes are decompressed at a time.
const CHUNK: usize = 16 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentCoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why the compression of a body is refused before it is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body is compressed (`Content-Encoding: {0}`), which fuse does not read: let the sender use one of gzip, \
     deflate, br and zstd, or none"
)]
pub(super) struct UnknownCoding(String);

/// Why a body cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecompressError {
    /// It is larger than the source accepts.
    #[error("the decompressed body is larger than {0} bytes, which is this source's `body-limit`")]
    TooLarge(usize),
    /// It is much larger than its compressed form.
    #[error("the decompressed body is more than {MAX_RATIO} times larger than the compressed one")]
    Ratio,
    /// There is no room for it in memory.
    #[error("there is no room for the decompressed body")]
    NoRoom,
    /// The bytes do not have the coding that the header announces.
    #[error("the body is not valid {coding}, which its `Content-Encoding` announces: {source}")]
    Invalid {
        /// The coding.
        coding: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl ContentCoding {
    /// The coding that the headers announce; `None` for a body that is not compressed.
    ///
    /// # Errors
    /// fuse does not read the coding, or there are several.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, UnknownCoding> {
        let lines = headers.get_all(header::CONTENT_ENCODING);
        let texts = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let all = texts.collect::<Vec<_>>().join(", ");
        let codings = all.split(',').map(str::trim);
        let mut codings =
            codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        let Some(first) = codings.next() else { return Ok(None) };
        // Several layers would multiply the ratio.
        let known = if codings.next().is_some() { None } else { Self::from_name(first) };
        known.map(Some).ok_or_else(|| UnknownCoding(shorten(&all).to_string()))
    }

    fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Decompresses a body to at most `limit` bytes. `reserve` reserves memory for each piece before it is kept, and
    /// says whether there is room.
    pub(super) fn decompress(
        self,
        body: &[u8],
        limit: usize,
        reserve: impl FnMut(usize) -> bool,
    ) -> Result<Bytes, DecompressError> {
        let mut output =
            Output { buffer: BodyBuffer::new(limit), length: 0, input: body.len(), limit, reserve };
        let invalid = |source| DecompressError::Invalid { coding: self.name(), source };
        match self {
            Self::Gzip => output.fill(&mut MultiGzDecoder::new(body), invalid)?,
            Self::Deflate => {
                let mut decoder = Inflate::new(body);
                output.fill(&mut decoder, invalid)?;
                ended(decoder.rest).map_err(invalid)?;
            }
            Self::Brotli => output.fill(&mut Decompressor::new(body, CHUNK), invalid)?,
            Self::Zstd => {
                let frame = StreamingDecoder::new_with_max_window_size(body, MAX_ZSTD_WINDOW);
                let mut decoder =
                    frame.map_err(|why| invalid(io::Error::other(why.to_string())))?;
                output.fill(&mut decoder, invalid)?;
                ended(decoder.into_inner()).map_err(invalid)?;
            }
        }
        Ok(output.buffer.into_bytes())
    }
}

/// Decompresses `deflate`, that is, the format of zlib. Some senders leave out its header, which HTTP requires.
struct Inflate<'b> {
    state: Decompress,
    rest: &'b [u8],
    has_ended: bool,
}

impl<'b> Inflate<'b> {
    fn new(body: &'b [u8]) -> Self {
        Self { state: Decompress::new(has_zlib_header(body)), rest: body, has_ended: false }
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        while !self.has_ended {
            let (taken, given) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(self.rest, chunk, FlushDecompress::None)?;
            let since = |total: u64, before: u64| {
                usize::try_from(total.saturating_sub(before)).unwrap_or(usize::MAX)
            };
            let taken = since(self.state.total_in(), taken);
            let given = since(self.state.total_out(), given);
            self.rest = self.rest.get(taken..).unwrap_or_default();
            self.has_ended = status == Status::StreamEnd;
            if given > 0 {
                return Ok(given);
            }
            if taken == 0 && !self.has_ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// The first two bytes of zlib: the method, and a check.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [first, second, ..] => {
            first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// Refuses bytes after the end, which others might read.
fn ended(rest: &[u8]) -> io::Result<()> {
    match rest.is_empty() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes follow its end")),
    }
}

struct Output<F> {
    buffer: BodyBuffer,
    length: usize,
    /// The size of the compressed body.
    input: usize,
    limit: usize,
    reserve: F,
}

impl<F: FnMut(usize) -> bool> Output<F> {
    fn fill(
        &mut self,
        decoder: &mut impl Read,
        invalid: impl Fn(io::Error) -> DecompressError,
    ) -> Result<(), DecompressError> {
        let mut chunk = [0; CHUNK];
        loop {
            let read = match decoder.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(invalid(error)),
            };
            self.add(chunk.get(..read).unwrap_or_default())?;
        }
    }

    fn add(&mut self, piece: &[u8]) -> Result<(), DecompressError> {
        self.length = self.length.saturating_add(piece.len());
        if self.length > self.limit {
            return Err(DecompressError::TooLarge(self.limit));
        }
        if self.length > MAX_UNCHECKED_BYTES && self.length / MAX_RATIO > self.input {
            return Err(DecompressError::Ratio);
        }
        if !(self.reserve)(piece.len()) {
            return Err(DecompressError::NoRoom);
        }
        match self.buffer.extend(piece) {
            true => Ok(()),
            false => Err(DecompressError::TooLarge(self.limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use data_encoding::BASE64;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    const ALL: [ContentCoding; 4] =
        [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli, ContentCoding::Zstd];

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(body: &[u8]) -> Vec<u8> {
        compress_to_vec(body, CompressionLevel::Fastest)
    }

    fn read(coding: ContentCoding, body: &[u8], limit: usize) -> Result<Bytes, DecompressError> {
        coding.decompress(body, limit, |_| true)
    }

    fn coding(lines: &[&str]) -> Result<Option<ContentCoding>, UnknownCoding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CONTENT_ENCODING, line.parse().unwrap());
        }
        ContentCoding::of(&headers)
    }

    #[test]
    fn the_header_names_one_coding() {
        assert_eq!(coding(&[]), Ok(None));
        assert_eq!(coding(&["identity"]), Ok(None));
        assert_eq!(coding(&["identity, GZIP"]), Ok(Some(ContentCoding::Gzip)));
        assert_eq!(coding(&["br"]), Ok(Some(ContentCoding::Brotli)));
        for lines in [&["gzip, gzip"][..], &["gzip", "br"], &["lz4"], &["compress"], &["*"]] {
            let why = coding(lines).unwrap_err().to_string();
            assert!(why.contains(&lines.join(", ")) && why.contains("zstd"), "{why}");
        }
    }

    #[test]
    fn bombs_are_refused_while_they_are_decompressed() {
        let zeros = vec![b' '; 32 << 20];
        for (coding, bomb) in [
            (ContentCoding::Gzip, gzip(&zeros)),
            (ContentCoding::Deflate, zlib(&zeros)),
            (ContentCoding::Deflate, deflate(&zeros)),
            (ContentCoding::Zstd, zstd(&zeros)),
        ] {
            let mut reserved = 0;
            let refused = coding.decompress(&bomb, 64 << 20, |bytes| {
                reserved += bytes;
                true
            });
            assert!(matches!(refused, Err(DecompressError::Ratio)), "{coding:?}");
            assert!(
                reserved <= MAX_UNCHECKED_BYTES + MAX_RATIO * (bomb.len() + 1),
                "{coding:?} {reserved}"
            );
        }
        let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for (coding, body) in
            [(ContentCoding::Gzip, gzip(&noise)), (ContentCoding::Zstd, zstd(&noise))]
        {
            assert_eq!(read(coding, &body, noise.len()).unwrap(), noise);
            let refused = read(coding, &body, noise.len() - 1);
            assert!(matches!(refused, Err(DecompressError::TooLarge(99_999))), "{coding:?}");
            let refused = coding.decompress(&body, noise.len(), |_| false);
            assert!(matches!(refused, Err(DecompressError::NoRoom)), "{coding:?}");
        }
        // A frame whose window is 128 MiB, and which contains one byte.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x09, 0x00, 0x00, b'x'];
        let why = read(ContentCoding::Zstd, &frame, 9).unwrap_err().to_string();
        assert!(why.contains("zstd"), "{why}");
    }

    #[test]
    fn brotli_is_read() {
        // From `zlib.brotliCompressSync` of Node.js.
        let body = BASE64.decode(b"iwaAeyJhIjpbMSwyLDNdfQoD").unwrap();
        assert_eq!(read(ContentCoding::Brotli, &body, 100).unwrap(), "{\"a\":[1,2,3]}\n");
        assert!(read(ContentCoding::Brotli, &body[..10], 100).is_err());
        let refused = read(ContentCoding::Brotli, &body, 13);
        assert!(matches!(refused, Err(DecompressError::TooLarge(13))));
        // A mebibyte of spaces.
        let bomb = BASE64.decode(b"W///j18CJB4LBHLvHwA=").unwrap();
        let refused = read(ContentCoding::Brotli, &bomb, 2 << 20);
        assert!(matches!(refused, Err(DecompressError::Ratio)));
    }

    proptest! {
        #[test]
        fn what_was_compressed_is_read(body in prop::collection::vec(any::<u8>(), 0..4_000)) {
            for (coding, compressed) in [
                (ContentCoding::Gzip, gzip(&body)),
                (ContentCoding::Deflate, zlib(&body)),
                (ContentCoding::Deflate, deflate(&body)),
                (ContentCoding::Zstd, zstd(&body)),
            ] {
                prop_assert_eq!(&read(coding, &compressed, body.len()).unwrap(), &body);
                let mut more = compressed.clone();
                more.push(b'!');
                prop_assert!(read(coding, &more, body.len()).is_err(), "{:?}", coding);
                let half = compressed.get(..compressed.len() - 1).unwrap();
                prop_assert!(read(coding, half, body.len()).is_err(), "{:?}", coding);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
            for coding in ALL {
                drop(read(coding, &body, 1 << 20));
            }
        }
    }
}
