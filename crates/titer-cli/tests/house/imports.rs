//! Which modules a module names, in its `use` items and elsewhere in its code, tests left out.

use std::collections::BTreeSet;

use syn::{
    Item, ItemMod, ItemUse, Path, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::modules::{Modules, Place, for_tests};

/// The places of the modules that hold what the module in `from` names; a name that is only passed on is followed to where it
/// is defined.
pub(crate) fn imports(modules: &Modules, from: &[String]) -> BTreeSet<Place> {
    let mut paths = Paths::default();
    paths.visit_file(modules.file(from));
    let mut found: BTreeSet<Place> =
        paths.0.iter().filter_map(|path| resolve(modules, from, path, &mut Vec::new())).collect();
    found.remove(from);
    found
}

/// The module in which a path that is written in `from` ends; `None` where it leads out of the crate.
fn resolve(modules: &Modules, from: &[String], path: &[String], seen: &mut Vec<Place>) -> Option<Place> {
    let (first, mut rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" => Place::new(),
        "self" => from.to_vec(),
        "super" => parent(from),
        child => step(from, child),
    };
    if !modules.contains(&at) {
        return None;
    }
    while let Some((name, after)) = rest.split_first() {
        let next = if name == "super" { parent(&at) } else { step(&at, name) };
        if !modules.contains(&next) {
            // An item of this module, or one that it passes on.
            let key = step(&at, name);
            let passed = passed_on(modules, &at).into_iter().find(|(alias, _)| alias == name);
            return match passed.filter(|_| !seen.contains(&key)) {
                Some((_, target)) => {
                    seen.push(key);
                    let path: Vec<String> = target.iter().chain(after).cloned().collect();
                    resolve(modules, &at, &path, seen)
                }
                None => Some(at),
            };
        }
        (at, rest) = (next, after);
    }
    Some(at)
}

fn parent(of: &[String]) -> Place {
    of[..of.len().saturating_sub(1)].to_vec()
}

fn step(from: &[String], to: &str) -> Place {
    from.iter().cloned().chain([to.to_owned()]).collect()
}

/// Every name that a module's `use` items bring into it, and the path behind it.
fn passed_on(modules: &Modules, place: &[String]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for item in &modules.file(place).items {
        if let Item::Use(item) = item
            && !for_tests(&item.attrs)
        {
            leaves(&item.tree, &[], &mut found);
        }
    }
    found
}

/// The names at the ends of a tree of `use`, each with its path; a `*` is a name for the module before it.
fn leaves(tree: &UseTree, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &step(before, &path.ident.to_string()), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, found)),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.last().cloned().unwrap_or_default(), before.to_vec()));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), step(before, &name.ident.to_string()))),
        UseTree::Rename(name) => found.push((name.rename.to_string(), step(before, &name.ident.to_string()))),
        UseTree::Glob(_) => found.push(("*".to_owned(), before.to_vec())),
    }
}

/// Every path in a file's code.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        assert!(module.content.is_none(), "module `{}` has no file of its own", module.ident);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &[], &mut found);
        self.0.extend(found.into_iter().map(|(_, path)| path));
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    // `pub(in path)` names who may look, and takes nothing from there.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
