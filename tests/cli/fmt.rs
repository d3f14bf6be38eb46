//! `fuse fmt`

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{fuse, ran, root};

const MESSY: &str = "fuse a default on\n\n\nfuse b   default off # why\n";
const TIDY: &str = "fuse a default on\nfuse b default off  # why\n";

/// What it prints, with the folder's name left out.
fn ran_in(folder: &Path, arguments: &[&str]) -> String {
    let folder = folder.to_str().unwrap();
    let arguments: Vec<String> =
        arguments.iter().map(|argument| argument.replace("DIR", folder)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    ran(&arguments).replace(folder, "DIR")
}

#[test]
fn the_repositorys_rules_are_laid_out() {
    insta::assert_snapshot!(ran(&["fmt", "--check", "rules", "rules/std"]), @"
    exit 0
    0 would change, 24 unchanged
    ");
}

#[test]
fn files_are_laid_out_in_place_and_the_others_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, text) in [("messy.rules", MESSY), ("tidy.rules", TIDY), ("messy.txt", MESSY)] {
        std::fs::write(path(name), text).unwrap();
    }
    std::fs::write(path("broken.rules"), "fuse a  default\n").unwrap();
    let tidied = std::fs::metadata(path("tidy.rules")).unwrap().modified().unwrap();

    insta::assert_snapshot!(ran_in(folder.path(), &["fmt", "--check", "DIR"]), @"
    exit 1
    error[E0101]: expected `on` or `off` after `default`
     --> DIR/broken.rules:1:9
      |
    1 | fuse a  default
      |         ^^^^^^^ something is missing after this
      |
      = help: add its default, as in `fuse cicd default off`

    1 problem
    for more about one of them: fuse explain-code E0101
    would format DIR/messy.rules
    1 would change, 1 unchanged, 1 does not parse
    ");
    insta::assert_snapshot!(ran_in(folder.path(), &["fmt", "--diff", "DIR/messy.rules"]), @"
    exit 0
    --- DIR/messy.rules
    +++ DIR/messy.rules
    @@ -1,4 +1,2 @@
     fuse a default on
    -
    -
    -fuse b   default off # why
    +fuse b default off  # why
    ");
    insta::assert_snapshot!(ran_in(folder.path(), &["fmt", "--check", "--diff", "DIR/messy.rules"]), @"
    exit 1
    --- DIR/messy.rules
    +++ DIR/messy.rules
    @@ -1,4 +1,2 @@
     fuse a default on
    -
    -
    -fuse b   default off # why
    +fuse b default off  # why
    ");
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(text("messy.rules"), MESSY, "nothing was written");

    insta::assert_snapshot!(ran_in(folder.path(), &["fmt", "DIR", "DIR/messy.rules"]), @"
    exit 1
    error[E0101]: expected `on` or `off` after `default`
     --> DIR/broken.rules:1:9
      |
    1 | fuse a  default
      |         ^^^^^^^ something is missing after this
      |
      = help: add its default, as in `fuse cicd default off`

    1 problem
    for more about one of them: fuse explain-code E0101
    formatted DIR/messy.rules
    1 changed, 1 unchanged, 1 does not parse
    ");
    assert_eq!(text("messy.rules"), TIDY);
    assert_eq!(text("messy.txt"), MESSY);
    assert_eq!(text("broken.rules"), "fuse a  default\n");
    let modified = std::fs::metadata(path("tidy.rules")).unwrap().modified().unwrap();
    assert_eq!(modified, tidied, "what does not change is not written");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left over");
}

#[cfg(unix)]
#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("x.rules"), folder.path().join("link.rules"));
    std::fs::write(&file, MESSY).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("x.rules", &link).unwrap();
    assert!(fuse(&["fmt", link.to_str().unwrap()]).status.success());
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), TIDY);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let through = |text: &str, arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fuse"))
            .arg("fmt")
            .args(arguments)
            .current_dir(root())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(through(MESSY, &["-"]), (0, TIDY.to_owned(), String::new()));
    assert_eq!(through(TIDY, &["--check", "-"]), (0, String::new(), String::new()));
    assert_eq!(through(MESSY, &["--check", "-"]).0, 1);
    let (code, stdout, stderr) = through("fuse a default", &["-"]);
    assert_eq!((code, stdout.as_str()), (1, ""), "what does not parse is not printed");
    assert!(stderr.contains("error[E0101]"), "{stderr}");
}

#[test]
fn wrong_usage() {
    insta::assert_snapshot!(ran(&["fmt", "-", "rules"]), @"
    exit 2
    --- stderr
    fuse: `-` reads standard input and cannot be combined with other paths
    ");
    insta::assert_snapshot!(ran(&["fmt", "no-such.rules"]), @"
    exit 2
    --- stderr
    fuse: `no-such.rules` cannot be read: there is no such file
    ");
    assert_eq!(fuse(&["fmt", "--no-such-option"]).status.code(), Some(2));
}
