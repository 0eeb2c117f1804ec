//! What Python does with texts and numbers where minijinja and its collection of Python's methods do otherwise or nothing.

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, StringInput, Tuple, ValueKind, from_args},
};

use super::text::{text, without_containers};

/// Methods of values that minijinja itself does not have.
///
/// # Errors
/// Where there is no such method, or its arguments are not for it.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let (positional, named): (&[Value], Kwargs) = from_args(arguments)?;
    // Arguments that Python's methods also take by their names, put in their places.
    let in_place = |names: &[&str]| {
        let mut all = positional.to_vec();
        for (at, &argument) in names.iter().enumerate().skip(positional.len()) {
            if let Some(value) = named.get::<Option<Value>>(argument)? {
                all.resize(at, Value::from(()));
                all.push(value);
            }
        }
        named.assert_all_used()?;
        Ok::<_, Error>(all)
    };
    let known = match (value.kind(), name) {
        (ValueKind::String, "format") if value.as_str().is_some_and(is_wide) => {
            return Err(Error::new(ErrorKind::InvalidOperation, "format: a width of five digits or more"));
        }
        // A field that looks into a list or a mapping needs it as it is.
        (ValueKind::String, "format") if !value.as_str().is_some_and(|format| format.contains('[')) => {
            let texts = arguments.iter().map(|argument| without_containers(state, argument.clone()));
            texts.collect::<Result<_, _>>()?
        }
        (ValueKind::String, "split" | "rsplit") => in_place(&["sep", "maxsplit"])?,
        (ValueKind::String, "splitlines") => in_place(&["keepends"])?,
        (ValueKind::String, "expandtabs") => in_place(&["tabsize"])?,
        (ValueKind::String, "encode") => return Err(Error::from(ErrorKind::UnknownMethod)),
        _ => arguments.to_vec(),
    };
    let result = match value.as_str() {
        Some(text) => string_method(state, text, name, &known)?,
        None => container_method(state, value, name, &known)?,
    };
    match result {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, &known),
    }
}

