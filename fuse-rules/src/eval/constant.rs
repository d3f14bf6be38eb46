//! The value of an expression that reads no event.

use std::borrow::Cow;

use jiff::Timestamp;

use super::frame::Frame;
use super::ops::Fault;
use super::stack::{Stack, Work};
use crate::plan;
use crate::typed::Expr;
use crate::value::Value;

pub(crate) fn constant(expr: &Expr) -> Result<Value<'static>, Fault> {
    let (frames, expr) = plan::alone(expr);
    let work = Work::new(Timestamp::UNIX_EPOCH);
    let frame = Frame::Made(Vec::new());
    Stack::new(&frame, &frames, &work).value(&expr).map(Cow::into_owned).map(Value::into_owned)
}
