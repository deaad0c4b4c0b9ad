// Drive the OpenAI or the Anthropic SDK for Node as one JSON order on standard input says; answers go out as JSON.
// It runs against the SDKs in SDK_ROOT and imports nothing of this project. The orders are those of sdk.py.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const load = createRequire(join(process.env.SDK_ROOT, "package.json"));
const LIMIT = 12;

function runTool(folder, name, args) {
  const target = join(folder, args.path);
  if (name === "read_file") return readFileSync(target, "utf8");
  writeFileSync(target, args.content);
  return "written";
}

function anthropic(order) {
  const { Anthropic } = load("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL: order.base_url, apiKey: order.api_key, maxRetries: 1 });
  const chat = async (params) =>
    order.stream ? await client.messages.stream(params).finalMessage() : await client.messages.create(params);
  return {
    chat,
    count: (params) => client.messages.countTokens(params),
    models: async () => {
      const ids = [];
      for await (const model of client.models.list()) ids.push(model.id);
      return { ids };
    },
    async step(params, folder) {
      const message = await chat(params);
      params.messages.push({ role: "assistant", content: message.content });
      const results = message.content
        .filter((block) => block.type === "tool_use")
        .map((block) => ({
          type: "tool_result",
          tool_use_id: block.id,
          content: runTool(folder, block.name, block.input),
        }));
      if (results.length) params.messages.push({ role: "user", content: results });
      const texts = message.content.filter((block) => block.type === "text").map((block) => block.text);
      return [results.length > 0, texts.join("")];
    },
  };
}

function openai(order) {
  const { OpenAI } = load("openai");
  const client = new OpenAI({ baseURL: `${order.base_url}/v1`, apiKey: order.api_key, maxRetries: 1 });
  const chat = async (params) => {
    if (!order.stream) return (await client.chat.completions.create(params)).choices[0].message;
    const stream = client.chat.completions.stream({ stream_options: { include_usage: true }, ...params });
    return (await stream.finalChatCompletion()).choices[0].message;
  };
  return {
    chat,
    embed: async (params) => ({
      vectors: (await client.embeddings.create(params)).data.map((item) => item.embedding.length),
    }),
    models: async () => {
      const ids = [];
      for await (const model of client.models.list()) ids.push(model.id);
      return { ids };
    },
    async step(params, folder) {
      const message = await chat(params);
      const calls = (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        type: "function",
        function: { name: call.function.name, arguments: call.function.arguments },
      }));
      const said = { role: "assistant", content: message.content };
      params.messages.push(calls.length ? { ...said, tool_calls: calls } : said);
      for (const call of calls) {
        const content = runTool(folder, call.function.name, JSON.parse(call.function.arguments));
        params.messages.push({ role: "tool", tool_call_id: call.id, content });
      }
      return [calls.length > 0, message.content ?? ""];
    },
  };
}

function responses(order) {
  const { OpenAI } = load("openai");
  const client = new OpenAI({ baseURL: `${order.base_url}/v1`, apiKey: order.api_key, maxRetries: 1 });
  const answer = async (params) => {
    if (!order.stream) {
      const response = await client.responses.create(params);
      const kept = order.chain ? await client.responses.retrieve(response.id) : response;
      return [kept, kept.output_text];
    }
    let text = "";
    const stream = client.responses.stream(params);
    stream.on("response.output_text.delta", (event) => (text += event.delta));
    return [await stream.finalResponse(), text];
  };
  return {
    chat: async (params) => (await answer(params))[0],
    async step(params, folder) {
      const [response, text] = await answer(params);
      const results = response.output
        .filter((item) => item.type === "function_call")
        .map((call) => ({
          type: "function_call_output",
          call_id: call.call_id,
          output: runTool(folder, call.name, JSON.parse(call.arguments)),
        }));
      if (order.chain) {
        params.previous_response_id = response.id;
        params.input = results;
      } else {
        // What the SDK's helper adds, the API does not take.
        const made = JSON.parse(JSON.stringify(response.output));
        for (const item of made) {
          delete item.parsed_arguments;
          for (const part of item.content ?? []) delete part.parsed;
        }
        params.input.push(...made, ...results);
      }
      return [results.length > 0, text];
    },
  };
}

const order = JSON.parse(readFileSync(0, "utf8"));
const sdk = { anthropic, openai, responses }[order.sdk](order);
const items = order.sdk === "responses" ? "input" : "messages";
const params = order.params ?? {};
if (order.call !== "agent") {
  try {
    console.log(JSON.stringify(await sdk[order.call](params)));
  } catch (error) {
    console.log(JSON.stringify({ failed: error.constructor.name, status: error.status, body: error.error }));
    throw error;
  }
} else {
  const texts = [];
  for (const prompt of order.prompts) {
    params[items].push({ role: "user", content: prompt });
    for (let round = 0; round < LIMIT; round += 1) {
      const [again, text] = await sdk.step(params, order.folder);
      if (!again) {
        texts.push(text);
        break;
      }
    }
  }
  console.log(JSON.stringify({ texts }));
}
