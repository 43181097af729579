/** The browser's own speech recognition, where it has one. */

interface Recognised {
  resultIndex: number;
  results: ArrayLike<ArrayLike<{ transcript: string }> & { isFinal: boolean }>;
}

interface Recognition {
  lang: string;
  continuous: boolean;
  interimResults: boolean;
  onresult: ((event: Recognised) => void) | null;
  onerror: ((event: { error: string }) => void) | null;
  onend: (() => void) | null;
  start(): void;
  abort(): void;
}

export interface Heard {
  partial: (text: string) => void;
  final: (text: string) => void;
  /** It has stopped for good: the browser or the user refused. */
  refused: () => void;
}

/** Whether this browser can listen. */
export function canListen(): boolean {
  return recogniser() !== undefined;
}

/** Listens until the returned function is called. */
export function listen(heard: Heard): () => void {
  const Recogniser = recogniser();
  if (!Recogniser) {
    heard.refused();
    return () => {};
  }
  let on = true;
  const recognition = new Recogniser();
  recognition.lang = "en-US";
  recognition.continuous = true;
  recognition.interimResults = true;
  recognition.onresult = (event) => {
    let partial = "";
    for (let at = event.resultIndex; at < event.results.length; at += 1) {
      const result = event.results[at];
      const text = result?.[0]?.transcript ?? "";
      if (result?.isFinal) {
        if (text.trim() !== "") heard.final(text.trim());
      } else partial += text;
    }
    if (partial.trim() !== "") heard.partial(partial.trim());
  };
  recognition.onerror = ({ error }) => {
    if (error !== "not-allowed" && error !== "service-not-allowed" && error !== "audio-capture") {
      return;
    }
    on = false;
    heard.refused();
  };
  // Browsers stop listening after a silence, so it is started again.
  recognition.onend = () => {
    if (on) recognition.start();
  };
  recognition.start();
  return () => {
    on = false;
    recognition.abort();
  };
}

function recogniser(): (new () => Recognition) | undefined {
  const all = window as unknown as Record<string, (new () => Recognition) | undefined>;
  return all.SpeechRecognition ?? all.webkitSpeechRecognition;
}
