import assert from "node:assert/strict";
import test from "node:test";
import { answer } from "./app.js";

test("says hello", () => {
  assert.deepEqual(answer("GET", "/", ""), { status: 200, text: "Hello from {name}\n" });
});

test("echoes", () => {
  assert.equal(answer("POST", "/echo", "hi").text, "hi");
});

test("knows no other page", () => {
  assert.equal(answer("GET", "/x", "").status, 404);
});
