//! From the options of a run to what is to be done: no host is asked yet.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::RunArguments;
use crate::judge::{Purpose, SelfTest};
use crate::kernel::Profile;
use crate::kernel_options::{self, OptionsError};
use crate::machine::{Clock, DefaultDevices, Firmware, Machine};
use crate::qemu::ConsoleMode;

/// A run whose options make sense.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) purpose: Purpose,
    pub(super) machine: Machine,
    pub(super) options: String,
    pub(super) console: ConsoleMode,
    pub(super) limit: Option<Duration>,
    pub(super) self_test: SelfTest,
    /// Another machine's table.
    pub(super) dmar: Option<PathBuf>,
    pub(super) report: Option<PathBuf>,
    pub(super) screenshot: Option<PathBuf>,
    pub(super) qemu: Option<PathBuf>,
    pub(super) command_line: CommandLine,
    pub(super) profile: Profile,
}

/// Whether QEMU's command line is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandLine {
    Shown,
    Hidden,
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Terminal,
    Other,
}

/// Options that do not make sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    #[error("{0}")]
    Options(#[from] OptionsError),
    #[error("--screenshot {}: the name must end in .png", .0.display())]
    NotPng(PathBuf),
    #[error("bench measures the kernel that ships: leave out --dev")]
    BenchOfDevelopment,
}

impl Plan {
    /// Fills in what the options leave open.
    pub(super) fn new(purpose: Purpose, arguments: RunArguments) -> Result<Self, PlanError> {
        let input = if std::io::stdin().is_terminal() { Input::Terminal } else { Input::Other };
        Self::at(purpose, arguments, input)
    }

    fn at(purpose: Purpose, arguments: RunArguments, input: Input) -> Result<Self, PlanError> {
        if let Some(path) = &arguments.screenshot
            && path.extension().is_none_or(|name| !name.eq_ignore_ascii_case(OsStr::new("png")))
        {
            return Err(PlanError::NotPng(path.clone()));
        }
        let profile = arguments.kernel.profile();
        if purpose == Purpose::Bench && profile == Profile::Development {
            return Err(PlanError::BenchOfDevelopment);
        }
        kernel_options::refuse_unknown(&arguments.cmdline)?;
        let cmdline = match &arguments.dmar {
            Some(_) => format!("dmar=fw_cfg {}", arguments.cmdline),
            None => arguments.cmdline,
        };
        let script = script(purpose, arguments.script.as_deref());
        let options = kernel_options::compose(&cmdline, script.as_deref())?;
        let script = kernel_options::own_script(&options);
        let console = if script.is_none() && input == Input::Terminal {
            ConsoleMode::Terminal
        } else {
            ConsoleMode::Shown
        };
        let self_test = match &script {
            Some(script) if !kernel_options::provokes_faults(script) => SelfTest::Excluded,
            None if console == ConsoleMode::Shown => SelfTest::Excluded,
            _ => SelfTest::Possible,
        };
        let limit = arguments.timeout.map(u64::from).or(default_limit(purpose, arguments.firmware, console));
        let bench = purpose == Purpose::Bench;
        Ok(Self {
            purpose,
            options,
            console,
            self_test,
            limit: limit.map(Duration::from_secs),
            report: arguments.report,
            screenshot: arguments.screenshot,
            qemu: arguments.qemu,
            command_line: if arguments.verbose { CommandLine::Shown } else { CommandLine::Hidden },
            profile,
            machine: Machine {
                firmware: arguments.firmware,
                media: arguments.media,
                iommu: arguments.iommu,
                memory_mib: arguments.memory.unwrap_or(if bench { 2048 } else { 256 }),
                cpus: arguments.smp,
                default_devices: if arguments.no_default_devices {
                    DefaultDevices::Absent
                } else {
                    DefaultDevices::Present
                },
                devices: arguments.device,
                clock: if bench || arguments.icount { Clock::Instructions } else { Clock::Host },
                arguments: given_table(arguments.dmar.as_deref()).chain(arguments.arguments).collect(),
            },
            dmar: arguments.dmar,
        })
    }
}

/// QEMU's arguments that hand a table to the kernel.
fn given_table(file: Option<&Path>) -> impl Iterator<Item = OsString> {
    file.into_iter().flat_map(|file| {
        // QEMU reads two commas for one.
        let name = file.to_string_lossy().replace(',', ",,");
        [OsString::from("-fw_cfg"), OsString::from(format!("name=opt/ivt/dmar,file={name}"))]
    })
}

/// The script with the command that a purpose stands for at its end.
fn script(purpose: Purpose, given: Option<&str>) -> Option<String> {
    let command = match purpose {
        Purpose::Run => return given.map(str::to_owned),
        Purpose::Demo => "demo",
        Purpose::Bench => "bench",
    };
    Some(given.map_or(command.to_owned(), |given| format!("{given}; {command}")))
}

