use std::sync::Arc;

use phony_call::{ItemKind, ToolRef};
use proptest::prelude::*;

use super::*;

/// The items of these tests are named by a letter and a number.
fn id(short: &str) -> ItemId {
    let number = short[1..].parse().expect("a number");
    ItemId::new(ItemKind::Entry, number, u32::from(short.as_bytes()[0]))
}

fn user(short: &str, text: &str) -> Item {
    Item { id: id(short), body: ItemBody::User { text: text.into(), heard: None } }
}

fn heard(short: &str, text: &str, utterance: u32) -> Item {
    let heard = Some(UtteranceId(utterance));
    Item { id: id(short), body: ItemBody::User { text: text.into(), heard } }
}

fn note(short: &str, text: &str) -> Item {
    Item { id: id(short), body: ItemBody::Note(text.into()) }
}

fn assistant(short: &str, text: &str, verbatim: Option<u32>) -> Item {
    let body = ItemBody::Assistant { text: text.into(), verbatim: verbatim.map(TurnId) };
    Item { id: id(short), body }
}

fn call(short: &str, call_id: &str) -> Item {
    let (call_id, name, arguments) = (call_id.into(), "press".into(), "{}".into());
    let tool = ToolRef { call_id, name, arguments };
    Item { id: id(short), body: ItemBody::ToolCall(Arc::new(tool)) }
}

fn result(short: &str, call_id: &str) -> Item {
    let (call_id, output) = (call_id.into(), "{}".into());
    Item { id: id(short), body: ItemBody::ToolResult { call_id, output } }
}

/// Edits in short: `-id`, `+id` at the end, `+id@first`, `+id@before`.
fn short(edits: &[Edit]) -> Vec<String> {
    let name = |name: &Name| {
        let text = name.to_string();
        let Name::Item(_) = name else { return text };
        let (number, letter) = text[1..].split_once('_').expect("two numbers");
        let letter: u8 = letter.parse().expect("a letter");
        format!("{}{number}", char::from(letter))
    };
    let one = |edit: &Edit| match edit {
        Edit::Delete { id } => format!("-{}", name(id)),
        Edit::Create { id, position: Position::Last, .. } => format!("+{}", name(id)),
        Edit::Create { id, position: Position::First, .. } => format!("+{}@first", name(id)),
        Edit::Create { id, position: Position::After(before), .. } => {
            format!("+{}@{}", name(id), name(before))
        }
    };
    edits.iter().map(one).collect()
}

#[test]
fn a_plain_turn_adds_only_the_callers_words() {
    let mut remote = Remote::default();
    assert_eq!(short(&remote.reconcile(&[user("u1", "Hello")])), ["+u1"]);
    remote.appended("item_A", Origin::Said(TurnId(1)));
    let context = [user("u1", "Hello"), assistant("a1", "Hi!", Some(1)), user("u2", "Bye")];
    assert_eq!(short(&remote.reconcile(&context)), ["+u2"]);
    assert!(remote.reconcile(&context).is_empty());
}

#[test]
fn an_unheard_reply_is_replaced_in_its_place() {
    let mut remote = Remote::default();
    remote.reconcile(&[user("u1", "Hello")]);
    remote.appended("item_A", Origin::Said(TurnId(1)));
    let cut = [user("u1", "Hello"), assistant("a1", "I am", None), user("u2", "Wait")];
    assert_eq!(short(&remote.reconcile(&cut)), ["-item_A", "+a1", "+u2"]);
}

#[test]
fn a_correction_in_the_middle_names_the_item_before_it() {
    let mut remote = Remote::default();
    let context = [user("u1", "One"), assistant("a1", "Two", None), user("u2", "Three")];
    remote.reconcile(&context);
    let corrected = [user("u1", "One"), assistant("a2", "Too", None), user("u2", "Three")];
    assert_eq!(short(&remote.reconcile(&corrected)), ["-a1", "+a2@u1"]);
    let new_head = [note("n1", "Zero"), user("u1", "One"), user("u2", "Three")];
    assert_eq!(short(&remote.reconcile(&new_head)), ["-a2", "+n1@first"]);
}

