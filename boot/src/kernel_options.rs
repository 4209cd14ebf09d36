//! The text of kernel options that a run hands over.

/// Longest text that the kernel reads.
const MAX_BYTES: usize = 4096;

/// Why an options text cannot be handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// There is a script beside the options, and one in them.
    #[error("the kernel options hold a script already; give the commands in one place")]
    TwoScripts,
    /// A script stands in double quotes, which it cannot hold itself.
    #[error("a script cannot hold a double quote")]
    QuoteInScript,
    /// A quote in the options is never closed, so that the script would be taken for a part of them.
    #[error("the kernel options open a double quote that they do not close")]
    OpenQuote,
    /// There is no such option: said in the kernel's own words.
    #[error("{0}")]
    Unknown(String),
    /// More than the kernel reads.
    #[error("the kernel options are {0} bytes long; at most {MAX_BYTES} are read")]
    TooLong(usize),
}

/// Joins options and a script of console commands into one text. An empty script switches off at once.
///
/// # Errors
/// If the two contradict each other or the kernel could not read the result.
pub fn compose(options: &str, script: Option<&str>) -> Result<String, OptionsError> {
    let mut text = options.to_owned();
    if let Some(script) = script {
        if own_script(options).is_some() {
            return Err(OptionsError::TwoScripts);
        }
        if script.contains('"') {
            return Err(OptionsError::QuoteInScript);
        }
        let script = if options::script_lines(script).next().is_some() { script } else { "poweroff" };
        // On a line of its own, lest a comment at the options' end swallow it.
        let separator = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{separator}script=\"{script}\""));
        // Of what is too long, nothing is read.
        if text.len() <= MAX_BYTES && own_script(&text).as_deref() != Some(script) {
            return Err(OptionsError::OpenQuote);
        }
    }
    if text.len() > MAX_BYTES { Err(OptionsError::TooLong(text.len())) } else { Ok(text) }
}

/// Looks for options that the kernel does not have, which it would pass over with a warning.
///
/// # Errors
/// With the first of them.
pub fn refuse_unknown(text: &str) -> Result<(), OptionsError> {
    let mut unknown = None;
    options::Options::parse(None, Some(text.as_bytes()), &mut |complaint| {
        if matches!(complaint.mistake, options::Mistake::UnknownOption { .. }) && unknown.is_none() {
            unknown = Some(complaint.mistake.to_string());
        }
    });
    unknown.map_or(Ok(()), |words| Err(OptionsError::Unknown(words)))
}

/// The script that an options text holds.
pub(crate) fn own_script(text: &str) -> Option<String> {
    parse(text).script.map(str::to_owned)
}

/// Reads options as the kernel will; it is the kernel that complains about mistakes in them.
fn parse(text: &str) -> options::Options<'_> {
    options::Options::parse(None, Some(text.as_bytes()), &mut |_| ())
}

/// Whether the options send the report to QEMU's debug port instead of COM2.
pub(crate) fn reports_to_debug_port(text: &str) -> bool {
    parse(text).report == options::ReportTarget::DebugCon
}

/// Whether a script runs the kernel's own tests, some of which cause faults on purpose.
pub fn provokes_faults(script: &str) -> bool {
    options::script_lines(script)
        .any(|line| matches!(line.split_whitespace().next(), Some("selftest" | "bench")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_quoted_behind_the_options() {
        assert_eq!(compose("", None).unwrap(), "");
        assert_eq!(compose("policy=log", None).unwrap(), "policy=log");
        assert_eq!(compose("policy=\"log", Some("units")), Err(OptionsError::OpenQuote));
        assert_eq!(compose("", Some("units; faults")).unwrap(), "script=\"units; faults\"");
        let text = compose("policy=log # why", Some("units")).unwrap();
        assert_eq!(own_script(&text).as_deref(), Some("units"));
    }

    #[test]
    fn an_empty_script_still_switches_off() {
        assert_eq!(compose("", Some(" ; ")).unwrap(), "script=\"poweroff\"");
    }

    #[test]
    fn what_the_kernel_could_not_read_is_refused() {
        assert_eq!(compose("script=units", Some("units")), Err(OptionsError::TwoScripts));
        assert_eq!(compose("", Some("say \"x\"")), Err(OptionsError::QuoteInScript));
        assert_eq!(compose(&"x".repeat(4097), None), Err(OptionsError::TooLong(4097)));
        assert_eq!(compose("", Some(&"u;".repeat(2048))), Err(OptionsError::TooLong(4105)));
        assert!(compose("# no script=here", Some("units")).is_ok());
    }

    #[test]
    fn an_option_that_the_kernel_does_not_have_is_refused_with_the_one_that_was_meant() {
        let refused = |text| refuse_unknown(text).map_err(|error| error.to_string());
        assert_eq!(refused("policy=log storm=never"), Ok(()), "the kernel complains about values itself");
        assert_eq!(refused(""), Ok(()));
        assert_eq!(
            refused("drill=off polcy=log trusted=00:03.0"),
            Err("unknown option 'polcy'; did you mean 'policy'?".to_owned())
        );
    }

    /// The file starts the same machine as none does, and so does each of its options once it is used as it stands there.
    #[test]
    fn every_option_stands_in_the_sticks_file_and_in_the_documentation() {
        let file = include_str!("options.txt");
        let table = include_str!("../../docs/options.md");
        for key in options::OptionKey::ALL {
            assert!(file.contains(&format!("\n#{key}=")), "{key}");
            assert!(table.contains(&format!("\n| `{key}` |")), "{key}");
        }
        assert_eq!(parse(file), options::Options::default());
        let used = file
            .replace("\n#", "\n")
            .lines()
            .filter(|line| line.contains('=') && !line.contains(' '))
            .collect::<Vec<_>>()
            .join("\n");
        options::Options::parse(None, Some(used.as_bytes()), &mut |complaint| panic!("{complaint}"));
        assert!(file.len() <= MAX_BYTES);
    }

    #[test]
    fn selftest_is_recognised_as_a_command_only() {
        assert!(provokes_faults("units; selftest faults"));
        assert!(provokes_faults("bench"));
        assert!(!provokes_faults("units; help"));
    }
}
