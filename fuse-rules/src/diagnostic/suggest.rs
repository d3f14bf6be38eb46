//! "Did you mean": finds the nearest name, if one is near enough.

use super::{Diagnostic, Fix};
use crate::span::Span;

/// The candidate with the smallest edit distance, if that is at most a third of the name's length
/// (and at least one, so that short names have a chance). Otherwise a candidate that shares a part:
/// `params` is near `parameters`, `workflow-template` near `template`. On a tie, the first one
/// wins.
///
/// ```
/// let rules = ["argocd-unhealthy", "externalsecret-failure"];
/// assert_eq!(fuse_rules::diagnostic::nearest("argocd-unhealty", rules), Some("argocd-unhealthy"));
/// assert_eq!(fuse_rules::diagnostic::nearest("backups", rules), None);
/// ```
pub fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let by_part = candidates.clone().into_iter().find(|candidate| shares_a_part(name, candidate));
    misspelt(name, candidates).or(by_part)
}

/// The candidate with the smallest edit distance, if it is near enough.
pub(crate) fn misspelt<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let len = name.chars().count();
    let limit = (len / 3).max(1);
    candidates
        .into_iter()
        // Names can be megabytes long, and the cost of the distance is the product of both lengths.
        .filter(|candidate| candidate.chars().count().abs_diff(len) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The candidate that this name is probably a typing slip of: fewer letters may be off than in
/// `misspelt`, and in very short names none, so that it is not the name of another thing.
pub(crate) fn slip<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const MIN_LENGTH: usize = 4;
    let len = name.chars().count();
    misspelt(name, candidates)
        .filter(|near| len >= MIN_LENGTH && distance(name, near) <= (len / 4).max(1))
}

/// Whether one contains the other, or both start the same way.
fn shares_a_part(name: &str, candidate: &str) -> bool {
    const MIN_SHARED_BYTES: usize = 4;
    let long = |text: &str| text.len() >= MIN_SHARED_BYTES;
    let begin = name.bytes().zip(candidate.bytes()).take_while(|(a, b)| a == b).count();
    begin > MIN_SHARED_BYTES
        || long(candidate) && name.contains(candidate)
        || long(name) && candidate.contains(name)
}

/// How many candidates a diagnostic keeps.
const MAX_CANDIDATES: usize = 24;

impl Diagnostic {
    /// Keeps the names that could replace an unknown one, the nearest first. Names of another length follow in
    /// their own order.
    pub(crate) fn candidates<'a>(
        mut self,
        name: &str,
        all: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let len = name.chars().count();
        // The distance is only computed for names of a similar length, as in `misspelt`.
        let far = |candidate: &str| match candidate.chars().count().abs_diff(len) {
            difference if difference <= (len / 3).max(1) => distance(name, candidate),
            _ => usize::MAX,
        };
        let mut all: Vec<(usize, &str)> = all.into_iter().map(|one| (far(one), one)).collect();
        all.sort_by_key(|(distance, _)| *distance);
        self.candidates =
            all.into_iter().take(MAX_CANDIDATES).map(|(_, one)| one.to_owned()).collect();
        self
    }
}

/// The nearest candidate as a fix. It is not safe: only the author knows which name was meant.
pub(crate) fn fix<'a>(
    name: &str,
    span: Span,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<Fix> {
    let near = nearest(name, candidates)?;
    Some(Fix::new(format!("did you mean `{near}`?"), span, near))
}

/// Help that suggests the nearest candidate, or lists the candidates.
pub(crate) fn help<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
    what: &str,
) -> Option<String> {
    if let Some(near) = nearest(name, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<_> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    (!all.is_empty() && all.len() <= 24).then(|| format!("{what}: {}", all.join(", ")))
}

/// The edit distance with insertions, deletions, replacements and swaps of neighbours, each with a
/// cost of 1.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut cost =
                (at(&last, j + 1) + 1).min(at(&row, j) + 1).min(at(&last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                cost = cost.min(at(&before_last, j - 1) + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_candidates_come_first() {
        let problem = Diagnostic::without_place(crate::diagnostic::Code::E0206, "");
        let candidates = problem.candidates("labls", ["annotations", "labels", "values", "label"]);
        assert_eq!(candidates.candidates, ["labels", "label", "values", "annotations"]);
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("labls", ["annotations", "labels"]), Some("labels"));
        assert_eq!(nearest("wehn", ["each", "when"]), Some("when"), "a swap costs one");
        assert_eq!(nearest("lower", ["upper", "log"]), None);
        assert_eq!(nearest("x", ["y"]), Some("y"), "one letter may be off in a short name");
        assert_eq!(nearest("params", ["labels", "parameters"]), Some("parameters"));
        assert_eq!(nearest("workflow-template", ["template"]), Some("template"));
        assert_eq!(nearest("log", ["logging"]), None, "a short name is part of too much");
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
