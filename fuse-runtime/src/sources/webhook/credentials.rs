//! The secrets and certificates of all sources, which are read again while the sources are served.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::watch;

use super::auth::SourceAuth;
use super::ports::PortTable;
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

    /// From now on, they are in use.
    pub(super) fn serve(&self) {
        self.auths.iter().for_each(|auth| auth.serve());
        self.certificates.iter().for_each(|one| one.serve());
    }

    /// Reports those that cannot be used, and certificates that expire.
    pub(super) fn report(&self, context: &SourceContext) {
        let (health, now) = (context.health(), context.intake().now());
        let problems = self.problems();
        match problems.is_empty() {
            true => health.clear_report(),
            false => health.failing(problems.join("; ")),
        }
        let expiring = self.certificates.iter().filter_map(|one| one.expiry_warning(now));
        health.warn(expiring.collect());
    }
}

/// Reads the secrets and certificates in use again until the shutdown, and reports those that cannot be used.
pub(super) async fn keep_fresh(table: watch::Receiver<PortTable>, context: SourceContext) {
    let in_use = || table.borrow().credentials.clone();
    let refreshing = async {
        loop {
            tokio::time::sleep(REFRESH_AFTER).await;
            in_use().refresh(context.secrets()).await;
            // A reload may have changed which ones are in use.
            in_use().report(&context);
        }
    };
    tokio::select! {
        () = context.shutdown().requested() => {}
        () = refreshing => {}
    }
}

/// Whether a list has this very object.
pub(super) fn contains<T>(all: &[Arc<T>], one: &Arc<T>) -> bool {
    all.iter().any(|other| Arc::ptr_eq(other, one))
}

fn new<T>(all: &[Arc<T>], former: &[Arc<T>]) -> Vec<Arc<T>> {
    all.iter().filter(|one| !contains(former, one)).cloned().collect()
}
