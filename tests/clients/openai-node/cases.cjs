// The OpenAI SDK for Node: chat, embeddings, responses, audio and controls, told by the proxy's headers and by what
// the provider was asked.
"use strict";

const assert = require("node:assert/strict");
const net = require("node:net");
const { test } = require("node:test");
const { pathToFileURL } = require("node:url");
const OpenAI = require("openai");

const { ASKONCE_URL, PAGE, TOY_URL } = process.env;
const client = new OpenAI({ baseURL: `${ASKONCE_URL}/v1`, apiKey: "sk-of-the-client", maxRetries: 0 });

// Nothing but this machine is asked: clients must not tell others of us.
const elsewhere = new Set();
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const [options] = Array.isArray(given[0]) ? given[0] : given;
  const host = typeof options === "object" ? options.host ?? options.path : given[1];
  if (host !== "127.0.0.1") elsewhere.add(host);
  assert.equal(host, "127.0.0.1");
  return connect.apply(this, given);
};

async function calls() {
  const answer = await fetch(`${TOY_URL}/toy/calls`);
  return (await answer.json()).total;
}

async function asks(times, act) {
  const before = await calls();
  const result = await act();
  assert.equal((await calls()) - before, times, "calls of the provider");
  return result;
}

function hit(response) {
  const found = response.headers.get("cache-status").includes("askonce; hit");
  assert.equal(found, response.headers.has("x-litellm-cache-key"));
  return found;
}

async function twice(ask) {
  const first = await asks(1, () => ask().withResponse());
  const second = await asks(0, () => ask().withResponse());
  assert.equal(hit(first.response), false);
  assert.equal(hit(second.response), true);
  assert.deepEqual({ ...second.data }, { ...first.data });
  return first.data;
}

async function joined(stream, text) {
  let whole = "";
  for await (const part of stream) whole += text(part) ?? "";
  return whole;
}

const question = (text) => ({ model: "toy", messages: [{ role: "user", content: text }] });
const delta = (chunk) => chunk.choices[0]?.delta.content;

test("chat", async () => {
  const answer = await twice(() => client.chat.completions.create(question("What is kept?")));
  assert.match(answer.choices[0].message.content, /^You asked: What is kept\?/);
});

test("chat, streamed", async () => {
  const ask = () => client.chat.completions.create({ ...question("What is streamed?"), stream: true });
  const first = await asks(1, async () => joined(await ask(), delta));
  await asks(0, async () => {
    const { data, response } = await ask().withResponse();
    assert.equal(hit(response), true);
    assert.equal(await joined(data, delta), first);
    const plain = await client.chat.completions.create(question("What is streamed?"));
    assert.equal(plain.choices[0].message.content, first);
  });
});

test("a stream put together by the SDK", async () => {
  const plain = await client.chat.completions.create(question("What is put together?"));
  const stream = client.chat.completions.stream(question("What is put together?"));
  const whole = await asks(0, () => stream.finalChatCompletion());
  assert.equal(whole.id, plain.id);
  assert.equal(whole.choices[0].message.content, plain.choices[0].message.content);
});

test("tools", async () => {
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const tools = [{ type: "function", function: { name: "weather", parameters } }];
  const answer = await twice(() => client.chat.completions.create({ ...question("Rain in Oslo"), tools }));
  assert.match(answer.choices[0].message.tool_calls[0].function.arguments, /Oslo/);
});

test("embeddings", async () => {
  const ask = (...input) => client.embeddings.create({ model: "toy-embedding", input });
  const answer = await twice(() => ask("one", "two"));
  const partial = await asks(1, () => ask("two", "three"));
  assert.deepEqual(partial.data[0].embedding, answer.data[1].embedding);
});

test("transcriptions", async () => {
  const file = await OpenAI.toFile(Buffer.from("RIFF of Node"), "speech.wav");
  await twice(() => client.audio.transcriptions.create({ model: "toy-transcribe", file }));
});

test("speech", async () => {
  const ask = async () => {
    const speech = await client.audio.speech.create({ model: "toy-speech", voice: "alloy", input: "Read this aloud." });
    return Buffer.from(await speech.arrayBuffer());
  };
  const first = await asks(1, ask);
  assert.ok(first.length > 0);
  assert.deepEqual(await asks(0, ask), first);
});

test("responses", async () => {
  const answer = await twice(() => client.responses.create({ model: "toy", input: "What is a response?" }));
  assert.ok(answer.output_text);
});

test("responses, streamed", async () => {
  const ask = async () =>
    joined(await client.responses.create({ model: "toy", input: "Streamed?", stream: true }), (event) => event.delta);
  const first = await asks(1, ask);
  assert.ok(first);
  assert.equal(await asks(0, ask), first);
});

test("controls in the body", async () => {
  const ask = (cache) => client.chat.completions.create({ ...question("What is controlled?"), cache });
  const kept = await asks(1, () => ask({}));
  const anew = await asks(1, () => ask({ "no-cache": true }));
  assert.notEqual(anew.id, kept.id);
  assert.equal((await asks(0, () => ask({ "s-maxage": 600 }))).id, anew.id);
  await asks(1, () => ask({ namespace: "elsewhere" }));
});

test("controls in a header", async () => {
  const ask = (value) =>
    client.chat.completions.create(question("And by a header?"), { headers: { "Cache-Control": value } });
  await assert.rejects(asks(0, () => ask("only-if-cached")), { status: 504 });
  await asks(1, () => ask("max-age=60"));
  await asks(1, () => ask("no-cache"));
});

test("errors are the provider's", async () => {
  const failing = client.chat.completions.create({ ...question("What is too much?"), model: "toy-error-429" });
  await assert.rejects(failing, OpenAI.RateLimitError);
});

test("the page for users", async () => {
  const before = await calls();
  await import(pathToFileURL(PAGE));
  assert.ok((await calls()) > before);
});

test("nobody else was asked", () => assert.deepEqual([...elsewhere], []));
