use crate::support::{Fuse, JOB_OF_LINE, Setup, until};

const FUSES: &str = "
fuse line default on
";
const DOOR: crate::support::Door = (12_000, "/e");

fn rules() -> String {
    [FUSES, JOB_OF_LINE].concat()
}

/// A fuse whose objects cannot be written, with so many actions held for that.
async fn holding(actions: usize) -> Fuse {
    let mut fuse = Setup::rules(&rules()).variable("FUSE_LINE", "on").lay_out();
    // A file where the folder should be, which stops root as well.
    std::fs::write(fuse.out(), "").unwrap();
    fuse.start_again().await;
    for n in 0..actions {
        fuse.post_as(DOOR, &n.to_string(), "{}").await.event(202);
    }
    held(&fuse, actions).await;
    fuse
}

async fn held(fuse: &Fuse, actions: usize) {
    until("all are held", async || {
        (fuse.admin("/held?limit=1000").await.json()["actions"].as_array()?.len() == actions)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_fuse_that_is_switched_off_holds_what_was_decided_before() {
    let mut fuse = holding(3).await;
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));

    // The way is free, but the fuse is off.
    std::fs::remove_file(fuse.out()).unwrap();
    fuse.set("FUSE_LINE", "off");
    fuse.start_again().await;
    let by_fuse = "held by fuse: the fuse `line` is off";
    until("they are held by the fuse", async || {
        let held = fuse.admin("/held").await.json();
        held["actions"].as_array()?.iter().all(|one| one["reason"] == by_fuse).then_some(())
    })
    .await;
    let report = fuse.decisions("test 1", "held").await;
    let action = &report["decisions"][0]["action"];
    assert_eq!((&action["state"], &action["fuses"][0]), (&"held".into(), &"line".into()));
    let (code, list) = fuse.command(&["held", "--server", &fuse.server()]);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains(by_fuse) && list.ends_with("3 actions\n"), "{list}");
    let ready = fuse.admin("/readyz").await;
    assert!(ready.status == 200 && ready.text.contains(by_fuse), "{ready:?}");
    // A new event is gated, as ever.
    let new = fuse.post_as(DOOR, "new", "{}").await.event(202);
    let report = fuse.settled(&new).await;
    assert_eq!(report["decisions"][0]["outcome"], "gated");

    // One of them is given up.
    let id = fuse.decisions("test 2", "held").await["decisions"][0]["action"]["id"].clone();
    let id = id.as_str().unwrap();
    let reason = ["--reason", "nobody needs it"];
    let server = fuse.server();
    let (code, printed) =
        fuse.command(&[&["discard", id, "--server", server.as_str()][..], &reason].concat());
    assert_eq!((code, printed.as_str()), (Some(0), format!("discarded {id}\n").as_str()));
    // It is a dead letter now, which can be discarded, too.
    let (code, printed) = fuse.command(&["discard", id, "--server", &server]);
    assert_eq!((code, printed.as_str()), (Some(0), format!("discarded {id}\n").as_str()));
    let (code, printed) = fuse.command(&["discard", id, "--server", &server]);
    assert_eq!(code, Some(2));
    let unknown = "no held or waiting action, no decision that waits, and no dead letter has an id that starts with";
    assert!(printed.contains(&format!("{unknown} `{id}`")), "{printed}");
    let report = fuse.settled("test 2").await;
    let action = &report["decisions"][0]["action"];
    assert_eq!(
        (&action["kind"], &action["reason"]),
        (&"discarded".into(), &"discarded by `local`: nobody needs it".into())
    );
    fuse.assert_stays(std::time::Duration::from_secs(3)).await;
    assert!(fuse.manifests().is_empty());

    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    // Without a server, from the state.
    let (_, list) = fuse.command(&["held", "--state", ".fuse-local", "--format", "json"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    fuse.set("FUSE_LINE", "on");
    fuse.start_again().await;
    until("both are done", async || (fuse.manifests().len() == 2).then_some(())).await;
    fuse.settled("test 0").await;
}

#[tokio::test]
async fn what_waits_for_one_thing_is_one_group_and_released_together() {
    let fuse = holding(300).await;
    let ready = fuse.admin("/readyz").await.json();
    let problems = ready["not_ready"].as_array().unwrap();
    // The trigger's own, and the one group.
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[1].as_str().unwrap().contains("300 actions are held since"), "{problems:#?}");
    std::fs::remove_file(fuse.out()).unwrap();
    until("all are done", async || (fuse.manifests().len() == 300).then_some(())).await;
}

#[tokio::test]
async fn unfinished_files_of_an_earlier_run_are_removed() {
    let mut fuse = Setup::rules(&rules()).lay_out();
    std::fs::create_dir(fuse.out()).unwrap();
    let unfinished = fuse.out().join(".fuse-x1y2z3");
    std::fs::write(&unfinished, "{").unwrap();
    let other = fuse.out().join("notes");
    std::fs::write(&other, "").unwrap();
    fuse.start_again().await;
    assert!(!unfinished.exists() && other.exists());
}
