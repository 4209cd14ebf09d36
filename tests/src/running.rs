//! A machine in which the kernel runs.

use std::time::Duration;

use boot::judge::{Ending, Purpose, SelfTest};
use boot::qemu::{Launch, Moment, Session};
use boot::report::Report;
use serde_json::{Value, json};

use crate::outside::config_space;
use crate::slot::Slot;
use crate::{Outcome, Picture, kept};

/// What the console shows when it waits for a command.
const PROMPT: &str = "ivt> ";

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

    /// Reads nothing of the serial console for now, like a terminal that was stopped.
    #[track_caller]
    pub fn stop_reading(&mut self) {
        self.session().stop_reading();
    }

    /// Reads on.
    #[track_caller]
    pub fn read_on(&mut self) {
        self.session().read_on();
    }

    /// Waits for the console's prompt.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    #[track_caller]
    pub fn wait_for_prompt(&mut self) {
        self.wait_for("the prompt", |_, console| console.ends_with(PROMPT));
    }

    /// Types a command on the serial console and waits until it is done.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    #[track_caller]
    pub fn run_command(&mut self, line: &str) {
        self.wait_for_prompt();
        let prompts = |console: &str| console.matches(PROMPT).count();
        let before = prompts(&self.session().serial());
        self.send_line(line);
        self.wait_for(line, |_, console| prompts(console) > before);
    }

    /// Tells whether a function may master the bus, as its configuration space says when read from outside.
    /// For machines that BIOS started: another firmware may put the space elsewhere.
    ///
    /// # Panics
    /// If there is no such function.
    #[track_caller]
    pub fn may_master_the_bus(&mut self, bdf: &str) -> bool {
        let number = |digits: &str| u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{bdf}"));
        let [bus, device, function] = [&bdf[5..7], &bdf[8..10], &bdf[11..]].map(number);
        let header = self.memory(config_space(bus, device, function), 8);
        assert_ne!(header[..2], [0xff; 2], "there is no function {bdf}");
        header[4] & 1 << 2 != 0
    }

    /// Gives QEMU a command of its machine protocol, such as `inject-nmi`.
    #[track_caller]
    pub fn command(&mut self, command: &str, arguments: Value) -> Value {
        told(self.session().command(command, arguments))
    }

    /// Presses keys of the keyboard, one after the other, by their names in QEMU.
    #[track_caller]
    pub fn press(&mut self, keys: &[&str]) {
        for key in keys {
            self.command("send-key", json!({"keys": [{"type": "qcode", "data": key}], "hold-time": 20}));
            // The next key must not come while this one is held.
            std::thread::sleep(Duration::from_millis(60));
        }
    }

    /// Reads guest memory by physical address, from outside.
    #[track_caller]
    pub fn memory(&mut self, address: u64, length: usize) -> Vec<u8> {
        told(self.session().memory(address, length))
    }

    /// Takes a picture of the screen.
    #[track_caller]
    pub fn picture(&mut self) -> Picture {
        let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
        told(self.session().screenshot(file.path()));
        Picture::read(file.path())
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
