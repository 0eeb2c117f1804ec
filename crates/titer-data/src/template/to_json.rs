//! `tojson` as transformers has it: Python's `json.dumps`, nothing escaped for HTML.

use std::fmt::Write as _;

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args},
};

use super::text;

/// Values within values at most; deeper ones hold themselves.
const DEPTH: usize = 100;

/// Spaces of an indent at most.
const WIDEST: usize = 64;

/// How a value is written.
struct Style {
    ensure_ascii: bool,
    /// What a level is indented by; `None` for everything on one line.
    indent: Option<String>,
    between_items: String,
    behind_key: String,
    sort_keys: bool,
}

/// The filter `tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
///
/// # Errors
/// Where the value is none of JSON's, or an argument is unknown.
pub(super) fn to_json(state: &State<'_, '_>, value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    type Arguments = (Option<Value>, Option<Value>, Option<Value>, Option<Value>, Kwargs);
    let arguments = arguments.into_values();
    let (ensure_ascii, indent, separators, sort_keys, named): Arguments = from_args(&arguments)?;
    let argument = |positional: Option<Value>, name: &str| {
        let value = match positional {
            Some(value) => Some(value),
            None => named.get(name)?,
        };
        Ok::<_, Error>(value.filter(|value| !value.is_none()))
    };
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let indent = match argument(indent, "indent")? {
        Some(text) if text.as_str().is_some() => Some(text.to_string()),
        Some(spaces) => Some(" ".repeat(usize::try_from(spaces)?.min(WIDEST))),
        None => None,
    };
    let separators = match argument(separators, "separators")? {
        Some(pair) => [0, 1].map(|at| pair.get_item(&Value::from(at)).map(|text| text.to_string())),
        None => [if indent.is_some() { "," } else { ", " }, ": "].map(|text| Ok(text.to_owned())),
    };
    let [between_items, behind_key] = separators;
    let style = Style {
        ensure_ascii: is_true(argument(ensure_ascii, "ensure_ascii")?),
        indent,
        between_items: between_items?,
        behind_key: behind_key?,
        sort_keys: is_true(argument(sort_keys, "sort_keys")?),
    };
    named.assert_all_used()?;
    let mut writer = Writer { state, style: &style, text: String::new() };
    writer.value(value, 0)?;
    Ok(Value::from(writer.text))
}

struct Writer<'a, 'template, 'env> {
    state: &'a State<'template, 'env>,
    style: &'a Style,
    text: String,
}

impl Writer<'_, '_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::new(ErrorKind::InvalidOperation, "tojson: the value holds itself"));
        }
        self.state.consume_fuel(1)?;
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.text.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default())?,
            ValueKind::Seq => self.items('[', ']', value.try_iter()?.map(|item| (None, item)).collect(), depth)?,
            ValueKind::Map => {
                let mut entries = Vec::new();
                for key in value.try_iter()? {
                    entries.push((Some(key_text(&key)?), value.get_item(&key)?));
                    self.state.consume_fuel(1)?;
                }
                if self.style.sort_keys {
                    entries.sort_by(|entry, other| entry.0.cmp(&other.0));
                }
                self.items('{', '}', entries, depth)?;
            }
            kind => return Err(not_json(&kind.to_string())),
        }
        Ok(())
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        items: Vec<(Option<String>, Value)>,
        depth: usize,
    ) -> Result<(), Error> {
        let style = self.style;
        self.text.push(open);
        let last = items.len();
        for (at, (key, item)) in items.into_iter().enumerate() {
            if at > 0 {
                self.push(&style.between_items)?;
            }
            self.new_line(depth + 1)?;
            if let Some(key) = key {
                self.string(&key)?;
                self.push(&style.behind_key)?;
            }
            self.value(&item, depth + 1)?;
        }
        if last > 0 {
            self.new_line(depth)?;
        }
        self.text.push(close);
        Ok(())
    }

    fn new_line(&mut self, depth: usize) -> Result<(), Error> {
        let style = self.style;
        let Some(indent) = &style.indent else { return Ok(()) };
        self.text.push('\n');
        (0..depth).try_for_each(|_| self.push(indent))
    }

    /// Writes a text that the template chose.
    fn push(&mut self, text: &str) -> Result<(), Error> {
        // A byte is 64 times cheaper than an instruction, as in minijinja itself.
        self.state.consume_fuel(text.len() as u64 / 64)?;
        self.text.push_str(text);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        self.state.consume_fuel(text.len() as u64 / 64)?;
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                control if control < ' ' => self.escape(control),
                other if self.style.ensure_ascii && !(' '..='~').contains(&other) => self.escape(other),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
        Ok(())
    }

    fn escape(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(self.text, "\\u{unit:04x}").expect("writing to a string");
        }
    }
}

fn not_json(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson: {what} is no JSON value"))
}

/// A number as Python writes it to JSON.
fn number(value: &Value) -> String {
    match (value.is_integer(), f64::try_from(value.clone())) {
        (false, Ok(real)) if real.is_nan() => "NaN".to_owned(),
        (false, Ok(real)) if real.is_infinite() => if real > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        (false, Ok(real)) => text::float(real),
        _ => value.to_string(),
    }
}

/// A key of an object: texts as they are, others as JSON values.
fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(number(key)),
        kind => Err(not_json(&format!("a key that is a {kind}"))),
    }
}
