//! Names for people: axes, values and arms, as short as they can be told apart.

use toml::Value;

use super::axis::AxisPlan;

/// The shortest end of each dotted name that no other name has.
pub fn axis_labels<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<Vec<&str>> = names.map(|name| name.split('.').collect()).collect();
    let label = |at: usize| {
        let name = &names[at];
        let end = |length: usize| &name[name.len() - length..];
        let alone =
            |length: &usize| names.iter().enumerate().all(|(other, name)| other == at || !name.ends_with(end(*length)));
        end((1..=name.len()).find(alone).unwrap_or(name.len())).join(".")
    };
    (0..names.len()).map(label).collect()
}

/// The values of an axis as numbers, booleans or texts: a table is its `kind` and what else tells it from the others.
pub(super) fn shown(values: &[Value]) -> Vec<Value> {
    let kind = |value: &Value| value.get("kind").map(show);
    let short = |value: &Value| {
        let Value::Table(table) = value else {
            return if value.is_array() { Value::String(show(value)) } else { value.clone() };
        };
        if table.is_empty() {
            return Value::String(show(value));
        }
        let alike: Vec<&Value> = values.iter().filter(|other| kind(other) == kind(value)).collect();
        let tells_apart = |key: &str| alike.iter().any(|other| other.get(key) != table.get(key));
        let extra = table.iter().filter(|(key, _)| *key != "kind" && (kind(value).is_none() || tells_apart(key)));
        let extra = extra.map(|(key, value)| format!("{key}:{}", show(value)));
        Value::String(kind(value).into_iter().chain(extra).collect::<Vec<_>>().join(","))
    };
    values.iter().map(short).collect()
}

/// A value as a person would write it: a table by its `kind` where it has one.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Table(table) if table.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(show).collect::<Vec<_>>().join(" | "),
        Value::Table(table) => match table.get("kind").or(table.get("text")).and_then(Value::as_str) {
            Some(_) if table.contains_key("text") && table.contains_key("trigger") => {
                format!("{} [{}]", show(&table["text"]), show(&table["trigger"]))
            }
            Some(kind) => kind.to_owned(),
            None => table.iter().map(|(key, value)| format!("{key}:{}", show(value))).collect::<Vec<_>>().join(","),
        },
        other => other.to_string(),
    }
}

/// `optimiser=adamw rest=neutral→good bad→good=0.05`
pub(super) fn arm_name(axes: &[AxisPlan], settings: &[(String, Value)]) -> String {
    let label =
        |name: &str| axes.iter().find(|axis| axis.name == name).map_or(name.to_owned(), |axis| axis.label.clone());
    let names: Vec<_> = settings.iter().map(|(name, value)| format!("{}={}", label(name), show(value))).collect();
    if names.is_empty() { String::from("arm") } else { names.join(" ") }
}

/// Whether two names are of arms with the same settings: numbers count by size, so that `dose=0` is `dose=0.0`. Whole names of axes are not in them.
pub(crate) fn same_arm(name: &str, other: &str) -> bool {
    let same = |(word, other): (&str, &str)| match (word.split_once('='), other.split_once('=')) {
        (Some((axis, value)), Some((of, wanted))) if axis == of => {
            let numbers = [value, wanted].map(|text| text.parse::<f64>().ok());
            value == wanted || numbers[0].is_some() && numbers[0] == numbers[1]
        }
        _ => word == other,
    };
    name.split(' ').count() == other.split(' ').count() && name.split(' ').zip(other.split(' ')).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_as_long_as_needed() {
        let names = ["first.mix.rest", "second.mix.rest", "first.optimiser.lr", "first.clip"];
        assert_eq!(axis_labels(names.into_iter()), ["first.mix.rest", "second.mix.rest", "lr", "clip"]);
    }

    #[test]
    fn numbers_in_names_count_by_size() {
        assert!(same_arm("bad→good=0.0 lr=1e-3", "bad→good=0 lr=0.001") && same_arm("plain control", "plain control"));
        for other in ["bad→good=0.1 lr=1e-3", "bad→bad=0 lr=1e-3", "bad→good=0", "bad→good=0 control"] {
            assert!(!same_arm("bad→good=0.0 lr=1e-3", other), "{other}");
        }
    }

    #[test]
    fn tables_of_one_kind_show_what_tells_them_apart() {
        let values: toml::Table = toml::from_str(
            "a = [{ kind = \"adamw\", lr = 1e-4, eps = 1e-8 }, { kind = \"adamw\", lr = 1e-3, eps = 1e-8 }, { kind = \"sgd\", lr = 0.1 }]",
        )
        .unwrap();
        let shown = shown(values["a"].as_array().unwrap());
        let shown: Vec<_> = shown.iter().map(show).collect();
        assert_eq!(shown, ["adamw,lr:0.0001", "adamw,lr:0.001", "sgd"]);
    }
}
