//! The tutorial, `docs/getting-started.md`: its rules and tests do what it says.

use std::fs;
use std::path::Path;

use super::{ran_in, root};

#[test]
fn the_rules_of_the_tutorial_do_what_it_says() {
    let page = fs::read_to_string(root().join("docs/getting-started.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    save_samples(&page, folder);
    fs::create_dir(folder.join("rules")).unwrap();

    let blocks: Vec<&str> = page
        .split("\n```rules\n")
        .skip(1)
        .map(|rest| rest.split("\n```\n").next().unwrap())
        .collect();
    let [inferred, first, condition, fuse, sensor, tests, more] = blocks[..] else {
        panic!("the tutorial has other blocks of rules than the test knows: {}", blocks.len())
    };
    let run = |arguments: &[&str]| ran_in(folder, arguments);
    let save = |rules: &[&str]| {
        fs::write(folder.join("rules/deploy.rules"), rules.join("\n\n") + "\n").unwrap();
    };
    let passes = |arguments: &[&str]| {
        let shown = run(arguments);
        assert!(shown.starts_with("exit 0\n"), "{arguments:?}\n{shown}");
    };
    assert_eq!(run(&["infer-type", "samples", "--name", "build"]), format!("exit 0\n{inferred}\n"));

    save(&[first]);
    let shown = run(&["check", "rules"]);
    assert!(shown.starts_with("exit 1\n") && shown.contains("\n2 problems\n"), "{shown}");

    let wrong = first.lines().find(|line| line.trim_start().starts_with("when ")).unwrap();
    let corrected = first.replace(wrong, condition);
    save(&[&corrected]);
    passes(&["check", "rules"]);
    passes(&["fmt", "--check", "rules"]);
    let shown = run(&["lint", "rules"]);
    assert!(shown.contains("\n2 warnings\n"), "{shown}");
    let explain =
        |sample: &str| run(&["explain", "rules", "--source", "builds.finished", "--event", sample]);
    assert!(explain("samples/passed.json").contains("\ndeploy/main: fired\n"));
    assert!(explain("samples/branch.json").contains("\ndeploy/main: not matched\n"));

    let (head, _) = corrected.split_once("\n\n# Deploys what").unwrap();
    save(&[fuse, head, sensor, tests]);
    passes(&["check", "rules"]);
    passes(&["test", "rules"]);
    let shown = run(&["test", "rules", "--mutate"]);
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    for condition in ["body.status == \"passed\"", "body.image is present"] {
        assert!(shown.contains(&format!("`{condition}`")), "{condition} is tested:\n{shown}");
    }

    save(&[fuse, head, sensor, tests, more]);
    passes(&["fmt", "--check", "rules"]);
    passes(&["lint", "--deny", "warnings", "rules"]);
    passes(&["test", "rules", "--mutate"]);
}

/// Saves the events that the page writes with `cat > FILE <<'END'`.
fn save_samples(page: &str, folder: &Path) {
    fs::create_dir(folder.join("samples")).unwrap();
    for sample in page.split("cat > samples/").skip(1) {
        let (name, rest) = sample.split_once(" <<'END'\n").unwrap();
        let (text, _) = rest.split_once("\nEND\n").unwrap();
        fs::write(folder.join("samples").join(name), text).unwrap();
    }
    assert!(folder.join("samples/branch.json").exists(), "the page has its samples");
}
