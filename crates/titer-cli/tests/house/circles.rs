//! Circles of imports between the files and folders of a crate.

use std::collections::BTreeMap;

use crate::{
    imports::imports,
    modules::{Modules, Place},
};

/// Who imports whom within one folder, and one pair of files for each that shows it.
type Edges = BTreeMap<String, BTreeMap<String, String>>;

/// One circle for every folder that has any among its files and folders, in words. A circle of files is one of files or
/// folders in the innermost folder that holds all of them, so none is missed.
pub(crate) fn circles(modules: &Modules) -> Vec<String> {
    let mut folders: BTreeMap<Place, Edges> = BTreeMap::new();
    for (from, _) in modules.iter() {
        for to in imports(modules, from) {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            let shown = format!("{} imports {}", name(from), name(&to));
            let edges = folders.entry(from[..shared].to_vec()).or_default();
            edges.entry(child(from, shared)).or_default().entry(child(&to, shared)).or_insert(shown);
        }
    }
    folders.values().filter_map(circle).collect()
}

/// What of a folder a module belongs to: a file, a folder, or the folder's own module.
fn child(place: &[String], folder: usize) -> String {
    place.get(folder).cloned().unwrap_or_else(|| "self".to_owned())
}

fn name(place: &[String]) -> String {
    ["crate"].into_iter().chain(place.iter().map(String::as_str)).collect::<Vec<_>>().join("::")
}

/// A circle, in words, if there is one.
fn circle(edges: &Edges) -> Option<String> {
    let mut path = Vec::new();
    let mut clear = Vec::new();
    edges.keys().find_map(|start| follow(edges, start, &mut path, &mut clear))
}

/// Goes on from `at`, the end of a path; `clear` is what leads into no circle.
fn follow<'a>(edges: &'a Edges, at: &'a str, path: &mut Vec<&'a str>, clear: &mut Vec<&'a str>) -> Option<String> {
    if let Some(start) = path.iter().position(|before| *before == at) {
        let round: Vec<&str> = path[start..].iter().copied().chain([at]).collect();
        let shown: Vec<&str> = round.windows(2).map(|pair| edges[pair[0]][pair[1]].as_str()).collect();
        return Some(format!("{}: {}", round.join(" → "), shown.join(", ")));
    }
    if clear.contains(&at) {
        return None;
    }
    path.push(at);
    let found = edges.get(at).into_iter().flat_map(BTreeMap::keys).find_map(|to| follow(edges, to, path, clear));
    path.pop();
    clear.push(at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let text = |path: &str| Some(files.iter().find(|(file, _)| *file == path)?.1.to_owned());
        circles(&Modules::of(text))
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod early; mod late;");

    #[test]
    fn imports_in_one_direction_are_no_circle() {
        let early = [("early/mod.rs", "mod a; mod b; pub use b::B;"), ("early/a.rs", "pub struct A;")];
        let b = ("early/b.rs", "use super::a::A; pub struct B(A); #[cfg(test)] mod tests { use crate::late::Late; }");
        let late = ("late.rs", "use crate::early::B; pub struct Late(B);");
        assert_eq!(found(&[ROOT, early[0], early[1], b, late]), [""; 0]);
    }

    #[test]
    fn a_circle_of_two_files_is_found() {
        let early = [("early/mod.rs", "mod a; mod b;"), ("early/a.rs", "use super::b::B; pub struct A(B);")];
        let b = ("early/b.rs", "pub struct B; pub fn f() { crate::early::a::A::new(); }");
        let circle = "a → b → a: crate::early::a imports crate::early::b, crate::early::b imports crate::early::a";
        assert_eq!(found(&[ROOT, early[0], early[1], b, ("late.rs", "")]), [circle]);
    }

    #[test]
    fn a_circle_of_folders_without_one_of_files_is_found() {
        let early = [("early/mod.rs", "mod a; mod b;"), ("early/a.rs", "use crate::late::Late;"), ("early/b.rs", "")];
        let late = ("late.rs", "use crate::late::inner::X; mod inner; pub struct Late;");
        let inner = ("late/inner.rs", "use crate::early::b; pub struct X;");
        let circle =
            "early → late → early: crate::early::a imports crate::late, crate::late::inner imports crate::early::b";
        assert_eq!(found(&[ROOT, early[0], early[1], early[2], late, inner]), [circle]);
    }

    #[test]
    fn what_a_module_passes_on_is_imported_from_where_it_is() {
        let early = [
            ("early/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("early/a.rs", "use super::B; pub struct A;"),
        ];
        let (sound, round) = (("early/b.rs", "pub struct B;"), ("early/b.rs", "use super::A; pub struct B;"));
        assert_eq!(found(&[ROOT, early[0], early[1], sound, ("late.rs", "")]), [""; 0]);
        assert_eq!(found(&[ROOT, early[0], early[1], round, ("late.rs", "")]).len(), 1);
    }

    #[test]
    fn what_a_module_defines_itself_makes_a_circle_with_its_parts() {
        let early =
            [("early/mod.rs", "mod a; use a::A; pub struct Own(A);"), ("early/a.rs", "use super::Own; pub struct A;")];
        assert_eq!(found(&[ROOT, early[0], early[1], ("late.rs", "")]).len(), 1);
    }
}
