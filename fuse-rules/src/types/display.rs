//! Prints types as an author would write them, truncated if they are long.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{Record, Rest, Ty};
use crate::path::Segment;
use crate::path::path_text;
use crate::value::Kinds;

/// The maximum length of a printed type in a message.
const MAX_SHOWN_BYTES: usize = 100;

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Buffer { text: String::new() };
        // Fails early when the text is long enough.
        let cut = out.ty(self).is_err();
        f.write_str(&out.text)?;
        f.write_str(if cut { "…" } else { "" })
    }
}

/// A buffer with a maximum length.
struct Buffer {
    text: String,
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = MAX_SHOWN_BYTES.saturating_sub(self.text.chars().count());
        let fits: String = more.chars().take(room).collect();
        self.text.push_str(&fits);
        if fits.len() == more.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl Buffer {
    fn ty(&mut self, ty: &Ty) -> fmt::Result {
        if ty.any {
            return self.write_str("any");
        }
        let mut first = true;
        let truths: &[&str] = match (ty.bools.has(true), ty.bools.has(false)) {
            (true, true) => &["bool"],
            (true, false) => &["true"],
            (false, true) => &["false"],
            (false, false) => &[],
        };
        let scalars = truths.iter().map(|word| (*word).to_owned());
        for word in scalars.chain(ty.numbers.words()).chain(ty.strings.words()) {
            self.alternative(&mut first)?;
            self.write_str(&word)?;
        }
        for list in &ty.lists {
            self.alternative(&mut first)?;
            self.write_str("list<")?;
            self.ty(list)?;
            self.write_str(">")?;
        }
        for map in &ty.maps {
            self.alternative(&mut first)?;
            self.map(map)?;
        }
        if ty.computed != Kinds::NOTHING {
            self.alternative(&mut first)?;
            write!(self, "{}", ty.computed)?;
        }
        if ty.null {
            self.alternative(&mut first)?;
            self.write_str("null")?;
        }
        if first { self.write_str("nothing") } else { Ok(()) }
    }

    fn alternative(&mut self, first: &mut bool) -> fmt::Result {
        if std::mem::take(first) { Ok(()) } else { self.write_str(" | ") }
    }

    fn map(&mut self, map: &Record) -> fmt::Result {
        if let (true, Rest::Each(ty)) = (map.fields.is_empty(), &map.rest) {
            self.write_str("map<")?;
            self.ty(ty)?;
            return self.write_str(">");
        }
        self.write_str("{ ")?;
        for (i, (key, field)) in map.fields.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(self, "{comma}{key}{}: ", if field.optional { "?" } else { "" })?;
            self.ty(&field.ty)?;
        }
        let comma = if map.fields.is_empty() { "" } else { ", " };
        match &map.rest {
            Rest::Nothing => {}
            Rest::Open | Rest::Each(_) => write!(self, "{comma}...")?,
        }
        self.write_str(" }")
    }
}

/// A path with another key appended.
pub(super) fn joined(base: &str, key: &str) -> Arc<str> {
    path_text(base, &[Segment::Key(key.to_owned())])
}
