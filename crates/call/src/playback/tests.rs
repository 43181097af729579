//! Finding what was heard in what was sent.

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn now() -> Instant {
    Instant::now()
}

fn empty() -> Playback {
    Playback::new(15)
}

fn reply(last: bool) -> Speech {
    Speech::Reply { turn: TurnId(1), last }
}

fn whole(source: Source) -> Speech {
    Speech::Whole { source, interruptible: true }
}

fn speaking(texts: &[&str]) -> Playback {
    let mut playback = empty();
    for (at, text) in texts.iter().enumerate() {
        playback.sent(now(), reply(at + 1 == texts.len()), text);
    }
    playback
}

fn heard(spoken: &[Spoken]) -> Vec<(&str, bool)> {
    spoken.iter().map(|s| (s.text.as_str(), s.whole)).collect()
}

#[test]
fn stretches_add_up_to_the_whole() {
    let mut playback = speaking(&["I am sorry ", "to hear that. ", "Which card?"]);
    playback.played(now(), "I am sorry to hear that.");
    assert!(playback.take_finished().is_empty());
    playback.played(now(), "which card");
    assert_eq!(heard(&playback.take_finished()), [("I am sorry to hear that. Which card?", true)]);
    assert!(playback.is_idle());
}

#[test]
fn an_interruption_may_be_told_from_the_start_or_from_the_last_stretch() {
    for told in ["First one. Second th", "Second th"] {
        let mut playback = speaking(&["First one. Second thing."]);
        playback.played(now(), "First one.");
        assert_eq!(
            heard(&playback.take_interrupted(now(), told)),
            [("First one. Second th", false)],
            "{told}"
        );
    }
}

#[test]
fn a_different_spelling_is_found_by_its_words() {
    let mut playback = speaking(&["It costs $5 today. Fine?"]);
    playback.played(now(), "It costs 5 dollars today.");
    assert_eq!(heard(&playback.take_interrupted(now(), "")), [("It costs $5 today. Fine?", true)]);
    let mut playback = speaking(&["It costs $5 today. Is that fine?"]);
    assert_eq!(
        heard(&playback.take_interrupted(now(), "It costs five dollars")),
        [("It costs $5 today.", false)]
    );
}

#[test]
fn nothing_heard_is_nothing_heard() {
    let mut playback = speaking(&["Hello there."]);
    assert_eq!(heard(&playback.take_interrupted(now(), "")), [("", false)]);
}

#[test]
fn an_interruption_is_found_across_two_utterances_of_one_cycle() {
    let line = |told: &str, played: Option<&str>| {
        let mut playback = empty();
        playback.sent(now(), reply(false), "Let me ask. ");
        playback.joined(now(), Source::Hold, "One moment.");
        let mut all = Vec::new();
        if let Some(stretch) = played {
            playback.played(now(), stretch);
            all = playback.take_finished();
        }
        all.extend(playback.take_interrupted(now(), told));
        all.into_iter().map(|s| (s.text, s.whole)).collect::<Vec<_>>()
    };
    let expect = |a: &str, a_whole, b: &str| vec![(a.to_owned(), a_whole), (b.to_owned(), false)];
    assert_eq!(line("Let me", None), expect("Let me", false, ""));
    assert_eq!(line("Let me ask. One", None), expect("Let me ask.", true, "One"));
    let first = Some("Let me ask.");
    assert_eq!(line("Let me ask. One", first), expect("Let me ask.", true, "One"));
    assert_eq!(line("One", first), expect("Let me ask.", true, "One"));
}

#[test]
fn keys_are_played_between_words() {
    let mut playback = empty();
    playback.sent(now(), reply(false), "Pressing. ");
    playback.pressed(now(), "12#", By::Ai, None);
    playback.sent(now(), reply(true), "Done.");
    playback.played(now(), "Pressing.");
    playback.played(now(), "12#");
    assert!(playback.take_finished().is_empty());
    playback.played(now(), "Done.");
    assert_eq!(heard(&playback.take_finished()), [("Pressing. Done.", true)]);
    assert!(playback.is_idle());
}

