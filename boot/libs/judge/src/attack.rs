//! Judges one attack: a device told to overreach.

use ::report::{Drill, DrillResult};

/// What is wrong with an attack's outcome; `None` if it came out as it should, or could not be tried.
pub(super) fn shortfall(drill: &Drill<'_>) -> Option<String> {
    let what = match drill.result {
        DrillResult::NotPossible => return None,
        DrillResult::Leaked => "LEAKED".to_owned(),
        DrillResult::Blocked if is_canary(drill) && drill.before != drill.after => {
            "blocked, but the canary changed".to_owned()
        }
        DrillResult::Blocked => wrong_verdict(drill)?,
    };
    let bdf = drill.bdf.map_or("no device".to_owned(), |bdf| bdf.0.to_string());
    Some(format!("{bdf} against {}: {what}", drill.target.as_deref().unwrap_or("nothing")))
}

fn is_canary(drill: &Drill<'_>) -> bool {
    drill.target.as_deref() == Some("canary")
}

fn wrong_verdict(drill: &Drill<'_>) -> Option<String> {
    // Without a fault there is nothing to have a verdict on.
    drill.expected_fault.as_ref()?;
    let expected = expected_verdict(drill.target.as_deref()?)?;
    let verdict = drill.verdict.as_deref();
    (verdict != Some(expected))
        .then(|| format!("verdict {} instead of {expected}", verdict.unwrap_or("none")))
}

/// The verdict that a target must lead to; an address may lead to any.
fn expected_verdict(target: &str) -> Option<&'static str> {
    Some(match target {
        "canary" | "kernel" | "tables" => "never-mapped",
        "freed" => "stale",
        "foreign" => "foreign",
        "wrong-direction" => "wrong-direction",
        "past-end" => "overrun",
        "interrupt" => "interrupt",
        _ => return None,
    })
}
