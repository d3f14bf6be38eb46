//! The state machine, without a broker: the same log gives the same state, whichever replica applies it, and in whatever portions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use redb::WriteTransaction;

use super::frame::{BatchHead, FORMAT, LogBatch, LogChange};
use super::machine::{self, Fate};
use crate::bus::change::{BusAnswer, BusChange};
use crate::bus::queue::{NewEvent, Publication};
use crate::change::{ChangeAnswer, StateChange};
use crate::event::EventKey;
use crate::store::{OWNERS, Store, StoreError};
use jiff::Timestamp;
use redb::ReadableTable as _;

/// What one replica sends, in the order of the log.
#[derive(Clone, Debug)]
enum Sent {
    Join,
    Leave,
    Accept(u8),
    /// Removes the event with this number among those accepted so far.
    Remove(u64),
    /// Declares another replica dead, rightly or not.
    Expire(usize, u64),
    /// Its last batch arrives once more.
    Again,
}

fn sent() -> impl Strategy<Value = (usize, Sent)> {
    let what = prop_oneof![
        2 => Just(Sent::Join),
        1 => Just(Sent::Leave),
        6 => (0_u8..20).prop_map(Sent::Accept),
        3 => (0_u64..20).prop_map(Sent::Remove),
        2 => (0_usize..3, 0_u64..12).prop_map(|(other, seen)| Sent::Expire(other, seen)),
        2 => Just(Sent::Again),
    ];
    (0_usize..3, what)
}

fn id(replica: usize) -> String {
    format!("replica{replica}")
}

fn change(what: &Sent) -> LogChange {
    match what {
        Sent::Join => LogChange::Join { name: "x".into(), format: FORMAT, replaces: None },
        Sent::Leave => LogChange::Leave,
        Sent::Accept(number) => {
            let event = EventKey { source: "s".into(), name: "n".into(), id: number.to_string() };
            let (at, hash) = (Timestamp::UNIX_EPOCH, "h".to_owned());
            let row = vec![0; 16];
            let events = vec![NewEvent { event, hash, row, received: at, kept_from: at }];
            LogChange::State(StateChange::Bus(BusChange::Accept {
                events,
                limit: 15,
                capacity: None,
            }))
        }
        Sent::Remove(seq) => LogChange::State(StateChange::Bus(BusChange::Remove(vec![*seq]))),
        Sent::Expire(other, seen) => LogChange::Expire { replica: id(*other), seen: *seen },
        Sent::Again => LogChange::Leave,
    }
}

/// The batches of a log, each with the replica that sends it and its number there.
fn batches(log: &[(usize, Sent)]) -> Vec<(usize, u64, Sent)> {
    let (mut numbers, mut last) = (BTreeMap::new(), BTreeMap::<usize, (u64, Sent)>::new());
    let mut batches = Vec::new();
    for (replica, what) in log {
        if let Sent::Again = what {
            batches
                .extend(last.get(replica).cloned().map(|(number, what)| (*replica, number, what)));
            continue;
        }
        let number: &mut u64 = numbers.entry(*replica).or_default();
        *number += 1;
        last.insert(*replica, (*number, what.clone()));
        batches.push((*replica, *number, what.clone()));
    }
    batches
}

/// The obvious machine: who is alive, and which events wait, with their owners.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    members: BTreeMap<String, u64>,
    queue: BTreeMap<u64, String>,
    known: BTreeSet<u8>,
    next: u64,
}

impl Model {
    fn apply(&mut self, replica: usize, number: u64, what: &Sent) {
        let own = id(replica);
        if matches!(what, Sent::Join) && !self.members.contains_key(&own) {
            self.members.insert(own.clone(), 0);
            self.move_orphans();
        }
        match self.members.get_mut(&own) {
            Some(last) if number > *last => *last = number,
            _ => return,
        }
        match what {
            Sent::Accept(number) if !self.known.contains(number) && self.queue.len() < 15 => {
                self.known.insert(*number);
                self.queue.insert(self.next, own);
                self.next += 1;
            }
            Sent::Remove(seq) => {
                self.queue.remove(seq);
            }
            Sent::Leave => {
                self.members.remove(&own);
                self.move_orphans();
            }
            Sent::Expire(other, seen) if self.members.get(&id(*other)) == Some(seen) => {
                self.members.remove(&id(*other));
                self.move_orphans();
            }
            _ => {}
        }
    }

