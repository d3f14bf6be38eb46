//! `fuse connect`

use serde_json::Value;

use super::{fuse, ran, root};

/// What is printed, as YAML.
fn connected(arguments: &[&str]) -> Vec<Value> {
    let output = fuse(&[&["connect"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A block of text inside of YAML, as YAML.
fn inner(document: &Value, key: &str) -> Value {
    let text = document["data"][key].as_str().unwrap_or_else(|| panic!("{key}: {document:#}"));
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Rules in a file, and what is printed for them; the folder's name is taken out.
fn printed(rules: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.rules");
    std::fs::write(&file, rules).unwrap();
    let (sender, more) = arguments.split_first().unwrap();
    ran(&[&["connect", sender, file.to_str().unwrap()], more].concat())
}

#[test]
fn the_repositorys_rules() {
    for sender in ["alertmanager", "backstage", "argocd"] {
        insta::assert_snapshot!(sender, ran(&["connect", sender]));
    }
}

#[test]
fn alertmanager_gets_a_whole_configuration() {
    let [config] = connected(&["alertmanager"]).try_into().unwrap();
    let receivers = config["receivers"].as_array().unwrap();
    let named = |name: &Value| receivers.iter().find(|r| r["name"] == *name).unwrap();
    named(&config["route"]["receiver"]);
    let route = &config["route"]["routes"][0];
    assert_eq!(route["continue"], true);
    let webhook = &named(&route["receiver"])["webhook_configs"][0];
    assert_eq!(webhook["url"], "http://fuse.fuse.svc:12000/webhook");
    assert_eq!(webhook["send_resolved"], false);
}

#[test]
fn alertmanager_sends_what_ends_waits() {
    let rules = ["alertmanager", "rules/cookbook/still-firing.rules"];
    let [config] = connected(&rules).try_into().unwrap();
    let mut receivers = config["receivers"].as_array().unwrap().iter();
    let webhook = &receivers.find(|r| r["name"] == "fuse").unwrap()["webhook_configs"][0];
    assert_eq!(webhook["send_resolved"], true);
}

#[test]
fn backstage_reaches_the_path_through_its_proxy() {
    let url = ["--url", "https://fuse.example.com/hooks/"];
    let [config, template] = connected(&[&["backstage"], &url[..]].concat()).try_into().unwrap();
    let endpoint = &config["proxy"]["endpoints"]["/fuse"];
    assert_eq!(endpoint["target"], "https://fuse.example.com/hooks");
    let input = &template["steps"][0]["input"];
    assert_eq!(input["path"], "/proxy/fuse/backstage/provision");
    assert_eq!(input["method"], "POST");
    assert_eq!(input["headers"]["content-type"], "application/json");
    for header in ["ce-id", "ce-source"] {
        assert!(endpoint["allowedHeaders"].as_array().unwrap().contains(&header.into()));
        assert!(input["headers"][header].is_string());
    }
    // The example event of the repository has these fields and no others.
    let example = std::fs::read(root().join("rules/events/backstage-provision.json")).unwrap();
    let example: Value = serde_json::from_slice(&example).unwrap();
    let keys = |body: &Value| -> std::collections::BTreeSet<String> {
        body.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&input["body"]), keys(&example));
    assert_eq!(input["body"]["eventType"], "provision-app");
    assert_eq!(input["body"]["owner"], "${{ parameters.owner }}");
}

#[test]
fn argocd_posts_a_body_that_is_json_whatever_it_holds() {
    let [config] = connected(&["argocd"]).try_into().unwrap();
    let service = inner(&config, "service.webhook.fuse");
    assert_eq!(service["url"], "http://fuse.fuse.svc:12002/argocd/notifications");
    let subscription = &inner(&config, "subscriptions")[0];
    for trigger in subscription["triggers"].as_array().unwrap() {
        let name = trigger.as_str().unwrap();
        let condition = &inner(&config, &format!("trigger.{name}"))[0];
        let template = condition["send"][0].as_str().unwrap();
        let webhook = &inner(&config, &format!("template.{template}"))["webhook"]["fuse"];
        assert_eq!(webhook["method"], "POST");
        // Every value that is not fixed comes out of `toJson`.
        let mut body = String::new();
        let mut rest = webhook["body"].as_str().unwrap();
        while let Some((before, action)) = rest.split_once("{{") {
            let (pipeline, after) = action.split_once("}}").unwrap();
            assert!(pipeline.ends_with(" | toJson "), "{pipeline}");
            body.push_str(before);
            body.push_str(r#""a \"quoted\"\nword""#);
            rest = after;
        }
        body.push_str(rest);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body["eventType"].as_str().unwrap().starts_with("argocd.app."));
        assert_eq!(body["app"], body["message"]);
    }
}

const TWO: &str = "\
source alertmanager webhook { port = 1
  event a { path = \"/a\" }
  event b { path = \"/b\" } }
source other webhook { port = 2, path = \"/o\"
  event e }
";

#[test]
fn an_event_that_is_not_clear_is_asked_for() {
    insta::assert_snapshot!(printed(TWO, &["alertmanager"]), @"
    exit 2
    --- stderr
    fuse: Alertmanager may send more than one event; choose one, as in `--event alertmanager.a`: there are alertmanager.a, alertmanager.b
    ");
    insta::assert_snapshot!(printed(TWO, &["backstage"]), @"
    exit 2
    --- stderr
    fuse: the rules have no source whose name begins with `backstage`; choose one, as in `--event alertmanager.a`: there are alertmanager.a, alertmanager.b, other.e
    ");
    insta::assert_snapshot!(printed(TWO, &["argocd", "--event", "other.x"]), @"
    exit 2
    --- stderr
    fuse: the rules declare no event `other.x`; there are alertmanager.a, alertmanager.b, other.e
    ");
    insta::assert_snapshot!(printed("fuse a default on", &["argocd"]), @"
    exit 2
    --- stderr
    fuse: the rules declare no event that a sender could send
    ");
    let one = "source argocd-prod webhook { port = 7, path = \"/p\"\n event e }";
    assert!(printed(one, &["argocd"]).contains("\"http://fuse.fuse.svc:7/p\""));
    let chosen = printed(TWO, &["alertmanager", "--event", "alertmanager.b", "--url", "http://h"]);
    assert!(chosen.contains("\"http://h:1/b\""), "{chosen}");
    // A source of just that name is meant, whatever else begins so.
    let both = format!(
        "source argocd-x webhook {{ port = 8, path = \"/x\"\n event e }}\n\
         source argocd webhook {{ port = 9, path = \"/y\"\n event e }}\n{TWO}"
    );
    assert!(printed(&both, &["argocd"]).contains("\"http://fuse.fuse.svc:9/y\""));
}

#[test]
fn what_a_sender_cannot_send_is_refused() {
    let source = |more: &str| {
        format!("source alertmanager webhook {{ port = 1, path = \"/a\", {more}\n event e }}")
    };
    insta::assert_snapshot!(printed(&source("method = \"PUT\""), &["alertmanager"]), @r#"
    exit 2
    --- stderr
    fuse: `alertmanager.e` accepts PUT, but Alertmanager sends it by POST; write `method = "POST"` in its source
    "#);
    insta::assert_snapshot!(printed(&source("format = \"form\""), &["alertmanager"]), @"
    exit 2
    --- stderr
    fuse: `alertmanager.e` is read as `form`, but Alertmanager sends JSON; remove `format` from its source
    ");
    insta::assert_snapshot!(ran(&["connect", "argocd", "--url", "fuse:80"]), @"
    exit 2
    --- stderr
    fuse: `--url fuse:80` does not start with `http://` or `https://`; write it as in `--url http://fuse.fuse.svc`
    ");
    assert!(printed("rule", &["argocd"]).starts_with("exit 1\n"));
}

/// Names that YAML, Go templates or Backstage would take for something else.
const ODD: &str = r#"
source argocd webhook { port = 1, path = "/a'b:c"
  event e }
sensor s on argocd.e {
  when body.type in ["no", "argocd.app.sync.failed", "x: {{y}} \" #"]
  when body.environment in ["dev", "prod"]
  rule r { trigger log {
    message = "${body["a: #\"{{b}}"].no} ${body.app.metadata.labels["a/b"]} ${body.app.spec.project}"
  } }
}
"#;

#[test]
fn odd_names_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.rules");
    std::fs::write(&file, ODD).unwrap();
    let file = file.to_str().unwrap();
    let event = ["--event", "argocd.e"];

    let [config] = connected(&[&["alertmanager", file], &event[..]].concat()).try_into().unwrap();
    let url = &config["receivers"][1]["webhook_configs"][0]["url"];
    assert_eq!(url, "http://fuse.fuse.svc:1/a'b:c");

    let [_, template] = connected(&[&["backstage", file], &event[..]].concat()).try_into().unwrap();
    let body = &template["steps"][0]["input"]["body"];
    assert_eq!(body["type"], "no");
    assert_eq!(body["a: #\"{{b}}"]["no"], r##"${{ parameters["a: #\"{{b}}"].no }}"##);

    insta::assert_snapshot!(printed(ODD, &["argocd"]));
    let [config] = connected(&["argocd", file]).try_into().unwrap();
    assert_eq!(inner(&config, "service.webhook.fuse")["url"], url.as_str().unwrap());
}

#[test]
fn senders_may_keep_the_urls_of_argo_events() {
    let page = std::fs::read_to_string(root().join("docs/senders.md")).unwrap();
    for (sender, source, printed) in [
        ("alertmanager", "alertmanager", ":12000/webhook"),
        // The path is in the template, behind the proxy's.
        ("backstage", "backstage", ":12001"),
        ("argocd", "argocd-notifications", ":12002/argocd/notifications"),
    ] {
        let url = format!("http://{source}-eventsource-svc.argo-events.svc.cluster.local");
        let command = format!("fuse connect {sender} rules --url {url}\n");
        assert!(page.contains(&command), "docs/senders.md is to have {command}");
        let text = ran(&["connect", sender, "rules", "--url", &url]);
        assert!(text.contains(&format!("\"{url}{printed}\"")), "{text}");
    }
}

/// The page shows what the command prints.
#[test]
fn the_page_about_senders_is_up_to_date() {
    let page = std::fs::read_to_string(root().join("docs/senders.md")).unwrap();
    for sender in ["alertmanager", "backstage", "argocd"] {
        let printed = ran(&["connect", sender]);
        let printed = printed.strip_prefix("exit 0\n").unwrap();
        assert!(
            page.contains(&format!("```yaml\n{printed}```\n")),
            "docs/senders.md is to have what `fuse connect {sender}` prints:\n{printed}"
        );
    }
}

/// Two sources of GitHub, and one of Slack with other paths and without interactions.
const PRESETS: &str = r#"
source hub github { port = 12003, path = "/hub", secret = [secret("hub", "new"), secret("hub", "old")]
  event push
  event release }
source other github { port = 12004, secret = env("OTHER")
  event issues }
source chat slack { port = 12007, path = "/chat", secret = env("SLACK")
  auth { bearer { token = env("OTHER") } }
  event mine { when body.type == "event_callback" }
  event command { path = "/chat/commands" } }
source page meta { port = 12005, secret = file("/app"), verify-token = env("VERIFY")
  event changes }
source paged alertmanager { port = 12006, secret = env("TOKEN")
  event notification }
"#;

#[test]
fn a_preset_of_the_rules_gets_the_settings_of_its_sender() {
    insta::assert_snapshot!(
        "hub",
        printed(PRESETS, &["github", "--url", "https://fuse.example.com"])
    );
    insta::assert_snapshot!("page", printed(PRESETS, &["meta"]));
    let one = printed(PRESETS, &["github", "--event", "other.issues"]);
    assert!(one.contains("`other`") && !one.contains("`hub`"), "{one}");
    insta::assert_snapshot!(printed(PRESETS, &["github", "--event", "page.changes"]), @"
    exit 2
    --- stderr
    fuse: no source of the kind `github` has an event `page.changes`
    ");
    insta::assert_snapshot!(printed(PRESETS, &["slack"]), @"
    exit 0
    # Slack sends events to the source `chat`.
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    #
    # In the settings of the app:
    #   Basic Information, Signing Secret:       SECRET
    #   Slash Commands, Request URL:             http://fuse.fuse.svc:12007/chat/commands
    #   Event Subscriptions, Request URL:        http://fuse.fuse.svc:12007/chat
    #
    # SECRET is the environment variable `SLACK`.
    ");
    for arguments in [&["alertmanager"][..], &["alertmanager", "--event", "paged.notification"]] {
        let alerts = printed(PRESETS, arguments);
        assert!(alerts.contains("credentials_file: /etc/alertmanager/fuse-token"), "{alerts}");
        assert!(alerts.contains("expects: the environment variable `TOKEN`."), "{alerts}");
    }
}

#[test]
fn a_sender_that_the_rules_lack_gets_rules_that_load() {
    for sender in ["alertmanager", "slack", "cloudevents", "docker-hub", "meta"] {
        let printed = printed(PRESETS.split("source chat").next().unwrap(), &[sender]);
        let (_, rules) = printed.split_once('\n').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new.rules");
        std::fs::write(&file, rules.trim_end().to_owned() + "\n").unwrap();
        let file = file.to_str().unwrap();
        assert!(ran(&["check", file]).starts_with("exit 0"), "{rules}\n{}", ran(&["check", file]));
        assert!(
            ran(&["fmt", "--check", file]).starts_with("exit 0"),
            "{}",
            ran(&["fmt", "--diff", file])
        );
        insta::assert_snapshot!(format!("new-{sender}"), printed);
    }
}
