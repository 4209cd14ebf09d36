//! Everything that one run needs, and QEMU's arguments for it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::machine::{Firmware, Machine};
use crate::qemu::{ConsoleMode, Qemu, find_uefi};
use crate::{Error, kernel_options};

/// A run that can be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub qemu: Qemu,
    /// The machine.
    pub machine: Machine,
    /// The disk image, which is never written; none where QEMU's own arguments name what is started.
    pub image: Option<PathBuf>,
    /// The kernel options.
    pub options: String,
    /// Further files for the guest, by their fw_cfg names.
    pub files: Vec<(String, Vec<u8>)>,
    /// What COM1 is.
    pub console: ConsoleMode,
    /// Where the report goes besides into the outcome, as it comes.
    pub report_copy: Option<PathBuf>,
    /// Told QEMU's command line before it starts.
    pub show: Option<fn(&str)>,
    /// Set from outside to end the run.
    pub stop: Arc<AtomicBool>,
}

/// Names inside the folder of a run.
pub(super) const CONTROL_SOCKET: &str = "control";
pub(super) const REPORT: &str = "report";
const VARIABLES: &str = "variables";

impl Launch {
    /// A run of an image in a machine, without options, its console kept.
    pub fn new(qemu: Qemu, machine: Machine, image: impl Into<Option<PathBuf>>) -> Self {
        Self {
            qemu,
            machine,
            image: image.into(),
            options: String::new(),
            files: Vec::new(),
            console: ConsoleMode::default(),
            report_copy: None,
            show: None,
            stop: Arc::default(),
        }
    }

    /// Prepares the folder of a run and returns the command that starts QEMU in it.
    pub(super) fn command(&self, folder: &Path) -> Result<Command, Error> {
        let mut command = bound_to_this_thread(self.qemu.program());
        command.args(self.arguments(folder)?).stderr(Stdio::piped());
        if let Some(show) = self.show {
            show(&shell_line(&command));
        }
        if self.console != ConsoleMode::Terminal {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        }
        Ok(command)
    }

    fn arguments(&self, folder: &Path) -> Result<Vec<OsString>, Error> {
        let mut list = Vec::new();
        add_scratch_drives(&self.machine, folder, &mut list)?;
        list.extend(self.machine.hardware(self.qemu.scalable_mode(&self.machine)));
        self.add_firmware(folder, &mut list)?;
        if let Some(image) = &self.image {
            // Writes go to a throw-away overlay: one image serves any number of runs at a time.
            add(&mut list, "-drive", valued("if=none,id=boot,format=raw,snapshot=on,file=", image));
            add(&mut list, "-device", self.machine.boot_device());
        }
        list.extend(self.console.arguments().iter().map(OsString::from));
        add(&mut list, "-chardev", valued("file,id=report,path=", &folder.join(REPORT)));
        if kernel_options::reports_to_debug_port(&self.options) {
            add(&mut list, "-device", "isa-debugcon,iobase=0xe9,chardev=report");
        } else {
            add(&mut list, "-serial", "chardev:report");
        }
        let socket = valued("socket,id=control,server=on,wait=off,path=", &folder.join(CONTROL_SOCKET));
        add(&mut list, "-chardev", socket);
        add(&mut list, "-mon", "chardev=control,mode=control");
        self.add_files(folder, &mut list)?;
        // A machine that switches itself off stays for a look at its screen and memory.
        list.push("-no-shutdown".into());
        if self.console != ConsoleMode::Terminal {
            list.push("-no-reboot".into());
        }
        list.extend(self.machine.arguments.iter().cloned());
        Ok(list)
    }

    fn add_firmware(&self, folder: &Path, list: &mut Vec<OsString>) -> Result<(), Error> {
        if self.machine.firmware == Firmware::Bios {
            return Ok(());
        }
        let firmware = find_uefi()?;
        let variables = folder.join(VARIABLES);
        let content = fs::read(&firmware.variables).map_err(Error::file(&firmware.variables))?;
        fs::write(&variables, content).map_err(Error::file(&variables))?;
        add(list, "-drive", valued("if=pflash,unit=0,format=raw,readonly=on,file=", &firmware.code));
        add(list, "-drive", valued("if=pflash,unit=1,format=raw,file=", &variables));
        Ok(())
    }

    fn add_files(&self, folder: &Path, list: &mut Vec<OsString>) -> Result<(), Error> {
        let options = ("opt/ivt/cmdline".to_owned(), self.options.clone().into_bytes());
        let options = (!self.options.is_empty()).then_some(options);
        for (index, (name, content)) in options.iter().chain(&self.files).enumerate() {
            // From a file, because a comma ends a text in QEMU's own syntax.
            let path = folder.join(format!("fw_cfg-{index}"));
            fs::write(&path, content).map_err(Error::file(&path))?;
            add(list, "-fw_cfg", valued(&format!("name={name},file="), &path));
        }
        Ok(())
    }
}

