//! Which requests are admitted.

use async_trait::async_trait;

use super::headers::FORWARDED;
use super::rights::OPEN_PATHS;
use super::*;
use crate::token_review::ReviewedUser;

fn guard(access: AdminAccess, address: &str) -> Guard {
    Guard::new(access, address.parse().unwrap())
}

async fn status(guard: &Guard, ends: (&str, &str), request: axum::http::request::Builder) -> u16 {
    let (remote, local) = (ends.0.parse().unwrap(), ends.1.parse().unwrap());
    let request = request.body(axum::body::Body::empty()).unwrap();
    match guard.caller(guard.examine(Peer { remote, local }, &request)).await {
        Ok(_) => 200,
        Err((status, _)) => status.as_u16(),
    }
}

const HERE: (&str, &str) = ("127.0.0.1:9", "127.0.0.1:1");
const FROM_MESH: (&str, &str) = ("127.0.0.6:9", "10.0.0.7:1");
const ELSEWHERE: (&str, &str) = ("10.0.0.9:9", "10.0.0.7:1");

#[test]
fn hosts_are_loopback_names_addresses_and_those_that_are_set() {
    let access = AdminAccess::new().hosts(["fuse.example".to_owned()]);
    let guard = guard(access, "10.0.0.7:12080");
    let ask = |host: &str, local: &str| {
        guard.check_host(host, local.parse().unwrap()).map_err(|(status, _)| status.as_u16())
    };
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "10.0.0.7", "Fuse.Example"] {
        assert_eq!(ask(host, "127.0.0.1:1"), Ok(()), "{host}");
        assert_eq!(ask(host, "10.0.0.7:1"), Ok(()), "{host}");
    }
    let evil = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[evil]"];
    for host in evil {
        assert_eq!(ask(host, "127.0.0.1:1"), Err(421), "{host}");
        assert_eq!(ask(host, "[::ffff:127.0.0.1]:1"), Err(421), "{host}");
        assert_eq!(ask(host, "10.0.0.7:1"), Err(421), "{host}");
    }
    // The address of the pod or of its Service.
    assert_eq!(ask("10.96.0.1", "10.0.0.7:1"), Ok(()));
    assert_eq!(ask("[fd00::1]", "10.0.0.7:1"), Ok(()));
    assert_eq!(ask("10.96.0.1", "127.0.0.1:1"), Err(421));
}

#[tokio::test]
async fn reads_need_a_token_elsewhere_and_changes_do_everywhere() {
    let reference = SecretRef::Env { name: "T".into() };
    let secrets = Secrets::from_map([(reference.clone(), "s3cr3t".to_owned())].into());
    let access = AdminAccess::new().token("ops", reference).local_token(Secret::new("here"));
    assert!(access.permits("0.0.0.0:1".parse().unwrap()));
    let guard = guard(access, "0.0.0.0:12080");
    guard.refresh(&secrets).await;
    let get = |path: &str| Request::get(path).header("host", "localhost");
    let post = |path: &str| Request::post(path).header("host", "localhost");
    assert_eq!(status(&guard, HERE, get("/events")).await, 200);
    assert_eq!(status(&guard, FROM_MESH, get("/events")).await, 401);
    assert_eq!(status(&guard, ELSEWHERE, get("/events")).await, 401);
    let prefixed = ["x-forwarded-for", "x-forwarded-host", "x-envoy-external-address"];
    for header in FORWARDED.into_iter().chain(prefixed) {
        assert_eq!(status(&guard, HERE, get("/events").header(header, "10.0.0.9")).await, 401);
    }
    for path in OPEN_PATHS {
        assert_eq!(status(&guard, ELSEWHERE, get(path)).await, 200);
        // Scrapers use names of Services.
        assert_eq!(
            status(&guard, ELSEWHERE, Request::get(path).header("host", "a.svc")).await,
            200
        );
        assert_eq!(status(&guard, HERE, Request::get(path).header("host", "a.svc")).await, 421);
        assert_eq!(status(&guard, ELSEWHERE, post(path)).await, 401);
    }
    assert_eq!(status(&guard, HERE, post("/replay")).await, 401);
    for (value, expected) in [
        ("Bearer s3cr3t", 200),
        ("bearer  s3cr3t ", 200),
        ("Bearer here", 200),
        ("Bearer s3cr3", 401),
        ("Bearer ", 401),
        ("Basic s3cr3t", 401),
        ("s3cr3t", 401),
    ] {
        for ends in [HERE, ELSEWHERE] {
            let post = post("/replay").header("authorization", value);
            assert_eq!(status(&guard, ends, post).await, expected, "{value}");
            let get = get("/events").header("authorization", value);
            assert_eq!(status(&guard, ends, get).await, expected, "{value}");
        }
    }
    let twice = post("/replay").header("authorization", "Bearer here");
    let twice = twice.header("authorization", "Bearer here");
    assert_eq!(status(&guard, HERE, twice).await, 401);

    // A token that cannot be read any more does not work, and readiness names it.
    guard.refresh(&Secrets::from_map(BTreeMap::new())).await;
    let gone = post("/replay").header("authorization", "Bearer s3cr3t");
    assert_eq!(status(&guard, HERE, gone).await, 401);
    assert_eq!(
        guard.problems(),
        ["a token of the admin port cannot be used: environment variable `T` is not set"]
    );
}

