/** Every word of the page, in one place. Functions where a figure belongs in the sentence. */
import { callTexts } from "./call";
import { frameTexts } from "./frame";
import { pagesTexts } from "./pages";
import { wallboardTexts } from "./wallboard";

export { authorText, chipText, commandText } from "./events";

export const t = { ...frameTexts, ...wallboardTexts, ...callTexts, ...pagesTexts };
