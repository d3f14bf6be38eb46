//! `overlapping-rules`

use rustc_hash::FxHashMap;

use crate::typed::{Mapped, MappedValue, Trigger};
use crate::lint::context::{Context, Findings};
use crate::lint::facts::shown;
use crate::lint::{Level, Lint};
use crate::typed::Shown;

pub(super) static LINT: Lint = Lint {
    name: "overlapping-rules",
    title: "two rules that act on one object for the same event",
    level: Level::Warn,
    finds: "Every rule that matches acts, and no order is promised between them. Two rules that change the object of one name because of one \
event may undo what the other does, or one of them fails because the object is there already. An event that both match is shown: it was \
made from their conditions and evaluated.

An object is told by the `kind`, `namespace` and `name` of a trigger. What is named after a prefix is a new object each time, and not \
meant here.",
    instead: "Let the conditions exclude each other, or do both changes in one trigger.",
    flags: &[
        "\
sensor example on gh.push {
  rule start {
    when body.size > 10
    trigger object { operation = \"create\", api-version = \"v1\", kind = \"Pod\", namespace = \"web\", name = \"shop\" }
  }
  rule stop {
#~ stop
    when body.action == \"stop\"
    trigger object { operation = \"delete\", api-version = \"v1\", kind = \"Pod\", namespace = \"web\", name = \"shop\" }
  }
}
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  rule start {
    when body.action == \"start\"
    trigger object { operation = \"create\", api-version = \"v1\", kind = \"Pod\", namespace = \"web\", name = \"shop\" }
  }
  rule stop {
    when body.action == \"stop\"
    trigger object { operation = \"delete\", api-version = \"v1\", kind = \"Pod\", namespace = \"web\", name = \"shop\" }
  }
}
",
        "\
sensor example on gh.push {
  rule one {
    trigger object { operation = \"delete\", api-version = \"v1\", kind = \"Pod\", namespace = \"web\", name = body.old }
  }
  rule two {
    trigger object { operation = \"delete\", api-version = \"v1\", kind = \"Pod\", namespace = \"web\", name = body.new }
  }
}
",
        // Two groups may have a kind of one name.
        "\
sensor example on gh.push {
  rule one {
    trigger object { operation = \"delete\", api-version = \"v1\", kind = \"Service\", namespace = \"web\", name = \"shop\" }
  }
  rule two {
    trigger object { operation = \"delete\", api-version = \"serving.example.com/v1\", kind = \"Service\", namespace = \"web\", name = \"shop\" }
  }
}
",
    ],
    look,
};

/// How many rules that act on one object are compared with each other.
const MOST: usize = 40;

fn look(context: &Context<'_>, out: &mut Findings) {
    let mut study = context.study();
    // By event and object: the rules that act on it.
    let mut acting: FxHashMap<(&str, &str, String), Vec<usize>> = FxHashMap::default();
    for (number, studied) in study.rules.iter().enumerate() {
        let sensor = studied.placed.sensor;
        for object in studied.placed.rule.triggers.iter().filter_map(object) {
            let key = (sensor.source.as_str(), sensor.event.as_str(), object);
            let numbers = acting.entry(key).or_default();
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
        }
    }
    let mut pairs: Vec<(usize, usize)> = acting
        .values()
        .flat_map(|numbers| {
            let all = numbers.iter().take(MOST).enumerate();
            all.flat_map(|(i, a)| numbers.iter().take(MOST).skip(i + 1).map(|b| (*a, *b)))
        })
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    for (first, second) in pairs {
        let Some(witness) = study.meeting(first, second) else { continue };
        let (Some(a), Some(b)) = (study.rules.get(first), study.rules.get(second)) else { continue };
        let message =
            format!("rules `{}` and `{}` act on one object for the same event", a.name(), b.name());
        let event = shown(&witness, a.placed);
        out.add(b.span(), message, |problem| {
            problem
                .label("acts on the same object")
                .related(a.span(), "as this one")
                .help(format!("let their conditions exclude each other; both match {event}"))
        });
    }
}

/// The object that a trigger acts on, as text; `None` where it has a name of its own each time.
fn object(trigger: &Trigger) -> Option<String> {
    let field = |name: &str| {
        let field = trigger.fields.iter().find(|field: &&Mapped| field.key == name)?;
        match &field.value {
            MappedValue::Expr(expr, _) => Some(Shown(expr).to_string()),
            MappedValue::Block(_) => None,
        }
    };
    let name = field("name").filter(|name| name != "null")?;
    let kind = field("kind")?;
    // Versions of one group are the same objects.
    let api = field("api-version").unwrap_or_default();
    let group = api.rsplit_once('/').map_or("", |(group, _)| group);
    let namespace = field("namespace").unwrap_or_default();
    Some(format!("{} {group} {kind} {namespace} {name}", trigger.kind))
}
