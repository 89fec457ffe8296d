//! A message that its sender hands to the kernel, while the client's thread sleeps.

use std::{sync::MutexGuard, time::Instant};

use super::{Link, Outlet};
use crate::{error::Result, session::Session};

/// The session of a client whose thread sleeps, to send one message whose bytes have been reserved.
pub(crate) struct Direct<'a> {
    pub(super) link: &'a Link,
    /// It is there: `Link::direct` has looked.
    pub(super) outlet: MutexGuard<'a, Option<Outlet>>,
    pub(super) size: usize,
}

impl Direct<'_> {
    /// Sends the message; what `send` fails with is logged.
    pub(crate) fn send(mut self, send: impl FnOnce(&mut Session) -> Result<()>) {
        let Some(outlet) = self.outlet.as_mut() else { return };
        let outcome = send(&mut outlet.session);
        self.link.note_sent(&outlet.session, self.size, outcome);
        outlet.used_until = Instant::now();
        if outlet.session.needs_turn() {
            self.link.wake();
        }
    }
}
