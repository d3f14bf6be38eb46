//! Generates rules in which every lint finds something now and then, and events for them. Each declaration, clause
//! and field has its own lines, so a test can check a finding by changing lines.

use std::fmt::Write as _;
use std::rc::Rc;

use crate::analysis::tests::generate::{self, TYPES, Theme};
use crate::diagnostic::tests::kinds::registry;
use crate::eval::tests::many::Random;
use crate::ruleset::Ruleset;

/// The available workflow templates.
pub(super) const TEMPLATES: &str = r#"
kind: WorkflowTemplate
metadata:
  name: build
spec:
  entrypoint: main
  arguments:
    parameters:
      - name: ref
      - name: depth
        value: "1"
      - name: mode
        value: fast
        enum: [fast, safe]
  templates:
    - name: main
      inputs:
        parameters:
          - name: ref
      script:
        image: alpine/git
        command: [sh]
        source: git clone --branch "{{inputs.parameters.ref}}" https://git.example.com/pay
"#;

/// A name that is too long for the prefix of a generated name.
const LONG: &str = "restart-everything-that-has-an-expired-certificate";

/// A generated rule set.
pub(super) struct Set {
    pub(super) text: String,
    /// The text of the type of `gh.push`.
    pub(super) ty: &'static str,
}

/// The kind of event that a sensor listens to.
#[derive(Clone)]
enum Event {
    /// Values of all types under a few keys, possibly with a declared type.
    Push { roots: Vec<&'static str>, theme: Rc<Theme> },
    /// Alerts and issues without a declared type.
    Alerts { each: bool },
}

impl Set {
    pub(super) fn new(random: &mut Random, number: usize, count: usize) -> Self {
        let ty = TYPES[number % TYPES.len()];
        let head = head(random, ty);
        let mut text = head.clone();
        // No `use`: every check would load the other files again.
        let unused = ["use std \"github\"\n", "use std \"gitlab\"\n", " : gitlab.push"];
        let bare = unused.into_iter().fold(head.clone(), |head, text| head.replace(text, ""));
        let checks = |sensor: &str, rule: &str| {
            let text = format!("{bare}{sensor}{rule}}}\n");
            Ruleset::parse("a.rules", &text, &registry()).is_ok()
        };
        let theme = Rc::new(Theme::new(random));
        let (mut rules, mut sensors) = (0, 0);
        while rules < count {
            let (sensor, event) = sensor(random, sensors, &theme);
            if !checks(&sensor, "rule r {\ntrigger log { message = \"x\" }\n}\n") {
                continue;
            }
            sensors += 1;
            text.push_str(&sensor);
            for _ in 0..(1 + random.below(4)).min(count - rules) {
                let made = (0..30).map(|_| rule(random, rules, &event));
                let made = made.into_iter().find(|rule| checks(&sensor, rule));
                let bare = || format!("rule r{rules} {{\ntrigger log {{ message = \"x\" }}\n}}\n");
                text.push_str(&made.unwrap_or_else(bare));
                rules += 1;
            }
            text.push_str("}\n");
        }
        tests(random, rules, &mut text);
        Self { text, ty }
    }
}

fn head(random: &mut Random, ty: &str) -> String {
    let mut head = String::new();
    let mut maybe = |random: &mut Random, text: &str| {
        if random.one_in(4) {
            head.push_str(text);
        }
    };
    maybe(random, "use std \"github\"\n");
    let auth = random.pick(&["", "auth { allow-from = [\"10.0.0.0/8\"] }\n"]);
    let ci = format!("source ci webhook {{\nport = 12002\npath = \"/ci\"\n{auth}event run\n}}\n");
    maybe(random, &ci);
    let id = random.pick(&["", "id = headers.x-id\n"]);
    let hook = format!(
        "source scm webhook {{\nport = 12003\npath = \"/scm\"\n{id}event hook : gitlab.push\n}}\n"
    );
    maybe(random, &format!("use std \"gitlab\"\n{hook}"));
    maybe(random, "fuse spare default off\n");
    maybe(random, "type spare = string\n");
    let push = push(random, ty);
    let release = random.pick(&["", "", "", "event release { path = \"/release\" }\n"]);
    head.push_str(&format!(
        "source gh webhook {{\nport = 12000\npath = \"/gh/{{tenant}}\"\n{push}{release}}}\n\
         source am webhook {{\nport = 12001\npath = \"/am\"\nevent alerts\n}}\n\
         fuse gate default off\n\
         const word = \"prod\"\n\
         condition is-prod(v) = v == \"prod\"\n"
    ));
    head
}

/// The declaration of `gh.push`, sometimes with a condition.
fn push(random: &mut Random, ty: &str) -> String {
    let plain = format!("event push{ty}\n");
    if !random.one_in(3) {
        return plain;
    }
    let theme = Theme::new(random);
    let own = generate::condition(random, &theme, &["body"], 1);
    let when = random.pick(&[
        "headers.x-kind == \"push\"",
        "headers.x-kind != \"dev\"",
        "event.path.tenant starts-with \"a\"",
        "body.a is present",
        "body.a == \"prod\"",
        own.as_str(),
        own.as_str(),
    ]);
    let push = format!("event push{ty} {{ when {when} }}\n");
    let source = format!("source gh webhook {{\nport = 1\npath = \"/{{tenant}}\"\n{push}}}\n");
    if Ruleset::parse("a.rules", &source, &registry()).is_ok() { push } else { plain }
}

fn allow(random: &mut Random) -> &'static str {
    if !random.one_in(5) {
        return "";
    }
    random.pick(&[
        "# fuse: allow(undocumented-rule) because it is clear\n",
        "# fuse: allow(no-fuse, mixed-and-or) because it is clear\n",
        "# fuse: allow(shadowed-rule) because it is meant\n",
        "# fuse: allow(redundant-condition) because it is clearer\n",
        "# fuse: allow(never-matches) because it waits\n",
        "# fuse: allow(no-fuse)\n",
        "# fuse: allow(no-such-lint) because of nothing\n",
        "# fuse: deny(no-fuse) because of this\n",
    ])
}

