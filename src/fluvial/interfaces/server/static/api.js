// Questions to the server, which is where this page came from. The token stays in this page's memory alone.

let token = "";

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export function showToken(typed) {
  token = typed;
}

export async function ask(path, { json, body, type, accept = "application/json" } = {}) {
  const headers = { accept };
  if (token) headers.authorization = `Bearer ${token}`;
  const content = json === undefined ? body : JSON.stringify(json);
  if (content !== undefined) headers["content-type"] = type ?? "application/json";
  const method = content === undefined ? "GET" : "POST";
  let found;
  try {
    found = await fetch(path, { method, headers, body: content });
  } catch {
    throw new Refused(0, "the server gave no answer: it may have stopped, or what was sent is more than it takes");
  }
  if (found.ok) return found;
  throw new Refused(found.status, await sentence(found));
}

async function sentence(found) {
  try {
    const told = await found.json();
    return String(told.error ?? `the server answered ${found.status}`);
  } catch {
    return `the server answered ${found.status}`;
  }
}

export const of = (model, question) => `models/${encodeURIComponent(model.name)}/${question}`;

export async function save(found, name) {
  const address = URL.createObjectURL(await found.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
