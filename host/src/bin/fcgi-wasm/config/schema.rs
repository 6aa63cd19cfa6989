//! The JSON schema of the file, for editors (Taplo, Even Better TOML).

use serde_json::{Map, Value, json};

use super::keys::{INCLUDE, Key, TABLES, TENANT_DEFAULTS, Table};

/// The schema, of the draft that those editors know.
pub(super) fn schema() -> Value {
    let mut properties = Map::new();
    properties.insert(
        INCLUDE.name.to_owned(),
        json!({
            "description": INCLUDE.about,
            "anyOf": [{"type": "string"}, INCLUDE.kind.schema()],
        }),
    );
    for table in TABLES {
        let mut content = content(table);
        if table.name == "tenant" {
            content["properties"]["defaults"] = self::content(&TENANT_DEFAULTS);
        }
        let content = match table.is_named() {
            true => json!({
                "type": "object",
                "description": table.about,
                "additionalProperties": content,
            }),
            false => content,
        };
        properties.insert(table.name.to_owned(), content);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "fcgi-wasm.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn content(table: &Table) -> Value {
    let properties: Map<_, _> = table
        .keys()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    json!({
        "type": "object",
        "description": table.about,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = key.kind.schema();
    schema["description"] = json!(key.about);
    if !key.default.is_empty() {
        schema["default"] = match key.kind.is_written_bare() {
            true => serde_json::from_str(key.default).unwrap_or(Value::Null),
            false => json!(key.default),
        };
    }
    schema
}
