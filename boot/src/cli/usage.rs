//! From the command line to a command, or to one line that says what is wrong with it.

use std::ffi::OsString;

use offline::usage::{self, Refusal};

use super::arguments::{Command, CommandLine};

/// Reads a command line, program name first. Options without a command are options of `run`.
pub(super) fn parse(mut arguments: Vec<OsString>) -> Result<Command, Refusal> {
    const ABOUT_ALL: [&str; 4] = ["-h", "--help", "-V", "--version"];
    let names_no_command = arguments.get(1).is_none_or(|first| {
        first.to_string_lossy().starts_with('-') && !ABOUT_ALL.iter().any(|option| first == option)
    });
    if names_no_command {
        arguments.insert(1.min(arguments.len()), "run".into());
    }
    usage::parse::<CommandLine>(arguments).map(|line| line.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Command, Refusal> {
        parse(std::iter::once("ivt").chain(text.split_whitespace()).map(OsString::from).collect())
    }

    fn mistake(text: &str) -> String {
        let Err(Refusal::Wrong(line)) = of(text) else { panic!("{text} was accepted") };
        assert!(!line.contains('\n'), "{line}");
        line
    }

    #[test]
    fn run_is_the_default() {
        for text in ["", "run", "--memory 64", "run --memory 64", "-- -s", "--verbose"] {
            assert!(matches!(of(text), Ok(Command::Run(_))), "{text}");
        }
        let Ok(Command::Run(arguments)) = of("--memory 64 --device a --device b,c=d -- -s -d int") else {
            panic!("not run")
        };
        assert_eq!((arguments.memory, arguments.smp), (Some(64), 1));
        assert_eq!(arguments.device, ["a", "b,c=d"]);
        assert_eq!(arguments.arguments, ["-s", "-d", "int"]);
    }

    #[test]
    fn every_documented_option_is_known() {
        for command in ["run", "demo", "bench"] {
            let text = format!(
                "{command} --firmware uefi --media usb --iommu intel-scalable --memory 512 --smp 2 \
                 --no-default-devices --device edu --cmdline policy=log --dmar d --script units --report r --screenshot s.png \
                 --timeout 9 --icount --qemu q --dev --verbose -- -s"
            );
            assert!(of(&text).is_ok(), "{text}");
        }
        for iommu in ["intel", "intel-39", "amd", "none"] {
            assert!(of(&format!("--iommu {iommu}")).is_ok(), "{iommu}");
        }
        assert!(matches!(of("image out --firmware both"), Ok(Command::Image(_))));
        assert!(matches!(of("flash /dev/sdb --firmware uefi --force"), Ok(Command::Flash(_))));
        assert!(matches!(of("evil all --dev --seed 2 --steps 3 --json f"), Ok(Command::Evil(_))));
        assert!(matches!(of("judge report"), Ok(Command::Offline(offline::Command::Judge(_)))));
        assert!(matches!(of("diff a b"), Ok(Command::Offline(offline::Command::Diff(_)))));
        assert!(matches!(
            of("audit --fail-on warning --json DMAR - folder"),
            Ok(Command::Offline(offline::Command::Audit(_)))
        ));
        assert!(matches!(
            of("explain DMAR: [DMA Read] - --json"),
            Ok(Command::Offline(offline::Command::Explain(_)))
        ));
    }

    #[test]
    fn mistakes_are_one_line_each() {
        assert!(mistake("fly").contains("'fly'"));
        assert!(mistake("--firmware dos").contains("possible values: bios, uefi"));
        assert!(mistake("image").contains("<OUT>"));
        assert!(mistake("flash").contains("<DEVICE>"));
        for text in
            ["--memory 0", "--memory x", "--smp 0", "--timeout 0", "--timeout", "run stray", "--bogus"]
        {
            mistake(text);
        }
    }

    #[test]
    fn help_and_version_are_no_mistakes() {
        for text in ["--help", "-h", "--version", "run --help", "help"] {
            assert!(matches!(of(text), Err(Refusal::Asked(_))), "{text}");
        }
    }
}
