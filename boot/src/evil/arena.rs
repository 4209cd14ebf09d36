//! A machine with hostile devices in it.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use vfio_device::{Card, Device};

use super::{Stage, Subject};
use crate::Error;
use crate::judge::Ending;
use crate::machine::{DefaultDevices, Machine, NATIVE_HOT_PLUG};
use crate::qemu::{Launch, Moment, Session, TestPort, config_space};
use crate::report::Report;

/// How long a machine may run that is given no other time: several share the host, which may be held up, and drivers wait
/// half a minute for what does not come.
const LIMIT: Duration = Duration::from_secs(300);
/// What the console shows when it waits for a command.
const PROMPT: &str = "ivt> ";
/// A function's command register, and its bits for memory and bus mastering.
const COMMAND: u64 = 4;
const MEMORY_AND_BUS_MASTER: u16 = 0x6;

/// The unit's registers, and in them the status and its bit for translation (VT-d "Global Status Register").
pub(super) const UNIT: u64 = 0xfed9_0000;
const GLOBAL_STATUS: u64 = 0x1c;
const TRANSLATION_ENABLED: u32 = 1 << 31;

/// Where a device is plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Bus 0, at this slot.
    RootBus(u8),
    /// Below the root port at this slot of bus 0.
    RootPort(u8),
}

/// A machine that is being set up.
#[derive(Debug)]
pub(super) struct Setup<'a> {
    stage: &'a Stage,
    machine: Machine,
    options: String,
    folder: TempDir,
    devices: usize,
    limit: Duration,
}

impl<'a> Setup<'a> {
    pub(super) fn new(stage: &'a Stage) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("ivt-evil-")
            .tempdir()
            .map_err(Error::system("temporary folder"))?;
        let mut machine = Machine { memory_mib: 128, ..Machine::default() };
        if stage.subject == Subject::Any {
            machine.default_devices = DefaultDevices::Absent;
            machine.memory_mib = 1024;
        }
        Ok(Self { stage, machine, options: String::new(), folder, devices: 0, limit: LIMIT })
    }

    /// Leaves out the devices that the kernel has drivers for.
    pub(super) fn without_default_devices(mut self) -> Self {
        self.machine.default_devices = DefaultDevices::Absent;
        self
    }

    /// Gives the kernel options.
    pub(super) fn options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Gives the machine more time than is usual.
    pub(super) fn with_more_time(mut self, more: Duration) -> Self {
        self.limit += more;
        self
    }

    /// Adds a root port that takes a device, at a slot of bus 0.
    pub(super) fn root_port(mut self, slot: u8) -> Self {
        let port = format!("pcie-root-port,id=port{slot:02x},chassis={slot},addr={slot:02x}.0");
        self.machine.devices.push(port);
        self
    }

    /// Plugs a device in.
    pub(super) fn plug<C: Card>(&mut self, place: Place, card: Arc<Mutex<C>>) -> Result<Device, Error> {
        let (device, arguments) = self.offer(place, card)?;
        self.machine.devices.push(arguments.to_string());
        Ok(device)
    }

    /// A device that waits to be plugged in later, and QEMU's words for that.
    pub(super) fn offer<C: Card>(
        &mut self,
        place: Place,
        card: Arc<Mutex<C>>,
    ) -> Result<(Device, Value), Error> {
        self.devices += 1;
        let name = format!("evil{}", self.devices);
        let socket = self.folder.path().join(&name);
        let device = Device::listen(&socket, card).map_err(Error::file(&socket))?;
        let mut words = json!({
            "driver": "vfio-user-pci",
            "id": name,
            "socket": {"type": "unix", "path": socket.to_string_lossy()},
        });
        match place {
            Place::RootBus(slot) => words["addr"] = format!("{slot:02x}.0").into(),
            Place::RootPort(slot) => words["bus"] = format!("port{slot:02x}").into(),
        }
        Ok((device, words))
    }

    /// Starts the machine; nothing runs yet.
    pub(super) fn start(self) -> Result<Arena, Error> {
        let Self { stage, mut machine, options, folder, limit, .. } = self;
        if stage.stop.load(Ordering::Relaxed) {
            return Err(Error::Control("the run was ended from outside".to_owned()));
        }
        let test_port = folder.path().join("test-port");
        // What is mapped is told to a device made of software only where the unit has to be told as well.
        machine.arguments.extend(["-S", "-global", "intel-iommu.caching-mode=on"].map(Into::into));
        // Slots that tell who comes and leaves, and no other way out.
        machine.arguments.extend(NATIVE_HOT_PLUG.map(Into::into));
        machine.arguments.extend(TestPort::arguments(&test_port).map(Into::into));
        machine.arguments.extend(stage.arguments.iter().cloned());
        let memory = u64::from(machine.memory_mib) << 20;
        let session = Session::start(Launch {
            options,
            stop: Arc::clone(&stage.stop),
            ..Launch::new(stage.qemu.clone(), machine, stage.image.clone())
        })?;
        let outside = TestPort::connect(&test_port)?;
        Ok(Arena { session, outside, memory, started: Instant::now(), ending: None, limit, _folder: folder })
    }
}

