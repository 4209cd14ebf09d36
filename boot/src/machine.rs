//! A virtual machine, described by what matters to the kernel.

use std::ffi::OsString;

use clap::ValueEnum;

use crate::image::Layout;

/// The firmware that starts the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Firmware {
    /// QEMU's SeaBIOS.
    #[default]
    Bios,
    /// OVMF.
    Uefi,
}

impl Firmware {
    /// The image that it starts.
    pub fn layout(self) -> Layout {
        match self {
            Self::Bios => Layout::Bios,
            Self::Uefi => Layout::Uefi,
        }
    }
}

/// Where the boot image lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Media {
    /// A disk at the chipset's AHCI controller.
    #[default]
    Disk,
    /// A stick at an xHCI controller.
    Usb,
}

/// The remapping hardware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Iommu {
    /// VT-d with 48-bit addresses and interrupt remapping.
    #[default]
    Intel,
    /// VT-d with 39-bit addresses: three-level tables.
    #[value(name = "intel-39")]
    Intel39,
    /// VT-d that offers scalable mode.
    IntelScalable,
    /// AMD-Vi.
    Amd,
    /// None.
    None,
}

/// Whether the machine has the devices that the kernel's drivers know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultDevices {
    /// Two `edu` devices, disks and network cards.
    #[default]
    Present,
    /// The chipset's own functions, a display and the boot disk only.
    Absent,
}

/// QEMU's arguments that have root ports plug devices by themselves, and not the chipset by ACPI.
pub const NATIVE_HOT_PLUG: [&str; 2] = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"];

/// What drives the machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The host's time.
    #[default]
    Host,
    /// Executed instructions, a nanosecond each: figures do not depend on the host.
    Instructions,
}

/// A machine. The default is the one of the documentation: q35, one processor, 256 MiB, BIOS, VT-d, and a
/// device of every kind that the kernel drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What starts it.
    pub firmware: Firmware,
    /// What it starts from.
    pub media: Media,
    /// Its remapping hardware.
    pub iommu: Iommu,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Its processors.
    pub cpus: u32,
    /// Its usual devices.
    pub default_devices: DefaultDevices,
    /// Further devices, as QEMU's `-device` takes them.
    pub devices: Vec<String>,
    /// Its clock.
    pub clock: Clock,
    /// Further arguments for QEMU; they come last and so win.
    pub arguments: Vec<OsString>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            firmware: Firmware::default(),
            media: Media::default(),
            iommu: Iommu::default(),
            memory_mib: 256,
            cpus: 1,
            default_devices: DefaultDevices::default(),
            devices: Vec::new(),
            clock: Clock::default(),
            arguments: Vec::new(),
        }
    }
}

/// What a QEMU calls the property that switches scalable mode on; the name changes between releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalableModeProperty(pub &'static str);

impl Machine {
    /// QEMU's arguments for the machine without its firmware, disk and ports. The boot disk, if one is
    /// attached, is the drive `boot`.
    pub(crate) fn hardware(&self, scalable_mode: ScalableModeProperty) -> Vec<OsString> {
        let mut list = Arguments(Vec::new());
        list.push(["-no-user-config", "-nodefaults", "-display", "none"]);
        list.push(["-machine", "q35", "-accel", "tcg", "-cpu", "max"]);
        list.push(["-m", &format!("{}M", self.memory_mib), "-smp", &self.cpus.to_string()]);
        if self.clock == Clock::Instructions {
            list.push(["-icount", "shift=0"]);
        }
        // AMD's is a PCI function without a fixed place: it must come behind those that have one.
        if self.iommu != Iommu::Amd {
            list.devices(self.iommu_device(scalable_mode));
        }
        list.devices(["VGA,addr=01.0".to_owned()]);
        if self.media == Media::Usb {
            list.devices(["qemu-xhci,id=usb,addr=02.0".to_owned()]);
        }
        if self.default_devices == DefaultDevices::Present {
            list.default_devices();
        }
        if self.iommu == Iommu::Amd {
            list.devices(self.iommu_device(scalable_mode));
        }
        list.devices(self.devices.iter().cloned());
        list.0
    }

    /// The drives that the machine needs beside `boot`, each a scratch disk.
    pub(crate) const fn scratch_drives(&self) -> &'static [&'static str] {
        match self.default_devices {
            DefaultDevices::Present => &[NVME_DRIVE, VIRTIO_DRIVE],
            DefaultDevices::Absent => &[],
        }
    }

    /// The device that the drive `boot` is plugged into.
    pub(crate) fn boot_device(&self) -> &'static str {
        match self.media {
            Media::Disk => "ide-hd,bus=ide.0,drive=boot,bootindex=0",
            Media::Usb => "usb-storage,bus=usb.0,drive=boot,bootindex=0",
        }
    }

    fn iommu_device(&self, scalable_mode: ScalableModeProperty) -> Option<String> {
        match self.iommu {
            Iommu::Intel => Some("intel-iommu,aw-bits=48,intremap=on".to_owned()),
            Iommu::Intel39 => Some("intel-iommu,aw-bits=39,intremap=on".to_owned()),
            Iommu::IntelScalable => {
                Some(format!("intel-iommu,aw-bits=48,intremap=on,{}=on", scalable_mode.0))
            }
            Iommu::Amd => Some("amd-iommu".to_owned()),
            Iommu::None => None,
        }
    }
}

