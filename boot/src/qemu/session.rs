//! A machine that runs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ::report::EndStatus;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Error;
use crate::judge::Ending;
use crate::qemu::console::{Console, Drain};
use crate::qemu::control::Control;
use crate::qemu::launch::{CONTROL_SOCKET, REPORT};
use crate::qemu::process::Process;
use crate::qemu::program::first_line;
use crate::qemu::{ConsoleMode, Launch, screenshot};
use crate::report::Report;

/// How often a running machine is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long QEMU may take from its start to its control socket.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long a guest may take from its report's end to switching off before it is taken to be halted.
const POWER_OFF_WITHIN: Duration = Duration::from_secs(20);

/// What a wait came to. Unless QEMU itself has gone, the machine is still there to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// What was waited for has come.
    Reached,
    /// The kernel stopped with a bugcheck and has said all about it.
    Stopped,
    /// The run is over.
    Over(Ending),
}

/// What remains of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the kernel reported.
    pub report: Report,
    /// What it wrote to COM1, where that was kept.
    pub serial: String,
    /// How the machine ended.
    pub ending: Ending,
    /// What QEMU said on its standard error.
    pub messages: String,
}

/// A running QEMU with its folder. Dropping it ends QEMU and removes the folder.
#[derive(Debug)]
pub struct Session {
    launch: Launch,
    process: Process,
    control: Control,
    console: Console,
    messages: Drain,
    report_file: File,
    report_copy: Option<File>,
    report: Report,
    started: Instant,
    end_seen: Option<Instant>,
    guest_ending: Option<Ending>,
    // Dropped last, when nothing uses its files any more.
    folder: TempDir,
}

impl Session {
    /// Starts a machine.
    ///
    /// # Errors
    /// If QEMU does not start or refuses its arguments.
    pub fn start(launch: Launch) -> Result<Self, Error> {
        let folder =
            tempfile::Builder::new().prefix("ivt-").tempdir().map_err(Error::system("temporary folder"))?;
        let report_path = folder.path().join(REPORT);
        let report_file = File::create_new(&report_path)
            .and_then(|_| File::open(&report_path))
            .map_err(Error::file(&report_path))?;
        let report_copy = launch.report_copy.as_deref().map(create).transpose()?;
        let mut command = launch.command(folder.path())?;
        let mut process = Process::spawn(&mut command)?;
        let mut messages = Drain::start(process.stderr(), Box::new(std::io::sink()));
        let console = Console::new(&mut process, launch.console);
        let control = connect(&mut process, &folder.path().join(CONTROL_SOCKET), &mut messages)?;
        Ok(Self {
            launch,
            process,
            control,
            console,
            messages,
            report_file,
            report_copy,
            report: Report::default(),
            started: Instant::now(),
            end_seen: None,
            guest_ending: None,
            folder,
        })
    }

    /// The report so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The text on COM1 so far, where it is kept.
    pub fn serial(&self) -> String {
        self.console.text()
    }

    /// Types a line on COM1.
    ///
    /// # Errors
    /// If COM1 is the user's terminal, or QEMU has gone.
    pub fn send_line(&mut self, line: &str) -> Result<(), Error> {
        self.console.send_line(line).map_err(Error::system("typing on COM1"))
    }

    /// Reads nothing of COM1 for now, like a terminal that was stopped.
    pub fn stop_reading(&self) {
        self.console.stop_reading();
    }

    /// Reads on.
    pub fn read_on(&self) {
        self.console.read_on();
    }

    /// Gives QEMU a command of its machine protocol.
    ///
    /// # Errors
    /// If QEMU refuses it or has gone.
    pub fn command(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        self.control.execute(command, arguments)
    }

    /// Reads guest memory by physical address, past the guest and its tables.
    ///
    /// # Errors
    /// If QEMU refuses or has gone.
    pub fn memory(&mut self, address: u64, length: usize) -> Result<Vec<u8>, Error> {
        let path = self.folder.path().join("memory");
        self.command(
            "pmemsave",
            json!({"val": address, "size": length, "filename": path.to_string_lossy()}),
        )?;
        fs::read(&path).map_err(Error::file(path))
    }

    /// Writes a picture of the screen as PNG.
    ///
    /// # Errors
    /// If QEMU has gone or the file cannot be written.
    pub fn screenshot(&mut self, out: &Path) -> Result<(), Error> {
        let path = self.folder.path().join("screen");
        self.command("screendump", json!({"filename": path.to_string_lossy()}))?;
        let picture = fs::read(&path).map_err(Error::file(path))?;
        screenshot::convert(&picture, out).map_err(Error::file(out))
    }

