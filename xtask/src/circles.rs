//! Circles of files: files of one crate that need each other, directly or by way of others.
//!
//! A file needs the files that define what it names, and the modules that it declares. A name that is
//! re-exported on the way is followed to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::module_source::{self, ModuleSource};

/// Files of one crate, found from its root by `mod` declarations.
#[derive(Default)]
struct Crate {
    modules: Vec<Module>,
}

struct Module {
    /// Path in the workspace.
    file: String,
    parent: usize,
    children: BTreeMap<String, usize>,
    source: ModuleSource,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Module(usize),
    /// An item that this module defines.
    Item(usize),
}

/// Names that cause an edge, by the two files.
type Edges = BTreeMap<(usize, usize), BTreeSet<String>>;

/// Finds the circles of one crate; `entry` is its root file.
pub(crate) fn check_crate(workspace: &Path, entry: &Path) -> Vec<String> {
    let read = |path: &Path| std::fs::read_to_string(workspace.join(path)).ok();
    let entry = entry.strip_prefix(workspace).unwrap_or(entry);
    Crate::load(entry, &read).circles()
}

impl Crate {
    fn load(entry: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut files = Self::default();
        files.add(entry, entry.parent().unwrap_or(entry), 0, read);
        files
    }

    /// Adds a module and those that it declares; `folder` is where their files are.
    fn add(
        &mut self,
        file: &Path,
        folder: &Path,
        parent: usize,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Option<usize> {
        let source = module_source::scan(&read(file)?);
        let index = self.modules.len();
        let names = source.children.clone();
        let file = file.display().to_string();
        self.modules.push(Module { file, parent, children: BTreeMap::new(), source });
        for name in names {
            let below = folder.join(&name);
            let beside = |end: &str| PathBuf::from(format!("{}{end}", below.display()));
            let child = self
                .add(&beside(".rs"), &below, index, read)
                .or_else(|| self.add(&beside("/mod.rs"), &below, index, read));
            if let Some(child) = child {
                self.modules[index].children.insert(name, child);
            }
        }
        Some(index)
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (from, module) in self.modules.iter().enumerate() {
            let mut add = |to: usize, name: &str| {
                if to != from {
                    edges.entry((from, to)).or_default().insert(name.into());
                }
            };
            for (name, &child) in &module.children {
                add(child, &format!("mod {name}"));
            }
            let imports = module.source.imports.iter().map(|import| &import.path);
            for path in imports.chain(&module.source.paths) {
                match self.resolve(from, path, &mut BTreeSet::new()) {
                    Some((Found::Item(to), name)) => add(to, &name),
                    Some((Found::Module(to), name)) if name == "*" => add(to, &name),
                    _ => {}
                }
            }
        }
        edges
    }

    /// What a path leads to as seen from a module, and the name there.
    fn resolve(
        &self,
        from: usize,
        path: &[String],
        followed: &mut BTreeSet<(usize, String)>,
    ) -> Option<(Found, String)> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Found::Module(0),
            "self" => Found::Module(from),
            "super" => Found::Module(self.modules[from].parent),
            name => self.lookup(from, name, followed)?,
        };
        let mut name = first.clone();
        while let (Found::Module(module), Some((next, after))) = (at, rest.split_first()) {
            (name, rest) = (next.clone(), after);
            at = match next.as_str() {
                "super" => Found::Module(self.modules[module].parent),
                "*" => return Some((at, name)),
                _ => self.lookup(module, next, followed).unwrap_or(Found::Item(module)),
            };
        }
        Some((at, name))
    }

    /// A name in a module: a child, an item, or what an import brings.
    fn lookup(&self, module: usize, name: &str, followed: &mut BTreeSet<(usize, String)>) -> Option<Found> {
        let Module { children, source, .. } = &self.modules[module];
        if let Some(&child) = children.get(name) {
            return Some(Found::Module(child));
        }
        if source.defines.contains(name) {
            return Some(Found::Item(module));
        }
        if !followed.insert((module, name.into())) {
            return None;
        }
        let named = source.imports.iter().find(|import| import.name == name);
        let mut globs = source.imports.iter().filter(|import| import.name == "*");
        named.and_then(|import| self.resolve(module, &import.path, followed)).map(|(found, _)| found).or_else(
            || {
                globs.find_map(|glob| match self.resolve(module, &glob.path, followed)? {
                    (Found::Module(inner), _) if inner != module => self.lookup(inner, name, followed),
                    _ => None,
                })
            },
        )
    }

    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let reached: Vec<_> = (0..self.modules.len()).map(|from| reachable(&edges, from)).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for from in 0..self.modules.len() {
            let circle: BTreeSet<_> =
                reached[from].iter().copied().filter(|&to| reached[to].contains(&from)).collect();
            if circle.len() > 1 && seen.insert(circle.clone()) {
                found.push(self.report(&circle, &edges));
            }
        }
        found
    }

    fn report(&self, circle: &BTreeSet<usize>, edges: &Edges) -> String {
        let file = |index: usize| &self.modules[index].file;
        let first = circle.first().map_or("", |&index| file(index));
        let mut text = format!("{first}: a circle of {} files:", circle.len());
        for ((from, to), names) in edges {
            if circle.contains(from) && circle.contains(to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                text += &format!("\n    {} -> {}: {}", file(*from), file(*to), names.join(", "));
            }
        }
        text
    }
}

/// The modules that one needs, directly or by way of others.
fn reachable(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        let next = edges.range((at, 0)..=(at, usize::MAX)).map(|((_, to), _)| *to);
        open.extend(next.filter(|&to| found.insert(to)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &Path| {
            let text = files.iter().find(|(name, _)| Path::new(name) == path)?.1;
            Some(text.to_string())
        };
        Crate::load(Path::new("lib.rs"), &read).circles()
    }

    #[test]
    fn files_that_name_each_other_are_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B(crate::c::C);"),
            ("c.rs", "pub struct C(super::a::A);"),
        ]);
        assert_eq!(
            found,
            ["a.rs: a circle of 3 files:\n    a.rs -> b.rs: B\n    b.rs -> c.rs: C\n    c.rs -> a.rs: A"]
        );
    }

    #[test]
    fn tests_and_one_way_uses_are_no_circle() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::B; }"),
            ("b.rs", "use crate::A; pub struct B(A);"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn re_exports_lead_to_the_file_that_defines_the_item() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b; pub use b::*; pub(crate) use a::A as Renamed;"),
            ("a.rs", "pub struct A(crate::B);"),
            ("b.rs", "pub struct B(crate::Renamed);"),
        ]);
        assert_eq!(found, ["a.rs: a circle of 2 files:\n    a.rs -> b.rs: B\n    b.rs -> a.rs: Renamed"]);
    }

    #[test]
    fn a_child_that_names_an_item_of_its_parent_is_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod c; pub struct A;"),
            ("a/b.rs", "use super::A; use super::c::C;"),
            ("a/c.rs", "pub struct C;"),
        ]);
        assert_eq!(
            found,
            ["a/mod.rs: a circle of 2 files:\n    a/mod.rs -> a/b.rs: mod b\n    a/b.rs -> a/mod.rs: A"]
        );
    }

    #[test]
    fn imported_modules_count_by_what_is_named_in_them() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b; pub const A: u8 = b::B;"),
            ("b.rs", "use crate::a; pub const B: u8 = 1; fn c() -> u8 { a::A }"),
        ]);
        assert_eq!(found, ["a.rs: a circle of 2 files:\n    a.rs -> b.rs: B\n    b.rs -> a.rs: A"]);
    }
}
