use serde_json::{Value, json};

use crate::support::{Fuse, Setup, decision};

const DOOR: (u16, &str) = (12_000, "/q");

/// The decision about an event of an application.
async fn decided(fuse: &Fuse, id: &str, app: &str) -> Value {
    let id = fuse.post(DOOR, json!({ "id": id, "app": app }).to_string()).await.event(202);
    let report = fuse.settled(&id).await;
    decision(&report, "r", None).clone()
}

#[tokio::test]
async fn a_limit_counts_each_event_once_even_across_a_crash() {
    let mut fuse = Setup::rules(
        "source q webhook {\n port = 12000\n path = \"/q\"\n id = body.id
  event e : { id: string, app: string }\n}
sensor s on q.e { rule r { limit 2 per 1h per body.app  trigger log { message = body.app } } }",
    )
    .start()
    .await;
    assert_eq!(decided(&fuse, "a", "web").await["outcome"], "fired");
    // A redelivery does not count.
    let again = json!({ "id": "a", "app": "web" }).to_string();
    fuse.post(DOOR, again).await.event(200);
    assert_eq!(decided(&fuse, "b", "web").await["outcome"], "fired");

    fuse.kill();
    fuse.start_again().await;
    let suppressed = decided(&fuse, "c", "web").await;
    assert_eq!(suppressed["outcome"], "suppressed", "{suppressed:#}");
    let reason = suppressed["reason"].as_str().unwrap();
    let why = "`limit 2 per 1h per \"web\"` is reached: 2 of 2 within 1h; free again at ";
    assert!(reason.starts_with(why), "{reason}");
    assert_eq!(decided(&fuse, "d", "pay").await["outcome"], "fired");
}

#[tokio::test]
async fn a_rule_in_shadow_records_its_action_and_performs_none() {
    let mut fuse = Setup::rules(
        "source q webhook {\n port = 12000\n path = \"/q\"\n id = body.id
  event e : { id: string, app: string }\n}
sensor s on q.e { rule r { once per body.app within 1h  shadow  trigger log { message = body.app } } }",
    )
    .start()
    .await;
    let shadow = decided(&fuse, "a", "web").await;
    assert_eq!(shadow["outcome"], "shadow", "{shadow:#}");
    assert_eq!(shadow["action"]["state"], "shadow", "{shadow:#}");
    assert_eq!(shadow["action"]["object"]["message"], "web", "{shadow:#}");
    assert_eq!(decided(&fuse, "b", "web").await["outcome"], "suppressed");

    fuse.kill();
    fuse.start_again().await;
    let report = fuse.settled("a").await;
    assert_eq!(*decision(&report, "r", None), shadow);
    assert_eq!(decided(&fuse, "c", "web").await["outcome"], "suppressed");
}
