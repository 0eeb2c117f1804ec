//! Columns as CSV and as JSON. What is null, not a number or infinite is empty in CSV and null in JSON.

use serde_json::{Map, Value as Json};

use super::column::Column;

fn rows(columns: &[Column]) -> std::ops::Range<usize> {
    0..columns.first().map_or(0, |column| column.values.len())
}

/// A table as CSV: a line of names, then a line a row.
pub fn csv(columns: &[Column]) -> String {
    let names = columns.iter().map(|column| quoted(&column.name));
    let mut lines = vec![names.collect::<Vec<_>>().join(",")];
    lines.extend(rows(columns).map(|row| {
        let cells = columns.iter().map(|column| match column.values.json(row) {
            Json::Null => String::new(),
            Json::String(text) => quoted(&text),
            other => other.to_string(),
        });
        cells.collect::<Vec<_>>().join(",")
    }));
    lines.join("\n") + "\n"
}

/// A table as JSON: a list of objects, one a row and a line.
pub fn json(columns: &[Column]) -> String {
    let lines = rows(columns).map(|row| {
        let cells = columns.iter().map(|column| (column.name.clone(), column.values.json(row)));
        Json::Object(cells.collect::<Map<_, _>>()).to_string()
    });
    format!("[{}]\n", lines.collect::<Vec<_>>().join(",\n"))
}

/// A text as a cell of CSV (RFC 4180): in quotes where it must be.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Values, unitless};

    #[test]
    fn texts_are_quoted_and_what_is_no_number_is_left_out() {
        let words = ["a, \"b\"", "c"].map(str::to_owned).into();
        let columns = [
            Column::of(&unitless("word", "A word."), Values::Text(words)),
            Column::of(&unitless("number", "A number."), Values::Number(vec![1e-7, f64::NAN])),
            Column::of(&unitless("maybe", "A number or none."), Values::NumberIfAny(vec![None, Some(2.0)])),
        ];
        assert_eq!(csv(&columns), "word,number,maybe\n\"a, \"\"b\"\"\",1e-7,\nc,,2.0\n");
        let wanted = "[{\"word\":\"a, \\\"b\\\"\",\"number\":1e-7,\"maybe\":null},\n{\"word\":\"c\",\"number\":null,\"maybe\":2.0}]\n";
        assert_eq!(json(&columns), wanted);
    }
}
