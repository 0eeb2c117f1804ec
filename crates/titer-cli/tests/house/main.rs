//! Rules of the house that no compiler checks.

mod circles;
mod imports;
#[path = "../markdown/mod.rs"]
mod markdown;
mod modules;
mod names;
mod pages;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use circles::circles;
use markdown::markdown;
use modules::Modules;
use names::{defined_twice, is_table_of_contents};
use pages::{broken, links};

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

/// What the wheel is built from is then built already where tests ran, and is the same.
#[test]
fn the_command_and_the_wheel_are_compiled_alike() {
    let optimised = |manifest: &str| -> toml::Value {
        let text = fs_err::read_to_string(folder(manifest)).unwrap();
        toml::from_str::<toml::Table>(&text).unwrap()["profile"]["release"].clone()
    };
    assert_eq!(optimised("../Cargo.toml"), optimised("../python/Cargo.toml"));
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

/// The book's folder.
fn book() -> PathBuf {
    folder("../docs").canonicalize().unwrap()
}

#[test]
fn no_link_of_the_book_or_the_readme_leads_nowhere() {
    let mut looked_at = 0;
    let mut found = Vec::new();
    for page in markdown(&book()).into_iter().chain([folder("../README.md").canonicalize().unwrap()]) {
        for link in links(&fs_err::read_to_string(&page).unwrap()) {
            looked_at += 1;
            found.extend(broken(&page, &link, &book()).map(|why| format!("{}: {why}", page.display())));
        }
    }
    assert!(looked_at > 50, "pages link each other");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_page_is_in_the_books_summary_and_every_picture_on_a_page() {
    let leads = |page: &Path| -> Vec<PathBuf> {
        let text = fs_err::read_to_string(page).unwrap();
        links(&text)
            .iter()
            .map(|link| page.parent().unwrap().join(link))
            .filter_map(|to| to.canonicalize().ok())
            .collect()
    };
    let summary = book().join("SUMMARY.md");
    let listed: BTreeSet<PathBuf> = leads(&summary).into_iter().collect();
    let pages: Vec<PathBuf> = markdown(&book()).into_iter().filter(|page| *page != summary).collect();
    let left_out: Vec<&PathBuf> = pages.iter().filter(|page| !listed.contains(*page)).collect();
    assert!(left_out.is_empty(), "not in SUMMARY.md: {left_out:?}");
    let shown: BTreeSet<PathBuf> = pages.iter().flat_map(|page| leads(page)).collect();
    let pictures = fs_err::read_dir(book().join("figures")).unwrap().map(|entry| entry.unwrap().path());
    let unseen: Vec<PathBuf> = pictures.filter(|picture| !shown.contains(picture)).collect();
    assert!(unseen.is_empty(), "on no page: {unseen:?}");
}

#[test]
fn the_tests_that_the_method_names_are_there() {
    let text = fs_err::read_to_string(book().join("method.md")).unwrap();
    let code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let (mut file, mut named, mut missing) = (String::new(), 0, Vec::new());
    for word in code {
        if word.starts_with("crates/") && word.ends_with(".rs") {
            file = fs_err::read_to_string(folder("..").join(word)).unwrap_or_else(|error| panic!("{error}"));
        } else if word.matches('_').count() >= 2
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        {
            named += 1;
            if !file.contains(&format!("fn {word}(")) {
                missing.push(word);
            }
        }
    }
    assert!(named > 20, "it names tests behind their files");
    assert!(missing.is_empty(), "method.md names tests that are not there: {missing:?}");
}
