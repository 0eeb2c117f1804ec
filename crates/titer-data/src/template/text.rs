//! Values as Python writes them: `str`, which is what a template prints, joins and puts together, and `repr`, which is how a list
//! writes what it holds.

use std::{fmt::Write as _, sync::LazyLock};

use minijinja::{
    AutoEscape, Error, ErrorKind, Output, State, Value, filters,
    value::{Kwargs, Rest, StringInput, ValueKind, ValueOrKwargs},
};
use regex::Regex;

/// Values within values at most; deeper ones hold themselves.
const DEPTH: usize = 100;

/// How much `pprint` writes on a line.
const LINE: usize = 80;

/// What `repr` does not print as it is, but for the space.
static UNPRINTABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}]").expect("a pattern"));

/// A value as `str` writes it.
///
/// # Errors
/// Where it is too much, or holds itself.
pub(super) fn text(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.to_string()),
        ValueKind::Undefined => Ok(String::new()),
        _ => repr(state, value, false),
    }
}

/// The value itself where it is a text, else its text.
///
/// # Errors
/// As [`text`].
pub(super) fn as_text(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String { Ok(value) } else { text(state, &value).map(Value::from) }
}

/// A number as Python writes it.
pub(super) fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(real) if !value.is_integer() => float(real),
        _ => value.to_string(),
    }
}

/// A real number as Python writes it.
pub(super) fn float(real: f64) -> String {
    if real.is_nan() {
        return "nan".to_owned();
    }
    let scientific = format!("{real:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if real.is_finite() && !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => {
            let plain = real.to_string();
            if real.is_finite() && !plain.contains('.') { format!("{plain}.0") } else { plain }
        }
    }
}

fn repr(state: &State<'_, '_>, value: &Value, sorted: bool) -> Result<String, Error> {
    let mut writer = Writer { state, sorted, text: String::new() };
    writer.value(value, 0)?;
    Ok(writer.text)
}

struct Writer<'a, 'template, 'env> {
    state: &'a State<'template, 'env>,
    /// Whether keys are in order.
    sorted: bool,
    text: String,
}

impl Writer<'_, '_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::new(ErrorKind::InvalidOperation, "a value that is printed holds itself"));
        }
        self.state.consume_fuel(1)?;
        match value.kind() {
            ValueKind::Undefined => self.text.push_str("Undefined"),
            ValueKind::Number => self.text.push_str(&number(value)),
            ValueKind::String => {
                self.text.push_str(if value.is_safe() { "Markup(" } else { "" });
                self.string(value.as_str().unwrap_or_default())?;
                self.text.push_str(if value.is_safe() { ")" } else { "" });
            }
            ValueKind::Seq if value.is_tuple() => {
                self.items(value, ['(', ')'], depth)?;
                if value.len() == Some(1) {
                    self.text.insert(self.text.len() - 1, ',');
                }
            }
            ValueKind::Seq => self.items(value, ['[', ']'], depth)?,
            ValueKind::Iterable if value.len().is_some() => self.items(value, ['[', ']'], depth)?,
            ValueKind::Map => {
                let is_namespace = value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"));
                self.text.push_str(if is_namespace { "<Namespace " } else { "" });
                self.items(value, ['{', '}'], depth)?;
                self.text.push_str(if is_namespace { ">" } else { "" });
            }
            _ => self.text.push_str(&value.to_string()),
        }
        Ok(())
    }

    fn items(&mut self, value: &Value, [open, close]: [char; 2], depth: usize) -> Result<(), Error> {
        let mut items: Vec<Value> = value.try_iter()?.collect();
        if self.sorted && open == '{' {
            items.sort();
        }
        self.text.push(open);
        for (at, item) in items.iter().enumerate() {
            self.text.push_str(if at > 0 { ", " } else { "" });
            self.value(item, depth + 1)?;
            if open == '{' {
                self.text.push_str(": ");
                self.value(&value.get_item(item)?, depth + 1)?;
            }
        }
        self.text.push(close);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        self.state.consume_fuel(text.len() as u64 / 64)?;
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        self.text.push(quote);
        for character in text.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                same if same == quote => self.text.extend(['\\', quote]),
                ' '..='~' => self.text.push(character),
                other if !UNPRINTABLE.is_match(other.encode_utf8(&mut [0; 4])) => self.text.push(other),
                other => {
                    let code = u32::from(other);
                    let written = match code {
                        0..0x100 => write!(self.text, "\\x{code:02x}"),
                        0x100..0x10000 => write!(self.text, "\\u{code:04x}"),
                        _ => write!(self.text, "\\U{code:08x}"),
                    };
                    written.expect("writing to a string");
                }
            }
        }
        self.text.push(quote);
        Ok(())
    }
}

