// The pictures of the cells that come next, fetched and decoded before they are needed.

const fetched = new Map(); // address -> Image, so that the browser keeps what comes next decoded

export function fetchAhead(cells) {
  for (const [address] of fetched) {
    if (!cells.some((next) => next.picture === address)) {
      fetched.delete(address);
    }
  }
  for (const { picture } of cells) {
    if (!fetched.has(picture)) {
      const image = new Image();
      image.src = picture;
      image.decode?.().catch(() => {}); // a picture that cannot be decoded is reported when shown
      fetched.set(picture, image);
    }
  }
}
