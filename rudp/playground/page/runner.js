// The worker: Pyodide, and in it this site's own wheel.

import { loadPyodide } from "./pyodide/pyodide.mjs";

const SITE = {{site}};

const [OURS, ...HELPERS] = SITE.wheels; // the others are for labs alone

const NEEDED = ["pyodide/pyodide.asm.wasm", "pyodide/python_stdlib.zip", OURS];
const TOTAL = NEEDED.reduce((sum, name) => sum + SITE.files[name], 0);

// What a program of somebody else's shall not find here: what is kept for this site, and the network.
const PRIVATE = ["caches", "indexedDB", "fetch", "XMLHttpRequest", "WebSocket", "WebTransport", "EventSource", "BroadcastChannel", "Worker"];

let arrived = 0;
let isLoaded = false;
let log = "";

// Tell how much has come.
function counted(response) {
  if (!response.body) return response;
  const counter = new TransformStream({
    transform(chunk, controller) {
      arrived += chunk.byteLength;
      if (!isLoaded) postMessage({ loaded: Math.min(arrived / TOTAL, 1) });
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter), { status: response.status, headers: response.headers });
}

function close() {
  for (const name of PRIVATE) {
    for (let at = self; at; at = Object.getPrototypeOf(at)) if (Object.hasOwn(at, name)) delete at[name];
  }
}

const { fetch } = self;

async function unpack(python, wheel) {
  const response = await fetch(new URL(wheel, location).href);
  if (!response.ok) throw new Error(`${wheel}: ${response.status}`);
  python.unpackArchive(await counted(response).arrayBuffer(), "wheel");
}

async function load() {
  self.fetch = async (...wanted) => counted(await fetch(...wanted));
  const python = await loadPyodide({ indexURL: new URL("pyodide/", location).href, jsglobals: {}, stdout() {}, stderr() {} });
  await unpack(python, OURS);
  close();
  return { python, playground: python.pyimport("rudp.playground"), lab: python.pyimport("rudp.playground.lab") };
}

// The last line of what Python says of an exception.
function inWords(error) {
  return String(error.message ?? error).trim().split("\n").at(-1).replace(/^[\w.]*SettingError: /, "");
}

async function act({ python, playground, lab }, job) {
  if (job.log) return log;
  while (job.check && HELPERS.length) {
    await unpack(python, HELPERS[0]);
    HELPERS.shift();
  }
  if (job.check) return lab.check(job.check, job.program, (doing) => postMessage({ doing: `Checking: ${doing}` }));
  const played = playground.run(job.play);
  try {
    log = played.log();
    return played.answer();
  } finally {
    played.destroy();
  }
}

const loaded = load();

self.addEventListener("message", async ({ data }) => {
  const python = await loaded;
  try {
    postMessage({ answer: await act(python, data) });
  } catch (error) {
    postMessage({ problem: inWords(error) });
  }
});

loaded.then(() => {
  isLoaded = true;
  postMessage({ ready: true });
}, (error) => postMessage({ failed: `Python could not be loaded: ${inWords(error)}` }));
