//! Checks of the NATS servers that replicas share their state over.

use std::path::Path;
use std::time::Duration;

use fuse_runtime::Config;
use fuse_runtime::backend::JetStream;
use fuse_runtime::kubernetes::{Finding, Report};
use fuse_runtime::secrets::Secrets;

use super::super::backend;

/// How long the servers may take to answer.
const CHECK_WITHIN: Duration = Duration::from_secs(30);

/// Adds what is missing or weak at the servers of `[backend]` to a report, if there is such a section.
pub(super) async fn examine(report: &mut Report, config: &Config, secrets: &Secrets) {
    if config.backend.url.is_none() {
        return;
    }
    report.checked = report.checked.saturating_add(1);
    let checked = async {
        let options = backend::options(&config.backend, config, secrets, Path::new(".fuse"));
        JetStream::check(&options.await?).await.map_err(|error| error.to_string())
    };
    let finding = |what, fix: &str| Finding { what, fix: fix.to_owned(), rules: Vec::new() };
    let found = tokio::time::timeout(CHECK_WITHIN, checked).await;
    match found.unwrap_or_else(|_elapsed| Err("the NATS servers do not answer".to_owned())) {
        Ok(found) => {
            let fix = "see `fuse backend init --check`, and docs/operations.md, Several replicas";
            report.warnings.extend(found.warnings().into_iter().map(|what| finding(what, fix)));
        }
        Err(why) => {
            let fix = "run `fuse backend init`, and grant the account what `fuse backend permissions` prints";
            report.problems.push(finding(format!("the shared state: {why}"), fix));
            report.ready = false;
        }
    }
}
