//! Names for values and conditions, and lookups in tables.

use super::{Theme, condition, path};
use crate::eval::tests::many::Random;

/// A value that is looked up by another one: in a table, a list, or an object of the event.
pub(crate) fn lookup(random: &mut Random, root: &str, path: &str) -> String {
    let lookup = random.pick(&[
        "{t}[{p}]",
        "({t}[{p}] ?? \"prod\")",
        "{r}[{p}]",
        "{r}.o[{p}]",
        "({r}.o[{p}] ?? {r}[{p}])",
        "[\"dev\", 1, null][{p}]",
        "({ prod = { a = \"dev\" }, dev = { a = 1 } })[{p}].a",
    ]);
    let table = "({ prod = \"dev\", dev = 1, \"1\" = null })";
    lookup.replace("{t}", table).replace("{r}", root).replace("{p}", path)
}

/// A `let` of a value. Paths can start with its name.
pub(crate) fn named(random: &mut Random, theme: &Theme, roots: &[&str], name: &str) -> String {
    let root = roots[random.below(roots.len())];
    let path = path(random, theme, root);
    let value = match random.below(9) {
        0 => path,
        1 | 2 => format!("{root}.o"),
        3 => format!("{root}.items[0] ?? {root}.o"),
        4 => format!("if {} then {root}.o else {root}", condition(random, theme, roots, 0)),
        5 => lookup(random, root, &path),
        6 => format!("first(t in body.items: t.a == \"{}\")", random.pick(&theme.texts)),
        7 => format!("{{ a = {path}, b? = {root}.b, o = {{ n? = {path} }} }}"),
        _ => root.to_owned(),
    };
    format!("let {name} = {value}\n")
}

/// A `let` of a condition, and a condition that uses it.
pub(crate) fn used(random: &mut Random, theme: &Theme, roots: &[&str]) -> String {
    let one = condition(random, theme, roots, 1);
    let when =
        ["used", "not used", "used or body.a is present", "(if used then body.a else body.b) == 1"];
    format!("let used = {one}\nwhen {}\n", random.pick(&when))
}
