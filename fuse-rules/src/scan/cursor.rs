//! Reads JSON's grammar. The ends of strings are found 64 bytes at a time, and numbers sixteen.
//!
//! `None` means that the text is not JSON, or nested too deeply. `event::json_fault`, which is
//! slower, finds the position and the reason.

use wide::u8x16;

use super::MAX_DEPTH;
use super::keys::{HEAD_BYTES, head, head_of};

/// A position in a text that is being read.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    /// The start of the current window of the text.
    window: usize,
    /// One bit per byte of the window, the first lowest: whether it can end a plain part of a string.
    specials: u64,
}

/// The key of an object.
pub(super) struct ObjectKey<'t> {
    body: &'t str,
    /// The position of the first quote.
    pub(super) at: usize,
    /// The position of the last quote.
    end: usize,
    pub(super) escaped: bool,
}

impl<'t> ObjectKey<'t> {
    /// The bytes between the quotes. Comparing them needs no check for the boundaries of characters.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &'t [u8] {
        self.body.as_bytes().get(self.at + 1..self.end).unwrap_or_default()
    }

    /// The first bytes between the quotes, as [`head`] has them.
    #[inline(always)]
    pub(super) fn head(&self) -> u64 {
        let start = self.at + 1;
        let first = self.body.as_bytes().get(start..start + HEAD_BYTES);
        // There are more bytes after a key, as the object is not closed yet, except in a short text.
        match first.and_then(|first| first.try_into().ok()) {
            Some(first) => head(first, self.end - start),
            None => head_of(self.bytes()),
        }
    }

    /// The text between the quotes.
    pub(super) fn text(&self) -> &'t str {
        self.body.get(self.at + 1..self.end).unwrap_or_default()
    }
}

/// The kind of a value, known from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Null,
    True,
    False,
    Number,
    String { escaped: bool },
    List,
    Map,
}

