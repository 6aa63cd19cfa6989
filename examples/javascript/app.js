// A small web application in plain JavaScript, over the native contract.

import request from "fcgi-wasm:app/request@0.1.0";
import response from "fcgi-wasm:app/response@0.1.0";
import { bodyPieces, bodyText, cookies, encode, escapeHtml, fields, send } from "./http.js";

const routes = {
  "GET /": home,
  "POST /greet": greet,
  "POST /api/sum": sum,
  "POST /upload": upload,
  "GET /stream": stream,
  "GET /count": count,
  "GET /who": who,
  "GET /fail": fail,
};

// What the component exports. What is thrown here becomes a 500, and its text
// goes to the web server's error log.
export const handler = {
  handle() {
    const path = request.param("PATH_INFO") || "/";
    const route = routes[`${request.method()} ${path}`];
    if (route) {
      route();
    } else {
      send(404, "text/plain; charset=utf-8", "There is no such page\n");
    }
  },
};

function home() {
  const { name, visits } = cookies();
  const seen = Number(visits || 0) + 1;
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Guest book</title>
<h1>Hello${name ? `, ${escapeHtml(name)}` : ""}</h1>
<p>You have been here ${seen} times.</p>
<form method="post" action="greet">
  <label>Your name <input name="name" value="${escapeHtml(name || "")}" required></label>
  <button>Greet me</button>
</form>
`;
  send(200, "text/html; charset=utf-8", page, { "set-cookie": cookie("visits", seen) });
}

function greet() {
  const { name } = fields(bodyText());
  if (!name) {
    send(422, "text/plain; charset=utf-8", "a name is needed\n");
    return;
  }
  send(303, "text/plain", "", { location: "/", "set-cookie": cookie("name", name) });
}

function cookie(name, value) {
  return `${name}=${encodeURIComponent(value)}; Path=/; HttpOnly; SameSite=Lax`;
}

function sum() {
  try {
    const { numbers } = JSON.parse(bodyText());
    const total = numbers.reduce((total, number) => total + number, 0);
    send(200, "application/json", JSON.stringify({ sum: total }));
  } catch (error) {
    send(400, "application/json", JSON.stringify({ error: error.message }));
  }
}

// Reads as it comes, however large it is.
function upload() {
  let size = 0;
  for (const piece of bodyPieces()) {
    size += piece.length;
  }
  send(200, "text/plain", `${size} bytes\n`);
}

// Shows each line as soon as it is written: flush sends it on.
function stream() {
  response.start(200, [["content-type", encode("text/plain")]]);
  for (let number = 1; number <= 5; number++) {
    response.write(encode(`line ${number}\n`));
    response.flush();
  }
}

let counted = 0;

// Always answers 1: each request has an instance of its own.
function count() {
  counted += 1;
  send(200, "text/plain", `${counted}\n`);
}

// What only the web server knows.
function who() {
  const address = request.param("REMOTE_ADDR") ?? "";
  const script = request.param("SCRIPT_NAME") ?? "";
  send(200, "text/plain", `addr=${address} script=${script}\n`);
}

function fail() {
  throw new Error("this page fails on purpose");
}