/// Bytes of a scratch disk; only the first of them take room on the host.
const SCRATCH_BYTES: u64 = 64 << 20;

/// Bytes of a scratch disk that are not zero, so that its blocks can be told apart.
const SCRATCH_TEXT: usize = 4096;

/// Makes the disks that the machine's own devices need. They end with the run.
fn add_scratch_drives(machine: &Machine, folder: &Path, list: &mut Vec<OsString>) -> Result<(), Error> {
    for name in machine.scratch_drives() {
        let path = folder.join(format!("{name}.img"));
        let text = format!("scratch disk {name} of ivt\n").into_bytes();
        let text: Vec<u8> = text.into_iter().cycle().take(SCRATCH_TEXT).collect();
        let write = || {
            let mut file = fs::File::create_new(&path)?;
            file.write_all(&text)?;
            file.set_len(SCRATCH_BYTES)
        };
        write().map_err(Error::file(&path))?;
        let prefix = format!("if=none,id={name},format=raw,cache=unsafe,file=");
        add(list, "-drive", valued(&prefix, &path));
    }
    Ok(())
}

fn add(list: &mut Vec<OsString>, option: &str, value: impl AsRef<OsStr>) {
    list.push(option.into());
    list.push(value.as_ref().into());
}

/// An option's value that ends in a path; commas in it are doubled, as QEMU wants them.
fn valued(prefix: &str, path: &Path) -> OsString {
    let mut value = OsString::from(prefix);
    match path.to_str() {
        Some(path) => value.push(path.replace(',', ",,")),
        None => value.push(path),
    }
    value
}

/// A command as one would type it.
fn shell_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,.:/+".contains(c);
        if word.chars().all(plain) { word.into_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A command whose process is killed when the calling thread ends, however it ends, where the system has
/// the tool for that.
fn bound_to_this_thread(program: &Path) -> Command {
    const TOOL: &str = "setpriv";
    let folders = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&folders).any(|folder| folder.join(TOOL).is_file()) {
        return Command::new(program);
    }
    let mut command = Command::new(TOOL);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(launch: &Launch) -> String {
        let folder = tempfile::tempdir().unwrap();
        let list = launch.arguments(folder.path()).unwrap();
        list.join(" ".as_ref()).into_string().unwrap().replace(folder.path().to_str().unwrap(), "DIR")
    }

    fn launch(machine: Machine) -> Launch {
        Launch::new(Qemu::find(None).unwrap(), machine, PathBuf::from("/x/a,b.img"))
    }

    #[test]
    fn ports_disk_and_options_are_wired() {
        let mut launch = launch(Machine { arguments: vec!["-s".into()], ..Machine::default() });
        launch.options = "policy=log".to_owned();
        launch.files.push(("opt/ivt/dmar".to_owned(), vec![1]));
        let text = arguments(&launch);
        for part in [
            "-drive if=none,id=boot,format=raw,snapshot=on,file=/x/a,,b.img -device ide-hd,bus=ide.0,drive=boot,bootindex=0",
            "-serial chardev:com1 -chardev file,id=report,path=DIR/report -serial chardev:report",
            "-fw_cfg name=opt/ivt/cmdline,file=DIR/fw_cfg-0 -fw_cfg name=opt/ivt/dmar,file=DIR/fw_cfg-1",
            "-no-shutdown -no-reboot -s",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("pflash"), "{text}");
    }

    #[test]
    fn without_an_image_no_disk_comes_before_what_the_arguments_name() {
        let machine =
            Machine { arguments: vec!["-kernel".into(), "/x/vmlinuz".into()], ..Machine::default() };
        let text = arguments(&Launch { image: None, ..launch(machine) });
        assert!(text.contains("-kernel /x/vmlinuz") && !text.contains("bootindex=0"), "{text}");
    }

    #[test]
    fn a_terminal_gets_a_monitor_and_may_reboot() {
        let mut launch = launch(Machine::default());
        launch.console = ConsoleMode::Terminal;
        let text = arguments(&launch);
        assert!(text.contains("stdio,id=com1,mux=on,signal=off") && !text.contains("-no-reboot"), "{text}");
    }

    #[test]
    fn the_report_follows_the_option_for_it() {
        let mut launch = launch(Machine::default());
        launch.options = "report=debugcon".to_owned();
        assert!(arguments(&launch).contains("-device isa-debugcon,iobase=0xe9,chardev=report"));
    }
}
