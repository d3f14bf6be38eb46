//! `--local`: a trigger that writes what another one would do.

use std::sync::Arc;

use async_trait::async_trait;
use fuse_rules::ActionResponse;
use fuse_rules::schema::{Schema, TriggerInfo};
use serde_json::Value;

use super::{
    ActionFile, ActionFiles, ActionRequest, AttemptResult, Done, Failure, Probe, Readiness,
    RenderError, Trigger,
};
use crate::requirements::Requirement;

/// Has the schema and the form of a trigger, and writes files instead of acting.
pub(super) struct LocalTrigger {
    pub(super) trigger: Arc<dyn Trigger>,
    pub(super) files: ActionFiles,
}

#[async_trait]
impl Trigger for LocalTrigger {
    fn schema(&self) -> Schema {
        self.trigger.schema()
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        self.trigger.render(request)
    }

    fn file(&self, request: &ActionRequest) -> Result<ActionFile, RenderError> {
        self.trigger.file(request)
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        self.files.write(self.file(request)?).await
    }

    async fn attempt(&self, request: &ActionRequest) -> AttemptResult {
        // No server answers, but a reaction to the success may read the status.
        let response = self.schema().gets_response().then(|| ActionResponse::new(200));
        AttemptResult { result: self.fire(request).await, response }
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        match self.file(request) {
            Ok(file) => self.files.find(file).await,
            Err(_) => Probe::Absent,
        }
    }

    async fn readiness(&self) -> Readiness {
        self.files.readiness().await
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match self.file(request) {
            Ok(file) => self.files.readiness_for(&file).await,
            // The attempt fails permanently, with its reason.
            Err(_) => Readiness::Ready,
        }
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        self.trigger.requirements(block)
    }
}

#[cfg(test)]
mod tests {
    use fuse_rules::Action;
    use serde_json::json;

    use super::*;
    use crate::event::EventKey;
    use crate::triggers::{Log, Triggers};

    /// A trigger that must never act.
    struct Page;

    #[async_trait]
    impl Trigger for Page {
        fn schema(&self) -> Schema {
            Schema::new("page", "Calls a human.")
        }

        fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
            match request.action.element {
                None => Ok(json!({ "call": "sre" })),
                Some(_) => Err(RenderError::new("there is nobody to call")),
            }
        }

        async fn fire(&self, _: &ActionRequest) -> Result<Done, Failure> {
            panic!("a local run calls nobody")
        }

        async fn probe(&self, _: &ActionRequest) -> Probe {
            panic!("a local run asks nobody")
        }
    }

    fn request(element: Option<Vec<u32>>) -> ActionRequest {
        let (trigger, rule, fields) = ("page".into(), "alerts/down".into(), serde_json::Map::new());
        let action =
            Action { trigger, rule, element, ordinal: 0, fields, attempts: Default::default() };
        let event = EventKey { source: "q".into(), name: "e".into(), id: "1".into() };
        ActionRequest::new(action, event)
    }

    #[tokio::test]
    async fn any_trigger_is_written_and_a_log_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = ActionFiles::new(folder.path());
        let triggers = Triggers::new().with(Page).with(Log).with_local_files(&files);
        let page = triggers.get("page").unwrap();
        let request = request(None);
        assert_eq!(page.probe(&request).await, Probe::Absent);
        let done = page.fire(&request).await.unwrap();
        assert_eq!(page.probe(&request).await, Probe::Done(done.clone()));
        assert_eq!(page.fire(&request).await, Ok(done));
        let mut log = request.clone();
        log.action.trigger = "log".into();
        triggers.get("log").unwrap().fire(&log).await.unwrap();

        let mut written = std::fs::read_dir(folder.path()).unwrap();
        let file = written.next().unwrap().unwrap();
        assert!(written.next().is_none(), "the log line is not written");
        let name = file.file_name().into_string().unwrap();
        assert!(name.starts_with("alerts-down-page-") && name.ends_with(".json"), "{name}");
        let content: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        let expected = json!({
            "action": request.id, "rule": "alerts/down", "event": "q.e/1", "trigger": "page",
            "does": { "call": "sre" },
        });
        assert_eq!(content, expected);
    }

    #[tokio::test]
    async fn what_cannot_be_rendered_fails_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let files = ActionFiles::new(folder.path());
        let triggers = Triggers::new().with(Page).with_local_files(&files);
        let failure = triggers.get("page").unwrap().fire(&request(Some(vec![0]))).await;
        assert_eq!(failure, Err(Failure::Permanent("there is nobody to call".into())));
    }
}
