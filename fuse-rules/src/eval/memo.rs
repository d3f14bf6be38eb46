//! The values of `let`s, kept in the frame that they depend on.

use std::cell::OnceCell;

use crate::semantics::ops::Fault;
use crate::value::Value;

/// The number of chains. It only affects the time to find a value.
const CHAINS: usize = 16;
/// The maximum number of values per chain. Further ones are computed again for every use.
const MAX_CHAIN: usize = 256;

/// Values by the numbers of their `let`s. It allocates nothing until the first value.
#[derive(Default)]
pub(super) struct FrameMemo<'e>(OnceCell<Box<[Chain<'e>; CHAINS]>>);

type Chain<'e> = OnceCell<Box<Link<'e>>>;
type Kept<'e> = Result<Value<'e>, Fault>;

struct Link<'e> {
    number: u32,
    value: Kept<'e>,
    next: Chain<'e>,
}

impl<'e> FrameMemo<'e> {
    /// The value of a `let`, computed at most once; `None` if it cannot be kept.
    pub(super) fn value(
        &self,
        number: u32,
        compute: impl FnOnce() -> Option<Kept<'e>>,
    ) -> Option<&Kept<'e>> {
        let chains = self.0.get_or_init(Box::default);
        let mut chain = chains.get(number as usize % CHAINS)?;
        let mut length = 0;
        while let Some(link) = chain.get() {
            if link.number == number {
                return Some(&link.value);
            }
            chain = &link.next;
            length += 1;
        }
        if length >= MAX_CHAIN {
            return None;
        }
        let value = compute()?;
        #[cfg(test)]
        tests::COMPUTED.with(|computed| computed.set(computed.get() + 1));
        // Computing the value may have added those that it uses.
        while let Some(link) = chain.get() {
            chain = &link.next;
        }
        let link = chain.get_or_init(|| Box::new(Link { number, value, next: OnceCell::new() }));
        Some(&link.value)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many values were computed in this thread.
        pub(in crate::eval) static COMPUTED: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn each_value_is_computed_once() {
        let memo = FrameMemo::default();
        let computed = Cell::new(0);
        let number = |number: u32| {
            let value = memo.value(number, || {
                computed.set(computed.get() + 1);
                // A value that uses the one before it, which may be in the same chain.
                let inner = number.checked_sub(16).map(|inner| {
                    memo.value(inner, || Some(Ok(Value::Number(i64::from(inner).into())))).cloned()
                });
                assert!(inner.is_none_or(|inner| inner.is_some_and(|inner| inner.is_ok())));
                Some(Ok(Value::Number(i64::from(number).into())))
            });
            value.cloned()
        };
        for _ in 0..2 {
            for one in [40, 8, 24, 3] {
                assert_eq!(number(one), Some(Ok(Value::Number(i64::from(one).into()))));
            }
        }
        assert_eq!(computed.get(), 3, "24 is computed for 40");
        for one in 0..u32::try_from(CHAINS * MAX_CHAIN).unwrap() {
            assert!(memo.value(one, || Some(Ok(Value::Null))).is_some());
        }
        assert_eq!(memo.value(u32::MAX, || Some(Ok(Value::Null))), None, "too many");
    }
}
