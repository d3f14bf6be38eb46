use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fuse, Setup};

const DOOR: (u16, &str) = (12_000, "/q");

/// A source, and one sensor that iterates over `body.all` with these rules.
fn setup(rules: &str) -> Setup {
    Setup::rules(&format!(
        "source q webhook {{\n port = 12000\n path = \"/q\"\n id = body.id\n event e\n}}
sensor s on q.e {{\n each x in body.all max 1000\n{rules}\n}}"
    ))
}

/// All decisions, and the answers that they are in, page by page.
async fn pages(fuse: &Fuse, question: &str) -> (Vec<Value>, Vec<Value>) {
    let (mut decisions, mut answers) = (Vec::new(), Vec::new());
    let mut next = Some(question.to_owned());
    while let Some(path) = next {
        let answer = fuse.admin(&path).await.json();
        decisions.extend(answer["decisions"].as_array().unwrap().clone());
        next = answer["next"].as_str().map(str::to_owned);
        answers.push(answer);
    }
    (decisions, answers)
}

#[tokio::test]
async fn decisions_are_told_page_by_page() {
    let fuse = setup(
        r#"
        rule small { when x.n < 3  trigger log { message = "a" }  trigger log { message = "b" } }
        rule first { when x.n >= 3  once per x.kind within 1h  trigger log { message = "c" } }
        rule none { when x.none == 1  trigger log { message = "d" } }"#,
    );
    let fuse = fuse.start().await;
    let all: Vec<Value> = (0..5).map(|n| json!({ "n": n, "kind": "k" })).collect();
    let body = json!({ "id": "a b=c", "all": all }).to_string();
    let id = fuse.post(DOOR, body).await.event(202);
    let whole = fuse.settled(&id).await;
    let decisions = whole["decisions"].as_array().unwrap().clone();
    let said: Vec<String> = decisions
        .iter()
        .map(|one| format!("{} {} {}", one["rule"], one["element"], one["outcome"]))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    assert_eq!(whole["next"], Value::Null);

    for limit in [1, 2, 3, 7] {
        let question = format!("/decisions?event=a%20b=c&source=q&limit={limit}");
        let (paged, answers) = pages(&fuse, &question).await;
        assert_eq!(paged, decisions, "{limit}");
        for answer in &answers {
            assert!(answer["decisions"].as_array().unwrap().len() <= limit);
        }
        // What would make a rule match stands where its decisions begin.
        let told = answers.iter().filter(|answer| answer["would_match"] != Value::Null);
        assert_eq!(told.count(), 1);
    }
    let (of_rule, _) = pages(&fuse, "/decisions?event=a%20b=c&rule=s/first&limit=2").await;
    let once = decisions.iter().filter(|one| one["rule"] == "s/first").cloned();
    assert_eq!(of_rule, once.collect::<Vec<_>>());

    for wrong in ["limit=0", "limit=1001", "limit=many", "limit="] {
        let why = fuse.admin(&format!("/decisions?event=x&{wrong}")).await.error(400);
        assert!(why.contains("`limit` is a whole number from 1 to 1000"), "{why}");
    }
    for wrong in ["after=", "after=-1", "after=1.", "after=x", "after=99999999999999999999"] {
        let why = fuse.admin(&format!("/decisions?event=x&{wrong}")).await.error(400);
        assert!(why.contains("`after` comes from `next`"), "{why}");
    }
    let beyond = fuse.admin("/decisions?event=a%20b=c&after=1000").await.json();
    assert_eq!((&beyond["decisions"], &beyond["next"]), (&json!([]), &Value::Null));
}

