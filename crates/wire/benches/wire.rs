//! Benchmarks of reading and writing the most frequent frames.

use std::hint::black_box;

use divan::Bencher;
use phony_wire::openai::realtime::{ClientBody, ClientEvent, ServerEvent};
use phony_wire::twilio::{media, relay, signature, webhook};

fn main() {
    divan::main();
}

const PROMPT: &str =
    r#"{"type":"prompt","voicePrompt":"I lost my debit card","lang":"en-US","last":true}"#;
const TOKENS_PLAYED: &str =
    r#"{"type":"info","name":"tokensPlayed","value":"I can block it for you."}"#;
const TEXT_DELTA: &str = r#"{"type":"response.output_text.delta","event_id":"event_CjDW2Q7ZmpnS","response_id":"resp_CjDW2JxVxP0s","item_id":"item_CjDW2JfHsD3K","output_index":0,"content_index":0,"delta":" block it for","obfuscation":"p0kXJ2"}"#;

#[divan::bench]
fn read_prompt(bencher: Bencher<'_, '_>) {
    bencher.bench(|| relay::FromTwilio::parse(black_box(PROMPT)));
}

#[divan::bench]
fn read_tokens_played(bencher: Bencher<'_, '_>) {
    bencher.bench(|| relay::FromTwilio::parse(black_box(TOKENS_PLAYED)));
}

#[divan::bench]
fn read_text_delta(bencher: Bencher<'_, '_>) {
    bencher.bench(|| ServerEvent::parse(black_box(TEXT_DELTA)));
}

#[divan::bench]
fn read_audio_delta_of_200_ms(bencher: Bencher<'_, '_>) {
    let payload = media::encode_audio(&[0xFE; 1600]);
    let delta =
        TEXT_DELTA.replace("output_text", "output_audio").replace(" block it for", &payload);
    bencher
        .bench(|| matches!(ServerEvent::parse(black_box(&delta)), Ok(ServerEvent::AudioDelta(_))));
}

#[divan::bench]
fn read_media_of_20_ms(bencher: Bencher<'_, '_>) {
    let payload = media::encode_audio(&[0xFE; 160]);
    let frame = format!(
        r#"{{"event":"media","sequenceNumber":"3","streamSid":"MZ1","media":{{"track":"inbound","chunk":"1","timestamp":"5","payload":"{payload}"}}}}"#
    );
    bencher.bench(|| {
        matches!(media::FromTwilio::parse(black_box(&frame)), Ok(media::FromTwilio::Media { .. }))
    });
}

#[divan::bench]
fn write_text(bencher: Bencher<'_, '_>) {
    let mut out = String::new();
    bencher.bench_local(|| {
        out.clear();
        relay::ToTwilio::text(black_box(" block it for"), false).write(&mut out);
        out.len()
    });
}

#[divan::bench]
fn write_media_of_20_ms(bencher: Bencher<'_, '_>) {
    let payload = media::encode_audio(&[0xFE; 160]);
    let mut out = String::new();
    bencher.bench_local(|| {
        out.clear();
        let frame = media::ToTwilio::Media { payload: black_box(payload.as_str()).into() };
        frame.write("MZ00000000000000000000000000000001", &mut out);
        out.len()
    });
}

#[divan::bench]
fn write_audio_append(bencher: Bencher<'_, '_>) {
    let payload = media::encode_audio(&[0xFE; 160]);
    let mut out = String::new();
    bencher.bench_local(|| {
        out.clear();
        let audio = black_box(payload.as_str()).into();
        ClientEvent::from(ClientBody::InputAudioAppend { audio }).write(&mut out);
        out.len()
    });
}

#[divan::bench]
fn verify_webhook(bencher: Bencher<'_, '_>) {
    let url = "https://phone.example/receive_call";
    let body =
        b"CallSid=CA1&AccountSid=AC1&From=%2B14155550100&To=%2B14155550101&CallStatus=ringing";
    let form = webhook::Form::parse(body);
    let signed = signature::sign("secret", url, form.pairs());
    bencher.bench(|| signature::verify_form("secret", black_box(&signed), url, form.pairs()));
}

#[divan::bench]
fn refuse_upgrade(bencher: Bencher<'_, '_>) {
    let signed = signature::sign::<&str, &str>("secret", "wss://other.example/relay/ws", &[]);
    let hosts = ["phone.example"];
    bencher.bench(|| signature::verify_upgrade("secret", black_box(&signed), &hosts, "/relay/ws"));
}