fn doc(random: &mut Random) -> &'static str {
    random.pick(&["# What it is for.\n", "# What it is for.\n", ""])
}

fn sensor(random: &mut Random, number: usize, theme: &Rc<Theme>) -> (String, Event) {
    let mut text = format!("{}{}", doc(random), allow(random));
    let alerts = random.one_in(3);
    writeln!(text, "sensor s{number} on {} {{", if alerts { "am.alerts" } else { "gh.push" })
        .unwrap();
    if random.one_in(5) {
        text.push_str("requires gate\n");
    }
    let each = random.one_in(2);
    let event = if alerts {
        text.push_str(if each { "each alert in body.alerts\n" } else { "" });
        Event::Alerts { each }
    } else {
        text.push_str(if each { "each x in body.items\n" } else { "" });
        let mut roots = if each { vec!["body", "x", "x"] } else { vec!["body"] };
        if random.one_in(6) {
            text.push_str(&generate::named(random, theme, &roots, "named"));
            roots.push("named");
        }
        Event::Push { roots, theme: Rc::clone(theme) }
    };
    if random.one_in(4) {
        writeln!(text, "when {}", condition(random, &event)).unwrap();
    }
    (text, event)
}

fn rule(random: &mut Random, number: usize, event: &Event) -> String {
    let mut text = format!("{}{}", doc(random), allow(random));
    let name = if random.one_in(12) {
        let long = &LONG[..LONG.len() - random.below(12)];
        format!("{}-{number}", long.trim_end_matches('-'))
    } else {
        format!("r{number}")
    };
    writeln!(text, "rule {name} {{").unwrap();
    if random.one_in(4) {
        text.push_str("requires gate\n");
    }
    let mut event = event.clone();
    if let Event::Push { roots, .. } = &mut event
        && random.one_in(6)
    {
        writeln!(text, "each y in {}.items", roots[random.below(roots.len())]).unwrap();
        roots.push("y");
    }
    if random.one_in(15) {
        // Any two of these conditions can hold together, but not all three.
        let (one, other) = (atom(random, &event), atom(random, &event));
        writeln!(text, "when {one} or {other}\nwhen not ({one})\nwhen not ({other})").unwrap();
    }
    if random.one_in(8) {
        text.push_str(random.pick(&[
            "let own = body.a\n",
            "let own = body.a\nwhen own == \"prod\"\n",
            "let own = if body.a is string then body.a else \"x\"\nwhen own == \"prod\"\n",
            "let own = ({ prod = \"p\", dev = \"d\" })[body.a] ?? \"x\"\nwhen own != \"x\"\n",
        ]));
    } else if let Event::Push { roots, theme } = &mut event
        && random.one_in(6)
    {
        text.push_str(&generate::named(random, theme, roots, "own"));
        roots.push("own");
    }
    if let Event::Push { roots, theme } = &event
        && random.one_in(8)
    {
        text.push_str(&generate::used(random, theme, roots));
    }
    for _ in 0..1 + random.below(3) {
        text.push_str(allow(random));
        writeln!(text, "when {}", condition(random, &event)).unwrap();
    }
    if random.one_in(5) {
        let keys = [
            "body.a",
            "\"deploy\"",
            "event.id",
            "\"x\", body.name",
            "event.source",
            "headers.x-kind",
        ];
        writeln!(text, "once per {} within 1h", random.pick(&keys)).unwrap();
    }
    if random.one_in(6) {
        let keys = ["", " per body.a", " per \"deploy\"", " per event.id"];
        writeln!(text, "after 2 within 1h{}", random.pick(&keys)).unwrap();
    }
    if random.one_in(4) {
        let limits = [
            "limit 3 per 1h",
            "limit 4 per 2h per body.a",
            "limit 2 per 30m per \"deploy\"",
            "limit 2 per 30m per event.id",
            "limit 1 per 1h per body.a, body.name",
        ];
        let first = random.below(limits.len());
        writeln!(text, "{}", limits[first]).unwrap();
        writeln!(text, "{}", limits[(first + 1) % limits.len()]).unwrap();
    }
    let keys = ["", " per body.a", " per \"deploy\"", " per event.id"];
    if random.one_in(6) {
        writeln!(text, "quiet 2m{}", random.pick(&keys)).unwrap();
    }
    if let Event::Push { theme, .. } = &event
        && random.one_in(4)
    {
        let event = Event::Push { roots: vec!["body"], theme: Rc::clone(theme) };
        let never = [" and body.a == \"x\" and body.a == \"y\"", "", ""];
        let (key, never) = (random.pick(&keys), random.pick(&never));
        let condition = atom(random, &event);
        writeln!(text, "still 5m{key}\nunless gh.push when {condition}{never}").unwrap();
    }
    text.push_str(&trigger(random, &event));
    text.push_str("}\n");
    text
}

