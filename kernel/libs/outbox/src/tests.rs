use super::{Full, Outbox, Patience};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec::Vec;

const ROOM: usize = 24;

fn waiting(outbox: &mut Outbox<ROOM>) -> Vec<u8> {
    let mut all = Vec::new();
    while !outbox.is_empty() {
        let piece = outbox.next().to_vec();
        assert!(!piece.is_empty());
        outbox.sent(piece.len());
        all.extend(piece);
    }
    all
}

#[test]
fn a_text_goes_in_whole_or_not_at_all() {
    let mut outbox = Outbox::<ROOM>::new();
    outbox.push(b"twenty bytes of text").unwrap();
    assert_eq!(outbox.push(b"five."), Err(Full));
    assert_eq!(outbox.print(format_args!("{}{}", "ab", "cde")), Err(Full));
    outbox.push(b"four").unwrap();
    assert_eq!((outbox.lost(), outbox.room()), (2, 0));
    assert_eq!(waiting(&mut outbox), b"twenty bytes of textfour");
    outbox.told_of_lost(2);
    assert_eq!((outbox.lost(), outbox.room()), (0, ROOM));
}

#[test]
fn a_terminal_is_told_to_go_back() {
    let mut outbox = Outbox::<ROOM>::new();
    outbox.print(format_args!("\na\n{}\n", 7)).unwrap();
    assert_eq!(waiting(&mut outbox), b"\r\na\r\n7\r\n");
}

#[test]
fn a_value_that_does_not_show_itself_leaves_nothing() {
    struct Mute;
    impl core::fmt::Display for Mute {
        fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            Err(core::fmt::Error)
        }
    }
    let mut outbox = Outbox::<ROOM>::new();
    assert_eq!(outbox.print(format_args!("half {Mute}")), Err(Full));
    assert!(outbox.is_empty());
}

#[test]
fn a_port_is_waited_for_two_seconds_and_welcome_again() {
    let mut patience = Patience::new();
    // A processor that had no turn for long has not looked.
    patience.note_standstill(0);
    patience.note_standstill(60_000_000_000);
    assert!(!patience.is_exhausted());
    patience.note_progress();
    let look = 400_000;
    let mut now = 0;
    while !patience.is_exhausted() {
        patience.note_standstill(now);
        now += look;
    }
    assert!((2_000_000_000..2_001_000_000).contains(&now), "{now}");
    patience.note_progress();
    assert!(!patience.is_exhausted());
}

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Print(std::string::String),
    Send(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..30).prop_map(Step::Push),
        "[a-c\n]{0,14}".prop_map(Step::Print),
        (0..40_usize).prop_map(Step::Send),
    ]
}

proptest! {
    /// The ring is a queue of bytes that refuses what it has no room for.
    #[test]
    fn what_goes_in_comes_out_in_order(steps in proptest::collection::vec(step(), 0..200)) {
        let mut outbox = Outbox::<ROOM>::new();
        let mut model = VecDeque::new();
        let mut lost = 0;
        for step in steps {
            let (text, result) = match step {
                Step::Send(bytes) => {
                    let piece = outbox.next().to_vec();
                    prop_assert_eq!(piece.is_empty(), model.is_empty());
                    let bytes = bytes.min(piece.len());
                    outbox.sent(bytes);
                    prop_assert!(model.drain(..bytes).eq(piece.into_iter().take(bytes)));
                    continue;
                }
                Step::Push(bytes) => { let result = outbox.push(&bytes); (bytes, result) }
                Step::Print(text) => {
                    (text.replace('\n', "\r\n").into_bytes(), outbox.print(format_args!("{text}")))
                }
            };
            let fits = text.len() <= ROOM - model.len();
            prop_assert_eq!(result.is_ok(), fits);
            if fits { model.extend(text) } else { lost += 1 }
            prop_assert_eq!((outbox.lost(), outbox.room()), (lost, ROOM - model.len()));
        }
        prop_assert!(model.into_iter().eq(waiting(&mut outbox)));
    }
}
