//! What public types are called, and what a table of contents holds.

use std::collections::BTreeMap;

use syn::{File, Ident, Item, Visibility};

use crate::modules::Modules;

/// The names that stand for more than one public type of these crates, with where they are defined.
pub(crate) fn defined_twice<'a>(crates: impl IntoIterator<Item = (&'a str, &'a Modules)>) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, modules) in crates {
        for (place, file) in modules.iter() {
            for ident in file.items.iter().filter_map(public_type) {
                places.entry(ident.to_string()).or_default().push(format!("{name}::{}", place.join("::")));
            }
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    twice.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
}

fn public_type(item: &Item) -> Option<&Ident> {
    let (ident, visibility) = match item {
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    matches!(visibility, Visibility::Public(_)).then_some(ident)
}

/// Whether a file only says what is in its folder.
pub(crate) fn is_table_of_contents(file: &File) -> bool {
    file.items.iter().all(|item| matches!(item, Item::Mod(_) | Item::Use(_)))
}
