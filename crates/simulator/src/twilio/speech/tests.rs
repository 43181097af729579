use super::*;

const PACE: Pace = Pace {
    chars_per_second: 10.0,
    first_sound_ms: 300,
    digits_ms: 2000,
    hold_ms: 700,
    play_ms: 3000,
};

struct Bench {
    speaker: Speaker,
    out: Vec<SpeechEvent>,
}

impl Bench {
    fn new() -> Self {
        Self { speaker: Speaker::new(PACE, 0), out: Vec::new() }
    }

    fn say(&mut self, now_ms: u64, token: &str, last: bool) {
        self.say_with(now_ms, token, last, Flags::default());
    }

    fn say_with(&mut self, now_ms: u64, token: &str, last: bool, flags: Flags) {
        self.run_to(now_ms);
        self.speaker.text(now_ms, token, last, (Input::Any, false), flags, &mut self.out);
    }

    /// Advances to each time that the speaker asks for, as a timer does.
    fn run_to(&mut self, now_ms: u64) {
        for _ in 0..10_000 {
            match self.speaker.next_ms() {
                Some(next_ms) if next_ms <= now_ms => self.speaker.advance(next_ms, &mut self.out),
                Some(_) | None => return self.speaker.advance(now_ms, &mut self.out),
            }
        }
        panic!("the speaker does not advance");
    }

    fn played(&self) -> Vec<(u64, u64, &str)> {
        let pieces = self.out.iter().filter_map(|sound| match sound {
            SpeechEvent::Played(piece) => {
                Some((piece.from_ms, piece.until_ms, piece.text.as_str()))
            }
            SpeechEvent::Started { .. } | SpeechEvent::Stopped { .. } => None,
        });
        pieces.collect()
    }

    fn switches(&self) -> Vec<(u64, bool)> {
        let switches = self.out.iter().filter_map(|sound| match sound {
            SpeechEvent::Started { at_ms } => Some((*at_ms, true)),
            SpeechEvent::Stopped { at_ms } => Some((*at_ms, false)),
            SpeechEvent::Played(_) => None,
        });
        switches.collect()
    }
}

#[test]
fn a_reply_is_reported_clause_by_clause_as_it_is_spoken() {
    let mut bench = Bench::new();
    bench.say(0, "Hello, you. Bye.", true);
    bench.run_to(60_000);
    assert_eq!(bench.played(), [(300, 900, "Hello,"), (900, 1400, "you."), (1400, 1900, "Bye.")]);
    assert_eq!(bench.switches(), [(300, true), (1900, false)]);
}

#[test]
fn the_voice_starts_before_the_last_token() {
    let mut bench = Bench::new();
    bench.say(0, "One two three", false);
    bench.run_to(500);
    assert!(bench.speaker.sounding());
    bench.say(600, " four.", true);
    bench.run_to(60_000);
    assert_eq!(bench.played(), [(300, 2200, "One two three four.")]);
    assert_eq!(bench.switches(), [(300, true), (2200, false)]);
}

#[test]
fn many_small_tokens_take_no_longer_than_one_large_one() {
    let text = "A reply that comes in very many small tokens takes its own time.";
    let mut bench = Bench::new();
    for (index, c) in text.chars().enumerate() {
        bench.say(index as u64 * 20, &c.to_string(), false);
    }
    bench.say(2000, "", true);
    bench.run_to(60_000);
    let spoken_ms = text.len() as u64 * 100;
    let began_ms = bench.switches()[0].0;
    assert_eq!(bench.switches()[1], (began_ms + spoken_ms, false));
    assert_eq!(bench.played()[0].2, text);
}

#[test]
fn an_unfinished_word_waits_for_its_end() {
    let mut bench = Bench::new();
    bench.say(0, "one tw", false);
    bench.run_to(700);
    assert_eq!(bench.speaker.spoken(700), 3);
    bench.say(700, "o", true);
    bench.run_to(60_000);
    assert_eq!(bench.played(), [(300, 1100, "one two")]);
}

#[test]
fn a_reply_that_is_never_closed_is_spoken_all_the_same() {
    let mut bench = Bench::new();
    bench.say(0, "Hello there.", false);
    bench.run_to(60_000);
    assert_eq!(bench.played().iter().map(|piece| piece.2).collect::<Vec<_>>(), ["Hello there."]);
    assert!(!bench.speaker.sounding());
    assert_eq!(bench.speaker.next_ms(), None);
}

