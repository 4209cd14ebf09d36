//! A console that answers whatever else the machine and its user do.
//!
//! Machine: the default one.

use std::time::Duration;

use tests::Run;

/// Where instructions drive the clock, the timer rings at the same points in each run, and at every one of them. A
/// kernel that sleeps for ever does not end by itself.
#[test]
fn a_rest_ends_however_soon_the_timer_rings() {
    for run in [Run::new().instruction_clock(), Run::new()] {
        let outcome = run.options("drill=off").script("selftest rest").limit(Duration::from_secs(120)).go();
        outcome.assert_status(0);
        assert_eq!(outcome.check("rest")["result"], "pass");
    }
}
