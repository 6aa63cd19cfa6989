// What a browser's JavaScript has and QuickJS has not: text as UTF-8, forms,
// cookies, and an answer in one call.

import request from "fcgi-wasm:app/request@0.1.0";
import response from "fcgi-wasm:app/response@0.1.0";

const PIECE_BYTES = 65536;

// UTF-8; there is no TextEncoder.
export function encode(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (unit) => unit.charCodeAt(0));
}

export function decode(bytes) {
  let units = "";
  // In pieces: an argument list has a limit.
  for (let start = 0; start < bytes.length; start += 8192) {
    units += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return decodeURIComponent(escape(units));
}

export function send(status, contentType, text, headers = {}) {
  const list = Object.entries({ "content-type": contentType, ...headers });
  response.start(status, list.map(([name, value]) => [name, encode(value)]));
  response.write(encode(text));
}

export function* bodyPieces() {
  for (;;) {
    const piece = request.read(PIECE_BYTES);
    if (piece.length === 0) {
      return;
    }
    yield piece;
  }
}

export function bodyText() {
  const pieces = [...bodyPieces()];
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return decode(bytes);
}

// A form's fields, or those of a query; the last one of a name counts.
export function fields(encoded) {
  const pairs = encoded.split("&").filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => pair.split("=", 2).map(unquote)));
}

function unquote(text) {
  return decodeURIComponent(text.replaceAll("+", " "));
}

export function cookies() {
  const pairs = (request.header("cookie") ?? "").split("; ").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const end = pair.indexOf("=");
      return [pair.slice(0, end), decodeURIComponent(pair.slice(end + 1))];
    }),
  );
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]);
}
