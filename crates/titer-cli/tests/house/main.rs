//! Rules of the house that no compiler checks.

mod circles;
mod imports;
mod modules;
mod names;

use std::path::{Path, PathBuf};

use circles::circles;
use modules::Modules;
use names::{defined_twice, is_table_of_contents};

/// The crates of the lab.
const CRATES: [&str; 6] = ["titer-machine", "titer-data", "titer-model", "titer", "titer-engine", "titer-cli"];

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of)
}

fn modules() -> impl Iterator<Item = (&'static str, Modules)> {
    CRATES.into_iter().map(|name| (name, Modules::read(&folder(name).join("src"))))
}

#[test]
fn files_and_folders_import_in_one_direction() {
    for (name, modules) in modules() {
        assert!(modules.len() > 0, "{name} holds modules");
        let found = circles(&modules);
        assert!(found.is_empty(), "circles in {name}:\n{}", found.join("\n"));
    }
}

#[test]
fn a_public_type_has_a_name_of_its_own() {
    let all: Vec<(&str, Modules)> = modules().collect();
    let found = defined_twice(all.iter().map(|(name, modules)| (*name, modules)));
    assert!(found.is_empty(), "one name, one thing:\n{}", found.join("\n"));
    let twice = |text: &'static str| Modules::of(move |file| (file == "lib.rs").then(|| text.to_owned()));
    let [a, b] = [twice("pub struct Same; struct Own;"), twice("pub enum Same {} pub trait Own {}")];
    assert_eq!(defined_twice([("a", &a), ("b", &b)]), ["Same: a::, b::"]);
}

#[test]
fn a_folder_begins_with_its_table_of_contents() {
    for (name, modules) in modules() {
        let folders = modules.iter().filter(|(place, _)| {
            !place.is_empty() && modules.iter().any(|(other, _)| other.len() > place.len() && other.starts_with(place))
        });
        for (place, file) in folders {
            assert!(is_table_of_contents(file), "{name}, {}/mod.rs holds more than `mod` and `use`", place.join("/"));
        }
    }
    assert!(!is_table_of_contents(&syn::parse_file("mod a; pub use a::A; fn b() {}").unwrap()));
}

#[test]
fn the_files_that_the_architecture_names_are_there() {
    let text = fs_err::read_to_string(folder("../ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| CRATES.iter().any(|name| word.starts_with(&format!("{name}/"))))
        .collect();
    assert!(named.len() > 50, "it names the files of formulas");
    let missing: Vec<&&str> = named.iter().filter(|path| !folder(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}
