//! Reading JSON that fuse wrote itself, however deeply it is nested.

use serde::de::DeserializeOwned;

/// Parses JSON from a row or a log. serde_json writes any depth, and by default reads only 127 levels: an action with a
/// part of a deep event could be recorded and never be read again. The intake and the checker limit the depth of what
/// fuse writes.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    parser.disable_recursion_limit();
    let value = T::deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn what_is_deep_comes_back_and_what_follows_it_is_refused() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let value: Value = super::from_slice(deep.as_bytes()).unwrap();
        assert_eq!(value.to_string(), deep);
        assert!(super::from_slice::<Value>(b"1 2").is_err());
    }
}
