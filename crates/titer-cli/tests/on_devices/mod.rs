//! What tests of devices run there and here, and how they compare it.

use serde_json::Value;

/// A sweep with adapters, guards, a ledger and pressures.
pub(crate) const SPEC: &str = r#"
title = "Devices"
seeds = [0]
pressure = "at the end"
[model]
lora = 4
[[stage]]
rows = 24
batch = 8
optimiser = { kind = "adamw", lr = 0.01 }
mix = { "bad→good" = 0.5, rest = "neutral→good" }
guards = { steer = { obey = { min = 0.0 } }, kl = {} }
[probes]
items = 4
every = 0
"#;

/// The cells of `titer results`, all but the name of the run, which says where it was made.
pub(crate) fn cells(csv: &str) -> Value {
    let of = |cell: &str| cell.parse::<f64>().map_or_else(|_| cell.into(), Value::from);
    csv.lines().map(|line| line.split(',').skip(1).map(of).collect::<Value>()).collect()
}

/// Numbers of two JSON values are apart by at most this share of the expected one, or of a tenth where that is less; what else is in them is equal.
pub(crate) fn close(found: &Value, expected: &Value, allowed: f64, place: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{place}");
            let one =
                |(key, found): (&String, &Value)| close(found, &expected[key], allowed, &format!("{place}.{key}"));
            found.iter().for_each(one);
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{place}");
            found.iter().zip(expected).for_each(|(found, expected)| close(found, expected, allowed, place));
        }
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() <= allowed * expected.abs().max(0.1), "{place}: {found}, {expected}");
        }
        (found, expected) => assert_eq!(found, expected, "{place}"),
    }
}
