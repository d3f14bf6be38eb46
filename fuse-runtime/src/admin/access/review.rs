//! Reviews bearer tokens that are not in the list, such as those of Kubernetes service accounts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{AdminRight, AdminRights, Holder};
use crate::secrets::Secret;
use crate::token_review::{ReviewedUser, TokenReviewError, TokenReviewer};

/// How the recorded names of users begin, so that a user is never taken for a token of the list.
pub(crate) const USER_PREFIX: &str = "user:";

/// How long a result is used. A token that is revoked works for no longer.
const KEEP_FOR: Duration = Duration::from_secs(10);
/// How many results of valid tokens are kept, and how many of others.
const MAX_KEPT: usize = 1_000;
/// How many reviews run at the same time, and how long one may take, including its wait for a turn.
const MAX_REVIEWS: usize = 4;
const REVIEW_WITHIN: Duration = Duration::from_secs(5);
/// How many requests may wait for a review. Each counts among the requests of all ports.
const MAX_WAITING: usize = 32;
/// The largest token that is reviewed.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// The rights of users and groups whose tokens are reviewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewedRights {
    /// By the names of users.
    pub users: BTreeMap<String, AdminRights>,
    /// By the names of groups.
    pub groups: BTreeMap<String, AdminRights>,
}

impl ReviewedRights {
    /// The rights of a user: its own, and those of its groups.
    fn for_user(&self, user: &ReviewedUser) -> AdminRights {
        let mut rights = AdminRights::new([]);
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(&user.name).into_iter().chain(groups).for_each(|own| rights.extend(own));
        rights
    }
}

/// A result that is kept: who holds the token, if it is valid.
type ReviewedHolder = Option<Holder>;

/// Results, with the times at which their reviews began.
#[derive(Default)]
struct KeptResults {
    /// By the hashes of tokens.
    valid: BTreeMap<[u8; 32], (Instant, ReviewedHolder)>,
    /// Apart from the others, so that guesses do not displace tokens that are valid.
    invalid: BTreeMap<[u8; 32], (Instant, ReviewedHolder)>,
}

/// Reviews tokens, and keeps the results for a short time.
#[derive(Clone)]
pub(super) struct Reviews {
    reviewer: Arc<dyn TokenReviewer>,
    rights: ReviewedRights,
    kept: Arc<Mutex<KeptResults>>,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl fmt::Debug for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviews").field("rights", &self.rights).finish_non_exhaustive()
    }
}

impl Reviews {
    pub(super) fn new(reviewer: impl TokenReviewer, rights: ReviewedRights) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_REVIEWS));
        let waiting = Arc::new(Semaphore::new(MAX_WAITING));
        Self { reviewer: Arc::new(reviewer), rights, kept: Arc::default(), turns, waiting }
    }

    /// Whether someone may approve what rules do.
    pub(super) fn may_approve(&self) -> bool {
        let ReviewedRights { users, groups } = &self.rights;
        users.values().chain(groups.values()).any(|rights| rights.permits(AdminRight::Approve))
    }

    /// The holder of a token, if it is valid.
    ///
    /// # Errors
    /// It is not known whether the token is valid.
    pub(super) async fn holder(&self, token: &[u8]) -> Result<ReviewedHolder, TokenReviewError> {
        let Ok(text) = std::str::from_utf8(token) else { return Ok(None) };
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.known(&hash) {
            return Ok(known);
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(TokenReviewError("too many tokens wait for a review".to_owned()));
        };
        let review = async {
            let _turn = self.turns.acquire().await;
            // While this one waited, the same token may have been reviewed.
            if let Some(known) = self.known(&hash) {
                return Ok(Review::Known(known));
            }
            let began = Instant::now();
            let user = self.reviewer.review(&Secret::new(text)).await?;
            Ok(Review::New(began, user))
        };
        let late = |_| {
            let within = REVIEW_WITHIN.as_secs();
            TokenReviewError(format!("no answer within {within} s"))
        };
        let (began, user) =
            match tokio::time::timeout(REVIEW_WITHIN, review).await.map_err(late)?? {
                Review::Known(holder) => return Ok(holder),
                Review::New(began, user) => (began, user),
            };
        let holder = user.map(|user| {
            let rights = self.rights.for_user(&user);
            let groups = user.groups.into_iter().collect();
            Holder { name: format!("{USER_PREFIX}{}", user.name), rights, groups }
        });
        self.keep(hash, began, holder.clone());
        Ok(holder)
    }

    fn known(&self, hash: &[u8; 32]) -> Option<ReviewedHolder> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, holder) = kept.valid.get(hash).or_else(|| kept.invalid.get(hash))?;
        (at.elapsed() < KEEP_FOR).then(|| holder.clone())
    }

    fn keep(&self, hash: [u8; 32], began: Instant, holder: ReviewedHolder) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let KeptResults { valid, invalid } = &mut *kept;
        // A token whose validity has changed is in one of them.
        valid.remove(&hash);
        invalid.remove(&hash);
        let kept = if holder.is_some() { valid } else { invalid };
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (at, _)| at.elapsed() < KEEP_FOR);
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(hash, (began, holder));
    }
}