#[test]
fn every_message_of_a_reply_stands_for_it() {
    let mut remote = Remote::default();
    remote.reconcile(&[user("u1", "Hello")]);
    remote.appended("item_A", Origin::Said(TurnId(1)));
    remote.appended("item_B", Origin::Said(TurnId(1)));
    let context = [user("u1", "Hello"), assistant("a1", "Well. Hi!", Some(1))];
    assert!(remote.reconcile(&context).is_empty());
}

#[test]
fn a_tool_call_stays_and_its_result_is_added() {
    let mut remote = Remote::default();
    remote.reconcile(&[user("u1", "One please")]);
    remote.appended("item_A", Origin::Said(TurnId(1)));
    remote.appended("item_B", Origin::Called("call_1".into()));
    let context = [
        user("u1", "One please"),
        assistant("a1", "Pressing.", Some(1)),
        call("t1", "call_1"),
        result("r1", "call_1"),
    ];
    assert_eq!(short(&remote.reconcile(&context)), ["+r1"]);
    // In another order, the reply moves and the tool call stays.
    let moved = [
        user("u1", "One please"),
        call("t1", "call_1"),
        result("r1", "call_1"),
        assistant("a1", "Pressing.", Some(1)),
    ];
    let edits = remote.reconcile(&moved);
    assert_eq!(short(&edits), ["-item_A", "+a1"]);
}

#[test]
fn an_empty_text_and_an_orphaned_result_are_not_sent() {
    let mut remote = Remote::default();
    let context = [assistant("a1", " ", None), result("r1", "call_9"), user("u1", "Hi")];
    assert_eq!(short(&remote.reconcile(&context)), ["+u1"]);
}

#[test]
fn strays_are_deleted_and_ids_are_never_used_twice() {
    let mut remote = Remote::default();
    remote.reconcile(&[user("u1", "A"), user("u2", "B")]);
    remote.appended("item_X", Origin::Stray);
    let swapped = [user("u2", "B"), user("u1", "A")];
    assert_eq!(short(&remote.reconcile(&swapped)), ["-u1", "-item_X", "+again_1"]);
    // The server may have such a name itself.
    remote.appended("again_2", Origin::Stray);
    assert_eq!(short(&remote.reconcile(&[user("u2", "B"), user("u1", "C")])), ["-again_2"]);
    assert_eq!(short(&remote.reconcile(&[user("u1", "C")])), ["-u2"]);
    let changed = [user("u1", "C"), user("u2", "B")];
    assert_eq!(short(&remote.reconcile(&changed)), ["+again_3"]);
}

#[test]
fn an_item_is_known_by_its_id_on_the_server() {
    let mut remote = Remote::default();
    remote.reconcile(&[user("u1", "A")]);
    let ours = id("u1").to_string();
    remote.note(&ours);
    remote.note("item_A");
    remote.appended("item_B", Origin::Said(TurnId(1)));
    assert!(remote.has_had(&ours) && remote.has_had("item_A") && !remote.has_had("item_C"));
    let context = [user("u1", "A"), assistant("a1", "Hi", Some(1))];
    assert_eq!(short(&remote.reconcile(&context)), ["-item_A"]);
    remote.note("item_A");
    assert!(remote.reconcile(&context).is_empty(), "a deleted item is not noted again");
    for text in ["again_1", "again_01", "again_", "item_A", "e1_2", "e01_2", ""] {
        assert_eq!(Name::of(text).to_string(), text);
    }
}

#[test]
fn a_plain_spoken_turn_changes_nothing() {
    let mut remote = Remote::default();
    for turn in 1..=3 {
        remote.heard(&format!("item_U{turn}"), None, Some(UtteranceId(turn)));
        let mut context = Vec::new();
        for before in 1..turn {
            context.push(heard(&format!("u{before}"), "Hello", before));
            context.push(assistant(&format!("a{before}"), "Hi! Well.", Some(before)));
        }
        // The transcript of what was said last may not have come.
        assert!(remote.reconcile(&context).is_empty());
        context.push(heard(&format!("u{turn}"), "Hello", turn));
        assert!(remote.reconcile(&context).is_empty());
        remote.appended(&format!("item_A{turn}"), Origin::Said(TurnId(turn)));
        remote.appended(&format!("item_B{turn}"), Origin::Said(TurnId(turn)));
    }
}

