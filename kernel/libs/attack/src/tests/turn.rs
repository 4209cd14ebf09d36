//! Who waits for whom.

use crate::*;

#[test]
fn nobody_strikes_into_the_record_of_one_that_strikes_again() {
    use Others::{Quiet, Striking, StrikingAgain};
    let may = |waits: WaitsFor| {
        [Quiet, Striking, StrikingAgain]
            .map(|others| [Pause::Lasts, Pause::Over].map(|pause| waits.is_over(pause, others)))
    };
    assert_eq!(may(WaitsFor::Nothing), [[true; 2]; 3]);
    assert_eq!(may(WaitsFor::Pause), [[false, true], [false, true], [false, false]]);
    assert_eq!(may(WaitsFor::Solitude), [[true, true], [false, false], [false, false]]);
}
