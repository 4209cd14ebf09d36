//! A machine in which the kernel runs.

use std::time::Duration;

use boot::judge::{Ending, Purpose, SelfTest};
use boot::qemu::{Launch, Moment, Session};
use boot::report::Report;
use serde_json::Value;

use crate::slot::Slot;
use crate::{Outcome, kept};

/// A running machine; it ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    session: Option<Session>,
    purpose: Purpose,
    self_test: SelfTest,
    limit: Duration,
    last: Moment,
    // Given back last.
    _slot: Slot,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(launch: Launch, purpose: Purpose, self_test: SelfTest, limit: Duration) -> Self {
        let slot = Slot::take();
        let session = Session::start(launch).unwrap_or_else(|error| panic!("{error}"));
        Self { session: Some(session), purpose, self_test, limit, last: Moment::Reached, _slot: slot }
    }

    /// Waits for the report's last line and, where the kernel switches off, for that. The machine is still there
    /// afterwards, its memory and screen untouched.
    #[track_caller]
    pub fn wait_end(&mut self) -> Moment {
        let limit = self.limit;
        self.last = told(self.session().wait_end(Some(limit)));
        self.last
    }

    /// Waits until report and console text satisfy a condition.
    ///
    /// # Panics
    /// If the machine ends first, or time is up.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, condition: impl FnMut(&Report, &str) -> bool) {
        let limit = self.limit;
        let moment = told(self.session().wait_for(Some(limit), condition));
        assert_eq!(moment, Moment::Reached, "while waiting for {what}");
    }

    /// Waits for a number of report lines of one kind.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    #[track_caller]
    pub fn wait_for_events(&mut self, kind: &str, count: usize) {
        self.wait_for(kind, |report, _| report.of_kind(kind).count() >= count);
    }

    /// The report so far.
    #[track_caller]
    pub fn report(&mut self) -> &Report {
        self.session().report()
    }

    /// Types a line on the serial console.
    #[track_caller]
    pub fn send_line(&mut self, line: &str) {
        told(self.session().send_line(line));
    }

    /// Gives QEMU a command of its machine protocol, such as `inject-nmi`.
    #[track_caller]
    pub fn command(&mut self, command: &str, arguments: Value) -> Value {
        told(self.session().command(command, arguments))
    }

    /// Reads guest memory by physical address, from outside.
    #[track_caller]
    pub fn memory(&mut self, address: u64, length: usize) -> Vec<u8> {
        told(self.session().memory(address, length))
    }

    /// Ends the machine and returns what remains of the run.
    ///
    /// # Panics
    /// If the report cannot be read.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        let ending = match self.last {
            Moment::Over(ending) => ending,
            Moment::Stopped | Moment::Reached => Ending::Ended,
        };
        let Some(session) = self.session.take() else { panic!("the machine has gone") };
        Outcome::new(told(session.finish(ending)), self.purpose, self.self_test)
    }

    #[track_caller]
    fn session(&mut self) -> &mut Session {
        let Some(session) = &mut self.session else { panic!("the machine has gone") };
        session
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            kept::if_failing(session.report(), &session.serial());
        }
    }
}

#[track_caller]
fn told<T>(result: Result<T, boot::Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
