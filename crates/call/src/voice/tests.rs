use proptest::prelude::*;

use super::*;

const PACE: u32 = 15;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn sound(ms: usize) -> Bytes {
    vec![0xff; ms * 8].into()
}

fn reply(part: u32) -> Clip {
    Clip::Reply { turn: TurnId(1), part }
}

fn played(orders: &[ToCarrier]) -> usize {
    let bytes = orders.iter().map(|order| match order {
        ToCarrier::Play(audio) => audio.len(),
        ToCarrier::Say { .. }
        | ToCarrier::Mark(_)
        | ToCarrier::Clear
        | ToCarrier::Press(_)
        | ToCarrier::Leave(_) => 0,
    });
    bytes.sum::<usize>() / 8
}

/// The far end of the line: plays what it gets in the time that it takes, and reports marks that
/// arrive a little later.
#[derive(Default)]
struct Speaker {
    /// When everything that was sent will have been played, and how much that is, in milliseconds.
    until: u64,
    got: u64,
    marks: VecDeque<(u64, u64)>,
}

impl Speaker {
    fn take(&mut self, ms: u64, orders: Vec<ToCarrier>, jitter: &mut impl Iterator<Item = u64>) {
        for order in orders {
            match order {
                ToCarrier::Play(audio) => {
                    let takes = audio.len() as u64 / PER_MS;
                    self.until = self.until.max(ms) + takes;
                    self.got += takes;
                }
                ToCarrier::Mark(mark) => {
                    let reported = self.until.max(ms) + jitter.next().unwrap_or(0);
                    let last = self.marks.back().map_or(0, |(at, _)| *at);
                    self.marks.push_back((reported.max(last), mark));
                }
                ToCarrier::Say { .. }
                | ToCarrier::Clear
                | ToCarrier::Press(_)
                | ToCarrier::Leave(_) => {
                    panic!("not an order of a voice that is not cut: {order:?}")
                }
            }
        }
    }

    fn played(&self, ms: u64) -> u64 {
        self.got - self.until.saturating_sub(ms).min(self.got)
    }
}

#[test]
fn sound_is_played_in_the_order_in_which_it_was_asked_for() {
    let (now, mut voice) = (start(), Voice::default());
    let words = voice.speak("One moment, please.", true);
    voice.reply(TurnId(1), "Of course.");
    assert_eq!(
        played(&voice.sound(now, reply(0), sound(500))),
        0,
        "it waits for what is before it"
    );
    assert_eq!(played(&voice.sound(now, Clip::Words(words), sound(300))), 300);
    assert_eq!(played(&voice.complete(now, words)), 500);
    assert_eq!(played(&voice.press(now, "1")), 0, "more of the reply may come");
    assert_eq!(played(&voice.close(now, TurnId(1))), 160);
}

#[test]
fn what_was_heard_to_its_end_is_not_truncated() {
    let (now, mut voice) = (start(), Voice::default());
    voice.reply(TurnId(1), "Of course.");
    voice.sound(now, reply(0), sound(500));
    voice.close(now, TurnId(1));
    let cut = voice.clone().cut(now + Duration::from_millis(500));
    assert!(cut.line.is_none() && cut.model.is_empty(), "{cut:?}");
    let cut = voice.cut(now + Duration::from_millis(499));
    let (turn, part, heard) = (TurnId(1), 0, Duration::from_millis(499));
    assert_eq!(cut.model, [ToModel::Truncate { turn, part, heard }]);
    assert_eq!(cut.line, Some(ToCarrier::Clear));
}

#[test]
fn of_several_parts_the_one_that_sounded_is_truncated_and_later_ones_are_forgotten() {
    let (now, mut voice) = (start(), Voice::default());
    voice.reply(TurnId(1), "One. Two. Three.");
    for part in 0..3 {
        voice.sound(now, reply(part), sound(500));
    }
    let (turn, heard) = (TurnId(1), Duration::from_millis(200));
    let cut = voice.clone().cut(now + Duration::from_millis(700));
    let truncate = ToModel::Truncate { turn, part: 1, heard };
    assert_eq!(cut.model, [truncate, ToModel::Forget { turn, part: 2 }]);
    // More of the last part may have been made than came.
    let cut = voice.cut(now + Duration::from_millis(1500));
    let heard = Duration::from_millis(500);
    assert_eq!(cut.model, [ToModel::Truncate { turn, part: 2, heard }]);
}

