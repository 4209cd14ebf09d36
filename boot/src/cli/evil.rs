//! The command `evil`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::arguments::EvilArguments;
use super::run::{INTERRUPTED, check_writable, stop_on_signals};
use crate::evil::{self, Finding, Outcome, SCENARIOS, Stage, Subject};
use crate::image::Layout;
use crate::kernel::{self, Messages};
use crate::{Error, image};
use printed::{Output, json_line, show};

/// Options of QEMU's that name a system to start.
const STARTS_ANOTHER: [&str; 5] = ["-kernel", "-drive", "-hda", "-cdrom", "-bios"];

/// Plays scenarios and returns the exit status: 0 if all held.
pub(super) fn run(arguments: &EvilArguments) -> Result<u8, Box<dyn std::error::Error>> {
    if arguments.scenarios.iter().any(|name| name == "list") {
        show(&list());
        return Ok(0);
    }
    let other = arguments.image.is_some()
        || arguments.arguments.iter().any(|word| STARTS_ANOTHER.iter().any(|option| word == option));
    let subject = if other { Subject::Any } else { Subject::Ours };
    let chosen = evil::choose(&arguments.scenarios, subject)?;
    let qemu = evil::find_qemu(arguments.qemu.as_deref())?;
    arguments.json.iter().try_for_each(|path| check_writable(path))?;
    let stage = Stage {
        qemu,
        image: subject_image(arguments, subject)?,
        subject,
        watch: Duration::from_secs(arguments.seconds),
        arguments: arguments.arguments.clone(),
        seed: arguments.seed,
        steps: arguments.steps,
        stop: stop_on_signals()?,
    };
    show(&format!("{}\n", Finding::heading()));
    let mut record = Record::new(arguments.json.as_ref())?;
    for scenario in chosen {
        scenario.play(&stage, &mut |finding| record.take(&finding))?;
        if stage.stop.load(Ordering::Relaxed) {
            return Ok(INTERRUPTED);
        }
    }
    Ok(record.conclude(arguments.seed))
}

/// One scenario a line, name first.
fn list() -> String {
    SCENARIOS.iter().map(|scenario| format!("{:12}  {}\n", scenario.name, scenario.what)).collect()
}

/// The image to start: the one that was named, none where QEMU's arguments name a system, or ours.
fn subject_image(arguments: &EvilArguments, subject: Subject) -> Result<Option<PathBuf>, Error> {
    match (&arguments.image, subject) {
        (Some(image), _) => {
            File::open(image).map_err(Error::file(image))?;
            Ok(Some(image.clone()))
        }
        (None, Subject::Any) => Ok(None),
        (None, Subject::Ours) => {
            kernel::check_compiler()?;
            image::cached(&kernel::build(arguments.kernel.profile(), Messages::Shown)?, Layout::Bios)
                .map(Some)
        }
    }
}

/// What was found so far: shown as it comes, and counted.
struct Record {
    json: Option<File>,
    held: usize,
    failed: usize,
}

impl Record {
    fn new(json: Option<&PathBuf>) -> Result<Self, Error> {
        let json = json.map(|path| File::create(path).map_err(Error::file(path))).transpose()?;
        Ok(Self { json, held: 0, failed: 0 })
    }

    fn take(&mut self, finding: &Finding) {
        let mut output = Output::new();
        let _ = writeln!(output, "{}", finding.line()).and_then(|()| output.flush());
        if let Some(file) = &mut self.json
            && let Err(error) = json_line::write(file, &finding.json())
        {
            eprintln!("ivt: the JSON file: {error}");
        }
        match finding.outcome {
            Outcome::Failed => self.failed += 1,
            Outcome::Held | Outcome::Measured => self.held += 1,
        }
    }

    /// The last line, and the exit status.
    fn conclude(&self, seed: u64) -> u8 {
        show(&format!("{} held, {} failed (seed {seed})\n", self.held, self.failed));
        u8::from(self.failed > 0 || self.held == 0)
    }
}
