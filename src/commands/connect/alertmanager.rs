//! `fuse connect alertmanager`

use super::{Door, yaml};

pub(super) fn text(door: &Door) -> String {
    let (event, url) = (&door.event, yaml::quoted(&door.url()));
    let authorization = door.token.as_ref().map_or_else(String::new, |place| {
        format!(
            "\n        # A file with the token that fuse expects: {place}.
        http_config:
          authorization:
            credentials_file: /etc/alertmanager/fuse-token"
        )
    });
    let sends_resolved = door.cancels;
    let resolved = match sends_resolved {
        true => "Rules wait for alerts that are resolved (`unless`).",
        false => {
            "Rules act on alerts that fire. `true` if a rule of yours acts on those that are resolved."
        }
    };
    format!(
        r#"# Alertmanager sends `{event}` to fuse.
# This is a whole alertmanager.yml. Into one that you have, merge two parts: the item under
# `routes`, as the first of yours, and the receiver `fuse`.

route:
  # Alerts that no route of yours takes end here.
  receiver: nobody
  routes:
    - receiver: fuse
      # The routes below this one get every alert as well.
      continue: true
      # An alert is a group of its own: it waits for no other and is not sent again with it.
      group_by: ['...']
      # Time for an alert that inhibits this one to arrive first.
      group_wait: 10s
      # What could not be delivered is tried again after this time.
      group_interval: 1m
      # What still fires is sent again after this time. `once per` in a rule holds it back, or not.
      repeat_interval: 4h

receivers:
  - name: nobody
  - name: fuse
    webhook_configs:
      - url: {url}{authorization}
        # {resolved}
        send_resolved: {sends_resolved}
        # 0 is no limit. Above a limit, alerts are cut off and never seen.
        max_alerts: 0
"#
    )
}
