use serde_json::{Value, json};

use crate::support::{
    ALERTS, NOTIFICATION, PROVISION, Setup, decision, example, outcomes, parameters,
};

#[tokio::test]
async fn numbers_and_strings_give_the_same_parameters() {
    let fuse = Setup::seed().armed().start().await;
    for (id, name) in [("1", "backstage-provision.json"), ("2", "backstage-provision-strings.json")]
    {
        let id = fuse.post_as(PROVISION, id, example(name)).await.event(202);
        fuse.settled(&id).await;
    }
    let written: Vec<Value> = fuse.manifests().into_values().collect();
    assert_eq!(written.len(), 2);
    let all = parameters(&written[0]);
    assert_eq!(all, parameters(&written[1]));
    assert_eq!((&all["replicas"], &all["containerPort"]), (&json!("2"), &json!("8080")));
    assert_eq!(all.len(), 10);
}

#[tokio::test]
async fn of_a_firing_group_the_resolved_alert_does_nothing() {
    let fuse = Setup::seed().armed().start().await;
    let id = fuse.post(ALERTS, example("alertmanager-mixed.json")).await.event(202);
    fuse.settled(&id).await;
    assert_eq!(parameters(&fuse.manifest())["app-name"], "payments");
    let id = fuse.post(ALERTS, example("alertmanager-resolved.json")).await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(outcomes(&report).into_iter().collect::<Vec<_>>(), ["not-matched"]);
    assert_eq!(fuse.manifests().len(), 1);
}

#[tokio::test]
async fn each_alert_of_a_group_gets_its_own_workflow() {
    let fuse = Setup::seed().armed().start().await;
    let id = fuse.post(ALERTS, example("alertmanager-both.json")).await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(decision(&report, "argocd-unhealthy", Some(0))["action"]["state"], "done");
    assert_eq!(decision(&report, "externalsecret-failure", Some(1))["action"]["state"], "done");
    let written = fuse.manifests();
    let prefixes: Vec<&str> = written.keys().map(|name| name.rsplit_once('-').unwrap().0).collect();
    assert_eq!(prefixes, ["remediate-argocd", "remediate-externalsecret"]);
}

#[tokio::test]
async fn a_missing_value_rejects_the_action_and_is_named() {
    let fuse = Setup::seed().armed().start().await;
    let id = fuse.post(NOTIFICATION, example("argocd-no-namespace.json")).await.event(202);
    let report = fuse.settled(&id).await;
    let left_alone = decision(&report, "unhealthy-app", None);
    assert_eq!(left_alone["outcome"], "not-matched", "{report:#}");
    let reason = left_alone["reason"].as_str().unwrap();
    assert!(reason.contains("body.namespace"), "{reason}");

    // One alert's missing label is no matter of the others'.
    let id = fuse.post(ALERTS, example("alertmanager-missing-labels.json")).await.event(202);
    let report = fuse.settled(&id).await;
    let rejected = decision(&report, "argocd-unhealthy", Some(0));
    assert_eq!(rejected["outcome"], "rejected", "{report:#}");
    let reason = rejected["reason"].as_str().unwrap();
    assert!(reason.contains("dest_namespace"), "{reason}");
    let unknown = decision(&report, "argocd-unhealthy", Some(1));
    assert_eq!(unknown["outcome"], "unknown", "{report:#}");
    let reason = unknown["reason"].as_str().unwrap();
    assert!(reason.contains("alert.labels.slo"), "{reason}");

    let id = fuse.post(PROVISION, example("backstage-provision-no-owner.json")).await.event(202);
    let report = fuse.settled(&id).await;
    let reason = decision(&report, "provision-app", None)["reason"].as_str().unwrap();
    assert!(reason.contains("body.owner"), "{reason}");
    // By its type it has one, so that this is told and counted.
    assert_eq!(report["event"]["mismatch"], "`body.owner` is missing");
    let counted = "fuse_events_mismatched_total{source=\"backstage\",event=\"provision\"}";
    assert_eq!(fuse.metric(counted).await, Some(1.0));
    assert!(fuse.manifests().is_empty());
}

