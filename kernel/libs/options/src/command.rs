//! The console's grammar.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::num::NonZeroU16;
use core::str::{FromStr, SplitWhitespace};

use dma_types::Bdf;

use crate::command_error::CommandError;
use crate::nearest::nearest;
use crate::number::Number;
use crate::target::Target;
use crate::words::{Policy, RecordForm, ReportWay, Transfer, VerifierOrder};

/// One command of the console, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// List the commands, or say how one is written.
    Help(Option<CommandHelp>),
    /// List the remapping units.
    Units,
    /// List the functions and who owns them.
    Devices,
    /// List the domains.
    Domains,
    /// List what a device can reach.
    Mappings(Bdf),
    /// Show the faults, of one device or of all.
    Faults {
        /// The device it is about; `None`: all.
        device: Option<Bdf>,
        /// How they are shown; `None`: a line each.
        form: Option<RecordForm>,
    },
    /// List the interrupt vectors and who has them.
    Interrupts,
    /// Show how much memory is in use.
    Memory,
    /// Show the protection report, or let the whole report leave the machine.
    Report(Option<ReportWay>),
    /// Let every capable device attack every target, announced.
    Drill,
    /// Let one device attack one target, not announced.
    Attack {
        /// The device.
        device: Bdf,
        /// What it does.
        transfer: Transfer,
        /// Where.
        target: Target,
    },
    /// Show or change what a fault leads to.
    Policy {
        /// The device it is about; `None`: all.
        device: Option<Bdf>,
        /// What shall hold from now on; `None`: show what holds.
        new: Option<Policy>,
    },
    /// End a device's quarantine.
    Release(Bdf),
    /// Show or change whether drivers' use of the DMA layer is checked; `None`: show.
    Verifier(Option<VerifierOrder>),
    /// Ask for an address on every network card.
    Net,
    /// Ask another machine for an echo.
    Ping(Ipv4Addr),
    /// Move bytes over a TCP connection, both ways.
    Tcp {
        /// The network card.
        device: Bdf,
        /// Who is connected to.
        peer: SocketAddrV4,
        /// Bytes that the peer sends.
        receive: u64,
        /// Bytes that it is sent.
        send: u64,
    },
    /// List the disks.
    Disks,
    /// Read blocks of a disk, or write to them.
    Disk {
        /// The device.
        device: Bdf,
        /// What is done to the blocks.
        transfer: Transfer,
        /// Which blocks.
        range: DiskRange,
    },
    /// Run one of the kernel's own tests, or all.
    SelfTest(Option<&'a str>),
    /// Run the benchmarks.
    Bench,
    /// Show a device overreach and the kernel stop.
    Demo,
    /// Start the machine again.
    Reboot,
    /// Switch the machine off.
    PowerOff,
}

/// Blocks of a disk, as they were asked for; there may be no such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRange {
    /// The namespace's number.
    pub namespace: u32,
    /// The first block.
    pub block: u64,
    /// How many.
    pub count: u32,
}

/// How a command is written and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandHelp {
    verb: Verb,
    /// The command's name.
    pub name: &'static str,
    /// What follows it; words in capitals stand for values.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
}

/// Every command, in the order in which `help` lists them.
pub const COMMANDS: [CommandHelp; 24] = [
    help(Verb::Help, "help", "[COMMAND]", "list the commands, or say how one is written"),
    help(Verb::Units, "units", "", "list the remapping units and what they can do"),
    help(Verb::Devices, "devices", "", "list every PCI function, its state and its driver"),
    help(Verb::Domains, "domains", "", "list the domains and what they hold"),
    help(Verb::Mappings, "mappings", "BDF", "list what a device can reach"),
    help(Verb::Faults, "faults", "[BDF [cper]]", "list the blocked accesses, or show them as error records"),
    help(Verb::Interrupts, "interrupts", "", "list the interrupt vectors, their owners and counts"),
    help(Verb::Memory, "memory", "", "show the frames and the heap in use, and by whom"),
    help(Verb::Report, "report", "[qr|udp]", "show how well this machine is protected, or carry it away"),
    help(Verb::Drill, "drill", "", "let every capable device overreach, announced"),
    help(Verb::Attack, "attack", "BDF read|write [TARGET]", "let one device overreach, unannounced"),
    help(Verb::Policy, "policy", "[BDF] [NEW]", "show or set what faults lead to: bugcheck, contain, log"),
    help(Verb::Release, "release", "BDF", "end a device's quarantine"),
    help(Verb::Verifier, "verifier", "[on|off|reset]", "show or set whether drivers' use of DMA is checked"),
    help(Verb::Net, "net", "", "ask for an address on every network card"),
    help(Verb::Ping, "ping", "IP", "ask another machine for an echo"),
    help(
        Verb::Tcp,
        "tcp",
        "BDF IP PORT RECEIVE SEND",
        "connect to a machine and move so many bytes each way",
    ),
    help(Verb::Disks, "disks", "", "list the disks, what they store and how they are"),
    help(Verb::Disk, "disk", "read|write BDF NSID LBA COUNT", "read blocks, or write a pattern to them"),
    help(Verb::SelfTest, "selftest", "[NAME]", "run the kernel's own tests"),
    help(Verb::Bench, "bench", "", "measure the kernel"),
    help(Verb::Demo, "demo", "", "let a device overreach and stop the machine over it"),
    help(Verb::Reboot, "reboot", "", "start the machine again"),
    help(Verb::PowerOff, "poweroff", "", "switch the machine off"),
];