#[test]
fn an_interruption_drops_everything_and_reports_the_whole_words_heard() {
    let mut bench = Bench::new();
    bench.say(0, "Life is a complex set of things.", true);
    bench.say(0, "More.", true);
    bench.run_to(1_550);
    let cut = bench.speaker.interrupt(1_550, Input::Speech, &mut bench.out);
    // 12.5 characters are spoken: «Life is a co».
    let expected = Cut { utterance: "Life is a".to_owned(), duration_ms: 1_250 };
    assert_eq!(cut, Some(expected));
    assert_eq!(bench.switches(), [(300, true), (1_550, false)]);
    bench.run_to(60_000);
    assert_eq!(bench.played(), [(300, 1_550, "Life is a")]);
    assert_eq!(bench.speaker.next_ms(), None);
}

#[test]
fn the_heard_part_of_an_interrupted_reply_includes_the_clauses_reported_before() {
    let mut bench = Bench::new();
    bench.say(0, "Hello, you there.", true);
    bench.run_to(1_400);
    let cut = bench.speaker.interrupt(1_400, Input::Speech, &mut bench.out).expect("cut");
    assert_eq!(cut.utterance, "Hello, you");
    assert_eq!(bench.played(), [(300, 900, "Hello,"), (900, 1_400, "you")]);
}

#[test]
fn speech_that_is_not_interruptible_continues() {
    let mut bench = Bench::new();
    let flags = Flags { interruptible: Some(false), preemptible: None };
    bench.say_with(0, "Please listen.", true, flags);
    bench.run_to(500);
    assert_eq!(bench.speaker.interrupt(500, Input::Speech, &mut bench.out), None);
    bench.run_to(60_000);
    assert_eq!(bench.played(), [(300, 1_700, "Please listen.")]);
}

#[test]
fn a_new_cycle_cuts_off_a_preemptible_one_and_its_heard_part_is_reported() {
    let mut bench = Bench::new();
    let flags = Flags { interruptible: None, preemptible: Some(true) };
    bench.say_with(0, "One moment while I look.", true, flags);
    bench.say(1_400, "Done.", true);
    bench.run_to(60_000);
    let played: Vec<_> = bench.played().iter().map(|piece| piece.2).collect();
    assert_eq!(played, ["One moment", "Done."]);
    assert!(bench.out.iter().all(|sound| match sound {
        SpeechEvent::Played(piece) => piece.told,
        SpeechEvent::Started { .. } | SpeechEvent::Stopped { .. } => true,
    }));
}

#[test]
fn tokens_of_the_same_cycle_preempt_nothing() {
    let mut bench = Bench::new();
    let flags = Flags { interruptible: None, preemptible: Some(true) };
    bench.say_with(0, "One moment ", false, flags);
    bench.say_with(900, "while I look.", true, flags);
    bench.run_to(60_000);
    let played: Vec<_> = bench.played().iter().map(|piece| piece.2).collect();
    assert_eq!(played, ["One moment while I look."]);
}

#[test]
fn digits_wait_behind_speech() {
    let mut bench = Bench::new();
    bench.say(0, "Hello.", true);
    bench.speaker.digits(0, "1w#".to_owned(), Input::Any, false, &mut bench.out);
    bench.run_to(60_000);
    assert_eq!(bench.played(), [(300, 900, "Hello."), (900, 1_900, "1w#")]);
}

#[test]
fn digits_on_a_silent_line_are_delayed_unless_the_caller_speaks() {
    for (caller_speaks, from_ms) in [(false, 2_000), (true, 0)] {
        let mut bench = Bench::new();
        bench.speaker.digits(0, "12".to_owned(), Input::Any, caller_speaks, &mut bench.out);
        bench.run_to(60_000);
        assert_eq!(bench.played(), [(from_ms, from_ms + 500, "12")]);
    }
}

#[test]
fn an_empty_last_token_alone_says_nothing() {
    let mut bench = Bench::new();
    bench.say(0, "", true);
    bench.run_to(60_000);
    assert_eq!(bench.out, []);
    assert_eq!(bench.speaker.next_ms(), None);
}

#[test]
fn the_time_at_which_a_character_is_spoken_is_known() {
    let mut bench = Bench::new();
    bench.say(0, "Hello there you.", true);
    bench.run_to(300);
    assert_eq!(bench.speaker.when_spoken(5), Some(800));
    bench.run_to(800);
    assert_eq!(bench.speaker.spoken(800), 5);
}
