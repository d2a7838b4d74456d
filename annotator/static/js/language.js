// The words of the page in its language. Wrap what a reader sees:
//
//   import { plural, text } from "./language.js";
//   text("Saved")                          text("{name} of {slide}", { name, slide })
//   plural("{n} cell", "{n} cells", 3)     {n} is the number; more values may follow
//
// The English text is the key; annotator/translations holds the others. Only literal strings can
// be found and translated: write text("Saved"), never text(saved).

const language = document.documentElement.lang || "en";
const { words, plural: forms } = await load();

async function load() {
  if (language === "en") {
    return { words: {}, plural: null }; // English is what the scripts say
  }
  try {
    const response = await fetch(`/language/${encodeURIComponent(language)}.json`);
    return await response.json();
  } catch {
    return { words: {}, plural: null }; // better a page in English than none
  }
}

function fill(words, values) {
  return words.replace(/\{(\w+)\}/g, (whole, name) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole);
}

/** `english` in the language of the page, with {name} filled in from `values`. */
export function text(english, values = {}) {
  return fill(words[english] ?? english, values);
}

/** `one` or `many` by the whole number `n`, in the language of the page. */
export function plural(one, many, n, values = {}) {
  const own = words[one];
  const form = Array.isArray(own) && forms ? own[forms[n < 200 ? n : 100 + (n % 100)]] : null;
  return fill(form || (n === 1 ? one : many), { n, ...values });
}
