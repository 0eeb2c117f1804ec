//! The JSON schema of specs, by which editors complete keys and mark wrong values: derived from the types that serde reads, with the
//! defaults of `defaults.toml`. What reads itself from a text or from several shapes is described here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use titer_data::{cell::Cell, prompt::Pool, schema::cell_names};

use super::{DeviceName, Lora, MixField, PromptsField, When};

/// The schema of specs, draft 7, which editors of TOML read. A test holds it against the types.
pub const SCHEMA: &str = include_str!("spec.schema.json");

/// Describes a type that reads itself.
macro_rules! describe {
    ($type:ty, $name:literal, |$generator:ident| $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

describe!(When, "When", |_g| {
    "description": "`never`, `at the end`, or `every N steps` (and at the end).",
    "type": "string",
    "pattern": "^(never|at the end|every step|every [0-9]+ steps?)$",
    "examples": ["never", "at the end", "every 50 steps"],
});

describe!(DeviceName, "DeviceName", |_g| {
    "description": "Where a model is computed: cpu, cuda, cuda:N, mps, torch-cpu.",
    "type": "string",
    "pattern": "^(cpu|torch-cpu|mps|cuda(:[0-9]+)?)$",
    "examples": ["cpu", "cuda", "mps", "torch-cpu"],
});

describe!(Lora, "Lora", |_g| {
    "description": "A rank, or a table.",
    "anyOf": [
        { "type": "integer", "minimum": 1 },
        {
            "type": "object",
            "properties": {
                "r": { "type": "integer", "minimum": 1, "description": "Rank." },
                "alpha": { "type": "number", "exclusiveMinimum": 0, "description": "What an adapter adds is scaled by alpha / r; without it 2 r." },
                "rslora": { "type": "boolean", "description": "Scale by alpha / √r." },
                "targets": { "type": "array", "items": { "type": "string" }, "description": "Linear layers; without them all." },
            },
            "required": ["r"],
            "additionalProperties": false,
        },
    ],
});

describe!(MixField, "Mix", |generator| {
    "description": "Shares of cells, and the cell that fills what is left.",
    "type": "object",
    "properties": (of_cells(&json!({ "type": "number", "minimum": 0, "maximum": 1 }), "rest", generator.subschema_for::<Cell>())),
    "additionalProperties": false,
});

describe!(PromptsField, "Prompts", |generator| {
    "description": "Prompts of cells in place of their own.",
    "type": "object",
    "properties": (of_cells(&json!(generator.subschema_for::<Pool>()), "all", generator.subschema_for::<Pool>())),
    "additionalProperties": false,
});

/// Properties: every cell of one kind, and one more.
fn of_cells(kind: &Value, more: &str, of_more: Schema) -> Map<String, Value> {
    let cells = cell_names().into_iter().map(|cell| (cell, kind.clone()));
    [(more.to_owned(), of_more.to_value())].into_iter().chain(cells).collect()
}

/// Swept axes: values in a list, or named ones in a table.
pub(super) struct Axes;

describe!(Axes, "Axes", |_g| {
    "description": "What arms vary: \"<stage>.<field>\" or \"model.<field>\" and its values, in a list, or in a table where they have names.",
    "type": "object",
    "additionalProperties": { "anyOf": [{ "type": "array", "minItems": 1 }, { "type": "object" }] },
});

/// Words for a moment, or steps.
pub(super) struct Moment;

describe!(Moment, "Moment", |_g| {
    "description": "When: words such as \"end\" or a stage's name, or a number of steps.",
    "type": ["string", "integer"],
});

/// Arms by what they are set to.
pub(super) struct Settings;

describe!(Settings, "Settings", |_g| {
    "description": "`all`, `control`, or settings of axes.",
    "anyOf": [{ "type": "string" }, { "type": "object" }],
});

/// A text, or a whole number in its place.
pub(super) struct TextOrNumber;

describe!(TextOrNumber, "TextOrNumber", |_g| { "type": ["string", "integer"] });

#[cfg(test)]
mod tests {
    use schemars::{
        generate::SchemaSettings,
        transform::{RecursiveTransform, Transform as _},
    };

    use super::{
        super::{DEFAULTS, read::File},
        *,
    };

    /// The schema of the types.
    fn schema() -> Value {
        let settings = SchemaSettings::draft07().for_deserialize();
        let mut schema = settings.into_generator().into_root_schema_for::<File>();
        RecursiveTransform(without_null).transform(&mut schema);
        schema.insert("title".to_owned(), json!("A titer spec"));
        let mut schema = schema.to_value();
        let defaults: Value = toml::from_str(DEFAULTS).expect("the defaults are TOML");
        put_defaults(&mut schema, &defaults);
        // The same word in another spelling.
        let stage = schema.pointer_mut("/definitions/StageFields/properties").and_then(Value::as_object_mut);
        let stage = stage.expect("stages have fields");
        let optimiser = stage.get("optimiser").cloned().expect("a stage has an optimiser");
        stage.insert("optimizer".to_owned(), optimiser);
        schema
    }

    /// TOML has no null: what may be left out is not written.
    fn without_null(schema: &mut Schema) {
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [only] = choices.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                schema.insert("allOf".to_owned(), json!([only]));
            }
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
    }

    /// Writes a table's values as the defaults of the keys that have them, in the schema that they are of.
    fn put_defaults(root: &mut Value, defaults: &Value) {
        fn put(definitions: &mut Map<String, Value>, schema: &mut Value, default: &Value) {
            let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
            for (key, default) in default.as_object().into_iter().flatten() {
                let Some(property) = properties.get_mut(key) else { continue };
                let Some(name) = defined(property) else {
                    property["default"] = default.clone();
                    continue;
                };
                let first = default.as_array().and_then(|list| list.first());
                if let Some(mut named) = definitions.remove(&name) {
                    put(definitions, &mut named, first.unwrap_or(default));
                    // A table's keys have their defaults; anything else is one.
                    if named.get("properties").is_none() {
                        property["default"] = default.clone();
                    }
                    definitions.insert(name, named);
                }
            }
        }
        let mut definitions = root.get_mut("definitions").and_then(Value::as_object_mut).map(std::mem::take);
        if let Some(definitions) = &mut definitions {
            put(definitions, root, defaults);
        }
        root["definitions"] = json!(definitions);
    }

    /// The name of the definition that a property, or an item of it, refers to.
    fn defined(property: &Value) -> Option<String> {
        let places = ["/$ref", "/allOf/0/$ref", "/items/$ref"];
        let reference = places.iter().find_map(|place| property.pointer(place))?.as_str()?;
        reference.strip_prefix("#/definitions/").map(str::to_owned)
    }

    #[test]
    fn the_schema_that_is_shipped_is_that_of_the_types() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spec/spec.schema.json");
        let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("TITER_WRITE").is_some() {
            fs_err::write(&path, &text).unwrap();
        }
        assert!(
            SCHEMA == text,
            "spec.schema.json is not what the types say: run this test with TITER_WRITE=1, and read the diff"
        );
    }
}