/// What the name of a command stands for; the rest of the line decides the [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Help,
    Units,
    Devices,
    Domains,
    Mappings,
    Faults,
    Interrupts,
    Memory,
    Report,
    Drill,
    Attack,
    Policy,
    Release,
    Verifier,
    Net,
    Ping,
    Tcp,
    Disks,
    Disk,
    SelfTest,
    Bench,
    Demo,
    Reboot,
    PowerOff,
}

const fn help(verb: Verb, name: &'static str, arguments: &'static str, summary: &'static str) -> CommandHelp {
    CommandHelp { verb, name, arguments, summary }
}

impl CommandHelp {
    /// The command as it is written, for example `attack BDF read|write [TARGET]`.
    pub const fn usage(self) -> Usage {
        Usage(self)
    }

    /// What its arguments mean, where that does not show; `help` with its name says it.
    pub const fn details(self) -> Option<&'static str> {
        match self.verb {
            Verb::Attack => Some(
                "BDF is a device that can be told to overreach; TARGET is canary (the default), kernel, tables, freed,\n\
                 foreign, wrong-direction, past-end, neighbour, interrupt, or an address. The policy answers: by default the\n\
                 machine stops.",
            ),
            Verb::Drill => Some(
                "Each device reads and writes at each target; nothing stops over it. The table has a mark for reading and\n\
                 one for writing. The faults in words: `faults`, or the option loglevel=debug.",
            ),
            Verb::Faults => Some("cper shows a device's faults as UEFI error records, in hex."),
            Verb::Policy => Some(
                "bugcheck stops the machine, contain cuts the device off, log goes on. Without NEW: what holds.",
            ),
            Verb::Disk => Some(
                "LBA is the first block, COUNT how many. Writing needs the kernel option disk-write=BDF.",
            ),
            Verb::Report => Some(
                "It begins with the verdict, and shows that on the screen until a key is pressed. qr shows the whole report as\n\
                 QR codes, page by page, for `ivt explain`; udp sends it over every connected network card, for `ivt listen`.",
            ),
            Verb::Mappings | Verb::Release => Some("BDF is [SSSS:]BB:DD.F in hex, as `devices` lists it."),
            _ => None,
        }
    }
}

/// Shows how a command is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage(CommandHelp);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = if self.0.arguments.is_empty() { "" } else { " " };
        write!(f, "{}{blank}{}", self.0.name, self.0.arguments)
    }
}

/// Width of the column with the arguments in the line of `help`.
const ARGUMENTS_WIDTH: usize = 29;

/// The line of `help`, in columns.
impl fmt::Display for CommandHelp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<11}{:<ARGUMENTS_WIDTH$}  {}", self.name, self.arguments, self.summary)
    }
}

/// The command of a name.
fn named(word: &str) -> Result<CommandHelp, CommandError<'_>> {
    let unknown =
        || CommandError::Unknown { word, nearest: nearest(word, COMMANDS.map(|command| command.name)) };
    COMMANDS.into_iter().find(|command| command.name == word).ok_or_else(unknown)
}

const DEVICE: &str = "a device as [SSSS:]BB:DD.F in hex";
const ADDRESS: &str = "an IPv4 address such as 10.0.2.2";
const PORT: &str = "a port from 1 to 65535";

