//! Whether the proof would see a leak: the same transfers, with the target mapped on purpose.
#![expect(unsafe_code, reason = "UNSAFETY: maps what the controller must not reach, to see that it shows")]

use dma_types::{Access, Permissions};

use super::outcome::Mishap;
use super::target::{Kind, Target};
use super::{Plan, Proof};
use crate::devices::Overreach;

/// A transfer to memory of nobody's that the controller can reach all the same must come out as what it is: memory
/// changed, or told.
pub(super) fn sees_leaks(proof: &mut Proof) -> Result<(), Mishap> {
    for access in [Access::Write, Access::Read] {
        let bytes = proof.block_bytes();
        let plan = Plan { access, block: 0, blocks: 1, bytes, offset: 0 };
        let target = Target::prepare(proof, Kind::Unmapped, plan)?;
        let judged = match reachable(proof, &target) {
            Ok(judged) => judged,
            Err(mishap) => {
                // The controller may still reach it, so it is never used again.
                core::mem::forget(target);
                return Err(mishap);
            }
        };
        target.finish()?;
        match (access, judged) {
            (Access::Write, Err(Mishap::Changed)) | (Access::Read, Err(Mishap::Told)) => {}
            _ => return Err(Mishap::Broken("seeing a leak that was made on purpose")),
        }
    }
    Ok(())
}

/// Maps the target for the controller, judges a transfer there as if it were not, and unmaps it.
fn reachable(proof: &Proof, target: &Target) -> Result<Result<(), Mishap>, Mishap> {
    let domain = Overreach::dma(proof.nvme).domain();
    let (space, (memory, bytes)) = (domain.space(), target.memory);
    let iova = target.at.page();
    // SAFETY: memory of the target, which the caller keeps for good where this fails.
    let mapped = unsafe { space.map(iova, memory, bytes, Permissions::READ_WRITE) };
    mapped.map_err(|_| Mishap::Broken("mapping"))?;
    let judged = proof.forbidden(target);
    space.unmap(iova, bytes).map_err(|_| Mishap::Broken("unmapping"))?;
    Ok(judged)
}