#[test]
fn words_that_are_not_said_are_asked_for_again_once_and_never_heard() {
    let (now, mut voice) = (start(), Voice::default());
    let words = voice.speak("Goodbye.", true);
    let again = voice.ask_again(words).expect("once more");
    assert!(again > words && voice.ask_again(again).is_none());
    voice.complete(now, again);
    let later = Some(now + Duration::from_mins(1));
    assert!(voice.take_heard(later, PACE).is_empty());
}

#[test]
fn a_reply_that_breaks_off_ends_with_the_words_that_have_their_sound() {
    let (now, mut voice) = (start(), Voice::default());
    voice.reply(TurnId(1), "One two three four five six seven eight nine ten.");
    voice.sound(now, reply(0), sound(400));
    let (bytes, _) = voice.break_off(now, TurnId(1), PACE).unwrap();
    assert_eq!(bytes, 3);
    assert_eq!(voice.take_heard(Some(now + Duration::from_millis(400)), PACE), ["One"]);
    voice.reply(TurnId(2), "One two three.");
    assert_eq!(voice.break_off(now, TurnId(2), PACE), Some((0, Vec::new())), "without any sound");
    assert!(!voice.is_awaited());
}

#[test]
fn marks_that_come_back_because_of_a_cut_count_for_nothing() {
    let (now, mut voice) = (start(), Voice::default());
    voice.reply(TurnId(1), "One two three four five six.");
    voice.sound(now, reply(0), sound(4000));
    let later = now + Duration::from_secs(1);
    voice.cut(later);
    voice.marked(later, 1);
    voice.marked(later, 2);
    assert!(voice.take_heard(Some(later), PACE).is_empty());
    assert_eq!(voice.remaining(later), Duration::ZERO);
}

#[test]
fn words_are_told_as_their_sound_is_played() {
    let (now, mut voice) = (start(), Voice::default());
    voice.reply(TurnId(1), "One two three four.");
    let orders = voice.sound(now, reply(0), sound(2000));
    voice.close(now, TurnId(1));
    assert_eq!(played(&orders), 2000);
    assert!(voice.take_heard(Some(now), PACE).is_empty());
    let middle = voice.take_heard(Some(now + Duration::from_secs(1)), PACE);
    assert_eq!(middle, ["One two"]);
    let rest = voice.take_heard(Some(now + Duration::from_secs(2)), PACE);
    assert_eq!(rest, [" three four."]);
}

#[test]
fn a_transcript_that_runs_ahead_of_its_sound_is_not_taken_for_heard() {
    let (now, mut voice) = (start(), Voice::default());
    voice.reply(TurnId(1), "One two three four five six seven eight nine ten.");
    voice.sound(now, reply(0), sound(400));
    let heard = voice.take_heard(Some(now + Duration::from_secs(5)), PACE);
    assert_eq!(heard, ["One"], "50 letters take more than three seconds");
}

#[test]
fn any_bytes_as_a_transcript_are_cut_at_a_boundary() {
    for text in ["", " ", "é é é", "日本語 のテキスト", "5550123", "\u{1f600} ok"] {
        for heard in 0..20 {
            let end = words_by(text, heard, 19);
            assert!(text.is_char_boundary(end), "{text:?} at {heard}");
        }
        assert_eq!(words_by(text, 19, 19), text.len(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever pieces the sound comes in, and however late marks are reported, a cut at any moment
    /// is known within 60 ms.
    #[test]
    fn a_cut_is_known_within_60_ms(
        pieces in prop::collection::vec((0_u64..300, 20_usize..400), 1..12),
        jitters in prop::collection::vec(0_u64..50, 40),
        cut_at in 0_u64..5000,
    ) {
        let (begin, mut voice, mut speaker) = (start(), Voice::default(), Speaker::default());
        let mut jitter = jitters.into_iter().cycle();
        let at = |ms| begin + Duration::from_millis(ms);
        voice.reply(TurnId(1), "I am sorry to hear that. I can block the card for you.");
        let mut pieces = pieces.into_iter().scan(0, |ms, (pause, length)| {
            *ms += pause;
            Some((*ms, length))
        }).peekable();
        for ms in 0..cut_at {
            while let Some((_, length)) = pieces.next_if(|(due, _)| *due <= ms) {
                let orders = voice.sound(at(ms), reply(0), sound(length));
                speaker.take(ms, orders, &mut jitter);
            }
            while let Some((_, mark)) = speaker.marks.pop_front_if(|(due, _)| *due <= ms) {
                voice.marked(at(ms), mark);
            }
        }
        let (heard, known) = (speaker.played(cut_at), voice.line.position(at(cut_at)) / PER_MS);
        prop_assert!(known.abs_diff(heard) <= 60, "{known} ms for {heard} ms");
        prop_assert!(known <= speaker.got);
    }
}