/// A megabyte of an event, conditions that are long and deep, and values that double once they are escaped.
#[tokio::test]
async fn an_answer_is_small_whatever_the_event() {
    let conditions: Vec<String> =
        (0..20).map(|n| format!("x.l{n} == \"{}\"", "y".repeat(200 + n))).collect();
    let conditions = conditions.join(" or ");
    let nested = "not (".repeat(25);
    let rules: String = (0..25)
        .map(|n| {
            format!(
                "rule r{n} {{ when x.n != {n} or {conditions} or {nested}x.l0 == \"{n}\"{}\n trigger log {{ message = \"m\" }} }}\n",
                ")".repeat(25)
            )
        })
        .collect();
    let fuse = setup(&format!("when x.text contains \"none\" or ({conditions})\n{rules}"));
    let fuse = fuse.start().await;
    let element = |n: usize| {
        let mut element = json!({ "n": n, "text": "\u{1}\"\\é".repeat(20) });
        for label in 0..20 {
            element[format!("l{label}")] = json!("\u{2}".repeat(5));
        }
        element
    };
    let all: Vec<Value> = (0..1_000).map(element).collect();
    let body = json!({ "id": "1", "all": all }).to_string();
    assert!((800_000..1 << 20).contains(&body.len()), "{}", body.len());
    fuse.settled(&fuse.post(DOOR, body).await.event(202)).await;
    for question in ["", "&limit=1000", "&limit=1000&after=24500", "&rule=s/r3&limit=1000"] {
        let reply = fuse.admin(&format!("/decisions?event=1{question}")).await;
        assert_eq!(reply.status, 200);
        let decisions = reply.json()["decisions"].as_array().unwrap().len();
        assert!(reply.text.len() < 1_000_000, "{question}: {} bytes", reply.text.len());
        assert!((2..=1_000).contains(&decisions), "{question}: {decisions}");
        assert!(reply.json()["next"].is_string());
    }
}

#[tokio::test]
async fn a_large_object_is_shown_alone() {
    let fuse = setup(
        r#"
        rule r {
          trigger workflow { template = "t", namespace = "n", parameters { text = x.text, other = "o" } }
        }"#,
    );
    let fuse = fuse.start().await;
    let all: Vec<Value> = [10, 90_000, 10].map(|bytes| json!({ "text": "x".repeat(bytes) })).into();
    let id = fuse.post(DOOR, json!({ "id": "1", "all": all }).to_string()).await.event(202);
    let report = fuse.settled(&id).await;
    let shown: Vec<bool> = (0..3)
        .map(|at| report["decisions"][at]["action"]["object"]["metadata"]["name"].is_string())
        .collect();
    assert_eq!(shown, [true, false, true], "{report:#}");
    let note = report["decisions"][1]["note"].as_str().unwrap();
    assert!(note.contains("bytes is not shown") && note.contains("&after=1&limit=1"), "{note}");

    let alone = fuse.admin("/decisions?event=1&after=1&limit=1").await.json();
    let object = &alone["decisions"][0]["action"]["object"];
    assert!(object.to_string().len() > 90_000, "{alone:#}");
    assert_eq!(alone["decisions"][0]["note"], Value::Null);
}

/// Who may ask which decisions there were may not therefore know the secrets of the senders.
#[tokio::test]
async fn secrets_in_headers_are_not_shown() {
    let rules = r#"
source q webhook {
  port = 12000
  path = "/q"
  id = body.id
  event e
}
const known = "t0p-secret"
condition is_known(token: string) = lower(token) == known
sensor s on q.e {
  rule literal { when headers.x-gitlab-token == "t0p-secret" and body.a == 2  trigger log { message = "m" } }
  rule constant { when headers.X-Gitlab-Token == known  trigger log { message = "m" } }
  rule called { when is_known(headers.x-gitlab-token)  trigger log { message = "m" } }
  rule any { when headers.authorization in ["t0p-secret", "other"]  trigger log { message = "m" } }
  rule part { when any(p in split(headers.cookie, "; "): p == "id=t0p-secret")  trigger log { message = "m" } }
  rule query { when query.token starts-with "t0p-secret"  trigger log { message = "m" } }
  rule filled { trigger job { image = "a", namespace = headers.x-hub-signature-256 } }
}
"#;
    let fuse = Setup::rules(rules).start().await;
    let headers = [
        ("x-gitlab-token", "S3nt-v4lue"),
        ("authorization", "Bearer S3nt-v4lue"),
        ("cookie", "id=S3nt-v4lue; b=2"),
        ("x-hub-signature-256", "sha256=S3nt-v4lue"),
    ];
    let door = (DOOR.0, "/q?token=S3nt-v4lue");
    let body = json!({ "id": "1", "a": 1 }).to_string();
    let id = fuse.request(Method::POST, door, &headers, body).await.event(202);
    let report = fuse.settled(&id).await;
    let text = format!("{report:#}").to_lowercase();
    assert!(!text.contains("t0p-secret") && !text.contains("s3nt-v4lue"), "{report:#}");
    assert!(!fuse.log().to_lowercase().contains("s3nt-v4lue"));
    // The rest is told as ever.
    insta::assert_json_snapshot!(json!({
        "decision": report["decisions"][0],
        "reasons": report["decisions"].as_array().unwrap().iter().map(|one| &one["reason"]).collect::<Vec<_>>(),
        "would_match": report["would_match"],
    }));
}