#[test]
fn what_the_server_has_heard_stays_wherever_it_is() {
    let mut remote = Remote::default();
    remote.appended("item_A", Origin::Said(TurnId(1)));
    remote.heard("item_U", None, Some(UtteranceId(1)));
    remote.heard("item_V", None, None);
    assert!(remote.reconcile(&[heard("u1", "Hm", 1), assistant("a1", "Hi", Some(1))]).is_empty());
    assert!(remote.reconcile(&[assistant("a1", "Hi", Some(1))]).is_empty());
    assert_eq!(short(&remote.reconcile(&[])), ["-item_A"]);
    // An empty transcript does not make it another item.
    assert!(remote.reconcile(&[heard("u1", "", 1)]).is_empty());
}

#[test]
fn what_is_created_goes_before_what_the_call_does_not_know_yet() {
    let mut remote = Remote::default();
    remote.heard("item_U", None, Some(UtteranceId(1)));
    let greeting = assistant("a1", "Hello, who is there?", None);
    assert_eq!(short(&remote.reconcile(std::slice::from_ref(&greeting))), ["+a1@first"]);
    let context = [greeting, heard("u1", "Ada", 1), note("n1", "She is a customer.")];
    assert_eq!(short(&remote.reconcile(&context)), ["+n1"]);
}

#[test]
fn a_new_session_is_told_in_text_what_an_earlier_one_has_heard() {
    let mut remote = Remote::default();
    // Heard on the new session, before the first request.
    remote.heard("item_U", None, Some(UtteranceId(2)));
    let context =
        [heard("u1", "Hello", 1), assistant("a1", "Hi! We", Some(1)), heard("u2", "Yes", 2)];
    assert_eq!(short(&remote.reconcile(&context)), ["+u1@first", "+a1@u1"]);
    assert!(remote.reconcile(&context).is_empty());
}

#[test]
fn a_reply_stands_for_its_parts_that_were_not_forgotten() {
    let mut remote = Remote::default();
    for item in ["item_A", "item_B", "item_C"] {
        remote.appended(item, Origin::Said(TurnId(1)));
    }
    assert!(remote.remove(&Name::of("item_C")) && !remote.remove(&Name::of("item_C")));
    remote.note("item_C");
    let cut = [assistant("a1", "One. Tw", Some(1))];
    assert!(remote.reconcile(&cut).is_empty());
    remote.discard_reply(TurnId(1), |item| *item == Name::of("item_A"));
    assert_eq!(short(&remote.reconcile(&cut)), ["-item_B"]);
}

#[test]
fn what_was_heard_is_where_the_server_put_it() {
    let mut remote = Remote::default();
    remote.heard("item_U", None, Some(UtteranceId(1)));
    assert_eq!(short(&remote.reconcile(&[heard("u1", "A", 1), note("n1", "B")])), ["+n1"]);
    // It was added before the note arrived, and is reported after.
    remote.heard("item_V", Some("item_U"), None);
    remote.heard("item_V", Some("item_U"), Some(UtteranceId(2)));
    let context = [heard("u1", "A", 1), heard("u2", "C", 2), note("n2", "D"), note("n1", "B")];
    assert_eq!(short(&remote.reconcile(&context)), ["+n2@item_V"]);
}

/// A server with the real one's rules.
#[derive(Default)]
struct Server {
    items: Vec<(String, String)>,
    seen: HashSet<String>,
}

impl Server {
    fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Delete { id } => {
                let at = self.position(&id.to_string());
                self.items.remove(at);
            }
            Edit::Create { id, position, body } => {
                let id = id.to_string();
                assert!(self.seen.insert(id.clone()), "an id twice");
                let at = match position {
                    Position::Last => self.items.len(),
                    Position::First => 0,
                    Position::After(before) => self.position(&before.to_string()) + 1,
                };
                self.items.insert(at, (id, words(&body)));
            }
        }
    }

    fn position(&self, id: &str) -> usize {
        self.items.iter().position(|(other, _)| other == id).expect("an id that is there")
    }
}

