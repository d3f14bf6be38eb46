//! Evaluates parts of programs in Kleene's logic. Returns only the truth, not the reason.

use super::atoms::{self, Values};
use super::frame::Frame;
use super::indexed::{Decider, Row};
use super::scratch::MAX_LEVELS;
use crate::plan::{Among, AtomTest, Choice, NodeKind, PartRef};
use crate::scan::{EntryKind, find};

impl Decider<'_> {
    /// The truth of a part of a program; `None` if it is unknown.
    pub(super) fn holds(&mut self, part: PartRef) -> Option<bool> {
        let event_plan = self.event_plan;
        let node = event_plan.programs.node(part.node)?;
        let number = self.row(node.level as usize).number;
        let kept = node.memo.and_then(|memo| self.truths.get(memo as usize)).copied();
        let truth = match kept.filter(|kept| kept >> 2 == number) {
            Some(kept) => truth_of(kept),
            None => {
                let truth = match &node.kind {
                    NodeKind::All(parts) => self.all(parts, true),
                    NodeKind::Any(parts) => self.all(parts, false).map(|truth| !truth),
                    NodeKind::Choice(choice) => self.choice(choice),
                    NodeKind::Test(test) => self.test(test),
                    NodeKind::Among(among) => self.among(among),
                };
                if let Some(place) = node.memo.and_then(|memo| self.truths.get_mut(memo as usize)) {
                    *place = number << 2 | kept_of(truth);
                }
                truth
            }
        };
        truth.map(|truth| truth != part.negated)
    }

    /// Kleene's `and` of parts, or of their negations.
    fn all(&mut self, parts: &[PartRef], of: bool) -> Option<bool> {
        let mut all = Some(true);
        for part in parts {
            match self.holds(*part) {
                Some(truth) if truth != of => return Some(false),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }

    /// A conditional. Only the branch that its condition chooses is evaluated.
    fn choice(&mut self, choice: &Choice) -> Option<bool> {
        match self.holds(choice.condition)? {
            true => self.holds(choice.chosen),
            false => self.holds(choice.otherwise),
        }
    }

    /// Whether a part holds for any element: Kleene's `or`.
    fn among(&mut self, among: &Among) -> Option<bool> {
        let row = self.row(among.list.level as usize);
        let list = find(self.extract.row(row.group, row.row), among.list.slot)?;
        if list.kind != EntryKind::List {
            return None;
        }
        let level = among.level as usize;
        let Some((first, len)) = list.elements().filter(|_| level < MAX_LEVELS) else {
            return self.test(&among.whole).map(|truth| truth != among.whole_negated);
        };
        // A rule further inside has its own frame at this level.
        let own = self.row(level);
        let own_kept =
            self.kept.get_mut(level).map(|kept| std::mem::replace(kept, Frame::without_values()));
        let mut any = Some(false);
        for index in 0..len {
            // Past the limit the event is refused anyway.
            if self.work.spend(1, 0).is_err() {
                break;
            }
            if let Some(row) = self.rows.get_mut(level) {
                *row = Row { group: among.group, row: first + index, index, len, number: 0 };
            }
            self.enter(level);
            match self.holds(among.part) {
                Some(true) => {
                    any = Some(true);
                    break;
                }
                Some(false) => {}
                None => any = None,
            }
        }
        if let Some(row) = self.rows.get_mut(level) {
            *row = own;
        }
        if let (Some(kept), Some(own)) = (self.kept.get_mut(level), own_kept) {
            *kept = own;
        }
        any
    }

    fn test(&mut self, test: &AtomTest) -> Option<bool> {
        let AtomTest::Expr(level, expr) = test else {
            let at = test.at()?;
            let row = self.row(at.level as usize);
            let entry = find(self.extract.row(row.group, row.row), at.slot);
            let values = Values { extract: self.extract, body: self.body, work: self.work };
            return atoms::holds(test, entry, &values);
        };
        let mut truth = None;
        self.with_stack(*level as usize, &mut |stack, _, _| truth = stack.truth(expr).ok());
        truth
    }
}

fn truth_of(kept: u32) -> Option<bool> {
    match kept & 3 {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

fn kept_of(truth: Option<bool>) -> u32 {
    truth.map_or(0, |truth| 1 + u32::from(truth))
}
