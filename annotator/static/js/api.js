// Talking to the server: JSON, the CSRF token, and errors in one shape.

import { text } from "./language.js";

const meta = document.querySelector('meta[name="csrf-token"]');

/** A failure in the server's shape: type, message, remedy. */
export class ApiError extends Error {
  constructor(type, message, remedy, status = 0, answer = {}) {
    super(message);
    this.type = type;
    this.remedy = remedy;
    this.status = status;
    this.answer = answer; // all that was answered: some failures tell more
  }

  /** Message and remedy as one sentence each. */
  get words() {
    return this.remedy ? `${this.message}; ${this.remedy}` : this.message;
  }
}

async function send(method, path, body) {
  const options = { method, headers: { Accept: "application/json" }, credentials: "same-origin" };
  if (body instanceof FormData) {
    options.body = body;
  } else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  if (method !== "GET") {
    options.headers["X-CSRF-Token"] = meta.content;
  }
  let response;
  try {
    response = await fetch(`/api/v1${path}`, options);
  } catch {
    throw new ApiError(
      "unreachable",
      text("the annotator does not answer"),
      text("start it again with 'cellkin annotate'; what was saved is saved"),
    );
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    const words = text("the server answered {status}", { status: response.status });
    throw new ApiError("unreadable", words, text("try once more"));
  }
  if (!response.ok) {
    const { type, message, remedy } = answer.error;
    throw new ApiError(type, message, remedy, response.status, answer);
  }
  return answer;
}

/** Ask the server. A token from before a restart of the server is renewed once, by itself. */
export async function call(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (error) {
    if (error.type !== "cross_site" || method === "GET") {
      throw error;
    }
    meta.content = (await send("GET", "/session")).csrf_token;
    return send(method, path, body);
  }
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);
