//! What the benchmarks measure with: events of GitHub's shape, groups of alerts, and rules over them with tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up must fail loudly"
)]
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::fmt::Write as _;

/// Events of GitHub's shape: mostly URLs, in objects of users and repositories. Those of a file of JSON
/// Lines instead, where `FUSE_BENCH_EVENTS` names one.
pub(crate) fn github_events() -> Vec<Vec<u8>> {
    match std::env::var_os("FUSE_BENCH_EVENTS") {
        Some(file) => {
            let text = std::fs::read(file).unwrap();
            text.split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        }
        None => (0..64).map(|number| github_event(number, 10_000).into_bytes()).collect(),
    }
}

/// The event of a pull request, of about so many bytes.
pub(crate) fn github_event(number: usize, bytes: usize) -> String {
    let (repo, owner) = (format!("repo-{}", number % 37), format!("org-{}", number % 11));
    if bytes < 1_000 {
        return format!(
            r#"{{"action":"opened","number":{number},"sender":{{"login":"user-{number}","id":21031067,"type":"User","site_admin":false}},"repository":{{"id":186853002,"name":"{repo}","full_name":"{owner}/{repo}","private":false,"html_url":"https://github.com/{owner}/{repo}","description":null,"fork":false,"default_branch":"main"}},"zen":"{}"}}"#,
            "Keep it logically awesome. ".repeat(4)
        );
    }
    let mut out = format!(
        r#"{{"action":"{}","number":{number},"#,
        ["opened", "closed", "synchronize", "labeled"][number % 4]
    );
    write!(out, r#""sender":{},"#, user(&format!("user-{}", number % 53))).unwrap();
    write!(out, r#""repository":{},"#, repository(&owner, &repo, bytes > 3_000)).unwrap();
    out.push_str(r#""pull_request":{"title":"Bump the \"serde\" crate","draft":false,"#);
    write!(out, r#""user":{},"#, user(&format!("user-{}", number % 53))).unwrap();
    if bytes > 8_000 {
        write!(out, r#""base":{{"ref":"main","repo":{}}},"#, repository(&owner, &repo, true))
            .unwrap();
    }
    out.push_str(r#""labels":[{"id":1,"name":"dependencies","color":"0366d6"}]},"commits":["#);
    let mut first = true;
    while out.len() + 200 < bytes {
        if !first {
            out.push(',');
        }
        first = false;
        write!(
            out,
            r#"{{"sha":"6dcb09b5b57875f334f61aebed695e2e4193db5e","url":"https://api.github.com/repos/{owner}/{repo}/commits/6dcb09b5b57875f334f61aebed695e2e4193db5e","committer":{}}}"#,
            user("web-flow")
        )
        .unwrap();
    }
    out.push_str("]}");
    out
}

fn user(login: &str) -> String {
    let api = format!("https://api.github.com/users/{login}");
    let mut out = format!(r#"{{"login":"{login}","id":21031067,"node_id":"MDQ6VXNlcjIxMDMxMDY3","#);
    for key in [
        "followers",
        "following",
        "gists",
        "starred",
        "subscriptions",
        "orgs",
        "repos",
        "events",
        "received_events",
    ] {
        write!(out, r#""{key}_url":"{api}/{key}","#).unwrap();
    }
    out + r#""gravatar_id":"","type":"User","site_admin":false}"#
}

fn repository(owner: &str, name: &str, whole: bool) -> String {
    let api = format!("https://api.github.com/repos/{owner}/{name}");
    let mut out = format!(
        r#"{{"id":186853002,"node_id":"MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=","name":"{name}","full_name":"{owner}/{name}","private":false,"#
    );
    write!(out, r#""owner":{},"#, user(owner)).unwrap();
    if whole {
        for key in [
            "forks",
            "keys",
            "collaborators",
            "teams",
            "hooks",
            "issue_events",
            "events",
            "assignees",
            "branches",
            "tags",
            "blobs",
            "git_tags",
            "git_refs",
            "trees",
            "statuses",
            "languages",
            "stargazers",
            "contributors",
            "subscribers",
            "subscription",
            "commits",
            "git_commits",
            "comments",
            "issue_comment",
            "contents",
            "compare",
            "merges",
            "archive",
            "downloads",
            "issues",
            "pulls",
            "milestones",
            "notifications",
            "labels",
            "releases",
            "deployments",
        ] {
            write!(out, r#""{key}_url":"{api}/{key}{{/path}}","#).unwrap();
        }
    }
    out + r#""description":null,"fork":false,"size":0,"stargazers_count":0,"language":null,"has_issues":true,"archived":false,"open_issues":2,"default_branch":"main"}"#
}

/// A group of so many alerts.
pub(crate) fn alerts(count: usize) -> String {
    let alert = |i: usize| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"SLOBurn","slo":"slo-{i}","team":"t{}","name":"app-{i}"}},"annotations":{{"summary":"an app burns its error budget","runbook_url":"https://runbooks.example.com/slo"}},"startsAt":"2026-08-01T10:00:00.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=slo","fingerprint":"a1b2c3d4e5f60718"}}"#,
            i % 7
        )
    };
    let alerts: Vec<_> = (0..count).map(alert).collect();
    format!(r#"{{"receiver":"fuse","status":"firing","alerts":[{}]}}"#, alerts.join(","))
}

/// The kinds of rules that are measured.
pub(crate) const KINDS: [&str; 11] = [
    "equality", "in", "prefix", "suffix", "contains", "range", "glob", "regex", "or", "not", "any",
];

/// The condition of a rule of this kind. Few or none of the events meet it.
pub(crate) fn condition(kind: &str, i: usize) -> String {
    let name = "body.repository.full_name";
    match kind {
        "equality" => format!(
            "body.action == \"opened\" and {name} == \"acme/repo-{i}\" and body.sender.login == \"dev-{}\"",
            i % 1_000
        ),
        "in" => format!("{name} in [\"acme/a-{i}\", \"acme/b-{i}\", \"acme/c-{i}\"]"),
        "prefix" => format!("{name} starts-with \"acme-{i}/\""),
        "suffix" => format!("{name} ends-with \"/app-{i}\""),
        "contains" => format!("{name} contains \"-app-{i}-\""),
        "range" => {
            format!("body.number > {} and body.number <= {}", 1_000 + i * 10, 1_010 + i * 10)
        }
        "glob" => format!("{name} like \"acme-{i}/*-app\""),
        "regex" => format!("{name} matches r\"acme-{i}/(app|web)-[0-9]+\""),
        "or" => format!(
            "({name} == \"acme/a-{i}\" or body.sender.login == \"dev-{i}\" or body.action == \"x-{i}\")"
        ),
        "not" => format!(
            "not ({name} != \"acme/a-{i}\" or body.action == \"closed\" or body.pull_request.draft == true)"
        ),
        "any" => format!("any(l in body.pull_request.labels: l.name == \"label-{i}\")"),
        other => panic!("no kind of rules is called {other}"),
    }
}

/// A file of so many rules, by their conditions.
pub(crate) fn rules(count: usize, condition: impl Fn(usize) -> String) -> String {
    let mut text = String::from(
        "source gh webhook { port = 1, path = \"/\"\n event e }\nsensor s on gh.e {\n",
    );
    for i in 0..count {
        writeln!(
            text,
            " rule r{i} {{ when {}\n  trigger log {{ message = \"x\" }} }}",
            condition(i)
        )
        .unwrap();
    }
    text + "}"
}

/// An event, as tests write it, that meets the condition of this kind and number.
fn met(kind: &str, i: usize) -> String {
    let named = |name: String| format!("repository {{ full_name = \"{name}\" }}");
    match kind {
        "equality" => format!(
            "action = \"opened\"\n  {}\n  sender {{ login = \"dev-{}\" }}",
            named(format!("acme/repo-{i}")),
            i % 1_000
        ),
        "in" | "or" => named(format!("acme/a-{i}")),
        "prefix" => named(format!("acme-{i}/web")),
        "suffix" => named(format!("acme/app-{i}")),
        "contains" => named(format!("acme/web-app-{i}-main")),
        "range" => format!("number = {}", 1_005 + i * 10),
        "glob" => named(format!("acme-{i}/web-app")),
        "regex" => named(format!("acme-{i}/app-7")),
        "not" => format!(
            "action = \"opened\"\n  {}\n  pull_request {{ draft = false }}",
            named(format!("acme/a-{i}"))
        ),
        "any" => format!("pull_request {{ labels = [{{ name = \"label-{i}\" }}] }}"),
        other => panic!("no kind of rules is called {other}"),
    }
}

/// A file of so many rules of all kinds in turn, each with a test.
pub(crate) fn tested_rules(count: usize) -> String {
    let kind = |i: usize| KINDS[i % KINDS.len()];
    let mut text = rules(count, |i| condition(kind(i), i)) + "\n";
    for i in 0..count {
        writeln!(
            text,
            "test \"r{i} fires\" {{\n send gh.e body {{\n  {}\n }}\n expect r{i} once\n}}",
            met(kind(i), i)
        )
        .unwrap();
    }
    text
}

/// A file of so many rules of two equalities each, for every alert of a group.
pub(crate) fn alert_rules(count: usize) -> String {
    let mut text = String::from(
        "source gh webhook { port = 1, path = \"/\"\n event e }\n\
         sensor s on gh.e {\n each alert in body.alerts\n when alert.status == \"firing\"\n",
    );
    for i in 0..count {
        writeln!(
            text,
            " rule r{i} {{ when alert.labels.slo == \"none-{i}\" and alert.labels.team == \"t{}\"\n  trigger log {{ message = alert.labels.name }} }}",
            i % 7
        )
        .unwrap();
    }
    text + "}"
}