#[tokio::test]
async fn a_value_that_argo_would_expand_is_refused() {
    let fuse = Setup::seed().armed().start().await;
    let id = fuse.post(PROVISION, example("backstage-provision-hostile.json")).await.event(202);
    let report = fuse.settled(&id).await;
    let rejected = decision(&report, "provision-app", None);
    assert_eq!(rejected["outcome"], "rejected", "{report:#}");
    let reason = rejected["reason"].as_str().unwrap();
    assert!(reason.contains("{{") && reason.contains("appName"), "{reason}");
    assert!(fuse.manifests().is_empty());
}

/// Alertmanager sends a group again and again, without an id.
#[tokio::test]
async fn once_per_holds_a_repeated_group_back_even_after_a_restart() {
    let mut fuse = Setup::seed().armed().start().await;
    let body = example("alertmanager-mixed.json");
    let first = fuse.post(ALERTS, body.clone()).await.event(202);
    fuse.settled(&first).await;
    let written = fuse.manifests();
    assert_eq!(written.len(), 1);
    for restart in [false, true] {
        if restart {
            fuse.kill();
            fuse.start_again().await;
        }
        let again = fuse.post(ALERTS, body.clone()).await.event(202);
        assert_ne!(again, first);
        let report = fuse.settled(&again).await;
        let held = decision(&report, "argocd-unhealthy", Some(0));
        assert_eq!(held["outcome"], "suppressed", "{report:#}");
        let reason = held["reason"].as_str().unwrap();
        assert!(reason.contains("once per") && reason.contains(&first), "{reason}");
        assert_eq!(fuse.manifests(), written);
    }
    // The same alert at another time is another one.
    let later = body.replace("10:00:00.123Z", "11:00:00.123Z");
    let id = fuse.post(ALERTS, later).await.event(202);
    fuse.settled(&id).await;
    assert_eq!(fuse.manifests().len(), 2);
}

#[tokio::test]
async fn a_key_that_stands_twice_refuses_the_event() {
    let fuse = Setup::seed().armed().start().await;
    let body = example("argocd-sync-failed.json").replacen('{', "{\"app\": \"orders\",", 1);
    let id = fuse.post(NOTIFICATION, body).await.event(202);
    let report = fuse.settled(&id).await;
    let why = report["event"]["rejected"].as_str().unwrap();
    assert!(why.contains("app") && why.contains("twice"), "{why}");
    assert!(!outcomes(&report).contains("fired"), "{report:#}");
    assert!(fuse.manifests().is_empty());
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(1.0));

    // What no rule reads is nobody's matter.
    let body = example("argocd-sync-failed.json").replacen('{', "{\"x\": 1, \"x\": 2,", 1);
    let id = fuse.post(NOTIFICATION, body).await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(report["event"]["rejected"], Value::Null, "{report:#}");
    assert_eq!(fuse.manifests().len(), 1);
}

const FORMATS: &str = r#"
source plain webhook {
  port   = 12000
  path   = "/plain"
  format = "text"
  event said
}
source forms webhook {
  port   = 12001
  path   = "/forms"
  format = "form"
  event filled
}
sensor words on plain.said {
  rule say {
    when body == "down & out \"7\""
    trigger workflow { template = "say", namespace = "cicd", parameters { words = body } }
  }
}
sensor fields on forms.filled {
  rule fill {
    when body.state == "red hot"
    trigger workflow { template = "fill", namespace = "cicd", parameters { from body { who } } }
  }
}
"#;

