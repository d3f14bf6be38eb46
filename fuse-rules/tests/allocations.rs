//! In the steady state, deciding allocates no memory if no rule fires.

#[cfg(test)]
mod allocations {
    use std::fmt::Write as _;

    use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
    use fuse_rules::{Event, Fuses, Plan, Registry, Ruleset};

    fn plan(rules: &str) -> Plan {
        let registry = Registry::new()
            .source(SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
            .trigger(Schema::new("page", "").field(Field::optional("team", FieldType::String, "")));
        Ruleset::parse("a.rules", rules, &registry).unwrap_or_else(|why| panic!("{why}")).plan()
    }

    /// A hundred rules of every kind that the index finds, for events and for elements of lists.
    fn rules() -> String {
        let mut text = String::from("source q queue { event e }\nsensor s on q.e {\n");
        let conditions = [
            "body.action == \"none-{}\" and body.kind == \"a\"",
            "body.kind == \"a\" and body.number > {} and body.number < 0",
            "body.kind starts-with \"none-{}\" or body.title ends-with \"none-{}\"",
            "body.title contains \"none-{}\" or headers.x-kind like \"none-{}*\"",
            "body.kind in [\"none-{}\", \"b-{}\"] and body.sender.login is present",
            "body.kind is not missing and body.kind matches r\"none-{}.*\"",
        ];
        for number in 0..100 {
            let when = conditions[number % conditions.len()].replace("{}", &number.to_string());
            writeln!(text, "rule r{number} {{ when {when} trigger page {{ team = \"x\" }} }}")
                .unwrap();
        }
        text.push_str(
            "}\nsensor t on q.e { each alert in body.alerts when alert.status == \"firing\"\n",
        );
        for number in 0..100 {
            let when =
                format!("alert.labels.slo == \"none-{number}\" and alert.labels.team == \"a\"");
            writeln!(text, "rule r{number} {{ when {when} trigger page {{ team = \"x\" }} }}")
                .unwrap();
        }
        text + "}"
    }

    fn body(number: usize) -> String {
        let alert = r#"{"status":"firing","labels":{"slo":"x","team":"a"}}"#;
        format!(
            r#"{{"action":"opened","kind":"a","number":{number},"title":"caf\u00e9 \"{number}\"","sender":{{"login":"x"}},
            "alerts":[{}]}}"#,
            vec![alert; 20].join(",")
        )
    }

    #[test]
    fn nothing_is_allocated_where_nothing_fires() {
        let plan = plan(&rules());
        let bodies: Vec<String> = (0..50).map(body).collect();
        let decide = || {
            for body in &bodies {
                let event = Event::unread("q", "e", body.as_bytes()).unwrap();
                let evaluation = plan.evaluate(&event, &Fuses::default());
                assert_eq!(evaluation.refused, None);
                assert!(evaluation.decisions.is_empty(), "{:?}", evaluation.decisions);
            }
        };
        // The first run allocates the memory that is needed.
        decide();
        let info = allocation_counter::measure(decide);
        assert_eq!(info.count_total, 0, "{info:?}");
    }

    /// The test above would mean nothing if the counter did not work.
    #[test]
    fn what_fires_allocates() {
        let plan =
            plan("source q queue { event e }\nsensor s on q.e { rule r { trigger page {} } }");
        let event = Event::unread("q", "e", b"{}").unwrap();
        let info = allocation_counter::measure(|| {
            assert_eq!(plan.evaluate(&event, &Fuses::default()).decisions.len(), 1);
        });
        assert!(info.count_total > 0, "{info:?}");
    }
}
