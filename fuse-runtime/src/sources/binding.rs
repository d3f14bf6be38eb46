//! What rules declare of a source, as its configuration.

use serde::de::DeserializeOwned;

use super::SourceError;

/// One event that rules declare, with the fields of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct EventBinding {
    /// The source's name.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The fields of the source's block with the event's own over them. Durations are in milliseconds
    /// (see [`milliseconds`]), sizes in bytes, secrets a [`SecretRef`](crate::secrets::SecretRef).
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl EventBinding {
    /// The event as rules name it: `source.event`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.source, self.name)
    }

    /// The fields as a type of your own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fuse_runtime::sources::{EventBinding, milliseconds};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Config {
    ///     url: String,
    ///     #[serde(with = "milliseconds")]
    ///     every: Duration,
    /// }
    ///
    /// let fields = serde_json::json!({ "url": "http://localhost", "every": 5_000 });
    /// let fields = fields.as_object().cloned().unwrap_or_default();
    /// let binding = EventBinding { source: "feed".into(), name: "item".into(), fields };
    /// let config: Config = binding.config()?;
    /// assert_eq!(config.url, "http://localhost");
    /// assert_eq!(config.every, Duration::from_secs(5));
    /// # Ok::<(), fuse_runtime::sources::SourceError>(())
    /// ```
    ///
    /// # Errors
    /// A field is missing or has another type. Where the type follows the source's schema, the checker has
    /// already refused such rules.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        T::deserialize(serde_json::Value::Object(self.fields.clone()))
            .map_err(|source| SourceError::Config { event: self.full_name(), source })
    }
}

/// Reads a duration field, which is in milliseconds: `#[serde(with = "milliseconds")]`.
pub mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Reads milliseconds.
    ///
    /// # Errors
    /// The value is not a whole number that is zero or more.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }

    /// Writes milliseconds.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}