#[test]
fn only_loopback_is_open_without_a_token() {
    let access = AdminAccess::new().local_token(Secret::new("here"));
    for (address, permitted) in [
        ("127.0.0.1:1", true),
        ("127.9.9.9:1", true),
        ("[::1]:1", true),
        ("0.0.0.0:1", false),
        ("[::]:1", false),
        ("10.0.0.7:1", false),
    ] {
        assert_eq!(access.permits(address.parse().unwrap()), permitted, "{address}");
    }
}

#[tokio::test]
async fn a_token_permits_what_its_rights_say() {
    let reference = |name: &str| SecretRef::Env { name: name.into() };
    let secrets = ["reads", "changes", "all"].map(|name| (reference(name), name.to_owned()));
    let secrets = Secrets::from_map(secrets.into());
    let access = AdminAccess::new()
        .token_with("reads", reference("reads"), AdminRights::new([AdminRight::Read]))
        .token("changes", reference("changes"))
        .token_with("all", reference("all"), AdminRights::all())
        .local_token(Secret::new("here"));
    let guard = guard(access, "127.0.0.1:12080");
    guard.refresh(&secrets).await;
    let requests = [
        Request::get("/events"),
        Request::get("/rules/files"),
        Request::get("/payload?event=1"),
        Request::head("/payload?event=1"),
        Request::post("/replay"),
    ];
    let mut seen = Vec::new();
    for request in requests {
        let mut statuses = Vec::new();
        let request = request.header("host", "localhost").body(()).unwrap();
        for token in [None, Some("reads"), Some("changes"), Some("all"), Some("here")] {
            let mut builder = Request::builder().method(request.method()).uri(request.uri());
            builder = builder.header("host", "localhost");
            if let Some(token) = token {
                builder = builder.header("authorization", format!("Bearer {token}"));
            }
            statuses.push(status(&guard, HERE, builder).await);
        }
        seen.push((request.uri().path().to_owned(), statuses));
    }
    let expected = [
        ("/events", [200, 200, 200, 200, 200]),
        ("/rules/files", [401, 200, 200, 200, 200]),
        ("/payload", [401, 403, 403, 200, 200]),
        ("/payload", [401, 403, 403, 200, 200]),
        ("/replay", [401, 403, 200, 200, 200]),
    ];
    assert_eq!(seen, expected.map(|(path, statuses)| (path.to_owned(), statuses.to_vec())));
}

/// Each token belongs to the user of its name, and `down` gets no answer.
struct Everyone;

#[async_trait]
impl TokenReviewer for Everyone {
    async fn review(&self, token: &Secret) -> Result<Option<ReviewedUser>, TokenReviewError> {
        match token.expose() {
            "down" => Err(TokenReviewError("the cluster is down".to_owned())),
            name => Ok(Some(ReviewedUser { name: name.to_owned(), groups: Vec::new() })),
        }
    }
}

#[tokio::test]
async fn a_reviewed_user_is_not_recorded_as_a_token_of_the_list() {
    let reference = SecretRef::Env { name: "T".into() };
    let secrets = Secrets::from_map([(reference.clone(), "s3cr3t".to_owned())].into());
    let users = [("ops".to_owned(), AdminRights::default())].into();
    let rights = ReviewedRights { users, groups: BTreeMap::new() };
    let access = AdminAccess::new().token("ops", reference).reviewer(Everyone, rights);
    let guard = guard(access, "0.0.0.0:12080");
    guard.refresh(&secrets).await;
    let holder = async |token: &str| {
        let holder = guard.holder(token.as_bytes(), AdminRight::Change).await;
        holder.map(|holder| holder.name).map_err(|(status, _)| status.as_u16())
    };
    assert_eq!(holder("s3cr3t").await, Ok("ops".to_owned()));
    assert_eq!(holder("ops").await, Ok("user:ops".to_owned()));
    assert_eq!(holder("eve").await, Err(403));
    assert_eq!(holder("down").await, Err(503));
}

#[test]
fn rules_need_someone_who_may_approve_them() {
    let reference = || SecretRef::Env { name: "T".into() };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let approve = || AdminRights::new([AdminRight::Approve]);
    let token = |rights, groups: &[&str]| {
        AdminAccess::new().token_with("t", reference(), rights).groups("t", names(groups))
    };
    let reviewed = |rights| {
        let groups = [("all".to_owned(), rights)].into();
        AdminAccess::new().reviewer(Everyone, ReviewedRights { users: BTreeMap::new(), groups })
    };
    let local = AdminAccess::new().local_token(Secret::new("t"));
    // Whether someone may approve what is not restricted, and what only `sre` or `leads` may approve.
    for (access, anything, restricted) in [
        (AdminAccess::new(), false, false),
        (local, true, false),
        (token(AdminRights::default(), &["sre"]), false, false),
        (token(approve(), &[]), true, false),
        (token(approve(), &["dev"]), true, false),
        (token(approve(), &["dev", "leads"]), true, true),
        (reviewed(AdminRights::default()), false, false),
        // The groups of a user are known when it asks.
        (reviewed(approve()), true, true),
    ] {
        let approvers = access.approvers();
        assert_eq!(approvers.may_approve(&[]), anything, "{access:?}");
        assert_eq!(approvers.may_approve(&names(&["sre", "leads"])), restricted, "{access:?}");
    }
}
