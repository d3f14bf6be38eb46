//! The value of an expression that reads no event.

use std::borrow::Cow;

use jiff::Timestamp;

use super::frame::Frame;
use super::ops::{self, Fault};
use super::stack::{Stack, Work};
use crate::check::typed::Expr;
use crate::plan;
use crate::value::{DuplicateKey, Value};

pub(crate) fn constant(expr: &Expr) -> Result<Value<'static>, Fault> {
    let (spec, expr) = plan::alone(expr);
    let work = Work::new(Timestamp::UNIX_EPOCH);
    let frame = match Frame::of_json(&spec, "null") {
        Ok(frame) => frame,
        Err(DuplicateKey(key)) => return ops::error(format!("`{key}` stands twice")),
    };
    Stack::new(&frame, &work).value(&expr).map(Cow::into_owned).map(Value::into_owned)
}
