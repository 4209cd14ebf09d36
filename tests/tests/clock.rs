//! Time on machines that lack a timer.
//!
//! Machine: the default one without an 8254 interval timer, and without a HPET too.

use tests::Run;

/// The count of a timer that is not there is over at once. A kernel that believes it has no time for anything.
#[test]
fn a_missing_interval_timer_is_no_measurement() {
    for timers in ["pit=off", "pit=off,hpet=off"] {
        let outcome =
            Run::new().qemu_arguments(&["-machine", timers]).script("attack 00:03.0 write freed").go();
        outcome.assert_status(0);
        assert!(outcome.serial.contains("measured against the power management timer"), "{}", outcome.serial);
        // Each of four devices with a driver; and a run takes seconds, not days.
        assert_eq!(outcome.attacks("drill").len(), 6, "{timers}");
        assert!(outcome.end()["t"].as_u64().unwrap() < 240_000_000_000, "{:?}", outcome.end());
    }
}