/// What `{{ value }}` prints.
///
/// # Errors
/// As [`text`].
pub(super) fn print(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let escapes = !matches!(state.auto_escape(), AutoEscape::None) && !value.is_safe();
    match value.as_str() {
        Some(text) if !escapes => output.write_str(text)?,
        _ => {
            let text = text(state, value)?;
            output.write_str(&if escapes { html(&text) } else { text })?;
        }
    }
    Ok(())
}

/// `a ~ b ~ …`
///
/// # Errors
/// As [`text`].
pub(super) fn together(state: &State<'_, '_>, parts: Rest<Value>) -> Result<Value, Error> {
    let mut joined = String::new();
    for part in parts.iter() {
        match part.as_str() {
            Some(part) => joined.push_str(part),
            None => joined.push_str(&text(state, part)?),
        }
    }
    // A byte is 64 times cheaper than an instruction, as in minijinja itself.
    state.consume_fuel(joined.len() as u64 / 64)?;
    Ok(Value::from(joined))
}

/// The filter `escape`.
///
/// # Errors
/// As [`text`].
pub(super) fn escape(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_safe() { Ok(value.clone()) } else { force_escape(state, value) }
}

/// The filter `forceescape`.
///
/// # Errors
/// As [`text`].
pub(super) fn force_escape(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    Ok(Value::from_safe_string(html(&text(state, value)?)))
}

/// A text with markupsafe's escapes.
fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The filter `join(value, d='', attribute=None)`.
///
/// # Errors
/// As [`text`], and where the value has no items.
pub(super) fn join(
    state: &mut State<'_, '_>,
    value: Value,
    between: Option<Value>,
    attribute: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let between = match between {
        Some(between) => Some(between),
        None => named.get("d")?,
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => named.get::<Option<Value>>("attribute")?,
    };
    named.assert_all_used()?;
    let items = match attribute.filter(|attribute| !attribute.is_none()) {
        Some(attribute) => state.apply_filter("map", &[value, Kwargs::from_iter([("attribute", attribute)]).into()])?,
        None => value,
    };
    // A text is joined by its characters.
    let items = match items.kind() {
        ValueKind::String | ValueKind::Undefined => items,
        _ => items.try_iter()?.map(|item| as_text(state, item)).collect::<Result<Value, Error>>()?,
    };
    let between = between.map(|between| as_text(state, between)).transpose()?;
    let between = between.as_ref().map(|between| StringInput::new(state, between)).transpose()?;
    filters::join(state, &items, between, None, Kwargs::from_iter::<[(&str, Value); 0]>([]))
}

/// The function that the filter `format` becomes once containers are texts.
pub(super) const PRINTF: &str = "titer_printf";

/// The filter `format(format, …)`.
///
/// # Errors
/// Where the format does not fit the values.
pub(super) fn format(state: &mut State<'_, '_>, format: Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut all = vec![as_text(state, format)?];
    for argument in arguments.into_values() {
        all.push(without_containers(state, argument)?);
    }
    state.apply_filter(PRINTF, &all)
}

/// An argument of a format, as text where it is a container; named ones within their container.
///
/// # Errors
/// As [`text`].
pub(super) fn without_containers(state: &State<'_, '_>, argument: Value) -> Result<Value, Error> {
    if argument.is_kwargs() {
        let named = Kwargs::try_from(argument)?;
        let texts = named.args().map(|name| Ok((name, without_containers(state, named.get(name)?)?)));
        return Ok(texts.collect::<Result<Kwargs, Error>>()?.into());
    }
    match argument.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => text(state, &argument).map(Value::from),
        _ => Ok(argument),
    }
}

/// The filter `pprint`, of what has room on one line.
///
/// # Errors
/// Where it has none.
pub(super) fn pprint(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let line = repr(state, value, true)?;
    if line.chars().count() > LINE {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("pprint: more than {LINE} characters")));
    }
    Ok(line)
}

/// The filters that take any value for its text.
pub(super) fn add_filters(environment: &mut minijinja::Environment<'_>) {
    for (name, filter) in [
        ("upper", filters::upper as fn(StringInput<'_>) -> Value),
        ("lower", filters::lower),
        ("capitalize", filters::capitalize),
    ] {
        environment.add_filter(name, move |state: &State<'_, '_>, value: Value| {
            let value = as_text(state, value)?;
            Ok::<_, Error>(filter(StringInput::new(state, &value)?))
        });
    }
    environment.add_filter("title", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(filters::title(text(state, value)?.into()))
    });
    environment.add_filter("trim", |state: &State<'_, '_>, value: Value, characters: Option<Value>| {
        let value = as_text(state, value)?;
        let characters = characters.filter(|characters| !characters.is_none()).map(|characters| characters.to_string());
        Ok::<_, Error>(filters::trim(StringInput::new(state, &value)?, characters.map(Into::into)))
    });
    environment.add_filter("string", |state: &State<'_, '_>, value: Value| as_text(state, value));
    environment.add_filter(PRINTF, filters::format);
    environment.add_filter("format", format);
    environment.add_filter("join", join);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("forceescape", force_escape);
    environment.add_filter("pprint", pprint);
}
