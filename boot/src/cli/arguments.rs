//! What can be written on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::image::Layout;
use crate::kernel::Profile;
use crate::machine::{Firmware, Iommu, Media};

/// Builds the kernel, boots it in QEMU, makes bootable images of it.
#[derive(Debug, Parser)]
#[command(name = "ivt", version, after_help = "Without a command: run.")]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Boot the kernel in QEMU, its console in this terminal; Ctrl-A X leaves
    Run(RunArguments),
    /// Let a device reach outside its memory and show how the kernel stops it
    Demo(RunArguments),
    /// Measure the kernel in executed instructions and print a table
    Bench(RunArguments),
    /// Write a bootable disk image
    Image(ImageArguments),
    /// Write the image to a USB stick, and read it back
    Flash(FlashArguments),
    #[command(flatten)]
    Offline(offline::Command),
    /// Boot the kernel beside hostile devices and show what came of what they tried
    #[command(after_help = EVIL_HELP)]
    Evil(EvilArguments),
}

/// Which kernel is built.
#[derive(Debug, Args)]
pub(super) struct KernelArguments {
    /// Build the kernel quickly rather than as it ships, to try a change
    #[arg(long)]
    dev: bool,
}

impl KernelArguments {
    pub(super) const fn profile(&self) -> Profile {
        if self.dev { Profile::Development } else { Profile::Release }
    }
}

/// Options of the commands that boot.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// What starts the machine
    #[arg(long, value_enum, default_value_t)]
    pub(super) firmware: Firmware,
    /// What the machine starts from
    #[arg(long, value_enum, default_value_t)]
    pub(super) media: Media,
    /// The remapping hardware
    #[arg(long, value_enum, default_value_t)]
    pub(super) iommu: Iommu,
    /// Memory in MiB [default: 256; bench: 2048]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub(super) memory: Option<u32>,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(super) smp: u32,
    /// Only the chipset's own functions, a display and the boot disk
    #[arg(long)]
    pub(super) no_default_devices: bool,
    /// A further device, as QEMU's -device takes it; repeatable
    #[arg(long, value_name = "QEMU-DEVICE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) device: Vec<String>,
    /// Kernel options: "k=v ..."
    #[arg(long, value_name = "OPTIONS", default_value = "", hide_default_value = true)]
    pub(super) cmdline: String,
    /// Another machine's table instead of firmware's: a binary DMAR, as in /sys/firmware/acpi/tables/DMAR
    #[arg(long, value_name = "FILE")]
    pub(super) dmar: Option<PathBuf>,
    /// Console commands, separated by ';'; then power off
    #[arg(long, value_name = "COMMANDS")]
    pub(super) script: Option<String>,
    /// Where to write the report, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Where to write a picture of the stop screen, else of the screen before power-off
    #[arg(long, value_name = "FILE.png")]
    pub(super) screenshot: Option<PathBuf>,
    /// Time limit [default: none at a terminal, else 120; UEFI: 240; bench: 600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) timeout: Option<u32>,
    /// Let executed instructions drive the clock, a nanosecond each
    #[arg(long)]
    pub(super) icount: bool,
    /// The QEMU to use [default: IVT_QEMU, else qemu-system-x86_64]
    #[arg(long, value_name = "PATH")]
    pub(super) qemu: Option<PathBuf>,
    #[command(flatten)]
    pub(super) kernel: KernelArguments,
    /// Show QEMU's command line
    #[arg(long)]
    pub(super) verbose: bool,
    /// Further arguments for QEMU
    #[arg(last = true, value_name = "ARGS")]
    pub(super) arguments: Vec<OsString>,
}

/// Options of `image`.
#[derive(Debug, Args)]
pub(super) struct ImageArguments {
    /// The file to write
    pub(super) out: PathBuf,
    /// Which firmware shall start it
    #[arg(long, value_enum, default_value_t = Layout::Both)]
    pub(super) firmware: Layout,
}

/// Options of `flash`.
#[derive(Debug, Args)]
pub(super) struct FlashArguments {
    /// The stick, such as /dev/sdb; everything on it is lost
    pub(super) device: PathBuf,
    /// Which firmware shall start it
    #[arg(long, value_enum, default_value_t = Layout::Both)]
    pub(super) firmware: Layout,
    /// Write even to what looks like the wrong disk, or to a file
    #[arg(long)]
    pub(super) force: bool,
}

const EVIL_HELP: &str = "\
Needs QEMU 11.1 (scripts/setup --with-qemu 11.1), which takes devices that are processes of the host. With --image, or
where the arguments for QEMU name a system to start (-kernel, -drive, -hda, -cdrom), that system is watched instead of
this kernel: only scenarios that need nothing of the kernel are played, and what lands is measured, not judged.

Exit status: 0 nothing got through and the kernel lived; 1 otherwise.

Examples:
  ivt evil list
  ivt evil power-on --json findings.json
  ivt evil power-on --image disk.img --seconds 120";

/// Options of `evil`.
#[derive(Debug, Args)]
pub(super) struct EvilArguments {
    /// Names of scenarios; all plays every one; list shows them [default: all]
    #[arg(value_name = "SCENARIO")]
    pub(super) scenarios: Vec<String>,
    /// What random choices are made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// How many random steps are made
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(super) steps: u64,
    /// Where to write the findings, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// A raw disk image to start instead of this kernel's
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// How long a system that is not this kernel is watched
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) seconds: u64,
    /// The QEMU to use [default: IVT_QEMU or qemu-system-x86_64 if new enough, else the one that was unpacked]
    #[arg(long, value_name = "PATH")]
    pub(super) qemu: Option<PathBuf>,
    #[command(flatten)]
    pub(super) kernel: KernelArguments,
    /// Further arguments for QEMU
    #[arg(last = true, value_name = "ARGS")]
    pub(super) arguments: Vec<OsString>,
}