    fn move_orphans(&mut self) {
        let members: Vec<String> = self.members.keys().cloned().collect();
        let orphans = self.queue.values_mut().filter(|owner| !members.contains(owner));
        for (owner, to) in orphans.zip(members.iter().cycle()) {
            owner.clone_from(to);
        }
    }
}

/// Applies a log to a new store, so many messages in each transaction.
async fn apply(log: &[(usize, u64, Sent)], at_once: usize) -> (Model, Vec<String>) {
    let store = Store::in_memory().unwrap();
    let mut fates = Vec::new();
    for (chunk, first) in log.chunks(at_once).zip((1_u64..).step_by(at_once)) {
        let chunk = chunk.to_vec();
        let work = move |transaction: &WriteTransaction| {
            let mut done = Vec::new();
            for ((replica, number, what), position) in chunk.iter().zip(first..) {
                let head = BatchHead { format: FORMAT, replica: id(*replica), number: *number };
                let mut batch = LogBatch { head, changes: vec![change(what)] };
                let applied =
                    machine::apply(transaction, &mut batch, position, &BTreeMap::new(), &|_| ());
                done.push(applied?);
            }
            Ok(done)
        };
        fates.extend(store.write(work).await.unwrap().iter().map(|done| format!("{done:?}")));
    }
    let members = store.read(machine::members).await.unwrap();
    let queue = store
        .read(|transaction| {
            let owners = transaction.open_table(OWNERS)?;
            let mut queue = BTreeMap::new();
            for entry in owners.iter()? {
                let (seq, owner) = entry?;
                queue.insert(seq.value(), owner.value().to_owned());
            }
            Ok(queue)
        })
        .await
        .unwrap();
    let members = members.into_iter().map(|(id, member)| (id, member.batch)).collect();
    (Model { members, queue, ..Model::default() }, fates)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_replica_has_the_state_of_the_model(
        log in proptest::collection::vec(sent(), 1..60),
        at_once in 1_usize..9,
    ) {
        let log = batches(&log);
        let mut model = Model::default();
        for (replica, number, what) in &log {
            model.apply(*replica, *number, what);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (one, two) = runtime.block_on(async {
            (apply(&log, 1).await, apply(&log, at_once).await)
        });
        prop_assert_eq!(&one, &two);
        prop_assert_eq!((&one.0.members, &one.0.queue), (&model.members, &model.queue));
    }
}

#[tokio::test]
async fn a_change_that_fails_is_left_out_and_the_others_are_applied() {
    let store = Store::in_memory().unwrap();
    let failed = Arc::new(Mutex::new(BTreeMap::new()));
    failed.lock().unwrap().insert(1, StoreError::Damaged("broken".into()));
    let done = store
        .write(move |transaction| {
            let join = LogChange::Join { name: "x".into(), format: FORMAT, replaces: None };
            let changes = vec![join, change(&Sent::Accept(1)), change(&Sent::Accept(2))];
            let head = BatchHead { format: FORMAT, replica: id(0), number: 1 };
            let mut batch = LogBatch { head, changes };
            let failed = failed.lock().unwrap().clone();
            machine::apply(transaction, &mut batch, 1, &failed, &|_| ())
        })
        .await
        .unwrap();
    let Fate::Applied(answers) = done.fate else { panic!("{done:?}") };
    let [Err(StoreError::Damaged(_)), Ok(ChangeAnswer::Bus(BusAnswer::Accepted(accepted)))] =
        answers.as_slice()
    else {
        panic!("{answers:?}");
    };
    assert!(matches!(accepted.as_slice(), [Publication::New { seq: 0, backlog: 1 }]));
}
