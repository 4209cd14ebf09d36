//! The QEMU program and what can be asked of it before a run.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::Error;
use crate::machine::{Iommu, Machine, ScalableModeProperty};

/// A QEMU that starts.
#[derive(Clone, Debug)]
pub struct Qemu {
    program: PathBuf,
}

impl Qemu {
    /// Finds QEMU: `given`, else what the variable `IVT_QEMU` names, else `qemu-system-x86_64` in the path.
    ///
    /// # Errors
    /// If it is not there or does not start.
    pub fn find(given: Option<&Path>) -> Result<Self, Error> {
        let program = given
            .map(Path::to_path_buf)
            .or_else(|| std::env::var_os("IVT_QEMU").filter(|name| !name.is_empty()).map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("qemu-system-x86_64"));
        let found = Self { program };
        let output = found.ask(["--version"])?;
        if output.status.success() {
            Ok(found)
        } else {
            let why = first_line(&output.stderr).unwrap_or_else(|| output.status.to_string());
            Err(Error::NoQemu { program: found.program, why })
        }
    }

    /// The program's path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Tells in advance whether QEMU accepts a machine. Arguments that the user hands through are not tried:
    /// they may open files or wait for someone. Then only the models of the devices are checked, which may
    /// refer to those arguments.
    ///
    /// # Errors
    /// If QEMU does not, with its own message.
    pub fn check(&self, machine: &Machine) -> Result<(), Error> {
        for device in &machine.devices {
            self.check_model(device)?;
        }
        let plain = Machine { firmware: machine.firmware, media: machine.media, ..Machine::default() };
        if *machine == plain || !machine.arguments.is_empty() {
            return Ok(());
        }
        let mut qemu = Command::new(&self.program);
        for drive in machine.scratch_drives() {
            qemu.arg("-drive").arg(format!("if=none,id={drive},driver=null-co,read-zeroes=on"));
        }
        qemu.args(machine.hardware(self.scalable_mode(machine))).args(["-S", "-monitor", "stdio"]);
        let output = self.answer(qemu, b"quit\n")?;
        if output.status.success() { Ok(()) } else { Err(refusal(&output)) }
    }

    /// The name of the scalable-mode property, where the machine needs it.
    pub(crate) fn scalable_mode(&self, machine: &Machine) -> ScalableModeProperty {
        let known_by_new_name = || {
            let help = self.ask(["-device", "intel-iommu,help"]).map(|output| output.stdout);
            help.is_ok_and(|text| {
                String::from_utf8_lossy(&text).lines().any(|line| line.trim().starts_with("scalable-mode="))
            })
        };
        if machine.iommu == Iommu::IntelScalable && known_by_new_name() {
            ScalableModeProperty("scalable-mode")
        } else {
            ScalableModeProperty("x-scalable-mode")
        }
    }

    fn check_model(&self, device: &str) -> Result<(), Error> {
        let model = device.split(',').next().unwrap_or_default();
        if model.starts_with('{') {
            return Ok(());
        }
        let output = self.ask(["-device", &format!("{model},help")])?;
        // Asked for help on a model that it does not have, QEMU complains and yet ends well.
        if output.stdout.is_empty() { Err(refusal(&output)) } else { Ok(()) }
    }

    fn ask<const N: usize>(&self, arguments: [&str; N]) -> Result<Output, Error> {
        let mut qemu = Command::new(&self.program);
        qemu.args(arguments.map(OsStr::new));
        self.answer(qemu, b"")
    }

    fn answer(&self, mut qemu: Command, input: &[u8]) -> Result<Output, Error> {
        let started = qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let run = started.and_then(|mut child| {
            // A QEMU that has ended already tells why on its standard error.
            let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
            child.wait_with_output()
        });
        run.map_err(|error| Error::NoQemu { program: self.program.clone(), why: error.to_string() })
    }
}

/// What QEMU said when it refused its arguments.
fn refusal(output: &Output) -> Error {
    Error::Refused(first_line(&output.stderr).unwrap_or_else(|| output.status.to_string()))
}

/// The first line that tells something, without the program's name.
pub(super) fn first_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains(": warning: "))?;
    Some(match line.split_once(": ") {
        Some((program, rest)) if program.contains("qemu") => rest.to_owned(),
        _ => line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_qemu_is_named_with_its_remedy() {
        let error = Qemu::find(Some(Path::new("/nowhere/qemu"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/qemu") && error.contains("scripts/setup"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn a_machine_that_qemu_refuses_is_told_in_one_line() {
        let qemu = Qemu::find(None).unwrap();
        let with = |device: &str| Machine { devices: vec![device.to_owned()], ..Machine::default() };
        qemu.check(&Machine::default()).unwrap();
        qemu.check(&with("edu,addr=10.0")).unwrap();
        for bad in ["no-such-device", "edu,addr=03.0", "edu,no-such-property=1"] {
            let error = qemu.check(&with(bad)).unwrap_err().to_string();
            assert!(error.starts_with("QEMU refuses this machine: -device "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn models_are_checked_even_if_a_device_needs_arguments_that_are_not_tried() {
        let qemu = Qemu::find(None).unwrap();
        let machine = |device: &str| Machine {
            devices: vec![device.to_owned()],
            arguments: vec!["-drive".into(), "if=none,id=d,file=/nowhere".into()],
            ..Machine::default()
        };
        qemu.check(&machine("nvme,drive=d,serial=1")).unwrap();
        qemu.check(&machine("no-such-device")).unwrap_err();
    }
}