/// The drive of the NVMe disk.
const NVME_DRIVE: &str = "nvme";
/// The drive of the virtio disk.
const VIRTIO_DRIVE: &str = "virtio";

/// A growing list of arguments.
struct Arguments(Vec<OsString>);

impl Arguments {
    fn push<'a>(&mut self, arguments: impl IntoIterator<Item = &'a str>) {
        self.0.extend(arguments.into_iter().map(OsString::from));
    }

    /// A device of every kind that the kernel drives.
    fn default_devices(&mut self) {
        // By default the device drops address bits, and so would hit other memory than it was told to.
        self.devices(["03.0", "04.0"].map(|place| format!("edu,addr={place},dma_mask=0xffffffffffffffff")));
        self.push(["-netdev", "user,id=virtio-net", "-netdev", "user,id=e1000e"]);
        // Virtio passes the IOMMU by unless it is told not to; nobody boots from the network.
        let translated = "iommu_platform=on,disable-legacy=on";
        self.devices([
            format!("nvme,addr=05.0,serial=ivt,drive={NVME_DRIVE}"),
            format!("virtio-net-pci,addr=06.0,{translated},netdev=virtio-net,romfile="),
            format!("virtio-blk-pci,addr=07.0,{translated},drive={VIRTIO_DRIVE}"),
            "e1000e,addr=08.0,netdev=e1000e,romfile=".to_owned(),
        ]);
    }

    fn devices(&mut self, devices: impl IntoIterator<Item = String>) {
        for device in devices {
            self.push(["-device", &device]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(machine: &Machine) -> Vec<String> {
        let arguments = machine.hardware(ScalableModeProperty("x-scalable-mode"));
        arguments
            .windows(2)
            .filter(|pair| pair[0] == "-device")
            .map(|pair| pair[1].to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_default_machine_is_the_documented_one() {
        let machine = Machine::default();
        assert_eq!(
            devices(&machine),
            [
                "intel-iommu,aw-bits=48,intremap=on",
                "VGA,addr=01.0",
                "edu,addr=03.0,dma_mask=0xffffffffffffffff",
                "edu,addr=04.0,dma_mask=0xffffffffffffffff",
                "nvme,addr=05.0,serial=ivt,drive=nvme",
                "virtio-net-pci,addr=06.0,iommu_platform=on,disable-legacy=on,netdev=virtio-net,romfile=",
                "virtio-blk-pci,addr=07.0,iommu_platform=on,disable-legacy=on,drive=virtio",
                "e1000e,addr=08.0,netdev=e1000e,romfile=",
            ]
        );
        let text = machine.hardware(ScalableModeProperty("")).join(" ".as_ref());
        let text = text.to_string_lossy();
        assert!(text.contains("-machine q35 -accel tcg -cpu max -m 256M -smp 1"), "{text}");
        assert!(text.contains("-nodefaults") && !text.contains("-icount"), "{text}");
    }

    #[test]
    fn each_remapping_unit_has_its_device() {
        let with = |iommu| devices(&Machine { iommu, ..Machine::default() });
        assert_eq!(with(Iommu::Intel39)[0], "intel-iommu,aw-bits=39,intremap=on");
        assert_eq!(with(Iommu::IntelScalable)[0], "intel-iommu,aw-bits=48,intremap=on,x-scalable-mode=on");
        assert_eq!(with(Iommu::Amd).last().unwrap(), "amd-iommu");
        assert!(
            !with(Iommu::None)
                .iter()
                .any(|device| device.contains("intel-iommu") || device.contains("amd-iommu"))
        );
    }

    #[test]
    fn further_devices_come_last_and_the_usual_ones_can_be_left_out() {
        let machine = Machine {
            default_devices: DefaultDevices::Absent,
            devices: vec!["edu,addr=10.0".to_owned()],
            media: Media::Usb,
            clock: Clock::Instructions,
            ..Machine::default()
        };
        assert_eq!(devices(&machine)[1..], ["VGA,addr=01.0", "qemu-xhci,id=usb,addr=02.0", "edu,addr=10.0"]);
        assert!(machine.boot_device().starts_with("usb-storage,"));
        let arguments = machine.hardware(ScalableModeProperty(""));
        assert!(arguments.windows(2).any(|pair| pair[0] == "-icount" && pair[1] == "shift=0"));
    }
}
