// A small agent with tools `read_file` and `write_file`, by one SDK for Node: `more.mjs SDK PROMPT`. It takes its base
// URL, its proxy and its key from the environment alone, as a program that knows nothing of Poundlock does.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const from = createRequire(`${process.env.SDK_ROOT}/package.json`);
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const [sdk, prompt] = process.argv.slice(2);

const run = {
  read_file: ({ path }) => readFileSync(path, "utf8"),
  write_file: ({ path, content }) => (writeFileSync(path, content), "written"),
};
const string = { type: "string" };
const schemas = {
  read_file: { type: "object", properties: { path: string }, required: ["path"] },
  write_file: { type: "object", properties: { path: string, content: string }, required: ["path", "content"] },
};
const names = Object.keys(run);

async function aiSdk(provider, model) {
  const { generateText, jsonSchema, stepCountIs, tool } = await load("ai");
  const tools = Object.fromEntries(
    names.map((name) => [
      name,
      tool({ description: name, inputSchema: jsonSchema(schemas[name]), execute: async (given) => run[name](given) }),
    ]),
  );
  const made = await load(`@ai-sdk/${provider}`);
  const answer = await generateText({ model: made[provider](model), tools, prompt, stopWhen: stepCountIs(8) });
  return answer.text;
}

async function google() {
  const { GoogleGenAI } = await load("@google/genai");
  const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
  const declarations = names.map((name) => ({ name, description: name, parametersJsonSchema: schemas[name] }));
  const contents = [{ role: "user", parts: [{ text: prompt }] }];
  for (;;) {
    const answer = await client.models.generateContent({
      model: "gemini-2.5-flash",
      contents,
      config: { tools: [{ functionDeclarations: declarations }] },
    });
    const calls = answer.functionCalls ?? [];
    if (!calls.length) return answer.text;
    contents.push(answer.candidates[0].content);
    const parts = calls.map(({ id, name, args }) => ({
      functionResponse: { id, name, response: { output: run[name](args) } },
    }));
    contents.push({ role: "user", parts });
  }
}

async function ollama() {
  const { Ollama } = await load("ollama");
  const client = new Ollama({ host: process.env.OLLAMA_HOST });
  const tools = names.map((name) => ({
    type: "function",
    function: { name, description: name, parameters: schemas[name] },
  }));
  const messages = [{ role: "user", content: prompt }];
  for (;;) {
    const { message } = await client.chat({ model: "llama3.2", messages, tools });
    if (!message.tool_calls?.length) return message.content;
    messages.push(message);
    for (const { function: call } of message.tool_calls)
      messages.push({ role: "tool", tool_name: call.name, content: run[call.name](call.arguments) });
  }
}

const ways = {
  "ai-sdk-anthropic": () => aiSdk("anthropic", "claude-sonnet-4-6"),
  "ai-sdk-openai": () => aiSdk("openai", "gpt-5.2"),
  google,
  ollama,
};
console.log(await ways[sdk]());
