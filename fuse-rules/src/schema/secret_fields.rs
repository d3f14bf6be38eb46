//! Finds the references to secrets in the fields of a block.

use serde_json::{Map, Value as Json};

use super::{Field, FieldType, Schema};

impl Schema {
    /// The references to secrets in these fields of a block of this kind, each in the form of
    /// [`FieldType::Secret`].
    ///
    /// ```
    /// use fuse_rules::schema::{Field, FieldType, Schema};
    /// use serde_json::json;
    ///
    /// let tls = Schema::new("tls", "").field(Field::required("key", FieldType::Secret, ""));
    /// let schema = Schema::new("queue", "")
    ///     .field(Field::optional("tokens", FieldType::Secrets, ""))
    ///     .field(Field::optional("tls", FieldType::Block(Box::new(tls)), ""));
    /// let (old, key) = (json!({ "env": { "name": "OLD" } }), json!({ "file": { "path": "/k" } }));
    /// let fields = json!({ "tokens": [old], "tls": { "key": key } });
    /// assert_eq!(schema.secrets(fields.as_object().unwrap()), [&old, &key]);
    /// ```
    pub fn secrets<'v>(&self, fields: &'v Map<String, Json>) -> Vec<&'v Json> {
        let mut found = Vec::new();
        find(&self.fields, fields, &mut found);
        found
    }
}

fn find<'v>(schema: &[Field], fields: &'v Map<String, Json>, found: &mut Vec<&'v Json>) {
    for field in schema {
        if let Some(value) = fields.get(&field.name) {
            find_in(&field.ty, value, found);
        }
    }
}

fn find_in<'v>(ty: &FieldType, value: &'v Json, found: &mut Vec<&'v Json>) {
    match (ty, value) {
        (FieldType::Secret, _) => found.push(value),
        (FieldType::Secrets, Json::Array(items)) => found.extend(items),
        (FieldType::Block(schema), Json::Object(fields)) => find(&schema.fields, fields, found),
        (FieldType::Map(ty), Json::Object(fields)) => {
            fields.values().for_each(|value| find_in(ty, value, found));
        }
        (FieldType::List(ty), Json::Array(items)) => {
            items.iter().for_each(|value| find_in(ty, value, found));
        }
        _ => {}
    }
}
