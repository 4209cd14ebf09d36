//! Whether a leak would be seen: the same attack, with the target mapped on purpose.

use alloc::vec::Vec;

use dma_types::Access;
use options::Target;

use super::{check, some_device};
use crate::probe::{Judgement, Notice, Order, Sabotage, run_probes};

const NAME: &str = "leak-detector";

/// Reading and writing must both come out as leaked.
pub(super) fn run() {
    let Some(device) = some_device(NAME) else { return };
    let order = |access| Order {
        command: None,
        notice: Notice::Announced,
        access,
        target: Target::Canary,
        sabotage: Sabotage::MapTarget,
    };
    let judge = |access| run_probes(&[device], order(access));
    let judgements: Vec<_> = [Access::Read, Access::Write].into_iter().flat_map(judge).collect();
    let seen = judgements.iter().all(|judgement| *judgement == Judgement::Leaked);
    check(NAME, if seen { Ok(()) } else { Err("a device that could reach the target was not caught") });
}
