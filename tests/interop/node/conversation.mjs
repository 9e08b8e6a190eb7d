// A conversation with the test: commands come in, events go out, one JSON object a line.

import { createInterface } from "node:readline"
import WebSocket from "ws"

// Prints an event; the test waits for it.
export function tell(event, facts = {}) {
  process.stdout.write(JSON.stringify({ event, ...facts }) + "\n")
}

// Runs `commands[line.do](line)` for each line; ends with the input, so that no test leaves a process behind.
export function obey(commands) {
  const lines = createInterface({ input: process.stdin })
  lines.on("line", (text) => {
    const line = JSON.parse(text)
    commands[line.do](line)
  })
  lines.on("close", () => process.exit(0))
}

// A WebSocket that says where it comes from, as those of browsers do.
export class BrowserWebSocket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { origin: new URL(url).origin.replace(/^ws/, "http") })
  }
}

process.on("uncaughtException", (error) => tell("failed", { text: error.stack }))
process.on("unhandledRejection", (error) => tell("failed", { text: String(error?.stack ?? error) }))