fn condition(random: &mut Random, event: &Event) -> String {
    let mut one = || atom(random, event);
    let (first, second, third) = (one(), one(), one());
    match random.below(10) {
        0 => format!("{first} and {second} or {third}"),
        1 => format!("{first} and {second}"),
        _ => first,
    }
}

fn atom(random: &mut Random, event: &Event) -> String {
    match event {
        Event::Push { .. } if random.one_in(8) => random
            .pick(&[
                "body.a == word",
                "is-prod(body.a)",
                "is-prod(body.b)",
                "event.path.tenant == \"acme\"",
                "event.path.tenant != \"acme\"",
            ])
            .to_owned(),
        Event::Push { roots, theme } => generate::condition(random, theme, roots, 2),
        Event::Alerts { each } => of_alerts(random, *each),
    }
}

fn of_alerts(random: &mut Random, each: bool) -> String {
    let own = [
        "alert.status == \"firing\"",
        "alert.labels.severity == \"critical\"",
        "alert.labels.severity in [\"critical\", \"page\"]",
        "alert.labels.severity is present",
        "({ critical = \"page\", info = \"log\" })[alert.labels.severity] == \"page\"",
        "(({ critical = 1 })[alert.labels.severity] ?? 0) == 1",
    ];
    let group = [
        "body.status == \"firing\"",
        "body.status != \"resolved\"",
        "body.alerts[0].status == \"firing\"",
        "(body.alerts[0].status == \"firing\" and body.alerts[1].status == \"firing\")",
        "body.name contains \"prod\"",
        "body.name contains \"-prod\"",
        "body.name matches \"prod.*\"",
        "body.name matches \".*eu\"",
        "body.name matches \"^prod\"",
        "body.name matches \"(?i)PROD\"",
        "body.name starts-with \"^prod\"",
        "body.name != \"prod|eu\"",
        "body.name contains \".*eu$\"",
        "body.name == \"prod\"",
        "all(q in body.checks: q.state == \"ok\")",
        "not all(q in body.checks: q.state == \"ok\")",
        "any(q in body.checks: q.state == \"ok\")",
        "body.checks[0].state is present",
        "len(body.checks) > 0",
        "any(q in body.alerts: q.status == \"resolved\")",
        "any(q in body.alerts: q.labels.severity == \"critical\")",
        "body.issue.title starts-with \"deploy\"",
        "body.issue.title == \"deploy\"",
        "body.issue.title is present",
        "lower(string(body.issue.title)) == \"deploy\"",
        "capture(body.name, \"prod-(.+)\") is present",
        "capture(body.issue.title, \"deploy (.+)\") == \"deploy\"",
        "body.checks is list",
        "({ firing = true, resolved = false })[body.status] == true",
        "body.issue[body.name] == \"deploy\"",
    ];
    let all = if each && random.one_in(2) { &own[..] } else { &group[..] };
    random.pick(all).to_owned()
}

