//! How large the results of functions can be. The bound on the cost of a rule adds this up.

/// The size of a result, in values and bytes of text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResultSize {
    /// At most this many values.
    AtMost(u64),
    /// At most the size of all arguments, plus one value.
    Arguments,
    /// At most this many times the size of all arguments.
    Longer(u64),
    /// At most one value for each byte of the arguments.
    Bytes,
    /// The size of the other arguments, multiplied by that of the last one. At most
    /// [`MAX_RESULT_BYTES`].
    Product,
    /// The size of the first argument for each group of the pattern. At most
    /// [`MAX_RESULT_BYTES`].
    Groups,
}

/// The maximum length of a text that can be much longer than the arguments.
pub(crate) const MAX_RESULT_BYTES: usize = 4 << 20;
