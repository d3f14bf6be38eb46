//! The secrets and certificates of all sources, which are read again while the sources are served.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};

use super::auth::SourceAuth;
use crate::http::ServerCertificate;
use crate::secrets::Secrets;
use crate::sources::SourceContext;

/// How often they are read again. A change takes effect within two seconds, including a read of up to one second.
const REFRESH_AFTER: Duration = Duration::from_secs(1);

/// The secrets of sources, and the certificates of ports.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) auths: Vec<Arc<SourceAuth>>,
    pub(super) certificates: Vec<Arc<ServerCertificate>>,
}

impl Credentials {
    pub(super) fn is_empty(&self) -> bool {
        self.auths.is_empty() && self.certificates.is_empty()
    }

    /// Those that are not among the former ones.
    pub(super) fn without(&self, former: &Self) -> Self {
        Self {
            auths: new(&self.auths, &former.auths),
            certificates: new(&self.certificates, &former.certificates),
        }
    }

    /// Reads all of them, at the same time.
    pub(super) async fn refresh(&self, secrets: &Secrets) {
        let auths = join_all(self.auths.iter().map(|auth| auth.refresh(secrets)));
        let certificates = join_all(self.certificates.iter().map(|one| one.refresh(secrets)));
        join(auths, certificates).await;
    }

    /// Which of them cannot be used, in sentences.
    fn problems(&self) -> Vec<String> {
        let auths = self.auths.iter().filter_map(|auth| auth.problem());
        auths.chain(self.certificates.iter().filter_map(|one| one.problem())).collect()
    }

    /// Reads them again until the shutdown, and reports those that cannot be used.
    pub(super) async fn keep_fresh(self, context: SourceContext) {
        let mut was_failing = false;
        loop {
            let problems = self.problems();
            if !problems.is_empty() {
                context.health().failing(problems.join("; "));
            } else if was_failing {
                context.health().ok();
            }
            was_failing = !problems.is_empty();
            tokio::select! {
                () = context.shutdown().requested() => return,
                () = tokio::time::sleep(REFRESH_AFTER) => {}
            }
            self.refresh(context.secrets()).await;
        }
    }
}

fn new<T>(all: &[Arc<T>], former: &[Arc<T>]) -> Vec<Arc<T>> {
    let is_new = |one: &&Arc<T>| !former.iter().any(|old| Arc::ptr_eq(old, one));
    all.iter().filter(is_new).cloned().collect()
}
