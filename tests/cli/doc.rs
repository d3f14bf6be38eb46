//! `fuse doc`

use super::{fuse, ran};

#[test]
fn the_page_of_the_seeds_rules() {
    insta::assert_snapshot!(ran(&["doc", "rules"]));
}

#[test]
fn hostile_comments_and_values_stay_in_their_place() {
    let rules = r##"
# <script>alert(1)</script>
# # A heading, and ```
#
# [link](javascript:x) with `code <b>` and `half
fuse odd_name_ default on
fuse unused default off
source s webhook {
  port = 1, path = "/a"
  id = lower(headers["x-id"])
  event e : {
    a: string, # Of `a`.
    b: "</a>" | null, xs: list<any>
  }
  event f : shape { path = "/``b" }
}
# The shape
# of `f`.
type shape = {
  # Of it.
  a?: int
}
const limits = { a = 1, b = ["|"] }
# # Not a heading.
condition bad(text: string) = text in ["`"]
sensor t on s.e {
  requires odd_name_
  when body.a matches r"```"
    # In the middle.
    or body.b
      == "</a>"
  rule r {
    each x in body.xs
    trigger log { message = "``` ${x}" , fields { a? = x.y ?? 1, n = { from = 1h } } }
    trigger log { message = "m" }
  }
}
"##;
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("odd.rules"), folder.path().join("page.md"));
    std::fs::write(&file, rules).unwrap();
    let file = file.to_str().unwrap();
    let output = fuse(&["doc", file, "--output", page.to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let page = std::fs::read_to_string(page).unwrap();
    insta::assert_snapshot!(page.replace(file, "odd.rules"));

    // Every link of the page leads to an anchor of it.
    for target in page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(page.contains(&format!("<a id=\"{target}\">")), "{target}");
    }
}

#[test]
fn what_has_problems_or_cannot_be_written_is_said() {
    let output = fuse(&["doc", "tests/corpus/unclosed.rules"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(ran(&["doc", "rules", "--output", "no-such-folder/page.md"]), @"
    exit 2
    --- stderr
    fuse: `no-such-folder/page.md` cannot be written: No such file or directory (os error 2)
    ");
}
