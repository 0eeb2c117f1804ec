//! JSON schemas of what reads itself from a text or from one of several shapes; other types derive theirs.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{cell::Cell, prompt::Pool, source::RuleCell, template::TemplateDate, variables::Variables};

/// A cell, with either arrow.
impl JsonSchema for Cell {
    fn schema_name() -> Cow<'static, str> {
        "Cell".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A cell: <prompt>→<action>, or with ->.", "enum": cell_names() })
    }
}

/// A cell, or that rows are left out.
impl JsonSchema for RuleCell {
    fn schema_name() -> Cow<'static, str> {
        "RuleCell".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = cell_names().into_iter().chain([Self::LEAVE_OUT.to_owned()]).collect();
        json_schema!({ "description": "A cell, or `leave out`.", "enum": names })
    }
}

/// A day.
impl JsonSchema for TemplateDate {
    fn schema_name() -> Cow<'static, str> {
        "TemplateDate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A day, such as 2024-07-26.", "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
    }
}

/// Values by name.
impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Values by name.", "type": "object" })
    }
}

/// A word for a pool, or a list of prompts.
impl JsonSchema for Pool {
    fn schema_name() -> Cow<'static, str> {
        "Pool".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Prompts in place of a row's own: a word, or a list to draw from.",
            "anyOf": [
                { "enum": Self::WORDS.map(|(word, _)| word) },
                { "type": "array", "minItems": 1, "items": { "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "properties": { "text": { "type": "string" }, "trigger": { "type": "string" } },
                        "required": ["text", "trigger"],
                        "additionalProperties": false,
                    },
                ] } },
            ],
        })
    }
}

/// Every cell as `→` and as `->` write it.
pub fn cell_names() -> Vec<String> {
    let written = |cell: Cell| [cell.to_string(), cell.to_string().replace('→', "->")];
    Cell::all().flat_map(written).collect()
}