/// A running machine.
#[derive(Debug)]
pub(super) struct Arena {
    session: Session,
    /// The machine's bus, past the guest.
    pub(super) outside: TestPort,
    /// Bytes of memory, all below 4 GiB.
    pub(super) memory: u64,
    started: Instant,
    ending: Option<Ending>,
    limit: Duration,
    _folder: TempDir,
}

impl Arena {
    /// Lets the processor run.
    pub(super) fn go(&mut self) -> Result<(), Error> {
        self.session.command("cont", json!({}))?;
        self.started = Instant::now();
        Ok(())
    }

    /// How long the processor has run.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the machine still runs and may; takes in what it has said meanwhile.
    pub(super) fn runs(&mut self) -> Result<bool, Error> {
        if self.ending.is_none() {
            self.ending = self.session.look()?;
        }
        Ok(self.ending.is_none() && self.elapsed() < self.limit)
    }

    /// The report so far.
    pub(super) fn report(&self) -> &Report {
        self.session.report()
    }

    /// The console's text so far.
    pub(super) fn console(&self) -> String {
        self.session.serial()
    }

    /// The last that the report says of a function's state.
    pub(super) fn state(&self, bdf: &str) -> Option<&str> {
        state(self.report(), bdf)
    }

    /// Waits until the report says of a function that it is in a state.
    pub(super) fn wait_for_state(&mut self, bdf: &str, wanted: &str) -> Result<bool, Error> {
        self.wait_for(|report, _| state(report, bdf) == Some(wanted))
    }

    /// Whether the kernel has said that every unit enforces.
    pub(super) fn is_protected(&self) -> bool {
        self.report().protected().next().is_some()
    }

    /// Gives QEMU a command.
    pub(super) fn command(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        self.session.command(command, arguments)
    }

    /// Guest memory, past the guest and its tables.
    pub(super) fn memory_at(&mut self, address: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.session.memory(address, length)
    }

    /// Waits until report and console satisfy a condition; false if the machine ends or time is up before.
    pub(super) fn wait_for(&mut self, condition: impl FnMut(&Report, &str) -> bool) -> Result<bool, Error> {
        let moment = self.session.wait_for(Some(self.limit), condition)?;
        if let Moment::Over(ending) = moment {
            self.ending = self.ending.or(Some(ending));
        }
        Ok(moment == Moment::Reached)
    }

    /// Waits for the kernel's first prompt. Lines of its log may follow.
    pub(super) fn wait_for_prompt(&mut self) -> Result<bool, Error> {
        self.wait_for(|report, console| console.contains(PROMPT) || report.bugcheck().is_some())?;
        Ok(self.report().bugcheck().is_none() && self.console().contains(PROMPT))
    }

    /// Types a command and returns what the console shows until the next prompt; `None` if that does not come.
    pub(super) fn run_command(&mut self, line: &str) -> Result<Option<String>, Error> {
        if !self.wait_for_prompt()? {
            return Ok(None);
        }
        let asked = self.type_line(line)?;
        self.wait_for_answer(&asked)
    }

    /// Types a line, without a wait for anything.
    pub(super) fn type_line(&mut self, line: &str) -> Result<Asked, Error> {
        let asked = Asked { line: line.to_owned(), before: self.console().len() };
        self.session.send_line(line)?;
        Ok(asked)
    }

    /// Whether a command was carried out.
    pub(super) fn has_answered(&self, asked: &Asked) -> bool {
        asked.answer(&self.console()).is_some()
    }

    /// Waits until a command was carried out, and returns what the console shows of it; `None` if it never is.
    pub(super) fn wait_for_answer(&mut self, asked: &Asked) -> Result<Option<String>, Error> {
        self.wait_for(|report, console| asked.answer(console).is_some() || report.bugcheck().is_some())?;
        Ok(asked.answer(&self.console()))
    }

    /// Whether the unit says that it translates, by its registers and not by the kernel's word.
    pub(super) fn enforces(&mut self) -> Result<bool, Error> {
        let status = self.outside.read32(UNIT + GLOBAL_STATUS)?;
        Ok(status & TRANSLATION_ENABLED != 0)
    }

    /// Lets a device do as one that ignores its bus-master bit, on bus 0 and below a root port.
    pub(super) fn hold_bus_master(&mut self, bus: u8, slot: u8) -> Result<(), Error> {
        self.outside.write16(config_space(bus, slot, 0) + COMMAND, MEMORY_AND_BUS_MASTER)
    }

