//! Finds the texts in a set that another text starts with.

/// Sorted prefixes, each with the longest other one that is a prefix of it.
#[derive(Debug)]
pub(crate) struct Prefixes {
    sorted: Box<[Kept]>,
    longest: usize,
}

#[derive(Debug)]
struct Kept {
    prefix: Box<[u8]>,
    shorter: Option<u32>,
    rules: Box<[u32]>,
}

impl Prefixes {
    pub(crate) fn new(mut all: Vec<(Box<[u8]>, u32)>) -> Self {
        all.sort_unstable();
        let mut sorted: Vec<Kept> = Vec::new();
        // The prefixes of the previous one.
        let mut around: Vec<u32> = Vec::new();
        for same in all.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((prefix, _)) = same.first() else { continue };
            let holds = |at: u32| {
                sorted.get(at as usize).is_some_and(|kept: &Kept| prefix.starts_with(&kept.prefix))
            };
            while around.last().is_some_and(|at| !holds(*at)) {
                around.pop();
            }
            let shorter = around.last().copied();
            around.push(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
            let rules = same.iter().map(|(_, rule)| *rule).collect();
            sorted.push(Kept { prefix: prefix.clone(), shorter, rules });
        }
        let longest = sorted.iter().map(|kept| kept.prefix.len()).max().unwrap_or(0);
        Self { sorted: sorted.into(), longest }
    }

    /// The length of the longest prefix in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Adds the rules whose prefix the text starts with.
    pub(crate) fn find(&self, text: &[u8], found: &mut Vec<u32>) {
        // The last prefix that does not sort after the text starts with every prefix of the text.
        let after = self.sorted.partition_point(|kept| *kept.prefix <= *text);
        let mut at = after.checked_sub(1);
        while let Some(kept) = at.and_then(|at| self.sorted.get(at)) {
            if text.starts_with(&kept.prefix) {
                found.extend_from_slice(&kept.rules);
            }
            at = kept.shorter.map(|at| at as usize);
        }
    }
}
