//! What fuse's NATS user must be allowed to do.

use super::JetStreamOptions;

/// The least permissions of fuse's user, as a part of the configuration of nats-server.
///
/// ```
/// use fuse_runtime::backend::{JetStreamOptions, permissions};
///
/// let text = permissions(&JetStreamOptions::new("nats://nats:4222"));
/// assert!(text.contains("\"fuse.log\""));
/// ```
pub fn permissions(options: &JetStreamOptions) -> String {
    let (log, bucket) = (options.stream(), options.bucket());
    let objects = format!("OBJ_{bucket}");
    let publish = [
        options.subject(),
        format!("$O.{bucket}.>"),
        "$JS.API.INFO".to_owned(),
        format!("$JS.API.STREAM.CREATE.{log}"),
        format!("$JS.API.STREAM.INFO.{log}"),
        format!("$JS.API.STREAM.PURGE.{log}"),
        format!("$JS.API.STREAM.MSG.GET.{log}"),
        format!("$JS.API.CONSUMER.*.{log}"),
        format!("$JS.API.CONSUMER.*.{log}.>"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{log}.>"),
        format!("$JS.API.STREAM.CREATE.{objects}"),
        format!("$JS.API.STREAM.INFO.{objects}"),
        format!("$JS.API.STREAM.PURGE.{objects}"),
        format!("$JS.API.STREAM.MSG.GET.{objects}"),
        format!("$JS.API.DIRECT.GET.{objects}"),
        format!("$JS.API.DIRECT.GET.{objects}.>"),
        format!("$JS.API.CONSUMER.*.{objects}"),
        format!("$JS.API.CONSUMER.*.{objects}.>"),
        "$JS.FC.>".to_owned(),
    ];
    let publish: String = publish.iter().map(|subject| format!("    \"{subject}\",\n")).collect();
    format!("permissions {{\n  publish: [\n{publish}  ]\n  subscribe: [\"_INBOX.>\"]\n}}\n")
}
