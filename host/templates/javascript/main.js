// Between the application and the host: what `fcgi-wasm:app` imports and exports.

import request from "fcgi-wasm:app/request@0.1.0";
import response from "fcgi-wasm:app/response@0.1.0";
import { answer } from "./app.js";

// What is thrown in here becomes a 500, and its text goes to the error log.
export const handler = {
  handle() {
    const path = request.param("PATH_INFO") || "/";
    const { status, text } = answer(request.method(), path, body());
    response.start(status, [["content-type", encode("text/plain; charset=utf-8")]]);
    response.write(encode(text));
  },
};

function body() {
  let units = "";
  for (;;) {
    const piece = request.read(4096);
    if (piece.length === 0) {
      return decodeURIComponent(escape(units));
    }
    units += String.fromCharCode(...piece);
  }
}

// UTF-8; QuickJS has no TextEncoder.
function encode(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (unit) => unit.charCodeAt(0));
}