fn default_limit(purpose: Purpose, firmware: Firmware, console: ConsoleMode) -> Option<u64> {
    match (console, purpose, firmware) {
        (ConsoleMode::Terminal, ..) => None,
        (_, Purpose::Bench, _) => Some(600),
        (.., Firmware::Bios) => Some(120),
        (.., Firmware::Uefi) => Some(240),
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments::Command;
    use super::super::usage;
    use super::*;

    fn plan(text: &str, input: Input) -> Result<Plan, PlanError> {
        // A word in the text may hold blanks, written as underscores.
        let words = text.split_whitespace().map(|word| word.replace('_', " ").into());
        let command = usage::parse(std::iter::once("ivt".into()).chain(words).collect()).unwrap();
        match command {
            Command::Run(arguments) => Plan::at(Purpose::Run, arguments, input),
            Command::Demo(arguments) => Plan::at(Purpose::Demo, arguments, input),
            Command::Bench(arguments) => Plan::at(Purpose::Bench, arguments, input),
            Command::Image(_) | Command::Flash(_) | Command::Offline(_) | Command::Evil(_) => {
                panic!("not a run")
            }
        }
    }

    fn seconds(text: &str, input: Input) -> Option<u64> {
        plan(text, input).unwrap().limit.map(|limit| limit.as_secs())
    }

    #[test]
    fn time_limits_follow_the_documentation() {
        assert_eq!(seconds("run", Input::Terminal), None);
        assert_eq!(seconds("run", Input::Other), Some(120));
        assert_eq!(seconds("run --script units", Input::Terminal), Some(120));
        assert_eq!(seconds("run --cmdline script=units", Input::Terminal), Some(120));
        assert_eq!(seconds("demo --firmware uefi", Input::Terminal), Some(240));
        assert_eq!(seconds("bench", Input::Other), Some(600));
        assert_eq!(seconds("run --timeout 7", Input::Terminal), Some(7));
    }

    #[test]
    fn demo_and_bench_bring_their_script_and_bench_its_machine() {
        let demo = plan("demo", Input::Terminal).unwrap();
        assert_eq!((demo.options.as_str(), demo.console), ("script=\"demo\"", ConsoleMode::Shown));
        assert_eq!(demo.machine, Machine::default());
        assert_eq!(plan("demo --script units", Input::Terminal).unwrap().options, "script=\"units; demo\"");
        let bench = plan("bench", Input::Terminal).unwrap();
        assert_eq!((bench.machine.memory_mib, bench.machine.clock), (2048, Clock::Instructions));
        assert_eq!(plan("bench --memory 512", Input::Terminal).unwrap().machine.memory_mib, 512);
    }

    #[test]
    fn another_machines_table_goes_to_the_kernel() {
        let plan = plan("run --dmar a,b/DMAR --cmdline loglevel=debug -- -s", Input::Terminal).unwrap();
        assert_eq!(plan.options, "dmar=fw_cfg loglevel=debug");
        assert_eq!(plan.machine.arguments, ["-fw_cfg", "name=opt/ivt/dmar,file=a,,b/DMAR", "-s"]);
    }

    #[test]
    fn what_ships_is_built_unless_a_change_is_tried() {
        let profile = |text| plan(text, Input::Terminal).unwrap().profile;
        assert_eq!([profile("run"), profile("demo"), profile("bench")], [Profile::Release; 3]);
        assert_eq!([profile("run --dev"), profile("demo --dev")], [Profile::Development; 2]);
    }

    #[test]
    fn faults_go_unexplained_only_where_the_kernels_tests_may_run() {
        let self_test = |text, input| plan(text, input).unwrap().self_test;
        assert_eq!(self_test("run", Input::Terminal), SelfTest::Possible);
        assert_eq!(self_test("run", Input::Other), SelfTest::Excluded);
        assert_eq!(self_test("run --script units", Input::Terminal), SelfTest::Excluded);
        assert_eq!(self_test("run --script units;selftest_faults", Input::Terminal), SelfTest::Possible);
    }

    #[test]
    fn contradictions_are_refused() {
        let error = |text| plan(text, Input::Terminal).unwrap_err();
        assert_eq!(error("run --script units --cmdline script=faults"), OptionsError::TwoScripts.into());
        assert_eq!(error("demo --cmdline script=faults"), OptionsError::TwoScripts.into());
        let unknown = OptionsError::Unknown("unknown option 'polcy'; did you mean 'policy'?".to_owned());
        assert_eq!(error("run --cmdline polcy=contain"), unknown.clone().into());
        assert_eq!(error("demo --cmdline polcy=contain"), unknown.into());
        assert_eq!(error("bench --dev"), PlanError::BenchOfDevelopment);
        assert!(matches!(error("run --screenshot x.jpg"), PlanError::NotPng(_)));
        assert!(plan("run --screenshot x.PNG", Input::Terminal).is_ok());
    }
}
