//! `unused-event`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unused-event",
    title: "an event to which no sensor listens",
    level: Level::Warn,
    finds: "\
A source that sensors listen to takes in an event that none of them names. It is kept and \
answered, and no rule looks at it. Where nobody listens to the whole source, `unused-source` \
says so.",
    instead: "Write a sensor on the event, or remove it.",
    flags: &[
        "\
source gh webhook {
  port = 12000
  event push { path = \"/push\" }
  event release { path = \"/release\" }
#~ release
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
source gh webhook {
  port = 12000
  event push { path = \"/push\" }
  event release { path = \"/release\" }
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
sensor other on gh.release {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
        "\
source ci webhook {
  port = 12000
  path = \"/ci\"
  event run
}

source gh webhook {
  port = 12001
  path = \"/gh\"
  event push
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let (judged, uses) = (context.judged(out), context.uses());
    let sources = context.rules.sources.iter().filter(|source| uses.is_source(&source.name));
    for source in sources.filter(|source| judged.contains(source.span.file)) {
        for event in source.events.iter().filter(|event| !uses.listens(&source.name, &event.name)) {
            let name = format!("{}.{}", source.name, event.name);
            out.add(event.span, format!("no sensor listens to `{name}`"), |problem| {
                problem.label("nothing is done with it").help(format!(
                    "add a sensor as in `sensor NAME on {name}`, or remove the event"
                ))
            });
        }
    }
}