    /// Waits until the kernel has stopped and said all about it.
    pub(super) fn wait_stopped(&mut self) -> Result<bool, Error> {
        self.wait_for(|report, _| report.bugcheck().is_some() && report.end().is_some())
    }

    /// Has the kernel switch the machine off, and says how it lived. The machine is still there to be looked at.
    pub(super) fn power_off(&mut self) -> Result<Life, Error> {
        if self.wait_for_prompt()? {
            self.session.send_line("poweroff")?;
            let moment = self.session.wait_end(Some(self.limit))?;
            if let Moment::Over(ending) = moment {
                self.ending = Some(ending);
            }
        }
        Ok(self.life())
    }

    /// How the kernel lives.
    pub(super) fn life(&self) -> Life {
        let stopped = self.report().bugcheck().map(|stop| format!("{:#x} {}", stop.code.0, stop.name));
        let console = self.console();
        let last_words = console.trim_end().lines().next_back().unwrap_or_default().trim().to_owned();
        Life { stopped, ending: self.ending, last_words }
    }
}

fn state<'r>(report: &'r Report, bdf: &str) -> Option<&'r str> {
    report.device(bdf)?["state"].as_str()
}

/// A line that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    line: String,
    /// The console's length before.
    before: usize,
}

impl Asked {
    /// What the console shows between the line and the prompt after it; `None` while there is none. Prompts that come
    /// again after lines of the log do not count: they come before the line is whole.
    fn answer(&self, console: &str) -> Option<String> {
        let since = without_log(console.get(self.before..)?);
        let (_, answer) = since.split_once(&format!("{}\n", self.line))?;
        Some(answer.split_once(PROMPT)?.0.to_owned())
    }
}

/// The console's text without the log's lines, which may stand in the middle of others, and with ends of lines as they
/// are on the host.
fn without_log(console: &str) -> String {
    let mut text = console.replace('\r', "");
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find('[')).map(|start| from + start) {
        let line = text.get(start..).unwrap_or_default();
        let end = line.find('\n').map(|end| start + end + 1);
        match end.filter(|_| is_log_line(line)) {
            Some(end) => text.replace_range(start..end, ""),
            None => from = start + 1,
        }
    }
    text
}

/// Whether a line begins as those of the log do: `[   1.234567] warn  `.
fn is_log_line(line: &str) -> bool {
    let time = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    time.is_some_and(|(time, _)| {
        time.trim_start().split_once('.').is_some_and(|(seconds, us)| {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits(seconds) && us.len() == 6 && digits(us)
        })
    })
}

/// How a kernel came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    stopped: Option<String>,
    ending: Option<Ending>,
    /// The last line on its console.
    last_words: String,
}

impl Life {
    /// It did what it was told to the end.
    pub(super) fn is_good(&self) -> bool {
        self.stopped.is_none() && self.ending == Some(Ending::PoweredOff)
    }
}

impl Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.stopped, self.ending) {
            (Some(stop), _) => write!(f, "stopped with {stop}"),
            (None, Some(Ending::PoweredOff)) => f.write_str("lived to power-off"),
            (None, Some(Ending::Died)) => f.write_str("QEMU died"),
            (None, Some(Ending::Reset)) => f.write_str("the machine was reset"),
            (None, Some(Ending::TimeLimit)) => {
                write!(f, "did not answer in time, last words: {}", self.last_words)
            }
            (None, Some(Ending::Ended | Ending::Left) | None) => f.write_str("did not switch off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str, console: &str) -> Option<String> {
        Asked { line: line.to_owned(), before: 0 }.answer(console)
    }

    #[test]
    fn an_answer_stands_between_the_line_and_the_next_prompt() {
        assert_eq!(answer("units", "units\r\none\r\nivt> "), Some("one\n".to_owned()));
        assert_eq!(answer("units", "units\r\none\r\n"), None);
        assert_eq!(answer("units", "ivt> "), None);
    }

    #[test]
    fn a_prompt_that_comes_again_is_no_answer() {
        let again = "un[   1.234567] WARN  x: gone\r\nivt> un";
        assert_eq!(answer("units", again), None);
        assert_eq!(answer("units", &format!("{again}its\r\none\r\nivt> ")), Some("one\n".to_owned()));
        let inside = "un[   1.234567] WARN  x: gone\r\nits\r\none\r\nivt> ";
        assert_eq!(answer("units", inside), Some("one\n".to_owned()));
    }

    #[test]
    fn brackets_in_an_answer_stay() {
        assert_eq!(answer("x", "x\r\n[1] [  2.5] y\r\nivt> "), Some("[1] [  2.5] y\n".to_owned()));
    }
}
