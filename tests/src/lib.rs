//! What every QEMU test shares: a machine is described, the shipping kernel boots in it, its report is looked at.
//!
//! ```no_run
//! let outcome = tests::Run::new().options("policy=log").script("attack 00:03.0 write").go();
//! outcome.assert_status(0);
//! assert_eq!(outcome.event("protected")["complete"], true);
//! ```
//!
//! A host that lacks QEMU fails such a test, with the remedy in the message. What a failed test saw is kept
//! under `failed-runs` in the target folder.

pub mod edu;
mod kept;
mod outcome;
mod outside;
mod picture;
mod running;
mod slot;
mod targets;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use boot::judge::{Purpose, SelfTest};
use boot::kernel::{Messages, Profile};
use boot::machine::{DefaultDevices, Firmware, Iommu, Machine, Media};
use boot::qemu::{Launch, Qemu};

pub use outcome::{Outcome, hex};
pub use outside::{Outside, config_space};
pub use picture::Picture;
pub use running::Running;
pub use targets::{TARGETS, attacks};

/// The devices of the default machine that have a driver.
pub const DRIVEN: [&str; 6] =
    ["0000:00:03.0", "0000:00:04.0", "0000:00:05.0", "0000:00:06.0", "0000:00:07.0", "0000:00:08.0"];

/// A run that is being described. Starts as the default machine with no options.
#[derive(Clone, Debug)]
pub struct Run {
    machine: Machine,
    purpose: Purpose,
    options: String,
    script: Option<String>,
    files: Vec<(String, Vec<u8>)>,
    image: Option<PathBuf>,
    emulator: Option<PathBuf>,
    limit: Option<Duration>,
    self_test: SelfTest,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            machine: Machine::default(),
            purpose: Purpose::Run,
            options: String::new(),
            script: None,
            files: Vec::new(),
            image: None,
            emulator: None,
            limit: None,
            self_test: SelfTest::Excluded,
        }
    }
}

impl Run {
    /// The default machine, no options.
    pub fn new() -> Self {
        Self::default()
    }

    /// The command `ivt demo`: its script, and its demands on the stop.
    pub fn demo() -> Self {
        Self { purpose: Purpose::Demo, ..Self::default() }.script("demo")
    }

    /// Starts by another firmware.
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.machine.firmware = firmware;
        self
    }

    /// Starts from another medium.
    pub fn media(mut self, media: Media) -> Self {
        self.machine.media = media;
        self
    }

    /// Has other remapping hardware.
    pub fn iommu(mut self, iommu: Iommu) -> Self {
        self.machine.iommu = iommu;
        self
    }

    /// Has so much memory, in MiB.
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.machine.memory_mib = memory_mib;
        self
    }

    /// Has so many processors.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.machine.cpus = cpus;
        self
    }

    /// Has a further device, as QEMU's `-device` takes it.
    pub fn device(mut self, device: &str) -> Self {
        self.machine.devices.push(device.to_owned());
        self
    }

    /// Has none of the usual devices.
    pub fn no_default_devices(mut self) -> Self {
        self.machine.default_devices = DefaultDevices::Absent;
        self
    }

    /// Lets executed instructions drive the clock.
    pub fn instruction_clock(mut self) -> Self {
        self.machine.clock = boot::machine::Clock::Instructions;
        self
    }

    /// Hands further arguments to QEMU, behind all others.
    pub fn qemu_arguments(mut self, arguments: &[&str]) -> Self {
        self.machine.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Lets a test reach the machine's registers past the kernel.
    pub fn reached_by(self, outside: &Outside) -> Self {
        self.qemu_arguments(&outside.arguments().each_ref().map(String::as_str))
    }

    /// Gives the kernel options.
    pub fn options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Gives the kernel console commands; then it switches off. A script with `selftest` may cause faults that
    /// only the kernel can explain.
    pub fn script(mut self, script: &str) -> Self {
        self.script = Some(script.to_owned());
        if boot::kernel_options::provokes_faults(script) { self.self_test_possible() } else { self }
    }

    /// Says that the test itself will start the kernel's own tests, by the console.
    pub fn self_test_possible(mut self) -> Self {
        self.self_test = SelfTest::Possible;
        self
    }

    /// Shows the guest a file by fw_cfg, such as `opt/ivt/dmar`.
    pub fn fw_cfg(mut self, name: &str, content: Vec<u8>) -> Self {
        self.files.push((name.to_owned(), content));
        self
    }

    /// Boots an image of the caller's instead of the usual one.
    pub fn image(mut self, image: PathBuf) -> Self {
        self.image = Some(image);
        self
    }

    /// Runs in a QEMU of 11.1 or later, for devices that the usual one lacks.
    ///
    /// # Panics
    /// If the host has none, with the remedy.
    #[track_caller]
    pub fn recent_emulator(mut self) -> Self {
        let qemu = boot::evil::find_qemu(None).unwrap_or_else(|error| panic!("{error}"));
        self.emulator = Some(qemu.program().to_owned());
        self
    }

    /// Gives the run more or less time than the command line would.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Boots, waits for the report's end, and ends the machine.
    ///
    /// # Panics
    /// If the host lacks something, or the machine cannot be started.
    #[track_caller]
    pub fn go(self) -> Outcome {
        let mut running = self.start();
        running.wait_end();
        running.finish()
    }

    /// Boots, for a test that does something while the machine runs or looks at it once it has ended.
    ///
    /// # Panics
    /// As [`go`](Self::go).
    #[track_caller]
    pub fn start(self) -> Running {
        match self.launch() {
            Ok(launch) => Running::start(launch, self.purpose, self.self_test, self.time_limit()),
            Err(error) => panic!("{error}"),
        }
    }

    fn launch(&self) -> Result<Launch, Box<dyn std::error::Error>> {
        let qemu = Qemu::find(self.emulator.as_deref())?;
        let image = match &self.image {
            Some(image) => image.clone(),
            None => boot::image::cached(kernel()?, self.machine.firmware.layout())?,
        };
        Ok(Launch {
            options: boot::kernel_options::compose(&self.options, self.script.as_deref())?,
            files: self.files.clone(),
            ..Launch::new(qemu, self.machine.clone(), image)
        })
    }

    /// The command line's limits, doubled: two machines run side by side.
    fn time_limit(&self) -> Duration {
        self.limit.unwrap_or(match self.machine.firmware {
            Firmware::Bios => Duration::from_secs(240),
            Firmware::Uefi => Duration::from_secs(480),
        })
    }
}

/// How often something is done: `short`, or `full` where the long counts are asked for (`scripts/test --full`).
pub fn count(short: usize, full: usize) -> usize {
    if std::env::var_os("IVT_FULL").is_some_and(|value| value == "1") { full } else { short }
}

/// Which kernel the tests run: the one that ships, or the one of quick builds where `IVT_PROFILE` is `dev`.
///
/// # Panics
/// If the variable is anything else.
pub fn profile() -> Profile {
    match std::env::var("IVT_PROFILE").as_deref() {
        Err(_) | Ok("") => Profile::Release,
        Ok("dev") => Profile::Development,
        Ok(other) => panic!("IVT_PROFILE={other}: only `dev` is known"),
    }
}

/// The ELF file of the kernel of [`profile`], built once a process.
///
/// # Errors
/// If it does not build.
pub fn kernel() -> Result<&'static PathBuf, &'static boot::Error> {
    static KERNEL: OnceLock<Result<PathBuf, boot::Error>> = OnceLock::new();
    KERNEL.get_or_init(|| boot::kernel::build(profile(), Messages::Kept)).as_ref()
}
