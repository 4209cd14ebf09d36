//! What is done about a fault.

use dma_types::Bdf;
use options::Policy;
use report::Action;

use crate::Notice;

/// What is known of a fault when it is decided what to do about it. `D` stands for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case<D> {
    /// The function held responsible; `None` for an id that no function carries.
    pub suspect: Option<D>,
    /// The policy that applies to it, or to requesters that nobody knows.
    pub policy: Policy,
    /// Whether somebody caused it on purpose.
    pub notice: Option<Notice>,
    /// How many came before it.
    pub rate: Rate,
}

/// Whether a sender's faults come too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// They do not.
    Bearable,
    /// They do.
    Storm {
        /// The port that they came through, where their ids are ones that no function carries.
        through: Option<Bdf>,
    },
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<D> {
    /// The answer, as the report names it.
    pub action: Action,
    /// Who is stopped.
    pub measure: Measure<D>,
}

/// Who is stopped for a fault, beside the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure<D> {
    /// Nobody.
    Nothing,
    /// A function, and all that share an id with it.
    Contain(D),
    /// Everybody behind a port, since it cannot be told who of them it was.
    Close(Bdf),
}

/// Decides what to do: an announced fault is nobody's violation; a storm is contained even where the policy only logs.
/// One of ids that no function carries costs the port that they came through.
pub fn decide<D>(case: Case<D>) -> Decision<D> {
    let Case { suspect, policy, notice, rate } = case;
    let (action, measure) = match (policy, suspect, rate) {
        _ if notice == Some(Notice::Announced) => (Action::Expected, Measure::Nothing),
        (Policy::Bugcheck, _, _) => (Action::Bugcheck, Measure::Nothing),
        (Policy::Contain | Policy::Log, _, Rate::Storm { through: Some(port) }) => {
            (Action::Contained, Measure::Close(port))
        }
        (Policy::Contain, Some(suspect), _) | (Policy::Log, Some(suspect), Rate::Storm { .. }) => {
            (Action::Contained, Measure::Contain(suspect))
        }
        (Policy::Contain | Policy::Log, _, _) => (Action::Logged, Measure::Nothing),
    };
    Decision { action, measure }
}

/// Whether a sender is stopped before its fault is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// It loses bus mastering at once.
    AtOnce,
    /// That is decided with the verdict.
    Later,
}

/// Tells whether the sender is stopped at once, by the policies of the functions whose requests may carry the id: if
/// each of them would be stopped for the fault, there is nothing to find out first. They are all cut off together.
pub fn cannot_wait(notice: Option<Notice>, policies: impl IntoIterator<Item = Policy>) -> Haste {
    let mut policies = policies.into_iter().peekable();
    let somebody = notice != Some(Notice::Announced) && policies.peek().is_some();
    if somebody && policies.all(|policy| policy != Policy::Log) { Haste::AtOnce } else { Haste::Later }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "a device";
    const STORM: Rate = Rate::Storm { through: None };

    fn port() -> Bdf {
        "00:1c.0".parse().unwrap()
    }

    fn answer(policy: Policy, suspect: Option<&'static str>, rate: Rate) -> (Action, Measure<&'static str>) {
        let Decision { action, measure } = decide(Case { suspect, policy, notice: None, rate });
        (action, measure)
    }

    #[test]
    fn what_was_announced_is_nobodys_violation() {
        for policy in [Policy::Bugcheck, Policy::Contain, Policy::Log] {
            for rate in [Rate::Bearable, STORM, Rate::Storm { through: Some(port()) }] {
                let case = Case { suspect: Some(DEVICE), policy, notice: Some(Notice::Announced), rate };
                assert_eq!(decide(case), Decision { action: Action::Expected, measure: Measure::Nothing });
                let unknown = Case { suspect: None, notice: Some(Notice::Silent), ..case };
                assert_ne!(decide(unknown).action, Action::Expected);
            }
        }
    }

    #[test]
    fn the_policy_decides_about_a_single_fault() {
        let single = |policy| answer(policy, Some(DEVICE), Rate::Bearable);
        assert_eq!(single(Policy::Bugcheck), (Action::Bugcheck, Measure::Nothing));
        assert_eq!(single(Policy::Contain), (Action::Contained, Measure::Contain(DEVICE)));
        assert_eq!(single(Policy::Log), (Action::Logged, Measure::Nothing));
    }

    #[test]
    fn a_storm_is_contained_where_the_policy_only_logs_and_stops_where_it_stops() {
        assert_eq!(answer(Policy::Log, Some(DEVICE), STORM), (Action::Contained, Measure::Contain(DEVICE)));
        assert_eq!(answer(Policy::Bugcheck, Some(DEVICE), STORM), (Action::Bugcheck, Measure::Nothing));
    }

    #[test]
    fn made_up_ids_cost_their_port_and_only_in_a_storm() {
        for policy in [Policy::Contain, Policy::Log] {
            assert_eq!(answer(policy, None, Rate::Bearable), (Action::Logged, Measure::Nothing));
            assert_eq!(answer(policy, None, STORM), (Action::Logged, Measure::Nothing));
            let through = Rate::Storm { through: Some(port()) };
            assert_eq!(answer(policy, None, through), (Action::Contained, Measure::Close(port())));
        }
        assert_eq!(answer(Policy::Bugcheck, None, Rate::Bearable), (Action::Bugcheck, Measure::Nothing));
    }

    #[test]
    fn who_is_stopped_whatever_comes_out_is_stopped_at_once() {
        use Policy::{Bugcheck, Contain, Log};
        for (notice, policies, haste) in [
            (None, &[Contain][..], Haste::AtOnce),
            (None, &[Bugcheck, Contain], Haste::AtOnce),
            (Some(Notice::Silent), &[Bugcheck], Haste::AtOnce),
            (Some(Notice::Announced), &[Bugcheck], Haste::Later),
            (None, &[Contain, Log], Haste::Later),
            (None, &[Log], Haste::Later),
            (None, &[], Haste::Later),
        ] {
            assert_eq!(cannot_wait(notice, policies.iter().copied()), haste, "{notice:?} {policies:?}");
        }
    }
}
