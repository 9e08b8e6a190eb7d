// Drives @anycable/core: node anycable.mjs URL [PROTOCOL] [OPTIONS OF THE PROTOCOL, AS JSON]

import { createCable } from "@anycable/core"
import { BrowserWebSocket, obey, tell } from "./conversation.mjs"
import { encoderOf } from "./encoders.mjs"

const protocol = process.argv[3] ?? "actioncable-v1-json"
const cable = createCable(process.argv[2], {
  websocketImplementation: BrowserWebSocket,
  protocol,
  protocolOptions: JSON.parse(process.argv[4] ?? "{}"),
  encoder: encoderOf(protocol),
  // By default seconds pass, which a test would wait for.
  reconnectStrategy: () => 200,
})
const channels = {}

function listen(id, channel) {
  channels[id] = channel
  channel.on("connect", ({ reconnect, restored }) =>
    tell("subscribed", { id, reconnected: Boolean(reconnect), restored: Boolean(restored) }))
  channel.on("disconnect", () => tell("disconnected", { id }))
  channel.on("close", (reason) => tell(reason?.name === "SubscriptionRejectedError" ? "rejected" : "closed", { id }))
  channel.on("message", (data, position) => tell("received", { id, data, position }))
  channel.on("info", ({ type }) => tell("info", { id, type }))
  channel.on("presence", (message) => tell("presence", { id, kind: message.type, who: message.id, info: message.info }))
}

cable.on("connect", ({ reconnect, restored }) => tell("up", { reconnected: reconnect, restored }))
cable.on("disconnect", () => tell("down"))
cable.on("keepalive", (at) => at && tell("beat"))

obey({
  subscribe({ id, channel, params }) {
    listen(id, cable.subscribeTo(channel, params))
  },
  stream({ id, stream }) {
    listen(id, cable.streamFrom(stream))
  },
  signed({ id, stream }) {
    listen(id, cable.streamFromSigned(stream))
  },
  whisper({ id, data }) {
    channels[id].whisper(data)
  },
  join({ id, who, info }) {
    channels[id].presence.join(who, info)
  },
  leave({ id }) {
    channels[id].presence.leave()
  },
  async present({ id }) {
    tell("present", { id, who: await channels[id].presence.info() })
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