/// The result of a review.
enum Review {
    /// Another request has had the token reviewed.
    Known(ReviewedHolder),
    /// When it began, and the user of a valid token.
    New(Instant, Option<ReviewedUser>),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// The tokens `alice` and `bob` are valid, and `hangs` gets no answer.
    #[derive(Clone, Default)]
    struct Known(Arc<AtomicUsize>);

    #[async_trait]
    impl TokenReviewer for Known {
        async fn review(&self, token: &Secret) -> Result<Option<ReviewedUser>, TokenReviewError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            let user = |groups: &[&str]| {
                let groups = groups.iter().map(|group| (*group).to_owned()).collect();
                Ok(Some(ReviewedUser { name: token.expose().to_owned(), groups }))
            };
            match token.expose() {
                "alice" => user(&["ops", "all"]),
                "bob" => user(&[]),
                "hangs" => std::future::pending().await,
                _ => Ok(None),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn results_are_kept_for_a_short_time_and_have_the_rights_of_user_and_groups() {
        let reviewer = Known::default();
        let asked = || reviewer.0.load(Ordering::SeqCst);
        let rights = ReviewedRights {
            users: [("alice".to_owned(), AdminRights::new([AdminRight::Payloads]))].into(),
            groups: [
                ("ops".to_owned(), AdminRights::new([AdminRight::Read])),
                ("others".to_owned(), AdminRights::new([AdminRight::Change])),
            ]
            .into(),
        };
        let reviews = Reviews::new(reviewer.clone(), rights);
        let alice = AdminRights::new([AdminRight::Read, AdminRight::Payloads]);
        for _ in 0..3 {
            let holder = reviews.holder(b"alice").await.unwrap();
            let holder = holder.unwrap();
            assert_eq!((holder.name.as_str(), &holder.rights), ("user:alice", &alice));
            assert_eq!(holder.groups, ["all", "ops"].map(str::to_owned).into());
            assert_eq!(reviews.holder(b"eve").await, Ok(None));
        }
        assert_eq!(asked(), 2);
        let bob = reviews.holder(b"bob").await.unwrap().unwrap();
        assert!(bob.rights.is_empty() && bob.groups.is_empty());
        tokio::time::advance(KEEP_FOR).await;
        reviews.holder(b"alice").await.unwrap();
        assert_eq!(asked(), 4);
        assert_eq!(reviews.holder(&[b'x'; MAX_TOKEN_BYTES + 1]).await, Ok(None));
        assert_eq!(reviews.holder(&[0xff]).await, Ok(None));
        assert_eq!(asked(), 4, "these cannot be tokens");
        let error = reviews.holder(b"hangs").await.unwrap_err().to_string();
        assert_eq!(error, "the token cannot be reviewed: no answer within 5 s");
        // Guesses do not fill the memory.
        for n in 0..2 * MAX_KEPT {
            reviews.holder(n.to_string().as_bytes()).await.unwrap();
        }
        assert!(reviews.kept.lock().unwrap().invalid.len() <= MAX_KEPT);
        // Nor do they displace a token that is valid.
        let before = asked();
        reviews.holder(b"alice").await.unwrap();
        assert_eq!(asked(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn few_requests_wait_for_a_review_and_a_token_is_reviewed_once() {
        let reviewer = Known::default();
        let reviews = Reviews::new(reviewer.clone(), ReviewedRights::default());
        let all = (0..2 * MAX_WAITING).map(|_| reviews.holder(b"hangs"));
        let began = Instant::now();
        let errors = futures_util::future::join_all(all).await;
        let texts = errors.into_iter().map(|error| error.unwrap_err().to_string());
        let refused = texts.filter(|text| text.contains("too many tokens wait")).count();
        assert_eq!(refused, MAX_WAITING, "the others waited");
        assert_eq!(began.elapsed(), REVIEW_WITHIN);
        let asked = reviewer.0.load(Ordering::SeqCst);
        futures_util::future::join_all((0..MAX_WAITING).map(|_| reviews.holder(b"alice"))).await;
        let more = reviewer.0.load(Ordering::SeqCst) - asked;
        assert!(more <= MAX_REVIEWS, "{more}");
    }
}
