//! A driver that misuses [`Loans`]: each function breaks one rule.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: follows a bare pointer, as the drivers do that this one stands for"
)]

use dma_types::{Direction, Iova};

use super::{FEW, IN, LABEL, OUT, filled};
use crate::dma::{DmaError, Loans};

pub(super) fn free_twice(loans: &Loans) -> Result<(), DmaError> {
    let common = loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
    loans.free(common, FEW)?;
    loans.free(common, FEW)
}

pub(super) fn give_back_twice(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.give_back(iova, &mut bytes, OUT)?;
    loans.give_back(iova, &mut bytes, OUT)
}

pub(super) fn leave_common(loans: &Loans) -> Result<(), DmaError> {
    loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
    loans.close();
    Ok(())
}

pub(super) fn leave_loan(loans: &Loans) -> Result<(), DmaError> {
    loans.lend(&filled(), OUT, LABEL)?;
    loans.close();
    Ok(())
}

pub(super) fn free_while_mapped(loans: &Loans) -> Result<(), DmaError> {
    let common = loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
    // SAFETY: common memory holds as many bytes, is there until it is freed, and the device was told nothing of it.
    let lent = unsafe { core::slice::from_raw_parts(common.memory.as_ptr(), FEW / 2) };
    loans.lend(lent, OUT, LABEL)?;
    loans.free(common, FEW)
}

pub(super) fn sync_after_return(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, IN, LABEL)?;
    loans.give_back(iova, &mut bytes, IN)?;
    loans.sync_for_driver(iova, 0, &mut bytes)
}

pub(super) fn use_after_release(loans: &Loans) -> Result<(), DmaError> {
    loans.close();
    loans.lend(&filled(), OUT, LABEL).map(drop)
}

pub(super) fn lend_twice(loans: &Loans) -> Result<(), DmaError> {
    let bytes = filled();
    loans.lend(&bytes, OUT, LABEL)?;
    loans.lend(&bytes[FEW / 2..], OUT, LABEL).map(drop)
}

pub(super) fn give_back_never_lent(loans: &Loans) -> Result<(), DmaError> {
    loans.give_back(Iova::new(0x1000), &mut filled(), OUT)
}

pub(super) fn lend_nothing(loans: &Loans) -> Result<(), DmaError> {
    loans.lend(&[], OUT, LABEL).map(drop)
}

pub(super) fn give_back_other_way(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.give_back(iova, &mut bytes, IN)
}

pub(super) fn give_back_less(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.give_back(iova, &mut bytes[..FEW / 2], OUT)
}

pub(super) fn sync_outside(loans: &Loans) -> Result<(), DmaError> {
    let bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.sync_for_device(iova, FEW / 2, &bytes)
}

pub(super) fn lend_image(loans: &Loans) -> Result<(), DmaError> {
    loans.lend(LABEL.as_bytes(), OUT, LABEL).map(drop)
}

pub(super) fn lend_stack(loans: &Loans) -> Result<(), DmaError> {
    let bytes = core::hint::black_box([1; FEW]);
    loans.lend(&bytes, OUT, LABEL).map(drop)
}