    /// Waits for the report's last line and, where the kernel switches off, for that. `limit` counts from
    /// the start.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn wait_end(&mut self, limit: Option<Duration>) -> Result<Moment, Error> {
        self.wait(limit, |session| {
            let end = session.report.end()?;
            let since = *session.end_seen.get_or_insert_with(Instant::now);
            if end.status == EndStatus::Bugcheck {
                Some(Moment::Stopped)
            } else {
                (since.elapsed() > POWER_OFF_WITHIN).then_some(Moment::Over(Ending::Ended))
            }
        })
    }

    /// Waits until the machine is switched off or the user leaves; a stop stays on the screen.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn wait_power_off(&mut self, limit: Option<Duration>) -> Result<Moment, Error> {
        self.wait(limit, |_| None)
    }

    /// Waits until QEMU itself ends, for somebody who looks at a machine that is over; at the limit, or told
    /// to stop, it returns as well.
    pub fn wait_gone(&mut self, limit: Option<Duration>) {
        let in_time = |started: Instant| limit.is_none_or(|limit| started.elapsed() < limit);
        while self.process.exit_status().is_none()
            && in_time(self.started)
            && !self.launch.stop.load(Ordering::Relaxed)
        {
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the report and COM1 satisfy a condition.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn wait_for(
        &mut self,
        limit: Option<Duration>,
        mut condition: impl FnMut(&Report, &str) -> bool,
    ) -> Result<Moment, Error> {
        self.wait(limit, |session| {
            condition(&session.report, &session.console.text()).then_some(Moment::Reached)
        })
    }

    /// Takes what has come since the last look, without waiting, and says whether the machine is over.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn look(&mut self) -> Result<Option<Ending>, Error> {
        // The report is read after the signs of an end, so that none of it is missed.
        let exit = self.process.exit_status();
        for event in self.control.events() {
            self.guest_ending = self.guest_ending.or(guest_ending(&event));
        }
        self.read_report()?;
        let gone = exit.map(|status| match self.launch.console {
            ConsoleMode::Terminal if status.success() => Ending::Left,
            _ => Ending::Died,
        });
        let told = self.launch.stop.load(Ordering::Relaxed).then_some(Ending::Died);
        Ok(self.guest_ending.or(gone).or(told))
    }

    /// Ends QEMU, if it has not ended itself, and returns what remains.
    ///
    /// # Errors
    /// If the report cannot be read.
    pub fn finish(mut self, ending: Ending) -> Result<Outcome, Error> {
        // A QEMU that does not answer is killed by what follows.
        let _ = self.control.execute("quit", json!({}));
        self.process.end();
        self.read_report()?;
        let serial = self.console.finish();
        Ok(Outcome { report: self.report, serial, ending, messages: self.messages.finish() })
    }

    fn wait(
        &mut self,
        limit: Option<Duration>,
        mut done: impl FnMut(&mut Self) -> Option<Moment>,
    ) -> Result<Moment, Error> {
        loop {
            let over = self.look()?;
            if let Some(moment) = done(self).or(over.map(Moment::Over)) {
                return Ok(moment);
            }
            if limit.is_some_and(|limit| self.started.elapsed() >= limit) {
                return Ok(Moment::Over(Ending::TimeLimit));
            }
            std::thread::sleep(POLL);
        }
    }

    fn read_report(&mut self) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.report_file.read_to_end(&mut bytes).map_err(Error::system("reading the report"))?;
        let lines = self.report.push(&bytes);
        match &mut self.report_copy {
            Some(copy) => copy.write_all(&lines).map_err(Error::system("writing the report's copy")),
            None => Ok(()),
        }
    }
}

fn create(path: impl AsRef<Path>) -> Result<File, Error> {
    File::create(path.as_ref()).map_err(Error::file(path.as_ref()))
}

/// Connects to the control socket of a QEMU that is starting.
fn connect(process: &mut Process, socket: &Path, messages: &mut Drain) -> Result<Control, Error> {
    let deadline = Instant::now() + START_WITHIN;
    while Instant::now() < deadline {
        match Control::connect(socket) {
            Ok(Some(control)) => return Ok(control),
            // It listens before it has looked at all its arguments.
            Ok(None) | Err(_) if process.exit_status().is_none() => std::thread::sleep(POLL),
            Ok(None) | Err(_) => break,
        }
    }
    process.end();
    let said = first_line(messages.finish().as_bytes());
    Err(said.map_or(Error::Control("QEMU does not open it".to_owned()), Error::Refused))
}

/// How the guest ended itself, if an event says so.
fn guest_ending(event: &Value) -> Option<Ending> {
    if event["event"] != "SHUTDOWN" || event["data"]["guest"] != true {
        return None;
    }
    Some(if event["data"]["reason"] == "guest-shutdown" { Ending::PoweredOff } else { Ending::Reset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switching_off_and_resetting_are_told_apart() {
        let event = |reason: &str, guest: bool| {
            guest_ending(&json!({"event": "SHUTDOWN", "data": {"guest": guest, "reason": reason}}))
        };
        assert_eq!(event("guest-shutdown", true), Some(Ending::PoweredOff));
        assert_eq!(event("guest-reset", true), Some(Ending::Reset));
        assert_eq!(event("host-qmp-quit", false), None);
        assert_eq!(guest_ending(&json!({"event": "STOP"})), None);
    }
}