impl<'a> Command<'a> {
    /// Reads a line; `None` if there is nothing on it.
    ///
    /// # Errors
    /// [`CommandError`] if the first word is no command or the others are not what it takes.
    pub fn parse(line: &'a str) -> Result<Option<Self>, CommandError<'a>> {
        let mut words = line.split_whitespace();
        let Some(word) = words.next() else { return Ok(None) };
        let command = named(word)?;
        let mut arguments = Arguments { command, words };
        let parsed = Self::parse_arguments(&mut arguments)?;
        arguments.end()?;
        Ok(Some(parsed))
    }

    fn parse_arguments(arguments: &mut Arguments<'a>) -> Result<Self, CommandError<'a>> {
        Ok(match arguments.command.verb {
            Verb::Help => Self::Help(match arguments.words.next() {
                Some(word) => Some(named(word)?),
                None => None,
            }),
            Verb::Units => Self::Units,
            Verb::Devices => Self::Devices,
            Verb::Domains => Self::Domains,
            Verb::Mappings => Self::Mappings(arguments.required(DEVICE)?),
            Verb::Faults => Self::parse_faults(arguments)?,
            Verb::Interrupts => Self::Interrupts,
            Verb::Memory => Self::Memory,
            Verb::Report => Self::Report(arguments.optional(ReportWay::EXPECTED)?),
            Verb::Drill => Self::Drill,
            Verb::Attack => Self::Attack {
                device: arguments.required(DEVICE)?,
                transfer: arguments.required(Transfer::EXPECTED)?,
                target: arguments.optional(Target::EXPECTED)?.unwrap_or_default(),
            },
            Verb::Policy => Self::parse_policy(arguments)?,
            Verb::Release => Self::Release(arguments.required(DEVICE)?),
            Verb::Verifier => Self::Verifier(arguments.optional(VerifierOrder::EXPECTED)?),
            Verb::Net => Self::Net,
            Verb::Ping => Self::Ping(arguments.required(ADDRESS)?),
            Verb::Tcp => Self::Tcp {
                device: arguments.required(DEVICE)?,
                peer: SocketAddrV4::new(
                    arguments.required(ADDRESS)?,
                    arguments.required::<NonZeroU16>(PORT)?.get(),
                ),
                receive: arguments.required("the number of bytes to receive")?,
                send: arguments.required("the number of bytes to send")?,
            },
            Verb::Disks => Self::Disks,
            Verb::Disk => Self::parse_disk(arguments)?,
            Verb::SelfTest => Self::SelfTest(arguments.words.next()),
            Verb::Bench => Self::Bench,
            Verb::Demo => Self::Demo,
            Verb::Reboot => Self::Reboot,
            Verb::PowerOff => Self::PowerOff,
        })
    }

    /// Reads `[BDF [cper]]`.
    fn parse_faults(arguments: &mut Arguments<'a>) -> Result<Self, CommandError<'a>> {
        let device = arguments.optional(DEVICE)?;
        let form = match device {
            Some(_) => arguments.optional(RecordForm::EXPECTED)?,
            None => None,
        };
        Ok(Self::Faults { device, form })
    }

    /// Reads `read|write BDF NSID LBA COUNT`.
    fn parse_disk(arguments: &mut Arguments<'a>) -> Result<Self, CommandError<'a>> {
        let transfer = arguments.required(Transfer::EXPECTED)?;
        let device = arguments.required(DEVICE)?;
        let namespace = arguments.required_u32("the number of a namespace")?;
        let Number::<{ u64::MAX }>(block) = arguments.required("the number of a block")?;
        let count = arguments.required_u32("a number of blocks")?;
        Ok(Self::Disk { device, transfer, range: DiskRange { namespace, block, count } })
    }

    /// Reads `[BDF] [NEW]`: the first word may be either.
    fn parse_policy(arguments: &mut Arguments<'a>) -> Result<Self, CommandError<'a>> {
        let expected = "a device as [SSSS:]BB:DD.F in hex or bugcheck|contain|log";
        Ok(match arguments.optional(expected)? {
            None => Self::Policy { device: None, new: None },
            Some(DeviceOrPolicy::Policy(new)) => Self::Policy { device: None, new: Some(new) },
            Some(DeviceOrPolicy::Device(device)) => {
                Self::Policy { device: Some(device), new: arguments.optional(Policy::EXPECTED)? }
            }
        })
    }
}

enum DeviceOrPolicy {
    Device(Bdf),
    Policy(Policy),
}

impl FromStr for DeviceOrPolicy {
    type Err = crate::words::ExpectedWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(device) => Ok(Self::Device(device)),
            Err(_) => text.parse().map(Self::Policy),
        }
    }
}

/// The words behind a command's name.
struct Arguments<'a> {
    command: CommandHelp,
    words: SplitWhitespace<'a>,
}

impl<'a> Arguments<'a> {
    fn optional<T: FromStr>(&mut self, expected: &'static str) -> Result<Option<T>, CommandError<'a>> {
        let Some(word) = self.words.next() else { return Ok(None) };
        let command = self.command;
        word.parse().map(Some).map_err(|_| CommandError::Bad { command, word, expected })
    }

    fn required<T: FromStr>(&mut self, expected: &'static str) -> Result<T, CommandError<'a>> {
        self.optional(expected)?.ok_or(CommandError::Missing { command: self.command, expected })
    }

    fn required_u32(&mut self, expected: &'static str) -> Result<u32, CommandError<'a>> {
        const MAX: u64 = u32::MAX as u64;
        let Number::<MAX>(number) = self.required(expected)?;
        Ok(number as u32)
    }

    fn end(mut self) -> Result<(), CommandError<'a>> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(CommandError::Excess { command: self.command, word }),
        }
    }
}

/// The command lines of a script, which are separated by `;` or line ends; empty ones are left out.
pub fn script_lines(script: &str) -> impl Iterator<Item = &str> {
    script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests;