#[tokio::test]
async fn text_and_forms_are_read_as_the_source_says() {
    let fuse = Setup::rules(FORMATS).start().await;
    let send = async |door: (u16, &'static str), body: &'static str| {
        // Every text is a text, whatever the sender calls it.
        let ty = if door.1 == "/plain" { "application/json" } else { FORM };
        fuse.request(reqwest::Method::POST, door, &[("content-type", ty)], body).await
    };
    let id = send((12_000, "/plain"), "down & out \"7\"").await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(decision(&report, "say", None)["outcome"], "fired", "{report:#}");
    assert_eq!(parameters(&fuse.manifest())["words"], "down & out \"7\"");

    let id = send((12_001, "/forms"), "state=red+hot&who=m%C3%BCller").await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(decision(&report, "fill", None)["outcome"], "fired", "{report:#}");
    let written = fuse.manifests();
    let filled = written.iter().find(|(name, _)| name.starts_with("fill-")).unwrap();
    assert_eq!(parameters(filled.1)["who"], "müller");

    // Two readings of one event are none.
    let reply = send((12_001, "/forms"), "state=red+hot&who=a&who=b").await;
    assert!(reply.error(400).contains("`who` is given twice"));

    let reply = fuse.post((12_000, "/plain"), vec![0xff]).await;
    assert!(reply.error(400).contains("not UTF-8"));
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Bodies that are not what the source reads: the answer names what arrived, and what to set.
#[tokio::test]
async fn a_body_of_another_format_is_named() {
    let json = "source j webhook { port = 12002, path = \"/json\", event e }\n\
                sensor all on j.e { rule r { when body.n == 1\n trigger log { message = \"n\" } } }";
    let fuse = Setup::rules(&format!("{FORMATS}{json}")).start().await;
    let send = async |door: (u16, &'static str), headers: &[(&str, &str)], body: &[u8]| {
        fuse.request(reqwest::Method::POST, door, headers, body.to_vec()).await
    };
    let (forms, json) = ((12_001, "/forms"), (12_002, "/json"));

    let typed = async |door, ty: &str, body: &[u8]| send(door, &[("content-type", ty)], body).await;
    let expected = format!(
        "the source takes forms (`{FORM}`), but the content type is `application/json`; \
         let the sender send `{FORM}`, or set `format = \"json\"` in the source"
    );
    assert_eq!(typed(forms, "application/json", b"{\"n\":1}").await.error(415), expected);
    for (ty, words) in [
        ("multipart/form-data; boundary=x", "fuse does not read multipart bodies"),
        ("text/plain", "format = \"text\""),
        ("application/vnd.api+json", "format = \"json\""),
        ("", "the content type is ``"),
    ] {
        let why = typed(forms, ty, b"a=1").await.error(415);
        assert!(why.contains(words), "{ty}: {why}");
    }
    assert!(typed(forms, FORM, b"a=%ff").await.error(400).contains("not UTF-8"));
    assert!(typed(forms, FORM, b"a=\xff").await.error(400).contains("not UTF-8"));
    let accepted = "application/X-WWW-Form-urlencoded; charset=UTF-8";
    // A byte order mark is not part of the first name.
    let id = typed(forms, accepted, b"\xef\xbb\xbfstate=red+hot&who=me").await.event(202);
    assert_eq!(decision(&fuse.settled(&id).await, "fill", None)["outcome"], "fired");

    let why = typed(json, FORM, b"payload=%7B%7D").await.error(400);
    let hint = format!(
        "; the content type is `{FORM}`: set `format = \"form\"` in the source, or let the sender send JSON"
    );
    assert!(why.starts_with("the body is not JSON: ") && why.ends_with(&hint), "{why}");
    let why = typed(json, "text/plain", b"hello").await.error(400);
    assert!(why.contains("format = \"text\""), "{why}");
    // Valid JSON is JSON, whatever the sender calls it.
    typed(json, "text/plain", b"{\"n\":1}").await.event(202);
    let id = typed(json, "application/json", b"\xef\xbb\xbf{\"n\":1}").await.event(202);
    assert_eq!(decision(&fuse.settled(&id).await, "r", None)["outcome"], "fired");

    let utf16: Vec<u8> = "{\"n\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (body, words) in [(utf16, "UTF-16"), (vec![0x1f, 0x8b, 8, 0], "compressed with gzip")] {
        for (door, ty) in [(json, "x/y"), ((12_000, "/plain"), "x/y"), (forms, FORM)] {
            let why = typed(door, ty, &body).await.error(400);
            assert!(why.contains(words), "{door:?}: {why}");
        }
    }
    let why = send(json, &[("content-encoding", "compress")], b"x").await.error(415);
    assert!(why.contains("`Content-Encoding: compress`"), "{why}");
    send(json, &[("content-encoding", "identity")], b"{}").await.event(202);
}