fn string_method(state: &State<'_, '_>, text: &str, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let wrong = |problem: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("{name}: {problem}")));
    let result = match name {
        "split" | "rsplit" => {
            let (separator, most): (Option<&str>, Option<i64>) = from_args(arguments)?;
            if separator == Some("") {
                return wrong("empty separator");
            }
            if name == "split" {
                return Ok(None);
            }
            rsplit(text, separator, most.and_then(|most| usize::try_from(most).ok()).unwrap_or(text.len()))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            let parts = match name {
                _ if separator.is_empty() => return wrong("empty separator"),
                "partition" => text.split_once(separator).map_or([text, "", ""], |(a, b)| [a, separator, b]),
                _ => text.rsplit_once(separator).map_or(["", "", text], |(a, b)| [a, separator, b]),
            };
            Value::from(Tuple::from(parts.map(Value::from).to_vec()))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "index" | "rindex" => {
            let (wanted,): (&str,) = from_args(arguments)?;
            match if name == "index" { text.find(wanted) } else { text.rfind(wanted) } {
                Some(at) => Value::from(text[..at].chars().count()),
                None => return wrong("substring not found"),
            }
        }
        "center" | "ljust" | "rjust" => {
            let (width, fill): (usize, Option<char>) = from_args(arguments)?;
            justified(state, text, width, fill.unwrap_or(' '), name)?
        }
        "zfill" => {
            let (width,): (usize,) = from_args(arguments)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let zeros = width.saturating_sub(text.chars().count());
            state.consume_fuel(zeros as u64 / 64)?;
            Value::from(format!("{sign}{}{digits}", "0".repeat(zeros)))
        }
        "expandtabs" => {
            let (size,): (Option<usize>,) = from_args(arguments)?;
            let size = size.unwrap_or(8);
            state.consume_fuel((text.matches('\t').count() * size) as u64 / 64)?;
            Value::from(expand_tabs(text, size))
        }
        "swapcase" => text
            .chars()
            .flat_map(
                |c| if c.is_uppercase() { c.to_lowercase().collect::<Vec<_>>() } else { c.to_uppercase().collect() },
            )
            .collect::<String>()
            .into(),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "title" => Value::from(title(state, text)?),
        "istitle" => Value::from(text.chars().any(is_cased) && title(state, text)? == text),
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// Whether a format has a number of five digits or more: a width that would be filled before anyone counts.
fn is_wide(format: &str) -> bool {
    format.split(|character: char| !character.is_ascii_digit()).any(|digits| digits.len() > 4)
}

fn container_method(
    state: &State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    let result = match (value.kind(), name) {
        // Nothing in a template can change a copy, as nothing can change what it is a copy of.
        (ValueKind::Seq | ValueKind::Map, "copy") => {
            let () = from_args(arguments)?;
            value.clone()
        }
        (ValueKind::Seq, "index") => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            let missing = || Error::new(ErrorKind::InvalidOperation, "index: the value is not in the list");
            state.consume_fuel(value.len().unwrap_or(0) as u64 / 2)?;
            Value::from(value.try_iter()?.position(|item| item == *wanted).ok_or_else(missing)?)
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

fn rsplit(text: &str, separator: Option<&str>, most: usize) -> Value {
    let mut parts: Vec<&str> = match separator {
        Some(separator) => text.rsplitn(most.saturating_add(1), separator).collect(),
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end();
            while parts.len() < most
                && let Some(at) = rest.rfind(char::is_whitespace)
            {
                let word = &rest[at..];
                parts.push(word.trim_start());
                rest = rest[..at].trim_end();
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            parts
        }
    };
    parts.reverse();
    parts.into_iter().map(Value::from).collect()
}

fn justified(state: &State<'_, '_>, text: &str, width: usize, fill: char, name: &str) -> Result<Value, Error> {
    let missing = width.saturating_sub(text.chars().count());
    state.consume_fuel((missing * fill.len_utf8()) as u64 / 64)?;
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        // As CPython has it: an odd character goes to the left where the width is odd.
        _ => missing / 2 + (missing & width & 1),
    };
    let filled = |count: usize| fill.to_string().repeat(count);
    Ok(Value::from(format!("{}{text}{}", filled(left), filled(missing - left))))
}

fn expand_tabs(text: &str, size: usize) -> String {
    let (mut expanded, mut column) = (String::with_capacity(text.len()), 0);
    for character in text.chars() {
        match character {
            '\t' if size > 0 => {
                let spaces = size - column % size;
                expanded.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            '\t' => {}
            _ => {
                expanded.push(character);
                column = if matches!(character, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    expanded
}

/// The first of every run of letters large, the others small; letters that are neither large nor small end a run.
fn title(state: &State<'_, '_>, text: &str) -> Result<String, Error> {
    let mut titled = String::with_capacity(text.len());
    for run in text.split_inclusive(|character| !is_cased(character)) {
        // As minijinja has it: the first in the form that titles have, and the others small.
        let run = Value::from(run);
        titled.push_str(minijinja::filters::capitalize(StringInput::new(state, &run)?).as_str().unwrap_or_default());
    }
    Ok(titled)
}

/// Whether a letter is large or small.
fn is_cased(character: char) -> bool {
    character.is_lowercase() || character.is_uppercase() || character.to_lowercase().ne([character])
}

/// `left % right`: a text is a format for what stands right of it, a number has a remainder.
///
/// # Errors
/// Where the format does not fit the values, or the values have no remainder.
pub(super) fn percent(state: &mut State<'_, '_>, left: Value, right: Value) -> Result<Value, Error> {
    let Some(format) = left.as_str() else {
        return remainder(&left, &right);
    };
    let values: Vec<Value> = match right.kind() {
        ValueKind::Seq if right.is_tuple() => right.try_iter()?.collect(),
        ValueKind::Map => {
            let pairs = right.try_iter()?.map(|key| Ok((key.to_string(), right.get_item(&key)?)));
            let pairs: Vec<(String, Value)> = pairs.collect::<Result<_, Error>>()?;
            // One value for `%s`, many for `%(key)s`.
            if format.contains("%(") { vec![pairs.into_iter().collect::<Kwargs>().into()] } else { vec![right] }
        }
        _ => vec![right],
    };
    let arguments: Vec<Value> = std::iter::once(left.clone()).chain(values).collect();
    state.apply_filter("format", &arguments)
}

fn remainder(left: &Value, right: &Value) -> Result<Value, Error> {
    let wrong =
        || Error::new(ErrorKind::InvalidOperation, format!("% is not for a {} and a {}", left.kind(), right.kind()));
    if left.is_integer() && right.is_integer() {
        let (left, right) = (i128::try_from(left.clone())?, i128::try_from(right.clone())?);
        let rest = left.checked_rem(right).ok_or_else(wrong)?;
        return Ok(Value::from(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }));
    }
    if !left.is_number() || !right.is_number() {
        return Err(wrong());
    }
    let (left, right) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
    Ok(Value::from(left - right * (left / right).floor()))
}

/// The filter `int(value, default=0, base=10)`: what cannot be read is the default.
pub(super) fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    named: Kwargs,
) -> Result<Value, Error> {
    Ok(minijinja::filters::int(state, value, default, base, named).unwrap_or(Value::from(0)))
}

/// The test `iterable`; nothing is no list of nothing.
pub(super) fn is_iterable(value: &Value) -> bool {
    value.kind() == ValueKind::Undefined || !value.is_none() && value.try_iter().is_ok()
}

/// The test `sequence`: what has a length and items, as texts and mappings have.
pub(super) fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined)
}

/// The filter `center(value, width=80)`.
pub(super) fn center(state: &State<'_, '_>, value: &Value, width: Option<usize>) -> Result<Value, Error> {
    justified(state, &text(state, value)?, width.unwrap_or(80), ' ', "center")
}