#[test]
fn the_last_stretch_of_what_was_cut_does_not_count_for_what_came_after() {
    let mut playback = speaking(&["One two three. Four five six."]);
    playback.played(now(), "One two three.");
    assert_eq!(heard(&playback.take_all_as_cut(now())), [("One two three.", false)]);
    playback.sent(now(), whole(Source::Supervisor), "Seven eight nine.");
    playback.played(now(), "Four");
    playback.played(now(), "five");
    assert_eq!(heard(&playback.take_interrupted(now(), "Seven")), [("Seven", false)]);
}

#[test]
fn what_was_heard_is_a_beginning_of_what_was_sent() {
    use proptest::prelude::*;
    proptest!(|(sent in "[a-c .,]{0,40}", told in prop::collection::vec("[a-d .]{0,12}", 0..5),
                last in "[a-d .]{0,20}")| {
        let mut playback = speaking(&[&sent]);
        for stretch in &told { playback.played(now(), stretch); }
        for spoken in playback.take_interrupted(now(), &last) {
            prop_assert!(sent.trim_start().starts_with(&spoken.text), "{:?}", spoken);
        }
    });
}

#[test]
fn without_reports_what_was_heard_is_a_matter_of_time() {
    let sent = now();
    let at = |ms| sent + Duration::from_millis(ms);
    let said = |cut_at: u64| {
        let mut playback = empty();
        playback.sent(sent, reply(false), "One two three. ");
        playback.pressed(sent, "12", By::Ai, None);
        playback.sent(sent, reply(true), "Four five.");
        let spoken = playback.take_all_as_lost(at(cut_at)).remove(0);
        (spoken.text, spoken.whole, spoken.dropped.len())
    };
    assert_eq!(said(200), (String::new(), false, 1));
    assert_eq!(said(900), ("One two".to_owned(), false, 1));
    assert_eq!(said(1400), ("One two three.".to_owned(), false, 1));
    assert_eq!(said(1900), ("One two three.".to_owned(), false, 0));
    assert_eq!(said(3000), ("One two three. Four five.".to_owned(), true, 0));
}

#[test]
fn a_silence_ends_only_what_has_sounded() {
    let sent = now();
    let at = |ms| sent + Duration::from_millis(ms);
    let words = "Thank you for the call. Goodbye.";
    let mut playback = empty();
    playback.sent(sent, whole(Source::Goodbye), words);
    assert!(!playback.voice(at(100), false), "of what was before");
    assert!(!playback.voice(at(300), true));
    assert!(playback.voice(at(700), false));
    assert!(playback.fell_silent());
    assert!(!playback.voice(at(900), true), "it was a pause");
    assert!(!playback.fell_silent());
    assert!(playback.voice(at(3000), false));
    playback.sent(at(3100), whole(Source::Nudge), "Hello?");
    assert!(!playback.fell_silent(), "it says nothing about these words");
}

#[test]
fn what_was_cut_is_said_again_from_its_sentence_on() {
    let again = |heard| speaking(&["It is open. Come by! Or call."]).take_interrupted(now(), heard);
    for (heard, unsaid) in [
        ("", "It is open. Come by! Or call."),
        ("It is", "It is open. Come by! Or call."),
        ("It is open.", "Come by! Or call."),
        ("It is open. Come", "Come by! Or call."),
        ("It is open. Come by! Or", "Or call."),
        ("It is open. Come by! Or call.", ""),
    ] {
        assert_eq!(again(heard)[0].unsaid, unsaid, "{heard:?}");
    }
}

#[test]
fn words_that_nothing_cuts_off_sound_before_those_that_follow() {
    let mut playback = empty();
    let sent = now();
    playback.sent(sent, whole(Source::Greeting), &"word ".repeat(30));
    playback.take_all_as_cut(sent);
    playback.sent(sent, whole(Source::Message), "Please call.");
    assert!(playback.remaining(sent) > Duration::from_secs(10));
    playback.played(sent, "Please");
    assert!(playback.remaining(sent) < Duration::from_secs(1), "they are over");
}
