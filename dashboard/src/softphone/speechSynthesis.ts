/** The softphone's voices: the browser's, or none, which shows the words at reading speed. */
import type { Voice } from "./player";

/** Letters a second: shown without a voice, and assumed for a voice that does not report progress. */
const READ_PER_SECOND = 25;
const SPOKEN_PER_SECOND = 15;
const STEP_MS = 60;
/** A voice that has not begun by then never will: some browsers drop an utterance silently. */
const BEGIN_MS = 4_000;

/** Shows the words without a sound. */
export const silent: Voice = (text, progress, done) => {
  const began = performance.now();
  const timer = setInterval(() => {
    const letters = Math.floor(((performance.now() - began) / 1000) * READ_PER_SECOND);
    if (letters < text.length) {
      progress(wordsWithin(text, letters));
    } else {
      clearInterval(timer);
      done();
    }
  }, STEP_MS);
  return () => clearInterval(timer);
};

/** The browser's voices for the page's language, best first; none where it has none. */
export function voices(): SpeechSynthesisVoice[] {
  if (!("speechSynthesis" in window)) return [];
  return speechSynthesis
    .getVoices()
    .filter((voice) => /^en\b/i.test(voice.lang))
    .sort((a, b) => Number(b.localService) - Number(a.localService));
}

/** Calls back when the browser has loaded its voices, which takes a while. */
export function onVoices(listener: () => void): () => void {
  if (!("speechSynthesis" in window)) return () => {};
  speechSynthesis.addEventListener("voiceschanged", listener);
  return () => speechSynthesis.removeEventListener("voiceschanged", listener);
}

/** Speaks with the voice of this name, or shows the words if there is none. */
export function voiceNamed(name: string): Voice {
  const found = name === "" ? undefined : voices().find((voice) => voice.voiceURI === name);
  return found ? spoken(found) : silent;
}

function spoken(voice: SpeechSynthesisVoice): Voice {
  return (text, progress, done) => {
    const words = new SpeechSynthesisUtterance(text);
    words.voice = voice;
    words.lang = voice.lang;
    let over = false;
    let tells = false;
    let began = 0;
    const end = () => {
      if (over) return;
      over = true;
      clearInterval(guess);
      clearTimeout(lost);
      done();
    };
    const lost = setTimeout(() => {
      if (began === 0) end();
    }, BEGIN_MS);
    // Not every voice reports its progress.
    const guess = setInterval(() => {
      if (tells || began === 0) return;
      const letters = Math.floor(((performance.now() - began) / 1000) * SPOKEN_PER_SECOND);
      progress(wordsWithin(text, Math.min(letters, text.length)));
    }, STEP_MS * 2);
    words.onstart = () => {
      began = performance.now();
    };
    words.onboundary = (event) => {
      tells = true;
      progress(event.charIndex);
    };
    words.onend = end;
    words.onerror = end;
    speechSynthesis.speak(words);
    return () => {
      over = true;
      clearInterval(guess);
      clearTimeout(lost);
      speechSynthesis.cancel();
    };
  };
}

/** At most this many letters, but no half word. */
export function wordsWithin(text: string, letters: number): number {
  if (letters >= text.length) return text.length;
  const space = text.lastIndexOf(" ", letters);
  return space < 0 ? 0 : space;
}
