//! What a text tells besides its faults, and what helps to explain them: which driver a device has, what `lspci`
//! says of it, where registers lie, how far the kernel's walk through the tables came, whether a crash kernel ran.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::cursor::{Cursor, is_word_byte};
use super::device::DeviceName;
use super::fault::Request;
use super::report_line::Words;
use pasted::hex;

/// How many devices, ranges or walks are kept.
const MOST: usize = 4096;
/// How much of a line before a clue counts, and how much behind it.
const WITHIN: (usize, usize) = (160, 160);
/// Characters of what is kept of a line of `lspci`.
const LONGEST_ROLE: usize = 80;

/// What a word may be a clue to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clue {
    /// A driver's message: its name, then the device.
    Driver,
    /// `lspci -k`: the driver of the device above.
    DriverInUse,
    /// A line of `lspci`: the device, then what it is.
    Class,
    /// `lspci -v`: registers of the device above.
    Memory,
    /// Linux: registers of the device before.
    Window,
    /// Linux: the address that the tables are walked for.
    Walk,
    /// Linux: where that walk ended.
    WalkEnd,
    /// A kernel that was started after a crash.
    CrashKernel,
}

/// The words, in lower case.
pub(super) const CLUES: [(&str, Clue); 14] = [
    (" 0000:", Clue::Driver),
    ("kernel driver in use:", Clue::DriverInUse),
    ("controller", Clue::Class),
    ("bridge:", Clue::Class),
    ("audio device", Clue::Class),
    ("accelerators", Clue::Class),
    ("peripheral:", Clue::Class),
    ("memory at ", Clue::Memory),
    (": [mem 0x", Clue::Window),
    ("table entries for iova", Clue::Walk),
    ("not present at level", Clue::WalkEnd),
    ("elfcorehdr=", Clue::CrashKernel),
    ("copied translation tables from previous", Clue::CrashKernel),
    ("kdump:", Clue::CrashKernel),
];

/// Names before a device that are no drivers'.
const NO_DRIVERS: [&[u8]; 10] =
    [b"pci", b"pcieport", b"device", b"iommu", b"platform", b"acpi", b"for", b"at", b"dev", b"of"];

/// What a text tells besides its faults.
#[derive(Debug, Default)]
pub(super) struct Context {
    drivers: HashMap<DeviceName, String>,
    roles: HashMap<DeviceName, String>,
    windows: Vec<(RangeInclusive<u64>, DeviceName)>,
    walks: HashMap<u64, u8>,
    told: HashMap<Request, Words>,
    /// The device whose lines of `lspci` are being read.
    above: Option<DeviceName>,
    /// The address that a walk was begun for.
    walked: Option<u64>,
    /// A crash kernel ran.
    pub(super) crash_kernel: bool,
    /// How many requests of a report were made as a test, or belong to a stop.
    pub(super) announced: u64,
}

impl Context {
    /// Takes the clue from `at` to `behind`.
    pub(super) fn learn(&mut self, clue: Clue, text: &[u8], at: usize, behind: usize) {
        // What does not look as expected is no clue.
        let _ = match clue {
            Clue::Driver => self.driver(text, at),
            Clue::DriverInUse => self.driver_in_use(text, behind),
            Clue::Class => self.class(text, at),
            Clue::Memory => self.memory(text, behind),
            Clue::Window => self.window(text, at),
            Clue::Walk => self.walk(text, behind),
            Clue::WalkEnd => self.walk_end(text, behind),
            Clue::CrashKernel => {
                self.crash_kernel = true;
                None
            }
        };
    }

    /// Keeps what ivt had to say of a request.
    pub(super) fn tell(&mut self, request: Request, words: Words) {
        if self.told.len() < MOST {
            self.told.insert(request, words);
        }
    }

    /// What ivt had to say of a request.
    pub(super) fn told(&self, request: &Request) -> Option<&Words> {
        self.told.get(request)
    }

    /// The driver of a device.
    pub(super) fn driver_of(&self, device: DeviceName) -> Option<&str> {
        self.drivers.get(&device).map(String::as_str)
    }

    /// What `lspci` says that a device is.
    pub(super) fn role_of(&self, device: DeviceName) -> Option<&str> {
        self.roles.get(&device).map(String::as_str)
    }

    /// The device in whose registers an address lies.
    pub(super) fn owner_of(&self, address: u64) -> Option<DeviceName> {
        self.windows.iter().find(|(window, _)| window.contains(&address)).map(|(_, device)| *device)
    }

    /// The level of the tables at which the kernel's walk for an address found nothing.
    pub(super) fn walk_end_of(&self, address: u64) -> Option<u8> {
        self.walks.get(&address).copied()
    }

    /// `nvme 0000:01:00.0: …`.
    fn driver(&mut self, text: &[u8], at: usize) -> Option<()> {
        let mut cursor = Cursor::new(text, at);
        let device = DeviceName::read(cursor.token().strip_suffix(b":")?)?;
        let near = &text[at.saturating_sub(32)..at];
        let is_name = |byte: &u8| is_word_byte(*byte) || *byte == b'-';
        let start = near.iter().rposition(|byte| !is_name(byte)).map_or(0, |last| last + 1);
        let name = &near[start..];
        let is_driver = name.len() > 1 && name[0].is_ascii_alphabetic() && !NO_DRIVERS.contains(&name);
        if is_driver && (self.drivers.len() < MOST || self.drivers.contains_key(&device)) {
            let known = self.drivers.get(&device).is_some_and(|known| known.as_bytes() == name);
            if !known {
                self.drivers.insert(device, String::from_utf8_lossy(name).into_owned());
            }
        }
        None
    }