fn words(body: &ItemBody) -> String {
    match body {
        ItemBody::User { text, .. } | ItemBody::Note(text) | ItemBody::Assistant { text, .. } => {
            text.to_string()
        }
        ItemBody::ToolCall(tool) => format!("call {}", tool.call_id),
        ItemBody::ToolResult { call_id, .. } => format!("result {call_id}"),
    }
}

/// What happens to the conversation before the next request.
#[derive(Debug, Clone)]
enum Change {
    Say,
    Hear { verbatim: bool },
    Tool,
    Speech { known: bool },
    Stray,
    Drop(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => Just(Change::Say),
        4 => any::<bool>().prop_map(|verbatim| Change::Hear { verbatim }),
        2 => Just(Change::Tool),
        2 => any::<bool>().prop_map(|known| Change::Speech { known }),
        1 => Just(Change::Stray),
        1 => any::<prop::sample::Index>().prop_map(Change::Drop),
        1 => any::<(prop::sample::Index, prop::sample::Index)>()
            .prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

proptest! {
    #[test]
    fn after_any_history_the_server_holds_what_the_call_says(
        turns in prop::collection::vec(prop::collection::vec(change(), 0..5), 0..12),
    ) {
        let (mut remote, mut server) = (Remote::default(), Server::default());
        let mut context: Vec<Item> = Vec::new();
        let (mut count, mut spoken) = (0, 0);
        for changes in turns {
            for change in changes {
                count += 1;
                let server_id = format!("item_{count}");
                let (id, name) = (format!("i{count}"), format!("c{count}"));
                let mut made = |content: String, origin| {
                    remote.appended(&server_id, origin);
                    server.seen.insert(server_id.clone());
                    server.items.push((server_id.clone(), content));
                };
                match change {
                    Change::Say => context.push(user(&id, &format!("words {count}"))),
                    Change::Hear { verbatim } => {
                        made(format!("reply {count}"), Origin::Said(TurnId(count)));
                        let heard = if verbatim { format!("reply {count}") } else { "rep".into() };
                        context.push(assistant(&id, &heard, verbatim.then_some(count)));
                    }
                    Change::Tool => {
                        made(format!("call {name}"), Origin::Called(name.as_str().into()));
                        context.push(call(&id, &name));
                        context.push(result(&format!("r{count}"), &name));
                    }
                    Change::Speech { known } => {
                        let words = format!("speech {count}");
                        let origin = Origin::Heard(known.then_some(UtteranceId(count)));
                        made(words.clone(), origin);
                        spoken += 1;
                        if known {
                            context.push(heard(&id, &words, count));
                        }
                    }
                    Change::Stray => made("stray".into(), Origin::Stray),
                    Change::Drop(at) if !context.is_empty() => {
                        context.remove(at.index(context.len()));
                    }
                    Change::Swap(one, other) if !context.is_empty() => {
                        let len = context.len();
                        context.swap(one.index(len), other.index(len));
                    }
                    Change::Drop(_) | Change::Swap(..) => {}
                }
            }
            for edit in remote.reconcile(&context) {
                server.apply(edit);
            }
            // What the server has heard is all there, wherever.
            let is_speech = |words: &&String| words.starts_with("speech");
            let all: Vec<&String> = server.items.iter().map(|(_, words)| words).collect();
            let (speech, held): (Vec<_>, Vec<_>) = all.into_iter().partition(is_speech);
            prop_assert_eq!(speech.len(), spoken);
            let sendable = context.iter().filter(|item| worth_sending(item, &context));
            let wanted: Vec<String> = sendable.map(|item| words(&item.body)).collect();
            let wanted: Vec<&String> = wanted.iter().filter(|words| !is_speech(words)).collect();
            prop_assert_eq!(held, wanted);
            prop_assert!(remote.reconcile(&context).is_empty());
        }
    }
}
