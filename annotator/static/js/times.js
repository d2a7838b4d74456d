// Times in the reader's own time zone and words.

import { moment } from "./dom.js";

for (const time of document.querySelectorAll("time[datetime]")) {
  time.textContent = moment(time.dateTime);
}
