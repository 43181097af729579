// Functions that tests run inside a page.

/** Runs in the page: clicks a button at a given time, if it is still there. */
export function pressAt([name, when]) {
  return new Promise((done) => {
    setTimeout(() => {
      for (const each of document.querySelectorAll("button")) {
        if (each.textContent === name) each.click();
      }
      done();
    }, when - Date.now());
  });
}

/** Runs in the page: fakes speech recognition and synthesis, controlled by the test. */
export function fakeSpeech() {
  window.recognitions = [];
  window.SpeechRecognition = class {
    on = false;
    started = 0;
    results = [];
    constructor() {
      window.recognitions.push(this);
    }
    start() {
      this.on = true;
      this.started += 1;
    }
    abort() {
      this.on = false;
      this.onend?.();
    }
    /** As browsers do: a result grows until it is final, then the next one begins. */
    hear(transcript, isFinal) {
      if (!this.on || !this.continuous || !this.interimResults) throw new Error("not listening");
      const at =
        this.results.at(-1)?.isFinal === false ? this.results.length - 1 : this.results.length;
      this.results[at] = Object.assign([{ transcript }], { isFinal });
      this.onresult({ resultIndex: at, results: this.results });
    }
  };
  window.SpeechSynthesisUtterance = class {
    constructor(text) {
      this.text = text;
    }
  };
  window.spoken = [];
  window.cancelled = 0;
  let stopAt = "";
  window.stopSpeakingAt = (word) => {
    stopAt = word;
  };
  let timer;
  const speech = Object.assign(new EventTarget(), {
    getVoices: () => [
      { voiceURI: "test", name: "A voice of the test", lang: "en-US", localService: true },
    ],
    speak(words) {
      window.spoken.push(words.text);
      const places = [...words.text.matchAll(/\S+/g)];
      words.onstart?.();
      timer = setInterval(() => {
        const [place] = places;
        if (!place) {
          clearInterval(timer);
          words.onend?.();
          return;
        }
        words.onboundary?.({ charIndex: place.index });
        window.speakingAt = place[0].replace(/\W+$/, "");
        // The voice stays in the middle of its sentence until it is cut off.
        if (window.speakingAt !== stopAt) places.shift();
      }, 15);
    },
    cancel() {
      clearInterval(timer);
      stopAt = "";
      window.cancelled += 1;
    },
  });
  Object.defineProperty(window, "speechSynthesis", { value: speech });
}

/** Runs in the page: scrolls the transcript back by a hundred steps. */
export function readBack() {
  const box = document.querySelector("[role=log]");
  let step = 0;
  return new Promise((done) => {
    const timer = setInterval(() => {
      box.scrollTop -= 400;
      if (++step < 100) return;
      clearInterval(timer);
      done();
    }, 25);
  });
}
