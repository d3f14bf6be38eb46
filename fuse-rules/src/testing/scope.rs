//! The rules that `expect nothing else` is about. Rules of other files may listen to the same event, and come and go
//! without breaking a test that does not know them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Tests, typed};
use crate::ruleset::Ruleset;
use crate::span::FileId;
use crate::typed::{Expected, TestStep};

/// The files of sensors, and what each file can see.
pub(super) struct Visibility<'r> {
    sensors: FxHashMap<&'r str, FileId>,
    uses: FxHashMap<FileId, &'r [FileId]>,
}

impl<'r> Visibility<'r> {
    pub(super) fn new(ruleset: &'r Ruleset) -> Self {
        let sensors = ruleset.typed().sensors.iter();
        Self {
            sensors: sensors.map(|sensor| (sensor.name.as_str(), sensor.span.file)).collect(),
            uses: ruleset.trees().iter().map(|file| (file.id, file.uses.as_slice())).collect(),
        }
    }
}

/// The sensors of one test: those that its file declares or uses, and those that the test names.
pub(super) struct TestScope<'t> {
    visibility: &'t Visibility<'t>,
    file: FileId,
    named: FxHashSet<&'t str>,
}

impl Tests<'_> {
    pub(super) fn scope<'t>(&'t self, test: &'t typed::Test) -> TestScope<'t> {
        let named = test.steps.iter().filter_map(|step| match step {
            TestStep::Expect(typed::Expect { what: Expected::Rule(rule), .. }) => {
                Some(sensor(&rule.rule))
            }
            TestStep::Expect(typed::Expect { what: Expected::No(rule), .. }) => Some(sensor(rule)),
            _ => None,
        });
        TestScope { visibility: &self.visibility, file: test.span.file, named: named.collect() }
    }
}

impl TestScope<'_> {
    /// Whether `expect nothing else` is about this rule.
    pub(super) fn covers(&self, rule: &str) -> bool {
        self.covers_sensor(sensor(rule))
    }

    pub(super) fn covers_sensor(&self, sensor: &str) -> bool {
        let Visibility { sensors, uses } = self.visibility;
        let declared = sensors.get(sensor);
        self.named.contains(sensor)
            || declared.is_some_and(|file| {
                *file == self.file || uses.get(&self.file).is_some_and(|uses| uses.contains(file))
            })
    }
}

/// The sensor of a rule, by its full name.
fn sensor(rule: &str) -> &str {
    rule.split_once('/').map_or(rule, |(sensor, _)| sensor)
}
