//! Words of nine languages and scripts, from the order to the callee, the record and the ledger.

use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::Callee;
use serde_json::json;

use crate::support::outbound::{OutboundApp, THEM, order_with};
use crate::support::wait::outbound::LIMIT;

/// The name is spoken, the answer is understood, and both are in the record unchanged.
async fn survives(name: &str, answer: &str) {
    let mut app = OutboundApp::start().await;
    let person = Caller::Script(vec![Step::reply(answer), Step::reply("Bye."), Step::hang_up()]);
    app.twilio.set_callee(THEM, Callee::person(person));
    let sid = app.placed(&order_with(&json!({ "variables": { "business": name } }))).await;
    let mut model = app.server.model().await;
    model.ready().await;
    let (turn, words) = model.asked().await;
    assert_eq!(words, answer);
    model.reply(turn, &format!("{answer} {name}")).await;
    let call = app.over(&sid).await;
    let turns = call["turns"].to_string();
    assert!(turns.contains(name) && turns.contains(answer), "{turns}");
    let record = app.twilio.wait_for_end(&sid, LIMIT).await.unwrap();
    assert!(record.heard_text().contains(name), "{}", record.heard_text());
    app.ledger();
}

#[tokio::test]
async fn german_and_accents() {
    survives("Bäckerei Größe & Söhne", "Grüß Gott, wer spricht?").await;
}

#[tokio::test]
async fn french_and_ligatures() {
    survives("Le Cœur d’Œuvre", "Allô ? Où êtes-vous ?").await;
}

#[tokio::test]
async fn spanish_and_turned_marks() {
    survives("Peluquería Muñoz", "¿Quién es? ¡Qué sorpresa!").await;
}

#[tokio::test]
async fn russian_and_greek() {
    survives("Пекарня «Ёлка» και Φούρνος", "Алло, кто это?").await;
}

#[tokio::test]
async fn chinese_and_japanese() {
    survives("北京烤鸭店 ラーメン屋", "喂,你好,请问哪位?").await;
}

#[tokio::test]
async fn korean_and_hindi() {
    survives("서울식당 दिल्ली भोजन", "여보세요? नमस्ते").await;
}

#[tokio::test]
async fn arabic_and_hebrew_which_run_the_other_way() {
    survives("مطعم السلام מסעדת שלום", "مرحبا، من يتكلم؟").await;
}

#[tokio::test]
async fn pictures_joined_and_coloured() {
    survives("👩🏽‍🍳 Bakery 🥐", "Oh 😀 hello 👨‍👩‍👧‍👦").await;
}

#[tokio::test]
async fn letters_that_are_made_of_several_signs() {
    survives("Café Zoe\u{308} a\u{301}", "Ye\u{301}s, n\u{303}o?").await;
}
