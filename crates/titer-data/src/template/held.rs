//! Values that a template builds, held to a size: a list that holds itself, or holds twice what held twice another, has no end
//! for who prints or compares it.

use minijinja::{
    Error, ErrorKind, State, Value, functions,
    value::{Kwargs, ValueKind, ValueOrKwargs},
};

use super::context::SeenMessage;

/// Values within a value at most, each counted as often as it is met.
const MOST: u64 = 100_000;

/// The value itself.
///
/// # Errors
/// Where it holds too much.
pub(super) fn held(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, Namespaces::Counted)?;
    Ok(value)
}

/// The value itself, to be kept by a namespace.
///
/// # Errors
/// Where it holds too much, or a namespace, which could then hold itself.
pub(super) fn stored(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value, Namespaces::Refused)?;
    Ok(value)
}

/// `namespace(…)`.
///
/// # Errors
/// As [`stored`].
pub(super) fn namespace(state: &State<'_, '_>, defaults: Option<ValueOrKwargs>) -> Result<Value, Error> {
    if let Some(defaults) = &defaults {
        weigh(state, &defaults.clone().into_value(), Namespaces::Refused)?;
    }
    functions::namespace(defaults)
}

/// `dict(…)`.
///
/// # Errors
/// As [`held`].
pub(super) fn dict(state: &State<'_, '_>, value: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    held(state, functions::dict(value, named)?)
}

/// What becomes of namespaces within a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Namespaces {
    Counted,
    Refused,
}

/// Fails where a value holds more than [`MOST`] values.
fn weigh(state: &State<'_, '_>, value: &Value, namespaces: Namespaces) -> Result<(), Error> {
    let too_much = |what: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("a value {what}")));
    let (mut waiting, mut weight) = (vec![value.clone()], 0);
    while let Some(value) = waiting.pop() {
        let Some(object) = value.as_object() else { continue };
        // A message is given, not built; to weigh it would be to read it.
        if object.downcast_ref::<SeenMessage>().is_some() {
            continue;
        }
        let is_namespace = object.type_name().ends_with("::Namespace");
        if is_namespace && namespaces == Namespaces::Refused {
            return too_much("of a namespace holds a namespace");
        }
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
            || object.enumerator_len().is_none()
        {
            continue;
        }
        for item in value.try_iter()? {
            weight += 1;
            if weight > MOST {
                return too_much(&format!("holds more than {MOST} values"));
            }
            if value.kind() == ValueKind::Map {
                waiting.push(value.get_item(&item)?);
            }
            waiting.push(item);
        }
    }
    state.consume_fuel(weight / 8)
}
