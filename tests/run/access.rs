use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Door, Setup, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/q"
  id   = body.id
  event e
}

sensor s on q.e {
  rule make {
    trigger job {
      namespace = "apps"
      name-prefix = "job-"
      image = "busybox"
    }
  }
}
"#;
const DOOR: Door = (12_000, "/q");
const EVENT: &str = r#"{"id": "1"}"#;

#[tokio::test]
async fn without_a_token_programs_on_this_machine_read_but_see_no_payloads_and_change_nothing() {
    let fuse = Setup::rules(RULES).start().await;
    fuse.settled(&fuse.post(DOOR, EVENT).await.event(202)).await;
    let anonymous = async |method: Method, path: &str| fuse.admin_as(method, path, None, "").await;
    for path in ["/events", "/dead-letters", "/held", "/rules", "/fuses"] {
        assert_eq!(anonymous(Method::GET, path).await.status, 200, "{path}");
    }
    let shown = anonymous(Method::GET, "/decisions?event=1").await.json();
    assert_eq!(shown["decisions"][0]["action"]["object"], Value::Null, "{shown:#}");
    assert!(shown["note"].as_str().unwrap().contains("only to requests with a token"), "{shown:#}");
    let with_token = fuse.admin("/decisions?event=1").await.json();
    assert_eq!(with_token["decisions"][0]["action"]["object"]["kind"], "Job", "{with_token:#}");

    let changes = ["/replay", "/held/x/discard", "/dead-letters/x/discard"];
    for path in changes {
        let reply = anonymous(Method::POST, path).await;
        let why = reply.error(401);
        assert!(why.contains("needs a token") && why.contains("`--state`"), "{why}");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"fuse\"");
        let wrong = fuse.admin_as(Method::POST, path, Some("guess"), "").await;
        assert_eq!(wrong.error(401), "the bearer token is wrong");
    }
    // A wrong token is no better than none for reads, and a proxy does not make a stranger local.
    let wrong = fuse.admin_as(Method::GET, "/events", Some("guess"), "").await;
    assert_eq!(wrong.error(401), "the bearer token is wrong");
    let admin = (12_080, "/events");
    let forwarded = [("x-forwarded-for", "203.0.113.9")];
    fuse.request(Method::GET, admin, &forwarded, "").await.error(401);
    let rebound = [("host", "evil.example")];
    let why = fuse.request(Method::GET, admin, &rebound, "").await.error(421);
    assert!(why.contains("`hosts` in `[admin]`"), "{why}");
    let reply = fuse.request(Method::GET, admin, &[("origin", "https://a.example")], "").await;
    assert!(reply.headers.get("access-control-allow-origin").is_none());
    assert!(anonymous(Method::GET, "/nothing").await.error(404).contains("GET /events"));
    anonymous(Method::DELETE, "/events").await.error(401);
    fuse.admin_as(Method::DELETE, "/events", fuse.token().as_deref(), "").await.error(405);
    assert!(anonymous(Method::GET, "/events?limit=0").await.error(400).contains("`limit` is"));
    assert!(anonymous(Method::GET, "/events?after=x").await.error(400).contains("`after`"));
}

#[tokio::test]
async fn a_token_is_read_again_and_one_of_the_state_folder_is_for_its_owner_only() {
    let toml = "[admin]\ntoken = { file = \"token\" }\nhosts = [\"fuse.example\"]\n";
    let mut fuse = Setup::rules(RULES).toml(toml).lay_out();
    let file = fuse.folder().join("token");
    fuse.start_again().await;
    let ready = fuse.admin("/readyz").await.json();
    let problem = ready["not_ready"][0].as_str().unwrap();
    assert!(
        problem.contains("a token of the admin port cannot be used: file `token`"),
        "{ready:#}"
    );
    let status = async |token: &str| {
        fuse.admin_as(Method::POST, "/replay", Some(token), "{\"id\": \"x\"}").await.status
    };
    assert_eq!(status("first").await, 401);
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        until("the token is read", async || (status(token).await == 404).then_some(())).await;
    }
    assert_eq!(status("first").await, 401);
    let named = [("host", "fuse.example:1")];
    assert_eq!(fuse.request(Method::GET, (12_080, "/events"), &named, "").await.status, 200);

    let endpoint = fuse.folder().join(".fuse-local/admin.json");
    assert_eq!(std::fs::metadata(&endpoint).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fuse.token().unwrap();
    assert_eq!(status(&token).await, 404);
    assert!(!fuse.log().contains(&token) && !fuse.log().contains("second"), "{}", fuse.log());
    // The command reads a token from a file.
    let server = fuse.server();
    let (code, printed) =
        fuse.command(&["replay", "x", "--server", &server, "--token-file", "token"]);
    assert!(code == Some(2) && printed.contains("no event and no dead letter"), "{printed}");

    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    assert!(!endpoint.exists());
    fuse.start_again().await;
    assert_ne!(fuse.token().unwrap(), token);
}

#[test]
fn other_addresses_need_a_token() {
    let fuse = Setup::rules(RULES).lay_out();
    let (code, printed) = fuse.command(&["run", "rules", "--local", "--admin", "0.0.0.0:1"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("cannot listen on 0.0.0.0:1 without a token"), "{printed}");
    let inline = Setup::rules(RULES).toml("[admin]\ntoken = \"s3cr3t\"\n").lay_out();
    let (code, printed) = inline.command(&["run", "rules", "--local"]);
    assert_eq!(code, Some(2), "{printed}");
    assert!(
        printed.contains("is not the place of a secret") && !printed.contains("s3cr3t"),
        "{printed}"
    );
}
