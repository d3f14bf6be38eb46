/// What the issue asks for: one post, `/decisions`, one manifest, once.
mod acceptance;
/// Who may use the admin port.
mod access;
/// What tokens of the admin port permit, and its certificate.
mod admin_rights;
/// Every status that a source answers with, and what stands in the body.
mod answers;
/// Who may send events.
mod approval;
mod attempts;
mod auth;
mod backup;
/// What is decided about bodies as senders really send them.
mod blow;
mod bodies;
/// Changes of rules, secrets and certificates while events arrive.
mod changes_under_load;
/// Events at certain times.
mod clock;
/// One action at a time.
mod concurrency;
/// Pages of `/decisions`, how large they are at most, and what they do not show.
mod decisions;
/// Which event a request is, and the body that its rules see.
mod events;
/// Faults of what fuse works with: full disks, a log that nobody reads, damaged records.
mod faults;
/// Flow control: its state survives a crash, and decisions show it.
mod flow;
/// What happened, what failed, and doing it again; and the description of the admin port.
mod history;
/// What is sent to do harm, and does none.
mod hostile;
/// Triggers that send HTTP requests.
mod http_triggers;
/// Where an event's id comes from.
mod ids;
/// What connections, requests and browsers may do.
mod limits;
/// `/metrics`, `/readyz` and the log.
mod observe;
/// Fuses that are switched off while actions are pending, and actions that are given up.
mod pending;
/// Kinds of sources that know their sender, and what these send.
mod presets;
/// What rules do because they may not act, or because their actions failed.
mod reactions;
/// Rules and settings that change while it runs.
mod reload;
/// Custom answers.
mod replies;
/// Compression, paths, methods, proxies and rates.
mod requests;
/// The states of flow control.
mod state;
/// How it ends, and when it does not start.
mod stop;
/// Fuses that people switch at run time.
mod switch;
/// Certificates.
mod tls;
/// Decisions that wait, across kills.
mod waits;
/// What `/decisions` says would have made rules match.
mod would_match;
