// From cells to the sheet in which they are labelled. Nothing is labelled on the way.

import { post } from "./api.js";

/** Keep cells as a selection and go to its sheet. Throws ApiError. */
export async function openSheet(cells, { origin = "list", title = "", code = null } = {}) {
  const kept = await post("/explore/selections", { cells, origin, title, class: code });
  location.assign(kept.sheet);
}

/** Ask `path` every second until the work it tells of is over; `show(answer)` after each. */
export async function follow(ask, show) {
  for (;;) {
    const answer = await ask();
    show(answer);
    if (answer.job?.state !== "working") {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** A job on a <progress> and a line of words. */
export function showJob(job, bar, words) {
  const working = job?.state === "working";
  bar.hidden = !working;
  if (working && job.total && job.done) {
    bar.max = job.total;
    bar.value = job.done;
  } else {
    bar.removeAttribute("value");
  }
  const share = working && job.total && job.done ? ` ${Math.round((100 * job.done) / job.total)} %` : "";
  words.textContent = working
    ? `${job.words}${share} …`
    : job?.state === "failed"
      ? `${job.message}; ${job.remedy}`
      : "";
}
