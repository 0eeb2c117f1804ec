//! The modules of a crate, as its `mod` declarations say, without those for tests.

use std::{collections::BTreeMap, path::Path};

use syn::{Attribute, File, Item, Meta};

/// Where a module is, from the root of its crate, which is empty.
pub(crate) type Place = Vec<String>;

/// The modules of a crate, each a file.
pub(crate) struct Modules(BTreeMap<Place, File>);

impl Modules {
    /// Those of the crate in this folder.
    pub(crate) fn read(src: &Path) -> Self {
        Self::of(|file| fs_err::read_to_string(src.join(file)).ok())
    }

    /// Those of a crate whose files `text` gives by their path, such as `a/mod.rs`, where there is such a file.
    pub(crate) fn of(text: impl Fn(&str) -> Option<String>) -> Self {
        let mut modules = BTreeMap::new();
        let mut open = vec![Place::new()];
        while let Some(place) = open.pop() {
            let path = place.join("/");
            let files = if place.is_empty() {
                ["lib.rs".to_owned(), "main.rs".to_owned()]
            } else {
                [format!("{path}.rs"), format!("{path}/mod.rs")]
            };
            let found = files.iter().find_map(|file| text(file));
            let file = syn::parse_file(&found.unwrap_or_else(|| panic!("no file of module {path}"))).expect(&path);
            for item in &file.items {
                if let Item::Mod(module) = item
                    && module.content.is_none()
                    && !for_tests(&module.attrs)
                {
                    open.push(place.iter().cloned().chain([module.ident.to_string()]).collect());
                }
            }
            modules.insert(place, file);
        }
        Self(modules)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is one in this place.
    pub(crate) fn contains(&self, place: &[String]) -> bool {
        self.0.contains_key(place)
    }

    /// All of them with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Place, &File)> {
        self.0.iter()
    }

    /// The one in this place.
    pub(crate) fn file(&self, place: &[String]) -> &File {
        &self.0[place]
    }
}

/// Whether what has these attributes is compiled for tests alone.
pub(crate) fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}
