//! Whether a leak would be seen: the same attacks, with the target exposed on purpose.

use dma_types::Access;
use options::Target;

use super::{check, some_device};
use crate::probe::{Judgement, Notice, Order, Sabotage, run_probes};

const NAME: &str = "leak-detector";

/// Reading and writing must both come out as leaked.
pub(super) fn run() {
    let Some(device) = some_device(NAME) else { return };
    let order = |target, access| Order {
        command: None,
        notice: Notice::Announced,
        access,
        target,
        sabotage: Sabotage::MapTarget,
    };
    let judge = |target| {
        let both = [Access::Read, Access::Write].into_iter();
        both.flat_map(move |access| run_probes(&[device], order(target, access)))
    };
    let mut judgements = [Target::Canary, Target::Neighbour].into_iter().flat_map(judge);
    let seen = judgements.all(|judgement| judgement == Judgement::Leaked);
    check(NAME, if seen { Ok(()) } else { Err("a device that could reach the target was not caught") });
}
