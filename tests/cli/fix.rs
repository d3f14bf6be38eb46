//! `fuse check --fix`, and the formats that problems are printed in.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use super::ran;

const RULES: &str = "source q webhook { port = 12000, path = '/q'\n event e }\nsensor s on q.e {\n  rule r {\n    when body.a && bdy.b\n    trigger log { message = \"x\" }\n  }\n}\n";

fn fixed(folder: &std::path::Path, arguments: &[&str]) -> String {
    let file = folder.join("x.rules");
    let mut all = vec!["check", "--fix"];
    all.extend(arguments);
    all.push(file.to_str().unwrap());
    ran(&all).replace(folder.to_str().unwrap(), "FOLDER")
}

#[test]
fn what_is_safe_is_written_and_what_is_left_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.rules");
    fs::write(&file, RULES).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    insta::assert_snapshot!(fixed(folder.path(), &[]));
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, RULES.replace("'/q'", "\"/q\"").replace("&&", "and"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // Nothing is left to fix, and nothing is written: not even beside the file.
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let again = fixed(folder.path(), &[]);
    assert!(!again.contains("fixed "), "{again}");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_link_stays_a_link_and_what_is_read_only_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    fs::write(&real, RULES).unwrap();
    symlink("real", folder.path().join("x.rules")).unwrap();
    fixed(folder.path(), &[]);
    assert!(folder.path().join("x.rules").is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains(" and "));
    fs::write(&real, RULES).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o444)).unwrap();
    insta::assert_snapshot!(fixed(folder.path(), &[]), @"
    exit 2
    --- stderr
    fuse: `FOLDER/x.rules` cannot be written: it is read-only
    ");
    assert_eq!(fs::read_to_string(&real).unwrap(), RULES);
}

#[test]
fn programs_get_nothing_but_their_format() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.rules"), RULES).unwrap();
    let json = fixed(folder.path(), &["--format", "json"]);
    assert!(json.lines().skip(1).all(|line| line.starts_with('{')), "{json}");
    insta::assert_snapshot!(fixed(folder.path(), &["--format", "github"]), @"
    exit 1
    ::error file=FOLDER/x.rules,line=5,endLine=5,col=21,endColumn=24,title=E0201 a path starts with an unknown name::unknown name `bdy`%0Ahelp: did you mean `body`?
    ");
    let sarif = fixed(folder.path(), &["--format", "sarif"]);
    let log: serde_json::Value = serde_json::from_str(sarif.split_once('\n').unwrap().1).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "E0201");
}

#[test]
fn warnings_are_printed_and_change_no_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let text = RULES.replace("'/q'", "\"/q\"").replace("&& bdy.b", "is present");
    fs::write(folder.path().join("x.rules"), text.replace("\"x\"", "\"$body.a\"")).unwrap();
    insta::assert_snapshot!(fixed(folder.path(), &[]), @r#"
    exit 0
    warning[E0110]: `$body.a` is not filled in
     --> FOLDER/x.rules:6:30
      |
    6 |     trigger log { message = "$body.a" }
      |                              ^^^^^^^ plain text
      |
    help: write `${body.a}`
      |
    6 -     trigger log { message = "$body.a" }
    6 +     trigger log { message = "${body.a}" }
      |

    1 warning
    for more about one of them: fuse explain-code E0110
    no problems in 1 file: 1 event, 1 rule
    "#);
}

/// Not a terminal: plain, unless colours are forced; `NO_COLOR` wins over what a terminal would get.
#[test]
fn colours_are_for_those_who_want_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.rules");
    fs::write(&file, "fuse").unwrap();
    let coloured = |environment: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_fuse"))
            .args(["check", file.to_str().unwrap()])
            .env_clear()
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!coloured(&[]));
    assert!(!coloured(&[("NO_COLOR", "1")]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
}
