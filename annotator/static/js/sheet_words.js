// What is said above a sheet: how many cells, of what selection, what follows, on what it rests.

import { plural, text } from "./language.js";

/** The line above a sheet; `many` are open, this one included. */
export function sheetWords(sheet, many) {
  const words = [plural("{n} cell. Untick what is something else.",
    "{n} cells. Untick what is something else.", sheet.cells.length)];
  const { follow = 0, elsewhere = 0 } = sheet.selection ?? {};
  if (follow) {
    words.push(plural("{n} cell of the selection follows on a later sheet.",
      "{n} cells of the selection follow on later sheets.", follow));
  }
  if (elsewhere) {
    words.push(plural("{n} of it is on no sheet: it has a label, lies on another or has no embedding.",
      "{n} of it are on no sheet: they have a label, lie on another or have no embedding.",
      elsewhere));
  }
  if (sheet.because === "rename") {
    words.push(text("Renamed by you, and checked anew."));
  } else if (sheet.because) {
    words.push(sheet.selection
      ? text("A check of your selection was given this class.")
      : text("Part of a sheet that was split, because a check of it failed."));
  }
  if (many > 1) {
    words.push(plural("{n} more sheet follows.", "{n} more sheets follow.", many - 1));
  }
  words.push(`${sheet.rests.words}.`);
  return words.join(" ");
}