fn trigger(random: &mut Random, event: &Event) -> String {
    let value = match event {
        Event::Push { .. } => random.pick(&[
            "body.a",
            "body.b ?? 1",
            "\"${body.a}\"",
            "body.o.a",
            "string(body.a)",
            "body.a ?? body.b",
            "if body.a == \"prod\" then body.b else \"x\"",
            "if body.b is string then body.b else body.a",
            "body.o[body.a]",
            "({ prod = \"p\", dev = \"d\" })[body.a] ?? body.b",
        ]),
        Event::Alerts { each: true } => random.pick(&[
            "alert.labels.severity",
            "body.issue.title",
            "\"${alert.labels.severity ?? \"x\"}\"",
            "if body.issue.title is present then body.issue.title else \"x\"",
            "if alert.status == \"firing\" then body.issue.title else alert.labels.severity",
        ]),
        Event::Alerts { each: false } => random.pick(&[
            "body.issue.title",
            "\"${body.name}\"",
            "lower(body.issue.title)",
            "capture(body.issue.title, \"deploy (.+)\") ?? \"x\"",
            "capture(body.issue.title, \"(.)\")",
        ]),
    };
    match random.below(8) {
        0 | 1 => "trigger log { message = \"x\" }\n".into(),
        2 => format!("trigger log {{\nmessage = {value}\n}}\n"),
        3 => "trigger job {\nimage = \"i\"\nnamespace = \"n\"\n}\n".into(),
        4 => {
            let name = random.pick(&["\"shop\"", "\"shop\"", value]);
            let operation = random.pick(&["create", "delete"]);
            format!(
                "trigger object {{\noperation = \"{operation}\"\napi-version = \"v1\"\nkind = \"Pod\"\n\
                 namespace = \"web\"\nname = {name}\n}}\n"
            )
        }
        _ => {
            let template = random.pick(&["build", "build", "build", "biuld"]);
            let mut text =
                format!("trigger workflow {{\ntemplate = \"{template}\"\nnamespace = \"ci\"\n");
            text.push_str("parameters {\n");
            if !random.one_in(4) {
                let optional = random.pick(&["", "", "?"]);
                writeln!(text, "ref{optional} = {}", random.pick(&["\"main\"", value, value]))
                    .unwrap();
            }
            text.push_str(random.pick(&["", "", "depth = 2\n", "detph = 2\n", "trace = 2\n"]));
            text.push_str(random.pick(&["", "", "mode = \"quick\"\n", "mode = \"safe\"\n"]));
            text.push_str("}\n}\n");
            text
        }
    }
}

/// A test with expectations for some of the rules.
fn tests(random: &mut Random, rules: usize, text: &mut String) {
    text.push_str("test \"some of them\" {\n");
    for event in ["gh.push", "am.alerts"] {
        if text.contains(&format!(" on {event} {{\n")) {
            let path = if event == "gh.push" { " path { tenant = \"acme\" }" } else { "" };
            writeln!(text, "send {event} body {{}}{path}").unwrap();
        }
    }
    for rule in 0..rules {
        let name = format!("r{rule}");
        if random.one_in(2) && text.contains(&format!("rule {name} {{\n")) {
            writeln!(text, "expect {}{name}", random.pick(&["", "", "no "])).unwrap();
        }
    }
    text.push_str("}\n");
}
