//! An event as rules see it.

use std::collections::BTreeMap;

use fuse_rules::{Event, InvalidBody};

use crate::event::Envelope;

type Texts = BTreeMap<String, String>;

/// The event with its headers and parameters.
pub(super) fn with_texts<'a>(
    mut event: Event<'a>,
    headers: &Texts,
    query: &Texts,
    path: &Texts,
) -> Event<'a> {
    for (name, value) in headers {
        event = event.header(name, value);
    }
    for (name, value) in query {
        event = event.query(name, value);
    }
    for (name, value) in path {
        event = event.path_parameter(name, value);
    }
    event
}

impl Envelope {
    /// The event as rules see it. A replay looks like the sender's event.
    ///
    /// # Errors
    /// The body is not valid JSON, which is only possible for an event that its source rejected.
    pub fn view(&self) -> Result<Event<'_>, InvalidBody> {
        Ok(self.with_rest(Event::new(self.source.as_str(), self.name.as_str(), &self.body)?))
    }

    /// The same without validating the body, which [`Plan::decide`](fuse_rules::Plan::decide) does.
    pub(crate) fn unread_view(&self) -> Result<Event<'_>, InvalidBody> {
        Ok(self.with_rest(Event::unread(self.source.as_str(), self.name.as_str(), &self.body)?))
    }

    fn with_rest<'a>(&'a self, event: Event<'a>) -> Event<'a> {
        let event = with_texts(event, &self.headers, &self.query, &self.path);
        match &self.replay {
            Some(replay) => event.id(replay.of.as_str()).received(replay.received),
            None => event.id(self.id.as_str()).received(self.received),
        }
    }
}
