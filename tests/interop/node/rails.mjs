// Drives @rails/actioncable: node rails.mjs URL

import ActionCable from "@rails/actioncable"
import { BrowserWebSocket, obey, tell } from "./conversation.mjs"

// What the library expects of a browser page.
globalThis.addEventListener = () => {}
globalThis.removeEventListener = () => {}
globalThis.document = { visibilityState: "visible" }

ActionCable.adapters.WebSocket = BrowserWebSocket
// 6 by default, which lets a test wait for up to 12 s after a lost line.
ActionCable.ConnectionMonitor.staleThreshold = 2

const consumer = ActionCable.createConsumer(process.argv[2])
const subscriptions = {}

obey({
  subscribe({ id, channel, params }) {
    subscriptions[id] = consumer.subscriptions.create({ channel, ...params }, {
      connected: ({ reconnected }) => tell("subscribed", { id, reconnected }),
      disconnected: () => tell("disconnected", { id }),
      rejected: () => tell("rejected", { id }),
      received: (data) => tell("received", { id, data }),
    })
  },
  perform({ id, action, data }) {
    subscriptions[id].perform(action, data)
  },
  unsubscribe({ id }) {
    subscriptions[id].unsubscribe()
  },
})
tell("ready")
