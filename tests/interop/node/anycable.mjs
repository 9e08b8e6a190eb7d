// Drives @anycable/core: node anycable.mjs URL [PROTOCOL]

import { createCable } from "@anycable/core"
import { BrowserWebSocket, obey, tell } from "./conversation.mjs"
import { encoderOf } from "./encoders.mjs"

const protocol = process.argv[3] ?? "actioncable-v1-json"
const cable = createCable(process.argv[2], {
  websocketImplementation: BrowserWebSocket,
  protocol,
  encoder: encoderOf(protocol),
  // By default seconds pass, which a test would wait for.
  reconnectStrategy: () => 200,
})
const channels = {}

obey({
  subscribe({ id, channel: name, params }) {
    const channel = cable.subscribeTo(name, params)
    channels[id] = channel
    channel.on("connect", ({ reconnect }) => tell("subscribed", { id, reconnected: Boolean(reconnect) }))
    channel.on("disconnect", () => tell("disconnected", { id }))
    channel.on("close", (reason) => tell(reason?.name === "SubscriptionRejectedError" ? "rejected" : "closed", { id }))
    channel.on("message", (data) => tell("received", { id, data }))
  },
  perform({ id, action, data }) {
    channels[id].perform(action, data)
  },
  whisper({ id, data }) {
    channels[id].whisper(data)
  },
  unsubscribe({ id }) {
    channels[id].disconnect()
  },
})
tell("ready")
