//! The list of scenarios.

use super::finding::{Finding, Findings};
use super::{Stage, e1000e, fuzz, hotplug, interrupts, lies, nvme, power_on, two_books, virtio};
use crate::Error;

/// Which kernels a scenario says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Any system that boots in QEMU.
    Any,
    /// This kernel: the scenario reads its report or types on its console.
    Ours,
}

type Run = fn(&Stage, &mut Findings<'_>) -> Result<(), Error>;

/// A way for devices to be hostile.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub what: &'static str,
    /// Whom it is for.
    pub subject: Subject,
    run: Run,
}

impl Scenario {
    /// Plays the scenario; each finding is told as soon as it is there.
    ///
    /// # Errors
    /// If a machine cannot be started or watched.
    pub fn play(&self, stage: &Stage, tell: &mut dyn FnMut(Finding)) -> Result<(), Error> {
        (self.run)(stage, &mut Findings::new(self.name, tell))
    }
}

/// All scenarios, in the order in which `all` plays them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "power-on",
        what: "DMA everywhere from the first instruction on, through protection, a stop and power-off",
        subject: Subject::Any,
        run: power_on::run,
    },
    Scenario {
        name: "config-lies",
        what: "devices that lie in their configuration space, fifty ways",
        subject: Subject::Ours,
        run: lies::run,
    },
    Scenario {
        name: "two-books",
        what: "while a driver works, what the unit lets the device reach is what the kernel says",
        subject: Subject::Ours,
        run: two_books::run,
    },
    Scenario {
        name: "nvme",
        what: "NVMe controllers that the driver claims, each of them hostile in one thing",
        subject: Subject::Ours,
        run: nvme::run,
    },
    Scenario {
        name: "e1000e",
        what: "network cards of Intel's that the driver claims, each of them hostile in one thing",
        subject: Subject::Ours,
        run: e1000e::run,
    },
    Scenario {
        name: "virtio-blk",
        what: "virtio disks that the driver claims, each of them hostile in one thing",
        subject: Subject::Ours,
        run: virtio::disks,
    },
    Scenario {
        name: "virtio-net",
        what: "virtio network cards that the driver claims, each of them hostile in one thing",
        subject: Subject::Ours,
        run: virtio::nics,
    },
    Scenario {
        name: "interrupts",
        what: "messages that a device forges, in every form, and interrupts of others by its own MSI-X",
        subject: Subject::Ours,
        run: interrupts::run,
    },
    Scenario {
        name: "late-arrival",
        what: "a device is plugged into a running machine, and reaches all over memory",
        subject: Subject::Ours,
        run: hotplug::late_arrival,
    },
    Scenario {
        name: "removal",
        what: "a device goes without a word, at one moment of the kernel's life after the other",
        subject: Subject::Ours,
        run: hotplug::surprise_removal,
    },
    Scenario {
        name: "fuzz",
        what: "requests, interrupts, registers and misbehaviours by chance, as a seed decides",
        subject: Subject::Ours,
        run: fuzz::run,
    },
];

/// The scenarios of these names: `all`, or none at all, are all that fit.
///
/// # Errors
/// The name that no scenario has, or that only fits this kernel while another is to be started.
pub fn choose(names: &[String], subject: Subject) -> Result<Vec<Scenario>, String> {
    let fits = |scenario: &&Scenario| subject == Subject::Ours || scenario.subject == Subject::Any;
    if names.is_empty() || names.iter().any(|name| name == "all") {
        return Ok(SCENARIOS.iter().filter(fits).copied().collect());
    }
    let find = |name: &String| match SCENARIOS.iter().find(|scenario| scenario.name == name) {
        None => Err(format!("no scenario '{name}'; `ivt evil list` names them")),
        Some(scenario) if !fits(&scenario) => Err(format!("scenario '{name}' is for this kernel only")),
        Some(scenario) => Ok(*scenario),
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chosen: &[Scenario]) -> Vec<&str> {
        chosen.iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn all_is_every_scenario_that_fits() {
        let all = choose(&[], Subject::Ours).unwrap();
        assert_eq!(all.len(), SCENARIOS.len());
        assert_eq!(names(&choose(&["all".to_owned()], Subject::Ours).unwrap()), names(&all));
        assert!(choose(&[], Subject::Any).unwrap().iter().all(|scenario| scenario.subject == Subject::Any));
    }

    #[test]
    fn an_unknown_name_is_told() {
        assert!(choose(&["fly".to_owned()], Subject::Ours).unwrap_err().contains("'fly'"));
        assert_eq!(names(&choose(&["power-on".to_owned()], Subject::Any).unwrap()), ["power-on"]);
    }

    #[test]
    fn names_are_words_and_differ() {
        for (index, scenario) in SCENARIOS.iter().enumerate() {
            assert!(scenario.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            assert!(!scenario.what.contains('\n'));
            assert!(SCENARIOS[..index].iter().all(|other| other.name != scenario.name));
        }
    }
}