    fn driver_in_use(&mut self, text: &[u8], behind: usize) -> Option<()> {
        let name = Cursor::new(text, behind).token();
        if !name.is_empty() && name.len() <= 32 && self.drivers.len() < MOST {
            self.drivers.insert(self.above?, String::from_utf8_lossy(name).into_owned());
        }
        None
    }

    /// `06:00.0 Ethernet controller: Marvell Technology Group Ltd. Device 8400`.
    fn class(&mut self, text: &[u8], at: usize) -> Option<()> {
        let before = line_before(text, at);
        let (name, _) = before.split_at(before.iter().position(|byte| *byte == b' ')?);
        let device = DeviceName::read(name)?;
        let start = at - before.len() + name.len() + 1;
        let rest = &text[start..text.len().min(start + LONGEST_ROLE)];
        let role = rest.split(|byte| *byte == b'\n').next()?.trim_ascii();
        self.above = Some(device);
        if role.contains(&b':') && self.roles.len() < MOST {
            self.roles.insert(device, String::from_utf8_lossy(role).into_owned());
        }
        None
    }

    /// `Memory at fd200000 (64-bit, non-prefetchable) [size=2M]`.
    fn memory(&mut self, text: &[u8], behind: usize) -> Option<()> {
        let line = text[behind..text.len().min(behind + WITHIN.1)].split(|byte| *byte == b'\n').next()?;
        let start = Cursor::new(line, 0).hex().value()?;
        let label = b"[size=";
        let size = line.windows(label.len()).position(|window| window == label)? + label.len();
        let size = line[size..].split(|byte| *byte == b']').next()?;
        let (number, unit) = size.split_at(size.iter().take_while(|byte| byte.is_ascii_digit()).count());
        let number: u64 = str::from_utf8(number).ok()?.parse().ok()?;
        let shift = match unit {
            b"" => 0,
            b"K" => 10,
            b"M" => 20,
            b"G" => 30,
            _ => return None,
        };
        let bytes = number.checked_mul(1 << shift)?.checked_sub(1)?;
        self.keep_window(start, start.checked_add(bytes)?, self.above?);
        None
    }

    /// `pci 0000:06:00.0: reg 0x10: [mem 0xfd200000-0xfd2fffff 64bit]`.
    fn window(&mut self, text: &[u8], at: usize) -> Option<()> {
        let line = line_before(text, at);
        let words = || line.split(u8::is_ascii_whitespace);
        let is_register = words().any(|word| word == b"reg" || word == b"BAR");
        let device = words().find_map(|word| DeviceName::read(word.strip_suffix(b":")?))?;
        let mut cursor = Cursor::new(text, at + b": [mem".len());
        let mut ends = cursor.token().split(|byte| *byte == b'-').map(hex::parse);
        if is_register && let (Some(Some(first)), Some(Some(last))) = (ends.next(), ends.next()) {
            self.keep_window(first, last, device);
        }
        None
    }

    fn keep_window(&mut self, first: u64, last: u64, device: DeviceName) {
        if first != 0 && first < last && self.windows.len() < MOST {
            self.windows.push((first..=last, device));
        }
    }

    fn walk(&mut self, text: &[u8], behind: usize) -> Option<()> {
        self.walked = Cursor::new(text, behind).hex().value();
        None
    }

    fn walk_end(&mut self, text: &[u8], behind: usize) -> Option<()> {
        let level = Cursor::new(text, behind).hex().value().and_then(|level| u8::try_from(level).ok())?;
        if self.walks.len() < MOST {
            self.walks.insert(self.walked?, level);
        }
        None
    }
}

/// The part of the line at `at` that stands before it.
fn line_before(text: &[u8], at: usize) -> &[u8] {
    text[at.saturating_sub(WITHIN.0)..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> Context {
        crate::read(&mut text.as_bytes()).unwrap().context
    }

    fn device(text: &str) -> DeviceName {
        DeviceName::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn drivers_and_roles_are_learnt() {
        let log = context(
            "[    1.0] xhci_hcd 0000:0f:00.0: xHCI host controller not responding\npci 0000:01:00.0: x\n",
        );
        assert_eq!(log.driver_of(device("0f:00.0")), Some("xhci_hcd"));
        assert_eq!(log.driver_of(device("01:00.0")), None);
        let lspci = context(
            "06:00.0 Ethernet controller: Marvell Technology Group Ltd. Device 8400\n\
             \tRegion 0: Memory at fd200000 (64-bit, non-prefetchable) [size=2M]\n\tKernel driver in use: ocelot\n",
        );
        assert_eq!(
            lspci.role_of(device("0000:06:00.0")),
            Some("Ethernet controller: Marvell Technology Group Ltd. Device 8400")
        );
        assert_eq!(lspci.driver_of(device("06:00.0")), Some("ocelot"));
        assert_eq!(lspci.owner_of(0xfd3f_ffff), Some(device("06:00.0")));
        assert_eq!(lspci.owner_of(0xfd40_0000), None);
    }

    #[test]
    fn registers_walks_and_crash_kernels_are_learnt() {
        let log = context(
            "[ 1.0] pci 0000:06:00.0: reg 0x10: [mem 0xfd200000-0xfd2fffff 64bit]\n\
             [ 1.0] pci_bus 0000:00: root bus resource [mem 0x80000000-0xfcffffff window]\n\
             DMAR: Dump dmar1 table entries for IOVA 0x1026a4000\nDMAR: PTE not present at level 4\n\
             Kernel command line: x elfcorehdr=0x1\n",
        );
        assert_eq!(log.owner_of(0xfd20_0000), Some(device("06:00.0")));
        assert_eq!(log.owner_of(0x8000_0000), None);
        assert_eq!(log.walk_end_of(0x1_026a_4000), Some(4));
        assert!(log.crash_kernel);
    }
}
