//! Rules of the house that no compiler checks.

mod circles;
mod imports;
mod modules;

use std::path::Path;

use circles::circles;
use modules::Modules;

/// The crates whose files and folders import each other in one direction only.
const CRATES: [&str; 5] = ["titer-data", "titer-model", "titer", "titer-engine", "titer-cli"];

#[test]
fn files_and_folders_import_in_one_direction() {
    for name in CRATES {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        let modules = Modules::read(&src);
        assert!(modules.len() > 1, "{} holds modules", src.display());
        let found = circles(&modules);
        assert!(found.is_empty(), "circles in {name}:\n{}", found.join("\n"));
    }
}