/// The number of bytes that are compared at once.
const BLOCK_BYTES: usize = 16;
/// The number of bytes of a window. Most strings end in the same window as the one before, and finding their ends needs
/// only the bits of the window.
const WINDOW_BYTES: usize = 64;

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self::at_position(text, 0)
    }

    fn at_position(text: &'t str, at: usize) -> Self {
        // The window before the one that is read first.
        Self { text, at, window: at.wrapping_sub(WINDOW_BYTES), specials: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The text from a position up to the current one.
    pub(super) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or("")
    }

    /// A cursor at another position of the same text.
    pub(super) fn back_to(&self, at: usize) -> Self {
        Self::at_position(self.text, at)
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.text.len()
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn bytes(&self) -> Option<[u8; BLOCK_BYTES]> {
        self.text.as_bytes().get(self.at..self.at + BLOCK_BYTES)?.try_into().ok()
    }

    #[inline(always)]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte that is not white space.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        if byte > b' ' {
            return Some(byte);
        }
        self.space();
        self.peek()
    }

    /// Skips a value and returns its kind. `depth` is the number of open brackets around it.
    #[inline(always)]
    pub(super) fn value(&mut self, depth: usize) -> Option<Seen> {
        match self.next()? {
            b'"' => self.string().map(|escaped| Seen::String { escaped }),
            b'{' => self.skip(depth).map(|()| Seen::Map),
            b'[' => self.skip(depth).map(|()| Seen::List),
            b't' => self.word(b"true").map(|()| Seen::True),
            b'f' => self.word(b"false").map(|()| Seen::False),
            b'n' => self.word(b"null").map(|()| Seen::Null),
            _ => self.number().map(|()| Seen::Number),
        }
    }

    /// Peeks at the first byte of the next value.
    pub(super) fn opens(&mut self) -> Option<u8> {
        self.next()
    }

    /// Reads the opening bracket of an object or list; returns `false` if it is closed immediately.
    pub(super) fn open(&mut self, close: u8, depth: usize) -> Option<bool> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.at += 1;
        let empty = self.next()? == close;
        self.at += usize::from(empty);
        Some(!empty)
    }

    /// Reads the token after an entry or element; returns `true` for a comma, `false` for the end.
    pub(super) fn more(&mut self, close: u8) -> Option<bool> {
        let byte = self.next()?;
        self.at += 1;
        match byte {
            b',' => {
                self.next()?;
                Some(true)
            }
            byte if byte == close => Some(false),
            _ => None,
        }
    }

    /// Reads a key and the colon after it.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Option<ObjectKey<'t>> {
        let start = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        let escaped = self.string()?;
        let end = self.at - 1;
        if self.next()? != b':' {
            return None;
        }
        self.at += 1;
        Some(ObjectKey { body: self.text, at: start, end, escaped })
    }

    /// Skips a value of any kind, without recursion.
    pub(super) fn skip(&mut self, depth: usize) -> Option<()> {
        // One bit per open bracket, the innermost lowest: 1 for an object.
        let mut objects = 0_u128;
        let mut open = 0;
        loop {
            match self.next()? {
                b'"' => drop(self.string()?),
                b'{' => {
                    if self.open(b'}', depth + open)? {
                        (objects, open) = (objects << 1 | 1, open + 1);
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    if self.open(b']', depth + open)? {
                        (objects, open) = (objects << 1, open + 1);
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // The tokens after a value.
            loop {
                if open == 0 {
                    return Some(());
                }
                let byte = self.next()?;
                self.at += 1;
                let in_object = objects & 1 == 1;
                match byte {
                    b',' => {
                        if in_object {
                            self.next()?;
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return None,
                }
                (objects, open) = (objects >> 1, open - 1);
            }
        }
    }

    /// Skips a string, starting at its quote, and returns whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Option<bool> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let specials = self.specials.checked_shr(self.window_offset()).unwrap_or(0);
            if specials == 0 {
                self.next_window()?;
                continue;
            }
            self.at += specials.trailing_zeros() as usize;
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    /// How far the position is into the window; 64 or more if it is not in it.
    #[inline(always)]
    fn window_offset(&self) -> u32 {
        u32::try_from(self.at.wrapping_sub(self.window)).unwrap_or(u32::MAX)
    }

    /// Reads the next window that has bytes from the position on. The position is in a string, and nothing of the current
    /// window ends it.
    #[inline(always)]
    fn next_window(&mut self) -> Option<()> {
        let end = self.window.wrapping_add(WINDOW_BYTES);
        if (self.window_offset() as usize) < WINDOW_BYTES {
            self.at = end;
        }
        let ahead = self.at.wrapping_sub(end);
        self.window = if ahead < WINDOW_BYTES { end } else { self.at };
        let text = self.text.as_bytes();
        let bytes = text.get(self.window..).and_then(|text| text.first_chunk::<WINDOW_BYTES>());
        self.specials = match bytes {
            Some(bytes) => specials_of(bytes),
            None => self.last_window()?,
        };
        Some(())
    }

    /// The last window, which is shorter than others.
    #[cold]
    fn last_window(&mut self) -> Option<u64> {
        let rest = self.text.as_bytes().get(self.window..).filter(|rest| !rest.is_empty())?;
        let mut bytes = [b' '; WINDOW_BYTES];
        bytes.get_mut(..rest.len())?.copy_from_slice(rest);
        Some(specials_of(&bytes))
    }

    #[cold]
    fn escape(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at += match bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = bytes.get(self.at + 2..self.at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
            }
            _ => return None,
        };
        Some(())
    }

    #[inline(always)]
    fn number(&mut self) -> Option<()> {
        if let Some(b'1'..=b'9') = self.peek()
            && let Some(bytes) = self.bytes()
        {
            let digits = u8x16::from(bytes) - u8x16::splat(b'0');
            let is_digit = digits.min(u8x16::splat(9)).simd_eq(digits).to_bitmask();
            let count = is_digit.trailing_ones() as usize;
            let after = bytes.get(count);
            if after.is_some_and(|byte| !matches!(byte, b'.' | b'e' | b'E')) {
                self.at += count;
                return Some(());
            }
        }
        self.any_number()
    }

    fn any_number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        let end = self.at + word.len();
        (self.text.as_bytes().get(self.at..end)? == word).then(|| self.at = end)
    }
}

/// The bytes of a window that can end a plain part of a string: quotes, backslashes and control characters.
#[inline(always)]
fn specials_of(window: &[u8; WINDOW_BYTES]) -> u64 {
    let (blocks, _) = window.as_chunks::<BLOCK_BYTES>();
    blocks.iter().rev().fold(0, |specials, block| {
        let text = u8x16::from(*block);
        let is = |byte| text.simd_eq(u8x16::splat(byte));
        let control = text.min(u8x16::splat(0x1f)).simd_eq(text);
        let special = (is(b'"') | is(b'\\') | control).to_bitmask();
        specials << BLOCK_BYTES | u64::from(special)
    })
}
